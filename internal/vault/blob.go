package vault

import (
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/signet-sign/signet/internal/request"
)

// chunk is the size of an age chunk.
const chunk = 64 << 10

// blob is an open encrypted document.
type blob struct {
	document string
	stored   request.Blob
	plain    io.ReaderAt // decrypts each chunk at each read, unless it was the last one
	size     int64

	// The chunks that small reads have decrypted. The parser reads objects of a few hundred bytes
	// all over the document, which is 10 MiB at most; without this it would decrypt 64 KiB for
	// each.
	mu     sync.Mutex
	chunks map[int64][]byte
}

// Size implements request.Blob.
func (b *blob) Size() int64 { return b.size }

// Close implements request.Blob.
func (b *blob) Close() error { return b.stored.Close() }

// small is the size of reads that keep what they have decrypted. Downloads read more at once.
const small = 16 << 10

// ReadAt implements request.Blob.
func (b *blob) ReadAt(p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, errors.New("reading a document: negative offset")
	case len(p) == 0:
		return 0, nil
	case off >= b.size:
		return 0, io.EOF
	case len(p) > small:
		n, err = b.plain.ReadAt(p, off)
		return n, b.failed(err)
	}
	for n < len(p) && off < b.size {
		c, err := b.chunk(off / chunk)
		if err != nil {
			return n, b.failed(err)
		}
		m := copy(p[n:], c[off%chunk:])
		n, off = n+m, off+int64(m)
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// chunk returns a chunk of the plaintext.
func (b *blob) chunk(i int64) ([]byte, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if c, ok := b.chunks[i]; ok {
		return c, nil
	}
	c := make([]byte, min(chunk, b.size-i*chunk))
	if _, err := b.plain.ReadAt(c, i*chunk); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if b.chunks == nil {
		b.chunks = map[int64][]byte{}
	}
	b.chunks[i] = c
	return c, nil
}

// failed adds the document's name to an error.
func (b *blob) failed(err error) error {
	if err == nil || errors.Is(err, io.EOF) {
		return err
	}
	return fmt.Errorf("reading document %s: %w", b.document, err)
}
