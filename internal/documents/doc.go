// Package documents stores documents in a directory or in an object store. It implements
// request.Documents. Start at [OpenDir] and [OpenS3].
//
// In a directory, a key "<request id>/<name>" is the file <shard>/<request id>/<name>. The shard,
// two hex digits of the id's SHA-256, keeps folders small. A document is written to tmp/ and
// renamed, so that a file is either complete or absent, and Put returns after it is flushed to
// disk. All access uses an os.Root, so that no key reaches outside the directory. Several processes
// may share one directory.
//
// In a bucket, the key is the object <prefix>documents/<request id>/<name>. The store makes an
// object complete or absent, and reads what was written last, as S3 promises since December 2020.
// The client is minio-go: it speaks to S3 and to what is compatible with it, and parts, copies and
// deletions can be requested one by one. The S3 driver of gocloud.dev offers what all clouds share,
// which is no deletion of many objects in one request, and it comes with the AWS SDK.
//
// The package does not know what a document is for, when it may be deleted, or who may read it;
// package request does. Package documentstest tests what every implementation must do.
package documents

import (
	"context"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/request"
)

// Store is an open store of documents. It is a part of a deployment.
type Store interface {
	request.Documents
	deployment.Part

	// Check tries whether documents can be stored.
	Check(ctx context.Context) error

	// CheckSweep tries what only the deletion of documents needs: to list them, and to end uploads
	// that were interrupted.
	CheckSweep(ctx context.Context) error

	// Close releases what the store holds. Open documents of a directory stay readable.
	Close() error
}

var (
	_ Store = (*Dir)(nil)
	_ Store = (*S3)(nil)
)
