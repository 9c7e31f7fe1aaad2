package vault_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/documents/documentstest"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
	"github.com/signet-sign/signet/internal/vault"
)

// world is a vault over a directory, with keys in another one.
type world struct {
	*vault.Vault
	t     *testing.T
	files *documents.Dir
	dir   string // of the files
	keys  vault.Keys
	wraps string // folder of the wrapping keys
	now   time.Time
}

func newWorld(t *testing.T, plain bool, keys vault.Keys) *world {
	t.Helper()
	w := &world{
		t: t, dir: filepath.Join(t.TempDir(), "documents"), keys: keys,
		wraps: filepath.Join(t.TempDir(), "keys"), now: time.Now(),
	}
	var err error
	w.files, err = documents.OpenDir(documents.Options{Path: w.dir})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.files.Close() })
	w.open(plain)
	return w
}

// wrapping returns the wrapping keys of the world's folder.
func (w *world) wrapping() *keydir.Wrapping {
	w.t.Helper()
	d, err := keydir.Open(w.wraps, rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return d.Wrapping("documents")
}

// open opens the vault as a further process does.
func (w *world) open(plain bool) {
	w.t.Helper()
	w.Vault = vault.New(vault.Options{
		Documents: w.files, Keys: w.keys, Wrapper: w.wrapping(), Plain: plain,
		Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
	})
}

func (w *world) put(document, text string) {
	w.t.Helper()
	n, err := w.Put(w.t.Context(), document, strings.NewReader(text))
	if err != nil || n != int64(len(text)) {
		w.t.Fatalf("Put(%s) = %d, %v; want %d", document, n, err, len(text))
	}
}

// read returns what a document holds, or the first error.
func (w *world) read(document string) ([]byte, error) {
	b, err := w.Open(w.t.Context(), document)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	return io.ReadAll(io.NewSectionReader(b, 0, b.Size()))
}

func (w *world) holds(document, want string) {
	w.t.Helper()
	if got, err := w.read(document); err != nil || string(got) != want {
		w.t.Errorf("%s holds %.40q, %v; want %.40q", document, got, err, want)
	}
}

// file returns the path of a document's file, as a copy of it would be made.
func (w *world) file(document string) string {
	w.t.Helper()
	found, err := filepath.Glob(filepath.Join(w.dir, "*", filepath.FromSlash(document)))
	if err != nil || len(found) != 1 {
		w.t.Fatalf("files of %s: %q, %v", document, found, err)
	}
	return found[0]
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func writeFile(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestVault(t *testing.T) {
	for name, keys := range map[string]func(t *testing.T) vault.Keys{
		"memory": func(*testing.T) vault.Keys { return storetest.Open(t) },
		"SQLite": func(t *testing.T) vault.Keys {
			s, err := store.Open(t.Context(), store.Options{
				Database: filepath.Join(t.TempDir(), "signet.db"), Kind: store.Service,
			})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		},
	} {
		for _, plain := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/plain=%t", name, plain), func(t *testing.T) {
				documentstest.Run(t, func(t *testing.T) request.Documents {
					return newWorld(t, plain, keys(t))
				})
			})
		}
	}
}

// TestFileTellsNothing checks that neither the file nor a change of its length gives a part of the
// document.
func TestFileTellsNothing(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	text := "%PDF-1.7\n" + strings.Repeat("TENANCY AGREEMENT between Mei and Ravi\n", 5000)
	w.put("r/original", text)
	w.put("r/again", text)
	stored := readFile(t, w.file("r/original"))
	for i := 0; i+8 <= len(text); i += 4 {
		if bytes.Contains(stored, []byte(text[i:i+8])) {
			t.Fatalf("the file has %q", text[i:i+8])
		}
	}
	if bytes.Equal(stored[100:], readFile(t, w.file("r/again"))[100:]) {
		t.Error("equal documents give equal files")
	}
	k, err := w.keys.DocumentKeys(t.Context(), "r/original")
	if err != nil || len(k) != 1 || bytes.Contains(stored, k[0].Wrapped) {
		t.Errorf("keys %v, %v", k, err)
	}
}

