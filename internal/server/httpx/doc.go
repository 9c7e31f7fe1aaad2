// Package httpx writes the answers that all edges have in common: JSON and refusals ([JSON]), PDF
// documents with ranges ([ServePDF]), and the live state of a sign request as server-sent events
// ([Streams]).
//
// It renders no pages. Package ui does, which edges that answer only JSON do not import.
package httpx
