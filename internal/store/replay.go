package store

import (
	"context"
	"fmt"
	"time"
)

// Use implements rp.Replay.
func (s *Store) Use(ctx context.Context, clientID, jti string, until time.Time) (first bool, err error) {
	err = s.writer.do(ctx, target{key: "token " + clientID + " " + jti}, func(tx *session, _ *news) error {
		n, err := tx.write(`INSERT INTO used_tokens (client_id, jti, keep_until) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			clientID, jti, micros(until))
		if err != nil {
			return fmt.Errorf("recording a token: %w", err)
		}
		first = n == 1
		return nil
	})
	return first && err == nil, err
}

// forgetAtOnce bounds how long one clean-up holds up other changes.
const forgetAtOnce = 10_000

// ForgetUsed drops ids of tokens that had to be kept until a time before now, and reports how many; it is to be called now
// and then. It drops a part of them at a time.
func (s *Store) ForgetUsed(ctx context.Context, now time.Time) (n int64, err error) {
	for {
		var some int64
		err := s.writer.do(ctx, target{}, func(tx *session, _ *news) (err error) {
			some, err = tx.write(`DELETE FROM used_tokens WHERE (client_id, jti) IN (
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
