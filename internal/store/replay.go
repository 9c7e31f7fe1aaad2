package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// Use implements token.Replay.
func (s *Store) Use(
	ctx context.Context, clientID, jti string, until time.Time,
) (first bool, err error) {
	err = s.writers.do(
		ctx,
		target{key: "token " + clientID + " " + jti},
		func(ctx context.Context, tx *tx) (err error) {
			first, err = tx.use(ctx, request.Ticket{ClientID: clientID, JTI: jti, KeepUntil: until})
			return err
		},
	)
	return first && err == nil, err
}

// UseFor implements token.Replay.
func (s *Store) UseFor(
	ctx context.Context, clientID, jti, purpose string, until time.Time,
) (recorded string, err error) {
	err = s.writers.do(
		ctx,
		target{key: "token " + clientID + " " + jti},
		func(ctx context.Context, tx *tx) error {
			_, err := tx.write(
				ctx,
				`INSERT INTO used_tokens (client_id, jti, keep_until, purpose) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
				clientID, jti, micros(until), purpose,
			)
			if err != nil {
				return err
			}
			return tx.row(
				ctx,
				`SELECT purpose FROM used_tokens WHERE client_id = $1 AND jti = $2`,
				[]any{clientID, jti}, &recorded,
			)
		},
	)
	if err != nil {
		return "", fmt.Errorf("recording a token: %w", err)
	}
	return recorded, nil
}

// use records a token immediately.
func (t *tx) use(ctx context.Context, k request.Ticket) (first bool, err error) {
	n, err := t.write(
		ctx,
		`INSERT INTO used_tokens (client_id, jti, keep_until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
		k.ClientID, k.JTI, micros(k.KeepUntil),
	)
	if err != nil {
		return false, fmt.Errorf("recording a token: %w", err)
	}
	return n == 1, nil
}

// spend records a ticket immediately. It ignores the zero Ticket.
func (t *tx) spend(ctx context.Context, k request.Ticket) error {
	if k == (request.Ticket{}) {
		return nil
	}
	first, err := t.use(ctx, k)
	if err == nil && !first {
		return request.ErrTicketUsed
	}
	return err
}

// Used implements token.Replay.
func (s *Store) Used(ctx context.Context, clientID, jti string) (bool, error) {
	var one int
	err := s.readers.row(
		ctx,
		`SELECT 1 FROM used_tokens WHERE client_id = $1 AND jti = $2`,
		[]any{clientID, jti},
		&one,
	)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("looking for a token: %w", err)
	}
	return true, nil
}

// forgetAtOnce bounds how long one transaction of ForgetUsed delays other changes.
const forgetAtOnce = 10_000

// ForgetUsed removes ids of tokens that had to be kept until a time before now, in parts, and
// returns how many. It should be called regularly.
func (s *Store) ForgetUsed(ctx context.Context, now time.Time) (n int64, err error) {
	for {
		var some int64
		err := s.writers.do(ctx, target{}, func(ctx context.Context, tx *tx) (err error) {
			some, err = tx.write(ctx, `DELETE FROM used_tokens WHERE (client_id, jti) IN (
				SELECT client_id, jti FROM used_tokens WHERE keep_until < $1 LIMIT $2)`, now.UnixMicro(), forgetAtOnce)
			return err
		})
		if err != nil {
			return n, fmt.Errorf("forgetting used tokens: %w", err)
		}
		if n += some; some < forgetAtOnce {
			return n, nil
		}
	}
}
