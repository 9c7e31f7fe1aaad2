package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/parts"
)

// exchange puts another key in place of the one in a file.
func exchange(file string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return os.WriteFile(file, text, 0o600)
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
	must(exchange(key))
	refused("it has another key")
	must(os.WriteFile(key, first, 0o600))
	must(open())

	must(exchange(key))
	c.Change = []string{parts.WebhookKeyChange}
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
