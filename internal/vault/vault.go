package vault

import (
	"bufio"
	"bytes"
	"cmp"
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
			// without WriteTo, which would write as little at a time as the buffer holds
			whole := struct{ io.Reader }{begin}
			if size, err = v.Documents.Put(ctx, document, whole); err != nil {
				return 0, err
			}
			return size, v.keys.DeleteDocumentKeys(ctx, document) // of what it replaces
		}
		r = begin
	}
	e := &encrypting{
		plain: &counter{r: r}, to: &recipient{id: rand.Text()}, saved: make(chan struct{}),
	}
	e.save = func() error {
		k := Key{Document: document, ID: e.to.id, CreatedAt: v.now()}
		k.WrappedBy, k.Wrapped, err = v.wrapper.Wrap(ctx, e.to.fileKey, k.context())
		if err != nil {
			return fmt.Errorf("wrapping a document's key: %w", err)
		}
		go func() {
			defer close(e.saved)
			e.failed = v.keys.AddDocumentKey(ctx, k)
		}()
		return nil
	}
	_, err = v.Documents.Put(ctx, document, e)
	if failed := e.wait(); err == nil {
		err = failed
	}
	if err != nil {
		return 0, err
	}
	return e.plain.n, nil
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

// counter counts the bytes that were read or written.
type counter struct {
	r io.Reader
	w io.Writer
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

func (c *counter) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += int64(n)
	return n, err
}

// encrypting is the ciphertext of a document. Its end comes after the key is stored, or is the
// error of storing it.
type encrypting struct {
	plain *counter
	to    *recipient
	r     io.Reader // after the first Read

	save   func() error  // wraps the key and begins to store it
	begun  bool          // by save
	saved  chan struct{} // closed when the key is stored, or failed is set
	failed error
}

// begin makes what encrypts, which makes the file's key, and saves the key.
func (e *encrypting) begin(encrypt func() error) error {
	if err := encrypt(); err != nil {
		return fmt.Errorf("encrypting a document: %w", err)
	}
	if err := e.save(); err != nil {
		return err
	}
	e.begun = true
	return nil
}

// wait returns when the key is stored, or was not to be.
func (e *encrypting) wait() error {
	if !e.begun {
		return nil
	}
	<-e.saved
	if e.failed != nil {
		return fmt.Errorf("storing a document's key: %w", e.failed)
	}
	return nil
}

// Read implements io.Reader.
func (e *encrypting) Read(p []byte) (n int, err error) {
	if e.r == nil {
		err := e.begin(
			func() (err error) { e.r, err = age.EncryptReader(e.plain, e.to); return err },
		)
		if err != nil {
			return 0, err
		}
	}
	n, err = e.r.Read(p)
	if errors.Is(err, io.EOF) {
		if failed := e.wait(); failed != nil {
			err = failed
		}
	}
	return n, err
}

// piece is how much WriteTo reads at once. It writes whole pieces, with which the bytes.Buffer of
// age grows from 9 KiB by doubling to the 80 KiB that it needs at least; pieces of a power of two
// would make it 128 KiB.
const piece = 9 << 10

// WriteTo implements io.WriterTo. It takes less memory than Read, for which age holds a chunk of
// 64 KiB in a buffer of 128 KiB and the caller needs another one.
func (e *encrypting) WriteTo(w io.Writer) (int64, error) {
	to := &counter{w: w}
	var encrypted io.WriteCloser
	err := e.begin(func() (err error) { encrypted, err = age.Encrypt(to, e.to); return err })
	buf := make([]byte, piece)
	for err == nil {
		var n int
		n, err = fill(buf, e.plain)
		if _, failed := encrypted.Write(buf[:n]); failed != nil {
			return to.n, failed
		}
	}
	if err != io.EOF { //nolint:errorlint // io.Reader
		return to.n, err
	}
	return to.n, cmp.Or(encrypted.Close(), e.wait())
}

// fill reads until buf is full. Its error is io.EOF at the end of r alone: that of io.ReadFull, which
// is io.ErrUnexpectedEOF there, is also that of an upload that was cut.
func fill(buf []byte, r io.Reader) (n int, err error) {
	for n < len(buf) && err == nil {
		var m int
		m, err = r.Read(buf[n:])
		n += m
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
