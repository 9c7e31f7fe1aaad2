package app

import (
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/parts"
)

// exchange puts another key in place of the webhook key in a file.
func exchange(t *testing.T, file string) error {
	other := t.TempDir()
	dir, err := keydir.Open(other, rand.Reader)
	if err != nil {
		return err
	}
	if _, err := dir.Signer("webhook", elliptic.P256()); err != nil {
		return err
	}
	return os.Rename(filepath.Join(other, "webhook.key"), file)
}

// TestWebhookKeyIsExchanged checks that the service signs no webhooks with a key that relying
// parties do not know, unless the operator says so, and that a rotation needs no such word.
func TestWebhookKeyIsExchanged(t *testing.T) {
	c := serviceConfig(t, "")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	open := func() error {
		a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
		if err == nil {
			err = a.Close()
		}
		return err
	}
	refused := func(why string) {
		t.Helper()
		for range 2 { // what the first start left must not let the second one in
			if err := open(); !errors.Is(err, parts.ErrWebhookKey) || !strings.Contains(err.Error(), why) {
				t.Errorf("error %v, want %q", err, why)
			}
		}
	}
	must(open())
	key := filepath.Join(c.Data, "keys", "webhook.key")
	first, err := os.ReadFile(key)
	must(err)

	must(os.Remove(key))
	refused("not exist")
	if _, err := os.Stat(key); err == nil {
		t.Error("a start that is refused has made a key")
	}
	must(exchange(t, key))
	refused("it has another key")
	must(os.WriteFile(key, first, 0o600))
	must(open())

	must(exchange(t, key))
	c.Change = []string{"webhook_key"}
	must(open())
	c.Change = nil
	must(open())

	// A successor is enough when a node has recorded it.
	_, err = maintenance.RotateSecret(t.Context(), c, parts.WebhookKey)
	must(err)
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	must(err)
	a.recordWebhookKeys(t.Context())
	must(a.Close())
	must(os.Remove(key))
	must(open())
	must(os.WriteFile(key, first, 0o600)) // of long ago; its successor is known
	must(open())
}
