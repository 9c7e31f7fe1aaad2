// Package documents stores documents in a directory. It implements request.Documents. Start at
// [OpenDir].
//
// A key "<request id>/<name>" is the file <shard>/<request id>/<name> below the directory. The
// shard, two hex digits of the id's SHA-256, keeps folders small. A document is written to tmp/ and
// renamed, so that a file is either complete or absent, and Put returns after it is flushed to
// disk. All access uses an os.Root, so that no key reaches outside the directory. Several processes
// may share one directory.
//
// The package does not know what a document is for, when it may be deleted, or who may read it;
// package request does. Package documentstest tests what every implementation must do.
package documents
