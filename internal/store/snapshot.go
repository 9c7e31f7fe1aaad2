package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// Snapshot writes a copy of a SQLite database into a new file, as of one moment, also while a
// process uses the database.
func Snapshot(ctx context.Context, database, into string) (err error) {
	path, err := filepath.Abs(database)
	if err != nil {
		return err
	}
	db, err := sqlitePool(path, "busy_timeout(10000)")
	if err != nil {
		return fmt.Errorf("opening database: %w", err)
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if _, err := db.ExecContext(ctx, `VACUUM INTO $1`, into); err != nil {
		return fmt.Errorf("copying the database: %w", err)
	}
	return nil
}
