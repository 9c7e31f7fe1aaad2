package store

import (
	"context"
	"fmt"
)

// CheckSchema returns an error if the schema of the database is older than the one that this
// program made when it opened it, as after a restore under a running service.
func (s *Store) CheckSchema(ctx context.Context) error {
	var have int64
	const query = `SELECT max(version_id) FROM goose_db_version WHERE is_applied`
	if err := s.readers.row(ctx, query, nil, &have); err != nil {
		return fmt.Errorf("reading the schema's version: %w", err)
	}
	if have < s.schema {
		return fmt.Errorf("the schema is %d, and this program needs %d", have, s.schema)
	}
	return nil
}
