package store_test

import (
	"net/url"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestPostgresHosts opens a database whose URL names several hosts, of which the first does not
// answer, and asks for the one that takes writes.
func TestPostgresHosts(t *testing.T) {
	u, err := url.Parse(cluster.Migrated(t))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	q.Set("host", t.TempDir()+","+q.Get("host"))
	q.Set("target_session_attrs", "read-write")
	u.RawQuery = q.Encode()
	s := openPostgres(t, u.String())
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Error(err)
	}
	if _, err := store.ReadSchema(t.Context(), u.String()); err != nil {
		t.Error(err)
	}
	q.Set("target_session_attrs", "standby")
	u.RawQuery = q.Encode()
	if s, err := store.Open(t.Context(), store.Options{Database: u.String(), Kind: store.Sandbox}); err == nil {
		_ = s.Close()
		t.Error("a server that takes writes is taken for a standby")
	}
}
