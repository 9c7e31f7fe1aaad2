package vault

import (
	"context"
	"time"
)

// Key is the stored key of one file of a document. A document has one, or several after it was
// replaced.
type Key struct {
	Document  string // "<request id>/<name>"
	ID        string // stands in the file's header
	WrappedBy string // name of the wrapping key
	Wrapped   []byte // the file's key, encrypted under the wrapping key
	CreatedAt time.Time
}

// context is the text that the wrapped key is bound to.
func (k Key) context() []byte { return []byte("signet document\n" + k.Document + "\n" + k.ID) }

// Keys stores keys. All methods may run concurrently.
type Keys interface {
	// AddDocumentKey stores a key. When it returns nil, the key is durable.
	AddDocumentKey(ctx context.Context, k Key) error

	// DocumentKeys returns the keys of a document; none is no error.
	DocumentKeys(ctx context.Context, document string) ([]Key, error)

	// DeleteDocumentKeys deletes all keys of documents and ignores documents without keys. When it
	// returns nil, the deletion is durable.
	DeleteDocumentKeys(ctx context.Context, documents ...string) error

	// WrappingKeys returns the names of all wrapping keys that stored keys are under, in order.
	WrappingKeys(ctx context.Context) ([]string, error)

	// KeysWrappedBy returns up to limit keys under a wrapping key, in the order of documents and
	// ids, beginning after a key, which may be zero.
	KeysWrappedBy(ctx context.Context, name string, after Key, limit int) ([]Key, error)

	// RewrapDocumentKeys stores WrappedBy and Wrapped of keys that are still stored.
	RewrapDocumentKeys(ctx context.Context, keys []Key) error

	// SpareDocumentKeys returns the documents with keys from before a time that may have no file:
	// of requests that are unknown, that are cancelled or expired, or that are signed and have
	// several documents with keys.
	SpareDocumentKeys(ctx context.Context, before time.Time) ([]string, error)
}

// Wrapper encrypts the keys of documents under keys of the deployment, which have names. All
// methods may run concurrently.
type Wrapper interface {
	// Wrap encrypts a key of 16 bytes under the newest wrapping key. Unwrap needs the same context.
	Wrap(ctx context.Context, key, context []byte) (by string, wrapped []byte, err error)

	// Unwrap decrypts what Wrap encrypted under a wrapping key. It never makes one.
	Unwrap(ctx context.Context, by string, wrapped, context []byte) ([]byte, error)

	// Newest looks for the newest wrapping key, which Wrap then uses, and makes the first one.
	Newest(ctx context.Context) (name string, err error)
}
