package doctor_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/store"
)

// keyMistakes are mistakes in the keys, the secrets and the authority.
var keyMistakes = []mistake{
	{
		"key lost", removed("keys", "webhook.key"),
		doctor.Fault, "keys/webhook.key", "no such file", "restore it from a backup",
	},
	{
		"key of another deployment", exchangeWebhookKey,
		doctor.Fault, "keys/webhook.key", "it has another key", "restore it from a backup",
	},
	{
		"key for all", allowed(0o644, "authority", "root.key"),
		doctor.Fault, "authority/root.key", "accessible to group or others", "chmod 600",
	},
	{
		"certificate ends soon", later(10), doctor.Warning, "certificates", "issuing until",
		"ca rotate --part issuing",
	},
	{
		"certificate has ended", later(11), doctor.Fault, "certificates", "issuing until",
		"ca rotate --part issuing",
	},
	{
		"secret lost", removed("keys", "cookies.secret"),
		doctor.Fault, "keys/cookies.secret", "no such file", "restore it from a backup",
	},
	{
		"secret for all", allowed(0o644, "authority", "signers.secret"),
		doctor.Fault, "authority/signers.secret", "accessible to group or others", "chmod 600",
	},
	{
		"secret cut", replaced("short", "keys", "links.secret"),
		doctor.Fault, "keys/links.secret", "5 bytes instead of 32", "restore it from a backup",
	},
	{
		"audit log's key lost", func(c *clinic) {
			logged(c)
			removed("keys", "audit.secret")(c)
		},
		doctor.Fault, "keys/audit.secret", "it is missing", "restore keys/audit.secret",
	},
	{
		"audit log's key of another deployment", func(c *clinic) {
			logged(c)
			replaced(strings.Repeat("x", 32), "keys", "audit.secret")(c)
		},
		doctor.Fault, "keys/audit.secret", "it is another key", "restore keys/audit.secret",
	},
	{
		"encrypted secret cut", encrypted(replaced("-----BEGIN", "keys", "cookies.secret")),
		doctor.Fault, "keys/cookies.secret", "10 bytes, which are neither", "restore it from a backup",
	},
	{
		"encrypted secret emptied", encrypted(replaced("", "keys", "links.secret")),
		doctor.Fault, "keys/links.secret", "0 bytes, which are neither", "restore it from a backup",
	},
	{
		"key of the login cut", replaced("-----BEGIN PRIV", "keys", "oidc.key"),
		doctor.Fault, "keys/oidc.key", "not one", "restore it from a backup",
	},
	{
		"key of the login for all", allowed(0o644, "keys", "oidc-encryption.key"),
		doctor.Fault, "keys/oidc-encryption.key", "accessible to group or others", "chmod 600",
	},
	{
		"password for plain keys", func(c *clinic) { c.config.KeysPassword = strong },
		doctor.Fault, "keys/webhook.key", "is not encrypted", "run signet secret encrypt",
	},
}

// encrypted plants a mistake where the keys are encrypted.
func encrypted(plant func(*clinic)) func(*clinic) {
	return func(c *clinic) {
		c.config.Data, c.config.KeysPassword = filepath.Join(c.TempDir(), "encrypted"), strong
		c.start(false)
		plant(c)
	}
}

// TestUnreadKey says to whom a file belongs that the service's user cannot read. Tests may run as
// root, who reads all.
func TestUnreadKey(t *testing.T) {
	s := doctor.New(&config.Config{Data: "data"})
	err := fmt.Errorf("keys: %w", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission})
	f := s.KeyFinding("keys", "links.secret", err)
	if f.Level != doctor.Fault || !strings.Contains(f.Remedy, "chown") {
		t.Errorf("%+v", f)
	}
}

// later plants a clock that is years ahead, but for five days.
func later(years int) func(*clinic) {
	return func(c *clinic) { c.now = func() time.Time { return time.Now().AddDate(years, 0, -5) } }
}

// logged writes an event and a checkpoint into the audit log.
func logged(c *clinic) {
	log := slog.New(slog.DiscardHandler)
	p, err := parts.Open(
		c.Context(), &c.config, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log},
	)
	c.must(err)
	event := audit.NewCertificate("01", "signer", []byte("a certificate"), time.Now())
	c.must(errors.Join(
		p.Store.RecordCertificates(c.Context(), []audit.Certificate{event}, time.Now()),
		p.Close(),
	))
	c.must(maintenance.ExportAudit(c.Context(), c.config, log, io.Discard))
}

// exchangeWebhookKey puts another key in place of the webhook key.
func exchangeWebhookKey(c *clinic) {
	c.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	c.must(os.Rename(c.key(key), c.data("keys", "webhook.key")))
}
