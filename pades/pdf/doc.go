// Package pdf reads PDF files strictly and appends incremental updates to them.
//
// It implements the file format (ISO 32000-2, section 7): objects, cross-reference sections, object
// streams, the page tree with its geometry, the tree of form fields, and the bytes of an update.
// Start at [Open] in document.go, then [Document.Load]; writing starts at [NewUpdate] in update.go.
//
// The package has two rules. The reader refuses what two programs could read differently, with a
// [Refusal] that explains the problem to a developer, because a signature over an ambiguous file is
// worthless. The writer only appends: the original bytes, and the spelling of every value that an
// update does not change, stay as they are.
//
// The package does not render, decrypt or repair documents. CMS, timestamps, appearances and
// verification are in package pades.
package pdf
