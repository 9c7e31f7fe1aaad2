// Package documentstest tests implementations of request.Documents. Start at [Run].
package documentstest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signet-sign/signet/internal/request"
)

// Run tests an implementation. fresh returns a new empty store, with time.Now as its clock.
func Run(t *testing.T, fresh func(t *testing.T) request.Documents) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"put and open", putAndOpen},
		{"replace", replace},
		{"put that fails", putFails},
		{"put with its context over", putContext},
		{"missing", missing},
		{"open outlives delete and replace", openOutlives},
		{"open and large while it is replaced and deleted", openLarge},
		{"keys", keys},
		{"delete", remove},
		{"invalid keys", invalidKeys},
		{"requests", requests},
		{"trash", trash},
		{"puts of one key at once", putsAtOnce},
		{"put and delete at once", putAndDeleteAtOnce},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(&suite{fresh(t), t}) })
	}
}

type suite struct {
	request.Documents
	t *testing.T
}

const id = "signv3-01959a3c-0000-7000-8000-000000000001"

func (s *suite) put(key, text string) {
	s.t.Helper()
	n, err := s.Put(s.t.Context(), key, strings.NewReader(text))
	if err != nil || n != int64(len(text)) {
		s.t.Fatalf("Put(%s) = %d, %v; want %d", key, n, err, len(text))
	}
}

// read returns the stored bytes, or the error of Open.
func (s *suite) read(key string) (string, error) {
	s.t.Helper()
	b, err := s.Open(s.t.Context(), key)
	if err != nil {
		return "", err
	}
	defer func() {
		if err := b.Close(); err != nil {
			s.t.Errorf("Close: %v", err)
		}
	}()
	text, err := io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
	if err != nil {
		s.t.Errorf("reading %s: %v", key, err)
	}
	return string(text), nil
}

func (s *suite) holds(key, want string) {
	s.t.Helper()
	if got, err := s.read(key); err != nil || got != want {
		s.t.Errorf("%s holds %.40q, %v; want %.40q", key, got, err, want)
	}
}

func (s *suite) lacks(key string) {
	s.t.Helper()
	if got, err := s.read(key); !errors.Is(err, fs.ErrNotExist) {
		s.t.Errorf("%s holds %.40q, %v; want fs.ErrNotExist", key, got, err)
	}
}

func (s *suite) has(request string, want ...string) {
	s.t.Helper()
	got, err := s.Keys(s.t.Context(), request)
	if err != nil {
		s.t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		s.t.Errorf("Keys (-want +got):\n%s", diff)
	}
}

func putAndOpen(s *suite) {
	big := make([]byte, 6<<20+17)
	r := rand.NewChaCha8([32]byte{1})
	_, _ = r.Read(big)
	for name, data := range map[string][]byte{"empty": {}, "one": {0}, "big": big} {
		key := id + "/" + name
		n, err := s.Put(s.t.Context(), key, iotest.HalfReader(bytes.NewReader(data)))
		if err != nil || n != int64(len(data)) {
			s.t.Fatalf("Put(%s) = %d, %v; want %d", name, n, err, len(data))
		}
		b, err := s.Open(s.t.Context(), key)
		if err != nil {
			s.t.Fatal(err)
		}
		if b.Size() != int64(len(data)) {
			s.t.Errorf("%s: Size = %d, want %d", name, b.Size(), len(data))
		}
		h := sha256.New()
		if _, err := io.Copy(h, io.NewSectionReader(b, 0, b.Size())); err != nil {
			s.t.Errorf("%s: %v", name, err)
		}
		if want := sha256.Sum256(data); !bytes.Equal(h.Sum(nil), want[:]) {
			s.t.Errorf("%s: other bytes came back", name)
		}
		if len(data) > 100 {
			part := make([]byte, 100)
			if _, err := b.ReadAt(part, int64(len(data)-100)); err != nil &&
				err != io.EOF { //nolint:errorlint // io.ReaderAt
				s.t.Errorf("%s: ReadAt: %v", name, err)
			}
			if !bytes.Equal(part, data[len(data)-100:]) {
				s.t.Errorf("%s: ReadAt gave other bytes", name)
			}
		}
		if n, err := b.ReadAt(make([]byte, 1), b.Size()); n != 0 ||
			err != io.EOF { //nolint:errorlint // io.ReaderAt
			s.t.Errorf("%s: ReadAt beyond the end = %d, %v; want io.EOF", name, n, err)
		}
		if err := b.Close(); err != nil {
			s.t.Error(err)
		}
	}
}

