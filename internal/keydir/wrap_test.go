package keydir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestWrapping(t *testing.T) {
	ctx := t.Context()
	d, path := open(t)
	w := d.Wrapping("documents")
	key, about := []byte("0123456789abcdef"), []byte("r/a")
	by, wrapped, err := w.Wrap(ctx, key, about)
	if err != nil || by != "documents-1" {
		t.Fatalf("Wrap: %s, %v", by, err)
	}
	unwraps := func(w *Wrapping, by string, wrapped []byte) {
		t.Helper()
		if got, err := w.Unwrap(ctx, by, wrapped, about); err != nil || string(got) != string(key) {
			t.Errorf("Unwrap(%s) = %q, %v", by, got, err)
		}
	}
	other := d.Wrapping("documents") // as of another process
	unwraps(w, by, wrapped)
	unwraps(other, by, wrapped)

	for range 9 {
		if _, err := other.Rotate(); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"documents-x.secret", "documents-99.key", "documents-98", "webhooks-97.secret"} {
		if err := os.WriteFile(filepath.Join(path, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if name, err := w.Newest(ctx); err != nil || name != "documents-10" {
		t.Errorf("Newest = %s, %v", name, err)
	}
	by10, wrapped10, err := w.Wrap(ctx, key, about)
	if err != nil || by10 != "documents-10" {
		t.Errorf("Wrap: %s, %v", by10, err)
	}
	unwraps(other, by10, wrapped10)
	unwraps(other, by, wrapped)

	for i := range wrapped {
		bad := append([]byte(nil), wrapped...)
		bad[i] ^= 1
		if _, err := w.Unwrap(ctx, by, bad, about); err == nil {
			t.Errorf("byte %d is changed, and it is unwrapped", i)
		}
	}
	for what, unwrap := range map[string]func() ([]byte, error){
		"another context": func() ([]byte, error) { return w.Unwrap(ctx, by, wrapped, []byte("r/b")) },
		"another key":     func() ([]byte, error) { return w.Unwrap(ctx, by10, wrapped, about) },
		"no bytes":        func() ([]byte, error) { return w.Unwrap(ctx, by, nil, about) },
		"another name":    func() ([]byte, error) { return w.Unwrap(ctx, "webhooks-97", wrapped, about) },
		"outside":         func() ([]byte, error) { return w.Unwrap(ctx, "documents-/../x", wrapped, about) },
	} {
		if got, err := unwrap(); err == nil {
			t.Errorf("%s: unwrapped %q", what, got)
		}
	}
	if _, err := w.Unwrap(ctx, "documents-11", wrapped, about); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing wrapping key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(path, "documents-11.secret")); !errors.Is(
		err, fs.ErrNotExist,
	) {
		t.Error(fmt.Errorf("Unwrap has made a key: %w", err))
	}
}
