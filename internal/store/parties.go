package store

import (
	"context"
	"database/sql"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/party"
)

// partiesTopic stands for the parties among the ids of requests: in the order of locks, and for
// watchers. No request has this id.
const partiesTopic = "parties"

const partyColumns = `client_id, version, name, jwks_url, redirect_url, webhook_url, disabled, logo,
	created_at, changed_at, allow_download, require_all_pages, webhook_ladder, allow_private, ca`

// WatchParties implements party.Store.
func (s *Store) WatchParties() (changed <-chan struct{}, stop func()) {
	return s.hub.watch(partiesTopic)
}

// Registrations implements party.Store.
func (s *Store) Registrations(
	ctx context.Context,
) (list []party.Registration, epochs map[string]int64, err error) {
	if list, err = s.registrations(ctx, `ORDER BY client_id`); err != nil {
		return nil, nil, err
	}
	epochs = map[string]int64{}
	const query = `SELECT client_id, epoch FROM party_keys`
	err = s.readers.rows(ctx, query, nil, func(rows *sql.Rows) error {
		var id string
		var epoch int64
		err := rows.Scan(&id, &epoch)
		epochs[id] = epoch
		return err
	})
	if err != nil {
		return nil, nil, fmt.Errorf("reading renewals of keys: %w", err)
	}
	return list, epochs, nil
}

// Registration implements party.Store.
func (s *Store) Registration(ctx context.Context, clientID string) (party.Registration, error) {
	if !isText(clientID) {
		return party.Registration{}, party.ErrUnknown
	}
	list, err := s.registrations(ctx, `WHERE client_id = $1`, clientID)
	if err != nil {
		return party.Registration{}, err
	}
	if len(list) == 0 {
		return party.Registration{}, party.ErrUnknown
	}
	return list[0], nil
}

func (s *Store) registrations(
	ctx context.Context, where string, args ...any,
) ([]party.Registration, error) {
	const query = `SELECT ` + partyColumns + ` FROM parties `
	scan := func(rows *sql.Rows, r *party.Registration) error {
		var disabled, created, changed, download, all, ladder, private int64
		err := rows.Scan(
			&r.ClientID, &r.Version, &r.Name, &r.JWKSURL, &r.RedirectURL, &r.WebhookURL,
			&disabled, &r.Logo, &created, &changed, &download, &all, &ladder, &private, &r.CA,
		)
		r.AllowDownload, r.RequireAllPages, r.WebhookLadder = download != 0, all != 0, ladder != 0
		r.AllowPrivate = private != 0
		r.Disabled, r.CreatedAt, r.ChangedAt = disabled != 0, instant(created), instant(changed)
		return err
	}
	return readAll(ctx, s.readers, "reading relying parties", query+where, args, scan)
}

// AddParty implements party.Store.
func (s *Store) AddParty(ctx context.Context, p party.Party, c party.Change) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(
			ctx, `INSERT INTO parties (`+partyColumns+`, picture)
			VALUES ($1, 1, $2, $3, $4, $5, $6, '', $7, $7, $8, $9, $10, $11, $12, '')
			ON CONFLICT (client_id) DO NOTHING`,
			p.ClientID, p.Name, p.JWKSURL, p.RedirectURL, p.WebhookURL, bit(p.Disabled),
			micros(c.At), bit(p.AllowDownload), bit(p.RequireAllPages), bit(p.WebhookLadder),
			bit(p.AllowPrivate), p.CA,
		)
		if err == nil && n == 0 {
			return party.ErrExists
		}
		return err
	})
}

// ChangeParty implements party.Store.
func (s *Store) ChangeParty(
	ctx context.Context, p party.Party, version int64, c party.Change,
) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		if err := tx.dropProposal(ctx, p.ClientID); err != nil {
			return err
		}
		return tx.changeParty(ctx, p, version, c.At)
	})
}

// changeParty writes a party in the place of one of a version.
func (t *tx) changeParty(ctx context.Context, p party.Party, version int64, at time.Time) error {
	n, err := t.write(
		ctx,
		`UPDATE parties SET version = version + 1, name = $3, jwks_url = $4, redirect_url = $5,
		webhook_url = $6, disabled = $7, changed_at = $8, allow_download = $9,
		require_all_pages = $10, webhook_ladder = $11, allow_private = $12, ca = $13
		WHERE client_id = $1 AND version = $2`,
		p.ClientID, version, p.Name, p.JWKSURL, p.RedirectURL, p.WebhookURL, bit(p.Disabled),
		micros(at), bit(p.AllowDownload), bit(p.RequireAllPages), bit(p.WebhookLadder),
		bit(p.AllowPrivate), p.CA,
	)
	return t.missed(ctx, p.ClientID, n, err)
}

// ChangeLogo implements party.Store.
func (s *Store) ChangeLogo(
	ctx context.Context, clientID string, version int64, l party.Logo, c party.Change,
) error {
	picture := base64.StdEncoding.EncodeToString(l.PNG)
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		n, err := tx.write(
			ctx,
			`UPDATE parties SET version = version + 1, logo = $3, picture = $4, changed_at = $5
			WHERE client_id = $1 AND version = $2`,
			clientID, version, l.Name, picture, micros(c.At),
		)
		return tx.missed(ctx, clientID, n, err)
	})
}

