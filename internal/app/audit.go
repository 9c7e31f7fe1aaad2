package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"path/filepath"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// openAudit returns the audit log of a deployment. Its name is made of the public URL's host when
// the log begins, and never changes.
func openAudit(
	ctx context.Context, c *Config, db *store.Store, keys *keydir.Dir, log *slog.Logger,
) (*audit.Log, error) {
	const fact = "audit_origin"
	origin, err := db.Recorded(ctx, fact)
	if err != nil {
		return nil, err
	}
	if origin == "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Host == "" {
			return nil, errors.New("public_url: it is needed to name the audit log")
		}
		if origin, err = db.Record(ctx, fact, u.Host+"/audit", false); err != nil {
			return nil, err
		}
	}
	seed, err := keys.Secret("audit")
	if err != nil {
		return nil, err
	}
	signer, err := audit.NewSigner(origin, seed)
	if err != nil {
		return nil, err
	}
	return &audit.Log{Store: db, Signer: signer, Log: log}, nil
}

// ExportAudit writes the audit log of a deployment, with all events that its database holds. It
// needs the SQLite database for itself.
func ExportAudit(ctx context.Context, c Config, log *slog.Logger, w io.Writer) (err error) {
	if err := c.readSecrets(); err != nil {
		return err
	}
	if c.Data == "" {
		return errors.New("data: a folder is needed")
	}
	p, err := c.openParts(ctx, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	keys, err := keydir.Open(filepath.Join(c.Data, "keys"), rand.Reader)
	if err != nil {
		return err
	}
	l, err := openAudit(ctx, &c, p.store, keys, log)
	if err != nil {
		return err
	}
	if err := l.Integrate(ctx); err != nil {
		return err
	}
	if err := l.Export(ctx, w); err != nil {
		return fmt.Errorf("exporting the audit log: %w", err)
	}
	return nil
}
