package store

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/signet-sign/signet/internal/party"
)

const receiverColumns = `client_id, failures, since, last, held_until, paused_at`

// Receiver implements party.Receivers.
func (s *Store) Receiver(ctx context.Context, clientID string) (party.Receiver, error) {
	r := party.Receiver{ClientID: clientID}
	if !isText(clientID) {
		return r, nil
	}
	scan := func(rows *sql.Rows) error { return scanReceiver(rows, &r) }
	err := s.readers.rows(ctx, aReceiver, []any{clientID}, scan)
	if err != nil {
		return r, fmt.Errorf("reading a receiver: %w", err)
	}
	return r, nil
}

// Receivers implements party.Receivers.
func (s *Store) Receivers(ctx context.Context) ([]party.Receiver, error) {
	const query = `SELECT ` + receiverColumns + ` FROM receivers ORDER BY client_id`
	return readAll(ctx, s.readers, "reading receivers", query, nil, scanReceiver)
}

const (
	aReceiver    = `SELECT ` + receiverColumns + ` FROM receivers WHERE client_id = $1`
	saveReceiver = `INSERT INTO receivers (` + receiverColumns + `) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (client_id) DO UPDATE SET failures = excluded.failures, since = excluded.since,
			last = excluded.last, held_until = excluded.held_until, paused_at = excluded.paused_at`
)

// ChangeReceiver implements party.Receivers.
func (s *Store) ChangeReceiver(
	ctx context.Context, clientID string, change func(*party.Receiver) (*party.Change, error),
) error {
	if !isText(clientID) {
		return party.ErrUnknown
	}
	return s.writers.do(ctx, target{key: partiesTopic}, func(ctx context.Context, tx *tx) error {
		if err := s.lock(ctx, tx, partiesTopic); err != nil {
			return err
		}
		r := party.Receiver{ClientID: clientID}
		scan := func(rows *sql.Rows) error { return scanReceiver(rows, &r) }
		if err := tx.read(ctx, aReceiver, []any{clientID}, scan); err != nil {
			return fmt.Errorf("reading a receiver: %w", err)
		}
		before := r
		c, err := change(&r)
		if err != nil {
			return err
		}
		// Written immediately, for the next change in the same transaction.
		switch none := (party.Receiver{ClientID: clientID}); r {
		case before:
		case none:
			_, err = tx.write(ctx, `DELETE FROM receivers WHERE client_id = $1`, clientID)
		default:
			_, err = tx.write(
				ctx, saveReceiver, clientID, r.Failures, micros(r.Since), micros(r.Last),
				micros(r.HeldUntil), micros(r.PausedAt),
			)
		}
		if err != nil {
			return fmt.Errorf("storing a receiver: %w", err)
		}
		tx.told.jobs = !before.HeldUntil.IsZero() && r.HeldUntil.IsZero() // which it held
		if c == nil {
			return nil
		}
		return tx.recordChange(*c)
	})
}

// claimProbes claims one job of each of these parties, whose receivers failed and may be called
// once again. The topic's lock lets only one node do so.
func (s *Store) claimProbes(ctx context.Context, parties []string, c *claim) error {
	return s.writers.do(ctx, target{key: partiesTopic}, func(ctx context.Context, tx *tx) error {
		if err := s.lock(ctx, tx, partiesTopic); err != nil {
			return err
		}
		c.probes = nil
		for _, clientID := range parties {
			n, err := tx.write(
				ctx, `UPDATE receivers SET held_until = $4 WHERE client_id = $5
					AND held_until <> 0 AND held_until <= $2
					AND EXISTS (SELECT 1 FROM outbox WHERE `+dueJobsByParty+` LIMIT $3)`,
				c.args(1, clientID)...,
			)
			if err != nil {
				return fmt.Errorf("claiming jobs: %w", err)
			}
			if n == 0 {
				continue
			}
			if err := s.pick(ctx, tx, dueJobsByParty, c.args(1, clientID), &c.probes); err != nil {
				return err
			}
		}
		return nil
	})
}

func scanReceiver(rows *sql.Rows, r *party.Receiver) error {
	var since, last, held, paused int64
	err := rows.Scan(&r.ClientID, &r.Failures, &since, &last, &held, &paused)
	r.Since, r.Last, r.HeldUntil = instant(since), instant(last), instant(held)
	r.PausedAt = instant(paused)
	return err
}
