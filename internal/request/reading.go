package request

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// reading is a document that is parsed. It remembers the first failure to read it, which a parser
// may report as a mistake in the document.
type reading struct {
	Blob
	mu  sync.Mutex
	err error
}

// ReadAt implements io.ReaderAt.
func (r *reading) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.Blob.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.err == nil {
			r.err = err
		}
	}
	return n, err
}

// failure returns why the document could not be read; nil if it could.
func (r *reading) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return nil
	}
	return fmt.Errorf("reading the document: %w", r.err)
}
