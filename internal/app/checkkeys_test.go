package app

import (
	"errors"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
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
		"password for plain keys", func(c *clinic) { c.config.KeysPassword = strong },
		Fault, "keys/webhook.key", "is not encrypted", "run signet secret encrypt",
	},
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
