package vault

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"time"

	"filippo.io/age"

	"github.com/signet-sign/signet/internal/request"
)

// ErrNoKey is the error for an encrypted document whose key is deleted, or is not in this database.
// It comes with fs.ErrNotExist, because such a document is deleted.
var ErrNoKey = errors.New("the document's key is deleted or not in this database")

// Options are the options of [New].
type Options struct {
	Documents request.Documents // where the encrypted files are stored
	Keys      Keys
	Wrapper   Wrapper

	// Plain stores new documents as they are. Documents that are encrypted stay readable.
	Plain bool

	Now func() time.Time // for the age of keys
	Log *slog.Logger
}

// Vault encrypts the documents of another store. It implements request.Documents.
type Vault struct {
	request.Documents // for the methods that only use names

	keys    Keys
	wrapper Wrapper
	plain   bool
	now     func() time.Time
	log     *slog.Logger
}

var _ request.Documents = (*Vault)(nil)

// New returns a vault over o.Documents.
func New(o Options) *Vault {
	return &Vault{
		Documents: o.Documents, keys: o.Keys, wrapper: o.Wrapper, plain: o.Plain, now: o.Now,
		log: o.Log,
	}
}

const (
	// stanza is the type of the line of an age header that names a document's key.
	stanza = "signet-document"
	// intro is how each encrypted document begins.
	intro = "age-encryption.org/v1\n-> " + stanza + " "
)

// Put implements request.Documents. It stores the document's key while the document arrives and is
// flushed. A crash may leave a key without a document, which [Vault.Sweep] deletes, or a document
// without its key, which is a stray, because no record names it before Put has returned.
func (v *Vault) Put(ctx context.Context, document string, r io.Reader) (size int64, err error) {
	if v.plain {
		begin := bufio.NewReaderSize(r, len(intro))
		// A plain file must not look like an encrypted one.
		if head, _ := begin.Peek(len(intro)); string(head) != intro {
			// without WriteTo, which would write as little at a time as the buffer holds
			return v.Documents.Put(ctx, document, struct{ io.Reader }{begin})
		}
		r = begin
	}
	var saved chan error // nil until the key is there
	save := func(id string, fileKey []byte) (err error) {
		k := Key{Document: document, ID: id, CreatedAt: v.now()}
		k.WrappedBy, k.Wrapped, err = v.wrapper.Wrap(ctx, fileKey, k.context())
		if err != nil {
			return fmt.Errorf("wrapping a document's key: %w", err)
		}
		saved = make(chan error, 1)
		go func() { saved <- v.keys.AddDocumentKey(ctx, k) }()
		return nil
	}
	plain := &counter{Reader: r}
	_, err = v.Documents.Put(ctx, document, &encrypting{plain: plain, save: save})
	if saved != nil {
		if failed := <-saved; failed != nil && err == nil {
			err = errors.Join(
				fmt.Errorf("storing a document's key: %w", failed),
				v.Documents.Delete(context.WithoutCancel(ctx), document),
			)
		}
	}
	if err != nil {
		return 0, err
	}
	return plain.n, nil
}

// Open implements request.Documents. The error is [ErrNoKey] if the document is encrypted and has
// no key. Other errors tell that the file is not the one that was stored, here or from the reads of
// the damaged part; no byte of such a part is returned.
func (v *Vault) Open(ctx context.Context, document string) (_ request.Blob, err error) {
	stored, err := v.Documents.Open(ctx, document)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("opening document %s: %w", document, err), stored.Close())
		}
	}()
	head := make([]byte, len(intro))
	if n, err := stored.ReadAt(head, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	} else if n < len(head) {
		head = nil
	}
	// The file is opened first, so that its key is among these, unless it is deleted.
	keys, err := v.keys.DocumentKeys(ctx, document)
	switch encrypted := string(head) == intro; {
	case err != nil:
		return nil, fmt.Errorf("reading the keys: %w", notMissing(err))
	case len(keys) == 0 && encrypted:
		return nil, fmt.Errorf("%w: %w", ErrNoKey, fs.ErrNotExist)
	case len(keys) == 0:
		return stored, nil // from before encryption was turned on
	case !encrypted:
		return nil, errors.New("the file is not encrypted, and its document was")
	}
	plain, size, err := age.DecryptReaderAt(
		stored, stored.Size(), identity(func(id string) ([]byte, error) {
			for _, k := range keys {
				if k.ID == id {
					return v.unwrap(ctx, k)
				}
			}
			return nil, errors.New("the file is not of this document")
		}),
	)
	if err != nil {
		return nil, err
	}
	return &blob{document: document, stored: stored, plain: plain, size: size}, nil
}

// unwrap returns the file key in k.
func (v *Vault) unwrap(ctx context.Context, k Key) ([]byte, error) {
	fileKey, err := v.wrapper.Unwrap(ctx, k.WrappedBy, k.Wrapped, k.context())
	if err != nil {
		return nil, fmt.Errorf("unwrapping the key: %w", notMissing(err))
	}
	return fileKey, nil
}

// notMissing returns an error of the database or of the wrapping keys. If it is an fs.ErrNotExist,
// such as that of a server's socket, only the text is left, because callers would take it for a
// document that does not exist.
func notMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New(err.Error())
	}
	return err
}

// identity is an age.Identity that finds the file key by the id in the stanza.
type identity func(id string) ([]byte, error)

// Unwrap implements age.Identity.
func (find identity) Unwrap(stanzas []*age.Stanza) ([]byte, error) {
	if len(stanzas) != 1 || len(stanzas[0].Args) != 1 || stanzas[0].Type != stanza {
		return nil, errors.New("the file's header is damaged")
	}
	return find(stanzas[0].Args[0])
}

// Delete implements request.Documents. From when it returns, and also after a crash within it, no
// copy of the files can be read any more, or a later call deletes the rest.
func (v *Vault) Delete(ctx context.Context, documents ...string) error {
	if len(documents) == 0 {
		return nil
	}
	if err := v.keys.DeleteDocumentKeys(ctx, documents...); err != nil {
		return err
	}
	return v.Documents.Delete(ctx, documents...)
}

// DeleteDiscarded implements request.Documents.
func (v *Vault) DeleteDiscarded(ctx context.Context, documents ...string) error {
	if len(documents) == 0 {
		return nil
	}
	if err := v.keys.DeleteDocumentKeys(ctx, documents...); err != nil {
		return err
	}
	return v.Documents.DeleteDiscarded(ctx, documents...)
}
