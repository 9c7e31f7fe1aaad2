package documents_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/documents/documentstest"
	"github.com/signet-sign/signet/internal/request"
)

func open(t *testing.T, o documents.Options) *documents.Dir {
	t.Helper()
	d, err := documents.OpenDir(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

func TestDir(t *testing.T) {
	documentstest.Run(t, func(t *testing.T) request.Documents {
		return open(t, documents.Options{Path: filepath.Join(t.TempDir(), "made", "here")})
	})
}

// files lists the regular files below a folder.
func files(t *testing.T, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

func TestDirLeavesNothing(t *testing.T) {
	path := t.TempDir()
	d := open(t, documents.Options{Path: path})
	for i := range 20 {
		key := fmt.Sprintf("r%d/a", i)
		if _, err := d.Put(t.Context(), key, strings.NewReader("x")); err != nil {
			t.Fatal(err)
		}
		_, err := d.Put(t.Context(), key, &failing{})
		if err == nil {
			t.Fatal("Put of a broken reader succeeded")
		}
		if err := d.Delete(t.Context(), key); err != nil {
			t.Fatal(err)
		}
	}
	if left := files(t, path); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	shards, err := filepath.Glob(filepath.Join(path, "*", "*"))
	if err != nil || len(shards) != 0 {
		t.Errorf("empty folders were left: %v, %v", shards, err)
	}
}

type failing struct{}

func (*failing) Read([]byte) (int, error) { return 0, errors.New("broken") }

func TestDirSweepsLeftovers(t *testing.T) {
	path := t.TempDir()
	open(t, documents.Options{Path: path})
	old, young := filepath.Join(path, "tmp", "OLD"), filepath.Join(path, "tmp", "YOUNG")
	for _, name := range []string{old, young} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chtimes(old, time.Time{}, time.Now().Add(-2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	open(t, documents.Options{Path: path})
	if left := files(t, path); len(left) != 1 || left[0] != young {
		t.Errorf("left in the directory: %v, want only what may be in use", left)
	}
}

func TestDirGoesByItsClock(t *testing.T) {
	now := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
	d := open(t, documents.Options{Path: t.TempDir(), Now: func() time.Time { return now }})
	if _, err := d.Put(t.Context(), "r/a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	for before, want := range map[time.Time]int{now: 0, now.Add(time.Second): 1} {
		if ids, err := d.Requests(t.Context(), before); len(ids) != want || err != nil {
			t.Errorf("Requests(%v) = %v, %v; want %d", before, ids, err, want)
		}
	}
}

// TestDirStaysInside plants symbolic links where folders are expected: they must not lead out of
// the directory.
func TestDirStaysInside(t *testing.T) {
	path, outside := t.TempDir(), t.TempDir()
	d := open(t, documents.Options{Path: path})
	if _, err := d.Put(t.Context(), "r/a", strings.NewReader("x")); err != nil {
		t.Fatal(err)
	}
	request := filepath.Dir(files(t, path)[0])
	if err := os.RemoveAll(request); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, request); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(outside, "a"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Open(t.Context(), "r/a"); err == nil {
		t.Error("Open followed a link out of the directory")
	}
	if _, err := d.Put(t.Context(), "r/b", strings.NewReader("x")); err == nil {
		t.Error("Put followed a link out of the directory")
	}
	if left := files(t, outside); len(left) != 1 {
		t.Errorf("files outside: %v", left)
	}
}

// TestDirCrash kills a process at each point of a Put and of a Delete. The key must hold all of the
// old or all of the new.
func TestDirCrash(t *testing.T) {
	if path := os.Getenv("BLOB_CRASH_PATH"); path != "" {
		crash(t, path, os.Getenv("BLOB_CRASH_POINT"))
		return
	}
	for _, point := range documents.FaultPoints() {
		t.Run(point, func(t *testing.T) {
			path := t.TempDir()
			d := open(t, documents.Options{Path: path})
			old := strings.Repeat("old", 1000)
			if _, err := d.Put(t.Context(), "r/a", strings.NewReader(old)); err != nil {
				t.Fatal(err)
			}
			runKilled(t, "BLOB_CRASH_PATH="+path, "BLOB_CRASH_POINT="+point)
			want := map[string]string{
				documents.FaultReceived: old, documents.FaultPlaced: strings.Repeat("new", 2000),
				documents.FaultFlushed: strings.Repeat("new", 2000), documents.FaultDeleted: "",
			}[point]
			d = open(t, documents.Options{Path: path})
			if got := read(t, d, "r/a"); got != want {
				t.Errorf("after the crash the document has %d bytes, want %d", len(got), len(want))
			}
		})
	}
}

// runKilled runs this test in a process of its own, which must be killed.
func runKilled(t *testing.T, environment ...string) {
	t.Helper()
	name, _, _ := strings.Cut(t.Name(), "/")
	child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+name+"$")
	child.Env = append(os.Environ(), environment...)
	if out, err := child.CombinedOutput(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
}

// killAt returns a function that kills this process when it is called with point.
func killAt(t *testing.T, point string) func(string) {
	return func(p string) {
		if p == point {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			t.Log(err)
			select {} // the signal is on its way
		}
	}
}

// read returns the bytes of a document; "" if it is missing.
func read(t *testing.T, d request.Documents, key string) string {
	t.Helper()
	b, err := d.Open(t.Context(), key)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	data := make([]byte, b.Size())
	if _, err := b.ReadAt(data, 0); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// crash is the child: it kills itself at point.
func crash(t *testing.T, path, point string) {
	d := open(t, documents.Options{Path: path, Fault: killAt(t, point)})
	if _, err := d.Put(t.Context(), "r/a", strings.NewReader(strings.Repeat("new", 2000))); err != nil {
		t.Fatal(err)
	}
	if err := d.Delete(t.Context(), "r/a"); err != nil {
		t.Fatal(err)
	}
	t.Fatal("still alive")
}

func BenchmarkPut1MB(b *testing.B) {
	d, err := documents.OpenDir(documents.Options{Path: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = d.Close() }()
	text := strings.Repeat("0123456789abcdef", 1<<16)
	b.SetBytes(int64(len(text)))
	for i := 0; b.Loop(); i++ {
		if _, err := d.Put(b.Context(), fmt.Sprintf("r%d/original", i), strings.NewReader(text)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestRoom checks that uploads are refused while the disk is nearly full, and what is stored all
// the same has the room that they left.
func TestRoom(t *testing.T) {
	var free uint64
	d, err := documents.OpenDir(documents.Options{
		Path: t.TempDir(), Free: func(string) (uint64, error) { return free, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	for _, test := range []struct {
		free uint64
		want error
	}{{1 << 40, nil}, {64 << 20, nil}, {64<<20 - 1, request.ErrNoRoom}, {0, request.ErrNoRoom}} {
		free = test.free
		err := errors.Join(d.Room(t.Context()), d.Check(t.Context()))
		if (err == nil) != (test.want == nil) || !errors.Is(err, test.want) && test.want != nil {
			t.Errorf("%d bytes free: %v, want %v", test.free, err, test.want)
		}
		if _, err := d.Put(t.Context(), "r/sealed", strings.NewReader("x")); err != nil {
			t.Errorf("%d bytes free: %v", test.free, err)
		}
	}
	_, err = d.Put(t.Context(), "r/upload", iotest.ErrReader(syscall.ENOSPC))
	if !errors.Is(err, request.ErrNoRoom) {
		t.Errorf("a write without room: %v", err)
	}
	real, err := documents.OpenDir(documents.Options{Path: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer real.Close()
	if err := real.Check(t.Context()); err != nil {
		t.Errorf("this machine's disk: %v", err)
	}
}
