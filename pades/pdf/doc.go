// Package pdf reads PDF files strictly and appends incremental updates to them.
//
// It owns the file format (ISO 32000-2, section 7): objects, cross-reference
// sections, object streams, the page tree with its geometry, the tree of form
// fields, and the bytes of an update. Start reading at [Open] in document.go,
// then [Document.Load]; writing starts at [NewUpdate] in update.go.
//
// Two rules shape everything here. The reader refuses what two programs could
// read in two ways, with a [Refusal] that a relying party's developer
// understands: a signature over an ambiguous file is worth nothing. And the
// writer only ever appends: the original bytes, and the spelling of every value
// that an update does not change, stay as they are.
//
// The package does not know what a signature is worth: CMS, timestamps,
// appearances and verification live in pades. It renders nothing,
// decrypts nothing and repairs nothing.
package pdf