// TestReads checks that each range of a document is as in the text, for the parser and for
// downloads.
func TestReads(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	r := mathrand.New(mathrand.NewPCG(1, 2))
	for _, size := range []int{0, 1, 16 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 300_000} {
		text := make([]byte, size)
		for i := range text {
			text[i] = byte(r.Uint32())
		}
		w.put("r/a", string(text))
		b, err := w.Open(t.Context(), "r/a")
		if err != nil {
			t.Fatal(err)
		}
		if b.Size() != int64(size) {
			t.Errorf("Size = %d, want %d", b.Size(), size)
		}
		for _, n := range []int{1, 20_000} {
			if _, err := b.ReadAt(make([]byte, n), -1); err == nil || errors.Is(err, io.EOF) {
				t.Errorf("ReadAt(%d, -1) of %d: %v", n, size, err)
			}
		}
		for range 300 {
			off := r.IntN(size + 10)
			p := make([]byte, r.IntN([]int{2, 600, 40_000, 200_000}[r.IntN(4)]))
			n, err := b.ReadAt(p, int64(off))
			want := min(len(p), max(size-off, 0))
			ended := len(p) > 0 && (off+len(p) > size)
			if n != want || !bytes.Equal(p[:n], text[min(off, size):min(off, size)+n]) ||
				ended && !errors.Is(err, io.EOF) || err != nil && !errors.Is(err, io.EOF) {
				t.Fatalf("ReadAt(%d, %d) of %d = %d, %v; want %d", len(p), off, size, n, err, want)
			}
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestFlippedBit checks that a change of any bit of a file is found, at the latest when the part is
// read.
func TestFlippedBit(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	w.put("r/a", strings.Repeat("0123456789abcdef", 10_000)) // three chunks
	path := w.file("r/a")
	stored := readFile(t, path)
	for i := 0; i < len(stored); i++ {
		if i > 400 && i < len(stored)-1000 {
			i += 400 // all of the header, and samples of the rest
		}
		bad := bytes.Clone(stored)
		bad[i] ^= 1 << (i % 8)
		writeFile(t, path, bad)
		if got, err := w.read("r/a"); err == nil {
			t.Fatalf(
				"byte %d of %d is changed, and %d bytes are returned", i, len(stored), len(got),
			)
		}
		b, err := w.Open(t.Context(), "r/a")
		if err != nil {
			continue
		}
		small, p := error(nil), make([]byte, 100)
		for off := int64(0); off < b.Size() && small == nil; off += 5000 {
			if _, small = b.ReadAt(p, off); errors.Is(small, io.EOF) {
				small = nil
			}
		}
		if err := b.Close(); err != nil || small == nil {
			t.Fatalf(
				"byte %d of %d is changed, and small reads do not find it, %v", i, len(stored), err,
			)
		}
	}
	for _, cut := range []int{0, 1, 50, 200, len(stored) - 1, len(stored) - 65_552} {
		writeFile(t, path, stored[:cut])
		if got, err := w.read("r/a"); err == nil {
			t.Errorf("the file is cut at %d, and %d bytes are returned", cut, len(got))
		}
	}
	writeFile(t, path, append(bytes.Clone(stored), 0))
	if _, err := w.read("r/a"); err == nil {
		t.Error("a file with a further byte is read")
	}
}

// TestSwap checks that a file in another document's place is found, whatever of the key's row goes
// with it.
func TestSwap(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, false, storetest.Open(t))
	w.put("r/a", "text a")
	w.put("r2/b", "text b")
	a, b := w.file("r/a"), w.file("r2/b")
	inA, inB := readFile(t, a), readFile(t, b)
	writeFile(t, a, inB)
	writeFile(t, b, inA)
	for _, d := range []string{"r/a", "r2/b"} {
		if got, err := w.read(d); err == nil || errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s holds %q, %v", d, got, err)
		}
	}
	of, err := w.keys.DocumentKeys(ctx, "r2/b")
	if err != nil {
		t.Fatal(err)
	}
	of[0].Document = "r/a"
	if err := w.keys.AddDocumentKey(ctx, of[0]); err != nil {
		t.Fatal(err)
	}
	if got, err := w.read("r/a"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("with the other's row, r/a holds %q, %v", got, err)
	}
	writeFile(t, a, []byte("%PDF-1.7 another text"))
	if got, err := w.read("r/a"); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a plain file in its place is read as %q, %v", got, err)
	}
	writeFile(t, a, inA)
	w.holds("r/a", "text a")
}

// TestDelete checks that what is deleted cannot be read from a copy of its file. What is discarded
// can, until the trash is emptied.
func TestDelete(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, false, storetest.Open(t))
	gone := func(document string, copied []byte) {
		t.Helper()
		w.put(document+"x", "to have the folder")
		writeFile(
			t, filepath.Join(filepath.Dir(w.file(document+"x")), filepath.Base(document)), copied,
		)
		if got, err := w.read(document); !errors.Is(err, vault.ErrNoKey) ||
			!errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s is read from a copy: %q, %v", document, got, err)
		}
	}
	w.put("r/a", "text a")
	copied := readFile(t, w.file("r/a"))
	w.put("r/a", "replaced")
	if err := w.Delete(ctx, "r/a"); err != nil {
		t.Fatal(err)
	}
	gone("r/a", copied)

	w.put("r/b", "text b")
	copied = readFile(t, w.file("r/b"))
	if err := w.Discard(ctx, "r/b"); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(6 * 24 * time.Hour)
	if err := w.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	trash := filepath.Join(w.dir, "trash", "r", "b")
	home := filepath.Join(filepath.Dir(w.file("r/ax")), "b")
	if err := os.Rename(trash, home); err != nil { // as an operator does
		t.Fatal(err)
	}
	w.holds("r/b", "text b")
	if err := w.Discard(ctx, "r/b"); err != nil {
		t.Fatal(err)
	}
	if err := w.DeleteDiscarded(ctx, "r/b"); err != nil {
		t.Fatal(err)
	}
	gone("r/b", copied)
}

