// Package httpx is what every edge answers with, whatever it is about: JSON and its refusals
// ([JSON]), documents with ranges ([ServePDF]) and the live state of a sign request as
// server-sent events ([Streams]). It has no pages: those are made with package ui, which what
// answers JSON alone does not import.
package httpx
