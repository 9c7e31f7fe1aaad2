package parts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// auditKey is the name of the audit log's key in Config.Change.
const auditKey = "audit_key"

// AuditOrigin is the fact that the database records of the log's name.
const AuditOrigin = "audit_origin"

// ErrAuditKey is the error for a keys folder that lacks the key of the audit log in the database.
var ErrAuditKey = errors.New(
	"the file audit.secret in the keys folder is not the key of the audit log in the database: " +
		"restore it from a backup; or, if it is lost, stop all nodes and start one with --change " +
		auditKey + ", which signs the log with another key",
)

// OpenAudit returns the audit log of a deployment. Its name is made of the public URL's host when
// the log begins, and never changes. The error wraps ErrAuditKey if the log's key is lost, unless
// the configuration changes it.
func OpenAudit(
	ctx context.Context, c *config.Config, db *store.Store, keys *keydir.Dir, log *slog.Logger,
) (*audit.Log, error) {
	origin, err := db.Recorded(ctx, AuditOrigin)
	if err != nil {
		return nil, err
	}
	if origin == "" {
		u, err := url.Parse(c.PublicURL)
		if err != nil || u.Host == "" {
			return nil, errors.New("public_url: it is needed to name the audit log")
		}
		if origin, err = db.Record(ctx, AuditOrigin, u.Host+"/audit", false); err != nil {
			return nil, err
		}
	}
	newest, err := db.Newest(ctx)
	if err != nil {
		return nil, err
	}
	change := slices.Contains(c.Change, auditKey)
	if newest.Size > 0 && !change {
		// A key that is made now could not continue the log.
		if _, err := keys.Read("audit.secret"); errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%w: it is missing", ErrAuditKey)
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
	if newest.Size > 0 && signer.Check(newest.Note) != nil {
		if !change {
			return nil, fmt.Errorf("%w: it is another key", ErrAuditKey)
		}
		if err := db.ReplaceCheckpoints(ctx, signer.Checkpoint); err != nil {
			return nil, err
		}
		log.Warn(
			"the audit log has another key, and its earlier checkpoints are gone", "key",
			signer.Key(),
		)
	}
	return &audit.Log{Store: db, Signer: signer, Log: log}, nil
}

// OpenLog opens the parts of a deployment and its audit log, with all events that its database
// holds. It needs the SQLite database for itself.
func OpenLog(
	ctx context.Context, c *config.Config, log *slog.Logger,
) (_ *Parts, _ *audit.Log, err error) {
	if err := c.CompleteCommand(); err != nil {
		return nil, nil, err
	}
	p, err := Open(ctx, c, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Close())
		}
	}()
	l, err := OpenAudit(ctx, c, p.Store, p.Keys, log)
	if err != nil {
		return nil, nil, err
	}
	return p, l, l.Integrate(ctx)
}
