package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/signet-sign/signet/internal/store"
)

// Open opens a new SQLite database that is removed with the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{Database: File(t), Kind: store.Sandbox})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// File returns the name of a new SQLite database of a sandbox, which is removed with the test. It
// has all tables, so that a test does not take the time to migrate it.
func File(t testing.TB) string {
	t.Helper()
	data, err := empty()
	path := filepath.Join(t.TempDir(), "signet.db")
	if err := errors.Join(err, os.WriteFile(path, data, 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

// empty returns a new database.
var empty = sync.OnceValues(func() (data []byte, err error) {
	dir, err := os.MkdirTemp("", "storetest")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "signet.db")
	s, err := store.Open(context.Background(), store.Options{Database: path, Kind: store.Sandbox})
	if err != nil {
		return nil, err
	}
	if err := s.Close(); err != nil {
		return nil, err
	}
	return os.ReadFile(path)
})
