package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/signet-sign/signet/internal/deployment"
)

var _ deployment.Part = (*Store)(nil)

// String implements deployment.Part.
func (s *Store) String() string { return "the " + s.dialect.title + " database" }

// Mark implements deployment.Part.
func (s *Store) Mark(ctx context.Context) (deployment.Mark, error) {
	id, err := s.meta(ctx, "deployment")
	if errors.Is(err, sql.ErrNoRows) { // a database of a release without identities
		return deployment.Mark{Used: true}, nil
	}
	return deployment.Mark{ID: id}, err
}

// Adopt implements deployment.Part.
func (s *Store) Adopt(ctx context.Context, id string) (string, error) {
	err := s.setMeta(ctx, "deployment", id, ` WHERE meta.value = ''`)
	if err != nil {
		return "", err
	}
	return s.meta(ctx, "deployment")
}

// Record stores a fact of the deployment under a key, unless one is stored and replace is false. It
// returns the stored fact.
func (s *Store) Record(ctx context.Context, key, value string, replace bool) (string, error) {
	where := ` WHERE false`
	if replace {
		where = ""
	}
	key = "deployment." + key
	if err := s.setMeta(ctx, key, value, where); err != nil {
		return "", err
	}
	return s.meta(ctx, key)
}

// Recorded returns what Record has recorded under a key; "" if that is nothing.
func (s *Store) Recorded(ctx context.Context, key string) (string, error) {
	value, err := s.meta(ctx, "deployment."+key)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

func (s *Store) meta(ctx context.Context, key string) (value string, err error) {
	err = s.readers.row(ctx, `SELECT value FROM meta WHERE key = $1`, []any{key}, &value)
	if err != nil {
		err = fmt.Errorf("reading %s of the database: %w", key, err)
	}
	return value, err
}

// CheckWrites tries whether the database takes changes, if a change has failed because it did not.
func (s *Store) CheckWrites(ctx context.Context) error {
	if !s.writers.failed.Swap(false) {
		return nil
	}
	const key = "probe" // no other transaction sees it
	err := s.writers.do(ctx, target{key: "meta"}, func(ctx context.Context, tx *tx) error {
		_, err := tx.write(ctx, `INSERT INTO meta (key, value) VALUES ($1, '')`, key)
		if err == nil {
			_, err = tx.write(ctx, `DELETE FROM meta WHERE key = $1`, key)
		}
		return err
	})
	if err != nil {
		s.writers.failed.Store(true)
		return fmt.Errorf("trying a change: %w", err)
	}
	return nil
}

// setMeta inserts a value. If there is one it replaces it only under the condition.
func (s *Store) setMeta(ctx context.Context, key, value, condition string) error {
	err := s.writers.do(ctx, target{key: "meta"}, func(ctx context.Context, tx *tx) error {
		_, err := tx.write(ctx, `INSERT INTO meta (key, value) VALUES ($1, $2)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`+condition, key, value)
		return err
	})
	if err != nil {
		return fmt.Errorf("writing %s of the database: %w", key, err)
	}
	return nil
}
