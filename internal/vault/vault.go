package vault

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
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

// Put implements request.Documents. It stores the document's key while the document arrives, and
// the file only becomes visible after the key is durable. A crash may leave a key without a
// document, which [Vault.Sweep] deletes.
func (v *Vault) Put(ctx context.Context, document string, r io.Reader) (size int64, err error) {
	if v.plain {
		begin := bufio.NewReaderSize(r, len(intro))
		// A plain file must not look like an encrypted one.
		if head, _ := begin.Peek(len(intro)); string(head) != intro {
			if size, err = v.Documents.Put(ctx, document, begin); err != nil {
				return 0, err
			}
			return size, v.keys.DeleteDocumentKeys(ctx, document) // of what it replaces
		}
		r = begin
	}
	counted := &counter{r: r}
	k := Key{Document: document, ID: rand.Text(), CreatedAt: v.now()}
	to := &recipient{id: k.ID}
	encrypted, err := age.EncryptReader(counted, to)
	if err != nil {
		return 0, fmt.Errorf("encrypting a document: %w", err)
	}
	k.WrappedBy, k.Wrapped, err = v.wrapper.Wrap(ctx, to.fileKey, k.context())
	if err != nil {
		return 0, fmt.Errorf("wrapping a document's key: %w", err)
	}
	saved := make(chan struct{})
	var failed error
	go func() {
		defer close(saved)
		failed = v.keys.AddDocumentKey(ctx, k)
	}()
	wait := func() error {
		<-saved
		return failed
	}
	_, err = v.Documents.Put(ctx, document, &finally{encrypted, wait})
	if failed := wait(); err == nil {
		err = failed
	}
	if err != nil {
		return 0, err
	}
	return counted.n, nil
}

// recipient is an age.Recipient whose stanza names the id of the file key, which it keeps for the
// caller.
type recipient struct {
	id      string
	fileKey []byte
}

// Wrap implements age.Recipient.
func (r *recipient) Wrap(fileKey []byte) ([]*age.Stanza, error) {
	r.fileKey = bytes.Clone(fileKey)
	return []*age.Stanza{{Type: stanza, Args: []string{r.id}}}, nil
}

// counter counts the bytes that were read.
type counter struct {
	r io.Reader
	n int64
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// finally calls wait at the end of r, whose error is then the one of the read.
type finally struct {
	r    io.Reader
	wait func() error
}

func (f *finally) Read(p []byte) (int, error) {
	n, err := f.r.Read(p)
	if errors.Is(err, io.EOF) {
		if failed := f.wait(); failed != nil {
			return n, fmt.Errorf("storing a document's key: %w", failed)
		}
	}
	return n, err
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
