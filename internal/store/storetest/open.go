package storetest

import (
	"path/filepath"
	"testing"

	"github.com/signet-sign/signet/internal/store"
)

// Open opens a new SQLite database that is removed with the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Options{
		Database: filepath.Join(t.TempDir(), "signet.db"), Kind: store.Sandbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}
