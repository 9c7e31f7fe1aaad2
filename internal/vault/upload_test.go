package vault_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	mathrand "math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store/storetest"
	"github.com/signet-sign/signet/internal/vault"
)

// stopping is a document of which the rest does not come until the test ends.
type stopping struct {
	left    int
	reached chan<- struct{}
	end     <-chan struct{}
}

func (s *stopping) Read(p []byte) (int, error) {
	if s.left <= 0 {
		s.reached <- struct{}{}
		<-s.end
		return 0, errors.New("the test has ended")
	}
	n := min(len(p), s.left, 4096) // as from a connection
	s.left -= n
	return n, nil
}

// TestUploadMemory checks that a document that is being stored takes less than 110 KiB.
func TestUploadMemory(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	const uploads, most = 100, 110 << 10
	reached, end := make(chan struct{}), make(chan struct{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC() // which empties pools
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	var all sync.WaitGroup
	for i := range uploads {
		all.Go(func() {
			r := &stopping{left: 1 << 20, reached: reached, end: end}
			_, err := w.Put(t.Context(), fmt.Sprintf("%d/original", i), r)
			if err == nil {
				t.Error("a document that was interrupted is stored")
			}
		})
	}
	for range uploads {
		<-reached
	}
	each := int(heap()-before) / uploads
	close(end)
	all.Wait()
	if t.Logf("%d bytes for each", each); each > most {
		t.Errorf("an upload takes %d bytes, more than %d", each, most)
	}
}

// TestCutUpload checks that an upload that ends before its Content-Length, which net/http reports
// with io.ErrUnexpectedEOF, is not stored as a document of what came.
func TestCutUpload(t *testing.T) {
	for _, plain := range []bool{true, false} {
		w := newWorld(t, plain, storetest.Open(t))
		cut := fmt.Errorf("the upload was interrupted: %w", io.ErrUnexpectedEOF)
		for i, cause := range []error{io.ErrUnexpectedEOF, cut} {
			d := fmt.Sprintf("r/%d", i)
			r := io.MultiReader(strings.NewReader("%PDF half"), iotest.ErrReader(cause))
			if n, err := w.Put(t.Context(), d, r); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("plain %t: Put = %d, %v; want %v", plain, n, err, cause)
			}
			if got, err := w.read(d); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("plain %t: %s holds %q, %v", plain, d, got, err)
			}
		}
	}
}

// TestChunks checks documents that end beside the end of a chunk or of a page, which age's library
// decrypts.
func TestChunks(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	text := make([]byte, 3*64<<10+2)
	random := mathrand.NewChaCha8([32]byte{})
	_, _ = random.Read(text)
	for _, end := range []int{0, 4 << 10, 64 << 10, 128 << 10, 192 << 10} {
		for n := max(0, end-1); n <= end+1; n++ {
			d := fmt.Sprintf("r%d/original", n)
			r := iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(text[:n])))
			if size, err := w.Put(t.Context(), d, r); err != nil || size != int64(n) {
				t.Fatalf("Put of %d bytes = %d, %v", n, size, err)
			}
			w.holds(d, string(text[:n]))
		}
	}
}

// writes counts the writes of what is stored in it.
type writes struct {
	request.Documents
	n int
}

func (w *writes) Write(p []byte) (int, error) {
	w.n++
	return len(p), nil
}

// Put writes r as documents.Dir does.
func (w *writes) Put(_ context.Context, _ string, r io.Reader) (int64, error) {
	if from, ok := r.(io.WriterTo); ok {
		return from.WriteTo(w)
	}
	return io.CopyBuffer(w, r, make([]byte, 64<<10))
}

// TestFewWrites checks that a document is written in large pieces, with and without encryption.
func TestFewWrites(t *testing.T) {
	for _, plain := range []bool{true, false} {
		w := newWorld(t, plain, storetest.Open(t))
		to := &writes{}
		v := vault.New(vault.Options{
			Documents: to, Keys: w.keys, Wrapper: w.wrapping(), Plain: plain, Now: time.Now,
		})
		body := struct{ io.Reader }{bytes.NewReader(make([]byte, 1<<20))} // as of a call
		n, err := v.Put(t.Context(), "a/original", body)
		if err != nil || n != 1<<20 {
			t.Fatalf("Put = %d, %v", n, err)
		}
		if to.n > 30 {
			t.Errorf("plain %t: %d writes of a document of 1 MiB; want 30 at most", plain, to.n)
		}
	}
}
