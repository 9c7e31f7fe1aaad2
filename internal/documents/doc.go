// Package documents keeps documents: it implements request.Documents over a directory. Start at
// [OpenDir].
//
// A key "<request id>/<name>" is the file <shard>/<request id>/<name> below the directory, where
// the shard, two hex digits of the id's SHA-256, keeps folders small. A document is written to tmp/
// and renamed into place, so that a file is there whole or not at all, and every step is flushed to
// disk before the next. All access goes through an os.Root: whatever a key says, nothing outside
// the directory is touched. Several processes may share one directory.
//
// The package does not know what a document is for, when it may go, or who may read it:
// internal/request does. What every implementation must do is tested by blobtest.
package documents
