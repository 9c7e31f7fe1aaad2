package parts

import (
	"bytes"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestAuditKeyIsLost checks that the service does not continue its audit log with another key,
// unless the operator says so. The log is then valid under the other key.
func TestAuditKeyIsLost(t *testing.T) {
	dir, ctx := t.TempDir(), t.Context()
	file := filepath.Join(dir, "keys", "audit.secret")
	db, err := store.Open(ctx, store.Options{
		Database: filepath.Join(dir, "signet.db"), Kind: store.Service,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	keys, err := keydir.Open(filepath.Join(dir, "keys"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	quiet := slog.New(slog.DiscardHandler)
	c := &config.Config{PublicURL: "https://sign.test"}
	l, err := OpenAudit(ctx, c, db, keys, quiet)
	if err != nil {
		t.Fatal(err)
	}
	// Before the first event a key can be lost.
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if l, err = OpenAudit(ctx, c, db, keys, quiet); err != nil {
		t.Fatal(err)
	}
	add := func(id string) {
		t.Helper()
		r := &request.Request{ID: id, State: request.StateCreated, CreatedAt: time.Now()}
		err := db.Create(ctx, r, request.Effects{Events: []request.Event{
			{At: time.Now(), Kind: request.EventInitiated},
		}})
		if err := errors.Join(err, l.Integrate(ctx)); err != nil {
			t.Fatal(err)
		}
	}
	add("a")
	add("b")
	if _, err := OpenAudit(ctx, c, db, keys, quiet); err != nil {
		t.Fatalf("the key is there: %v", err)
	}

	if err := os.Rename(file, file+".away"); err != nil {
		t.Fatal(err)
	}
	refused := func(why string) {
		t.Helper()
		_, err := OpenAudit(ctx, c, db, keys, quiet)
		if !errors.Is(err, ErrAuditKey) || !strings.Contains(err.Error(), why) ||
			!strings.Contains(err.Error(), "--change audit_key") {
			t.Errorf("openAudit: %v; want that %s", err, why)
		}
	}
	refused("missing")
	if _, err := os.Stat(file); err == nil {
		t.Error("the refusal has made a key")
	}
	if err := os.WriteFile(file, bytes.Repeat([]byte{7}, keydir.SecretSize), 0o600); err != nil {
		t.Fatal(err)
	}
	refused("another")

	c.Change = []string{auditKey}
	if l, err = OpenAudit(ctx, c, db, keys, quiet); err != nil {
		t.Fatal(err)
	}
	c.Change = nil
	if _, err := OpenAudit(ctx, c, db, keys, quiet); err != nil {
		t.Errorf("after the change: %v", err)
	}
	add("c")
	var out bytes.Buffer
	if err := l.Export(ctx, &out); err != nil {
		t.Fatal(err)
	}
	r, err := audit.Verify(&out, audit.Trust{Key: l.Signer.Key()})
	if err != nil || r.Problem != nil || r.Events != 3 {
		t.Errorf("the log under the other key: %+v, %v", r, err)
	}
}