func replace(s *suite) {
	s.put(id+"/a", "a long first text")
	s.put(id+"/a", "second")
	s.holds(id+"/a", "second")
	s.has(id, id+"/a")
}

func putFails(s *suite) {
	boom := errors.New("boom")
	broken := func() io.Reader {
		return io.MultiReader(strings.NewReader("half"), iotest.ErrReader(boom))
	}
	if _, err := s.Put(s.t.Context(), id+"/new", broken()); !errors.Is(err, boom) {
		s.t.Errorf("Put: %v, want the reader's error", err)
	}
	s.lacks(id + "/new")
	s.has(id)
	s.put(id+"/old", "kept")
	if _, err := s.Put(s.t.Context(), id+"/old", broken()); !errors.Is(err, boom) {
		s.t.Errorf("Put: %v, want the reader's error", err)
	}
	s.holds(id+"/old", "kept")
}

func putContext(s *suite) {
	ctx, stop := context.WithCancel(s.t.Context())
	r := io.MultiReader(strings.NewReader("half"), readerFunc(func(p []byte) (int, error) {
		stop()
		return copy(p, " and the rest"), nil
	}))
	if _, err := s.Put(ctx, id+"/a", r); !errors.Is(err, context.Canceled) {
		s.t.Errorf("Put: %v, want context.Canceled", err)
	}
	s.lacks(id + "/a")
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func missing(s *suite) {
	s.lacks(id + "/a")
	s.has(id)
	s.put(id+"/a", "x")
	s.lacks(id + "/b")
	if ids, err := s.Requests(s.t.Context(), time.Now().Add(-time.Hour)); len(ids) != 0 ||
		err != nil {
		s.t.Errorf("Requests = %v, %v", ids, err)
	}
}

func openOutlives(s *suite) {
	s.put(id+"/a", "first")
	before, err := s.Open(s.t.Context(), id+"/a")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = before.Close() }()
	s.put(id+"/a", "second, longer")
	if err := s.Delete(s.t.Context(), id+"/a"); err != nil {
		s.t.Fatal(err)
	}
	got, err := io.ReadAll(io.NewSectionReader(before, 0, before.Size()))
	if err != nil || string(got) != "first" {
		s.t.Errorf("an open document became %q, %v", got, err)
	}
}

// openLarge checks that an open document never changes: reads give the old bytes, or none.
func openLarge(s *suite) {
	old := bytes.Repeat([]byte("old"), 1<<20)
	s.put(id+"/a", string(old))
	before, err := s.Open(s.t.Context(), id+"/a")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = before.Close() }()
	unchanged := func() {
		s.t.Helper()
		got, err := io.ReadAll(io.NewSectionReader(before, 0, before.Size()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && !bytes.Equal(got, old) {
			s.t.Errorf("ReadAt: %v, other bytes: %t", err, !bytes.Equal(got, old))
		}
	}
	s.put(id+"/a", strings.Repeat("new", 1<<20))
	unchanged()
	if err := s.Delete(s.t.Context(), id+"/a"); err != nil {
		s.t.Fatal(err)
	}
	unchanged()
}

func keys(s *suite) {
	other := strings.Replace(id, "1", "2", 1)
	for _, key := range []string{id + "/b.pdf", id + "/a", id + "/c-1_x", other + "/z"} {
		s.put(key, key)
	}
	s.has(id, id+"/a", id+"/b.pdf", id+"/c-1_x")
	s.has(other, other+"/z")
	s.has("unknown")
}

func remove(s *suite) {
	for _, name := range []string{"/a", "/b", "/c"} {
		s.put(id+name, name)
	}
	if err := s.Delete(s.t.Context(), id+"/a", id+"/missing", "unknown/x", id+"/c"); err != nil {
		s.t.Fatal(err)
	}
	s.has(id, id+"/b")
	if err := s.Delete(s.t.Context(), id+"/b", id+"/b"); err != nil {
		s.t.Fatal(err)
	}
	if err := s.Delete(s.t.Context()); err != nil {
		s.t.Errorf("Delete of nothing: %v", err)
	}
	s.has(id)
	if ids, err := s.Requests(s.t.Context(), time.Now().Add(time.Hour)); len(ids) != 0 ||
		err != nil {
		s.t.Errorf("Requests = %v, %v; want none", ids, err)
	}
	s.put(id+"/a", "again")
	s.holds(id+"/a", "again")
}

func invalidKeys(s *suite) {
	long := strings.Repeat("x", 129)
	for _, key := range []string{
		"", "/", id, id + "/", "/a", id + "/..", id + "/.", "../a", "./a", id + "/../a",
		"../../etc/passwd", id + "/a/b", id + "//a",
		"/etc/passwd", id + "/.hidden", id + "/a b", id + "/a\x00", id + "/a\\b", `..\a`,
		id + "/é", id + "/C:", "tmp", long + "/a", id + "/" + long, "a.b/c", id + "/a\n",
	} {
		if _, err := s.Put(s.t.Context(), key, strings.NewReader("x")); err == nil {
			s.t.Errorf("Put(%q) succeeded", key)
		}
		if _, err := s.Open(s.t.Context(), key); err == nil {
			s.t.Errorf("Open(%q) succeeded", key)
		}
		if err := s.Delete(s.t.Context(), key); err == nil {
			s.t.Errorf("Delete(%q) succeeded", key)
		}
	}
	for _, request := range []string{"", "..", ".", "a/b", "/", long} {
		if _, err := s.Keys(s.t.Context(), request); err == nil {
			s.t.Errorf("Keys(%q) succeeded", request)
		}
	}
}

func requests(s *suite) {
	var want []string
	for i := range 40 {
		request := fmt.Sprintf("r-%02d", i)
		want = append(want, request)
		s.put(request+"/a", "x")
		s.put(request+"/b", "y")
	}
	got, err := s.Requests(s.t.Context(), time.Now().Add(time.Minute))
	if err != nil {
		s.t.Fatal(err)
	}
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		s.t.Errorf("Requests (-want +got):\n%s", diff)
	}
	if got, err := s.Requests(s.t.Context(), time.Now().Add(-time.Minute)); len(got) != 0 ||
		err != nil {
		s.t.Errorf("Requests of a minute ago = %v, %v", got, err)
	}
}