// broken is a store of files whose Delete fails.
type broken struct{ request.Documents }

func (broken) Delete(context.Context, ...string) error { return errors.New("broken") }

// TestDeleteOrder checks that the key is deleted before the file, so that a crash between the two
// leaves nothing that can be read.
func TestDeleteOrder(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	w.put("r/a", "text")
	w.Documents = broken{w.Documents}
	if err := w.Delete(t.Context(), "r/a"); err == nil {
		t.Fatal("Delete does not fail")
	}
	if _, err := w.read("r/a"); !errors.Is(err, vault.ErrNoKey) {
		t.Errorf("after half a Delete: %v", err)
	}
}

// refusing is a store of keys that cannot add one.
type refusing struct{ vault.Keys }

func (refusing) AddDocumentKey(context.Context, vault.Key) error { return request.ErrAway }

// TestKeyNotStored checks that without its key a document is not stored.
func TestKeyNotStored(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	w.put("r/a", "old")
	w.keys = refusing{w.keys}
	w.open(false)
	_, err := w.Put(t.Context(), "r/b", strings.NewReader("new"))
	if !errors.Is(err, request.ErrAway) {
		t.Errorf("Put: %v", err)
	}
	w.holds("r/a", "old")
	if keys, err := w.Keys(t.Context(), "r"); err != nil || len(keys) != 1 {
		t.Errorf("Keys = %q, %v", keys, err)
	}
}

// slow is a store of keys that adds one when it is released.
type slow struct {
	vault.Keys
	release <-chan struct{}
}

func (s slow) AddDocumentKey(ctx context.Context, k vault.Key) error {
	<-s.release
	return s.Keys.AddDocumentKey(ctx, k)
}

// releasing is a store of files that lets a key be stored when a file is.
type releasing struct {
	request.Documents
	release chan<- struct{}
}

func (r releasing) Put(ctx context.Context, document string, from io.Reader) (int64, error) {
	n, err := r.Documents.Put(ctx, document, from)
	close(r.release)
	return n, err
}

// TestKeyBesideFile checks that the file does not wait for its key, and Put waits for both.
func TestKeyBesideFile(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	release := make(chan struct{})
	w.keys = slow{w.keys, release}
	w.open(false)
	w.Documents = releasing{w.Documents, release}
	w.put("r/a", "text")
	w.holds("r/a", "text")
}

// lost is a store of keys whose server's socket does not exist.
type lost struct{ vault.Keys }

func (lost) DocumentKeys(context.Context, string) ([]vault.Key, error) {
	return nil, fmt.Errorf("dial unix /run/db: %w", fs.ErrNotExist)
}

// TestDatabaseLost checks that without the database a document is not taken for one that does not
// exist.
func TestDatabaseLost(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	w.put("r/a", "text")
	w.keys = lost{w.keys}
	w.open(false)
	if _, err := w.read("r/a"); err == nil || errors.Is(err, fs.ErrNotExist) ||
		!strings.Contains(err.Error(), "/run/db") {
		t.Errorf("Open: %v", err)
	}
}

// TestMixed checks that documents from before encryption was turned on stay readable, and encrypted
// ones after it was turned off.
func TestMixed(t *testing.T) {
	w := newWorld(t, true, storetest.Open(t))
	w.put("r/old", "%PDF old")
	if got := readFile(t, w.file("r/old")); string(got) != "%PDF old" {
		t.Errorf("a plain document is stored as %q", got)
	}
	w.open(false)
	w.holds("r/old", "%PDF old")
	w.put("r/new", "%PDF new")
	w.open(true)
	w.holds("r/old", "%PDF old")
	w.holds("r/new", "%PDF new")
	encrypted := string(readFile(t, w.file("r/new")))
	w.put("r/like", encrypted) // an upload that looks like an encrypted document
	w.holds("r/like", encrypted)
}

// TestWrappingKeyMissing checks that without the wrapping key, or with another one, a start is
// refused and no document is read, and nothing takes the place of the missing key.
func TestWrappingKeyMissing(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, false, storetest.Open(t))
	w.put("r/a", "text")
	path := filepath.Join(w.wraps, "documents-1.secret")
	right := readFile(t, path)
	for name, damage := range map[string]func(){
		"missing": func() { _ = os.Remove(path) },
		"another": func() { writeFile(t, path, bytes.Repeat([]byte{7}, 32)) },
		"cut":     func() { writeFile(t, path, right[:16]) },
	} {
		damage()
		w.open(false)
		_, err := w.read("r/a")
		for _, err := range []error{err, w.Check(ctx)} {
			if err == nil || errors.Is(err, fs.ErrNotExist) ||
				!strings.Contains(err.Error(), "documents-1") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := os.Stat(path); name == "missing" && !errors.Is(err, fs.ErrNotExist) {
			t.Error("another key is made in the place of the missing one")
		}
		writeFile(t, path, right)
	}
	w.open(false)
	w.holds("r/a", "text")
}
