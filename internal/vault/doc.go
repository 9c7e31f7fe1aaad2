// Package vault encrypts documents before they are stored. It wraps any request.Documents, such as
// the directory of package documents. Start at [New].
//
// Each document is a file in the format of age (age-encryption.org/v1), whose payload is
// ChaCha20-Poly1305 in chunks of 64 KiB. Of the formats that have a library for Go, age was chosen
// because it encrypts a stream of unknown length in bounded memory and reads any range of it
// authenticated (age.DecryptReaderAt), which ranges of downloads and the parser need. The streaming
// AEAD of Tink reads in sequence only.
//
// The file's random key, made by age for this document alone, is not in the file: the header names
// only the id of a row of the database (package store). The row holds the file's key, wrapped under
// a key of the deployment (package keydir) with the document's name and the id as authenticated
// data. So a file under another document's name is found out, and so is a row that is copied to
// another document.
//
// Deleting the row deletes the document: no copy of the file can be decrypted from then on,
// wherever it is. [Vault.Delete] deletes the row first and then the file. [Vault.Discard], which
// moves files of unknown requests to the trash, leaves the row for as long as the trash keeps the
// file, so that an operator can move it back; [Vault.DeleteDiscarded] deletes it.
//
// A document that was stored before encryption was turned on stays readable. It has no row. A
// document with a row must be encrypted, so that a plain file cannot be put in its place.
//
// The package does not know where wrapping keys come from, nor what a document is for.
package vault