// trash: what was discarded is found there alone, by the time at which it was discarded.
func trash(s *suite) {
	ctx := s.t.Context()
	for _, key := range []string{id + "/a", id + "/b", id + "/c"} {
		s.put(key, "text")
	}
	s.put("r-1/a", "text")
	if err := s.Discard(ctx, id+"/a", id+"/missing", "r-1/a", id+"/c"); err != nil {
		s.t.Fatal(err)
	}
	s.has(id, id+"/b")
	s.has("r-1")
	discarded := func(before time.Time, want ...string) {
		s.t.Helper()
		got, err := s.Discarded(ctx, before)
		if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			s.t.Errorf("Discarded: %v (-want +got):\n%s", err, diff)
		}
	}
	later := time.Now().Add(time.Minute)
	discarded(time.Now().Add(-time.Minute))
	discarded(later, "r-1/a", id+"/a", id+"/c")
	if err := s.DeleteDiscarded(ctx, id+"/a", id+"/missing", "r-1/a"); err != nil {
		s.t.Fatal(err)
	}
	discarded(later, id+"/c")
	if got, err := s.Requests(ctx, later); err != nil || !slices.Equal(got, []string{id}) {
		s.t.Errorf("Requests = %q, %v", got, err)
	}
}

func putsAtOnce(s *suite) {
	var all sync.WaitGroup
	text := func(i int) string { return strings.Repeat(string(rune('a'+i)), 100_000+i) }
	for i := range 16 {
		all.Go(func() {
			if _, err := s.Put(s.t.Context(), id+"/a", strings.NewReader(text(i))); err != nil {
				s.t.Errorf("Put: %v", err)
			}
		})
		all.Go(func() {
			if got, err := s.read(id + "/a"); err == nil &&
				(got == "" || got != text(int(got[0]-'a'))) {
				s.t.Errorf("read a mixture of %d bytes", len(got))
			}
		})
	}
	all.Wait()
	got, err := s.read(id + "/a")
	if err != nil || got == "" || got != text(int(got[0]-'a')) {
		s.t.Errorf("a mixture of %d bytes was stored, %v", len(got), err)
	}
}

// putAndDeleteAtOnce checks that deleting one document never removes another one.
func putAndDeleteAtOnce(s *suite) {
	for range 60 {
		s.put(id+"/old", "x")
		var all sync.WaitGroup
		all.Go(func() {
			if err := s.Delete(s.t.Context(), id+"/old"); err != nil {
				s.t.Errorf("Delete: %v", err)
			}
		})
		all.Go(func() {
			if _, err := s.Put(s.t.Context(), id+"/new", strings.NewReader("kept")); err != nil {
				s.t.Errorf("Put: %v", err)
			}
		})
		all.Wait()
		s.holds(id+"/new", "kept")
		if err := s.Delete(s.t.Context(), id+"/new"); err != nil {
			s.t.Fatal(err)
		}
		s.has(id)
	}
}
