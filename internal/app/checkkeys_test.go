package app

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/store"
)

// keyMistakes are mistakes in the keys, the secrets and the authority.
var keyMistakes = []mistake{
	{
		"key lost", removed("keys", "webhook.key"),
		Fault, "keys/webhook.key", "no such file", "restore it from a backup",
	},
	{
		"key for all", allowed(0o644, "authority", "root.key"),
		Fault, "authority/root.key", "accessible to group or others", "chmod 600",
	},
	{
		"certificate ends soon", later(10), Warning, "certificates", "issuing until",
		"ca rotate --part issuing",
	},
	{
		"certificate has ended", later(11), Fault, "certificates", "issuing until",
		"ca rotate --part issuing",
	},
	{
		"secret lost", removed("keys", "cookies.secret"),
		Fault, "keys/cookies.secret", "no such file", "restore it from a backup",
	},
	{
		"secret for all", allowed(0o644, "authority", "signers.secret"),
		Fault, "authority/signers.secret", "accessible to group or others", "chmod 600",
	},
	{
		"secret cut", replaced("short", "keys", "links.secret"),
		Fault, "keys/links.secret", "5 bytes instead of 32", "restore it from a backup",
	},
	{
		"audit log's key lost", func(c *clinic) {
			logged(c)
			removed("keys", "audit.secret")(c)
		},
		Fault, "keys/audit.secret", "it is missing", "restore keys/audit.secret",
	},
	{
		"audit log's key of another deployment", func(c *clinic) {
			logged(c)
			replaced(strings.Repeat("x", 32), "keys", "audit.secret")(c)
		},
		Fault, "keys/audit.secret", "it is another key", "restore keys/audit.secret",
	},
	{
		"encrypted secret cut", encrypted(replaced("-----BEGIN", "keys", "cookies.secret")),
		Fault, "keys/cookies.secret", "10 bytes, which are neither", "restore it from a backup",
	},
	{
		"encrypted secret emptied", encrypted(replaced("", "keys", "links.secret")),
		Fault, "keys/links.secret", "0 bytes, which are neither", "restore it from a backup",
	},
	{
		"key of the login cut", replaced("-----BEGIN PRIV", "keys", "oidc.key"),
		Fault, "keys/oidc.key", "not one", "restore it from a backup",
	},
	{
		"key of the login for all", allowed(0o644, "keys", "oidc-encryption.key"),
		Fault, "keys/oidc-encryption.key", "accessible to group or others", "chmod 600",
	},
	{
		"password for plain keys", func(c *clinic) { c.config.KeysPassword = strong },
		Fault, "keys/webhook.key", "is not encrypted", "run signet secret encrypt",
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
	s := &subject{config: &config.Config{Data: "data"}}
	err := fmt.Errorf("keys: %w", &fs.PathError{Op: "open", Path: "x", Err: fs.ErrPermission})
	f := s.keyFinding("keys", "links.secret", err)
	if f.Level != Fault || !strings.Contains(f.Remedy, "chown") {
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
	p, err := openParts(
		c.Context(), &c.config, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log},
	)
	c.must(err)
	event := audit.NewCertificate("01", "signer", []byte("a certificate"), time.Now())
	c.must(errors.Join(
		p.store.RecordCertificates(c.Context(), []audit.Certificate{event}, time.Now()),
		p.Close(),
	))
	c.must(ExportAudit(c.Context(), c.config, log, io.Discard))
}