// RemoveParty implements party.Store.
func (s *Store) RemoveParty(
	ctx context.Context, clientID string, version int64, c party.Change,
) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		if err := tx.dropProposal(ctx, clientID); err != nil {
			return err
		}
		return tx.removeParty(ctx, clientID, version)
	})
}

// removeParty deletes a party of a version that has no request.
func (t *tx) removeParty(ctx context.Context, clientID string, version int64) error {
	t.deferAny(`DELETE FROM receivers WHERE client_id = $1`, clientID)
	n, err := t.write(ctx, `DELETE FROM parties WHERE client_id = $1 AND version = $2
		AND NOT EXISTS (SELECT 1 FROM requests WHERE client_id = $1)`, clientID, version)
	if err = t.missed(ctx, clientID, n, err); errors.Is(err, party.ErrChanged) {
		const query = `SELECT version FROM parties WHERE client_id = $1`
		var now int64
		if t.row(ctx, query, []any{clientID}, &now) == nil && now == version {
			return party.ErrInUse
		}
	}
	return err
}

// RenewKeys implements party.Store.
func (s *Store) RenewKeys(ctx context.Context, clientID string, c party.Change) error {
	return s.changeParties(ctx, c, func(ctx context.Context, tx *tx) error {
		_, err := tx.write(ctx, `INSERT INTO party_keys (client_id, epoch) VALUES ($1, 1)
			ON CONFLICT (client_id) DO UPDATE SET epoch = party_keys.epoch + 1`, clientID)
		return err
	})
}

// changeParties makes a change, adds its line to the trail, and notifies every node.
func (s *Store) changeParties(
	ctx context.Context, c party.Change, change func(context.Context, *tx) error,
) error {
	if !isText(c.ClientID) {
		return party.ErrUnknown
	}
	return s.writers.do(ctx, target{key: partiesTopic}, func(ctx context.Context, tx *tx) error {
		if err := s.lock(ctx, tx, partiesTopic); err != nil {
			return err
		}
		if err := change(ctx, tx); err != nil {
			return fmt.Errorf("changing a relying party: %w", err)
		}
		return tx.recordChange(c)
	})
}

// recordChange defers the line of the trail of a party's change, and notifies every node.
func (t *tx) recordChange(c party.Change) error {
	edits, err := encodeEdits(c.Edits)
	if err != nil {
		return err
	}
	leaf, err := encodeOperatorLeaf(text(c.By), edits)
	if err != nil {
		return err
	}
	t.told.requests = append(t.told.requests, partiesTopic)
	t.deferAny(
		`INSERT INTO party_changes (client_id, at, operator, kind, edits) VALUES ($1, $2, $3, $4, $5)`,
		c.ClientID, micros(c.At), text(c.By), string(c.Kind), edits,
	)
	t.deferOne(appendEvent, audit.PartyTrail+c.ClientID, micros(c.At), string(c.Kind), leaf)
	return nil
}

// missed returns why a write of one version of a party changed no row.
func (t *tx) missed(ctx context.Context, clientID string, n int64, err error) error {
	if err != nil || n > 0 {
		return err
	}
	var there int
	err = t.row(ctx, `SELECT 1 FROM parties WHERE client_id = $1`, []any{clientID}, &there)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return party.ErrUnknown
	case err != nil:
		return err
	}
	return party.ErrChanged
}

// PartyChanges implements party.Store.
func (s *Store) PartyChanges(
	ctx context.Context, clientID string, limit int,
) ([]party.Change, error) {
	if !isText(clientID) {
		return nil, nil
	}
	const query = `SELECT client_id, at, operator, kind, edits FROM party_changes WHERE client_id = $1
		ORDER BY id DESC LIMIT $2`
	scan := func(rows *sql.Rows, c *party.Change) error {
		var at int64
		var edits []byte
		err := rows.Scan(&c.ClientID, &at, &c.By, &c.Kind, &edits)
		if err == nil {
			c.Edits, err = decodeEdits(edits)
		}
		c.At = instant(at)
		return err
	}
	args := []any{clientID, limit}
	return readAll(ctx, s.readers, "reading changes of a relying party", query, args, scan)
}

// LogoPNG implements party.Store.
func (s *Store) LogoPNG(ctx context.Context, name string) ([]byte, error) {
	if name == "" || !isText(name) {
		return nil, party.ErrNoLogo
	}
	var picture string
	const query = `SELECT picture FROM parties WHERE logo = $1 AND logo <> '' LIMIT 1`
	err := s.readers.row(ctx, query, []any{name}, &picture)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil, party.ErrNoLogo
	case err != nil:
		return nil, fmt.Errorf("reading a logo: %w", err)
	}
	return base64.StdEncoding.DecodeString(picture)
}

// bit returns the stored form of a bool.
func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}
