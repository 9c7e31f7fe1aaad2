package documents_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/request"
)

// TestDirFails makes the file system refuse what the directory does. Each failure is an ErrAway or
// an ErrNoRoom and never a document that does not exist, no part of a document is left in its
// place, and everything works when the file system does again.
func TestDirFails(t *testing.T) {
	ctx := t.Context()
	path := t.TempDir()
	d := open(t, documents.Options{Path: path})
	put := func(key string) error {
		_, err := d.Put(ctx, key, strings.NewReader("text"))
		return err
	}
	if err := put("r/a"); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(filepath.Join(path, "*", "r"))
	if err != nil || len(found) != 1 {
		t.Fatal(found, err)
	}
	tmp, shard := filepath.Join(path, "tmp"), filepath.Dir(found[0])
	// away replaces a folder with a file, so that nothing in it can be reached.
	away := func(folder string) (back func()) {
		moved := folder + "-away"
		err := errors.Join(os.Rename(folder, moved), os.WriteFile(folder, nil, 0o600))
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := errors.Join(os.Remove(folder), os.Rename(moved, folder)); err != nil {
				t.Fatal(err)
			}
		}
	}
	gone := func(folder string) (back func()) {
		moved := folder + "-away"
		if err := os.Rename(folder, moved); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.Rename(moved, folder); err != nil {
				t.Fatal(err)
			}
		}
	}
	operations := map[string]func() error{
		"put":  func() error { return put("r/b") },
		"open": func() error { _, err := d.Open(ctx, "r/a"); return err },
		"keys": func() error { _, err := d.Keys(ctx, "r"); return err },
		"requests": func() error {
			_, err := d.Requests(ctx, time.Now())
			return err
		},
		"delete":  func() error { return d.Delete(ctx, "r/a") },
		"discard": func() error { return d.Discard(ctx, "r/a") },
	}
	for _, test := range []struct {
		name string
		away func() (back func())
		fail []string
	}{
		{"no temporary files", func() func() { return away(tmp) }, []string{"put"}},
		{"no folder of temporary files", func() func() { return gone(tmp) }, []string{"put"}},
		{
			"no shard", func() func() { return away(shard) },
			[]string{"put", "open", "keys", "requests", "delete", "discard"},
		},
		{"no shard to put into", func() func() { return gone(shard) }, []string{"put", "requests"}},
	} {
		back := test.away()
		for _, name := range test.fail {
			err := operations[name]()
			if !errors.Is(err, request.ErrAway) || errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s: %s: %v, want an ErrAway only", test.name, name, err)
			}
		}
		back()
		if keys, err := d.Keys(ctx, "r"); err != nil || len(keys) != 1 {
			t.Errorf("%s: afterwards: %q, %v", test.name, keys, err)
		}
		if got := read(t, d, "r/a"); got != "text" {
			t.Errorf("%s: afterwards the document is %q", test.name, got)
		}
	}
	if left, err := os.ReadDir(tmp); err != nil || len(left) != 0 {
		t.Errorf("left are %v, %v", left, err)
	}
	if err := put("r/b"); err != nil {
		t.Error(err)
	}
}
