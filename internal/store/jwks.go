package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/signet-sign/signet/internal/party"
)

// SaveKeys implements party.KeyStore.
func (s *Store) SaveKeys(ctx context.Context, k party.StoredKeys) error {
	err := s.writers.do(
		ctx,
		target{key: "keys " + k.ClientID},
		func(ctx context.Context, tx *tx) error {
			_, err := tx.write(
				ctx,
				`INSERT INTO party_jwks (client_id, url, epoch, jwks, fetched_at) VALUES ($1, $2, $3, $4, $5)
			ON CONFLICT (client_id) DO UPDATE SET url = excluded.url, epoch = excluded.epoch, jwks = excluded.jwks, fetched_at = excluded.fetched_at
			WHERE party_jwks.fetched_at <= excluded.fetched_at`,
				k.ClientID, k.URL, k.Epoch, string(k.JWKS), micros(k.FetchedAt),
			)
			return err
		},
	)
	if err != nil {
		return fmt.Errorf("storing the keys of a relying party: %w", err)
	}
	return nil
}

// LoadKeys implements party.KeyStore.
func (s *Store) LoadKeys(
	ctx context.Context, clientID string,
) (k party.StoredKeys, ok bool, err error) {
	var text string
	var fetched int64
	err = s.readers.row(
		ctx,
		`SELECT client_id, url, epoch, jwks, fetched_at FROM party_jwks WHERE client_id = $1`,
		[]any{clientID},
		&k.ClientID,
		&k.URL,
		&k.Epoch,
		&text,
		&fetched,
	)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return party.StoredKeys{}, false, nil
	case err != nil:
		return party.StoredKeys{}, false, fmt.Errorf("reading the keys of a relying party: %w", err)
	}
	k.JWKS, k.FetchedAt = []byte(text), instant(fetched)
	return k, true, nil
}
