package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/jackc/pgx/v5/stdlib"
)

// Schema is the version of the schema of a database, and the migrations that it lacks.
type Schema struct {
	Have, Want int64       // versions: of the database, 0 if it is new, and of this program
	Pending    []Migration // that a start makes, in order
}

// Migration is one step of a schema.
type Migration struct {
	Version int64
	SQL     string
}

// ReadSchema reads how far the schema of a database is. It changes nothing and does not wait for a
// process that uses the database. The error is an [ErrNewerSchema] if Open would refuse it.
func ReadSchema(ctx context.Context, database string) (s Schema, err error) {
	d, db, err := openPlain(database)
	if err != nil {
		return s, fmt.Errorf("opening database: %w", err)
	}
	if db != nil {
		defer func() { err = errors.Join(err, db.Close()) }()
		var tables int
		if err := db.QueryRowContext(ctx, d.versions).Scan(&tables); err != nil {
			return s, fmt.Errorf("opening database: %w", err)
		}
		if tables > 0 {
			const version = `SELECT max(version_id) FROM goose_db_version WHERE is_applied`
			if err := db.QueryRowContext(ctx, version).Scan(&s.Have); err != nil {
				return s, fmt.Errorf("reading the schema's version: %w", err)
			}
		}
	}
	scripts, err := loadScripts(d)
	if err != nil {
		return s, err
	}
	for _, m := range scripts {
		s.Want = m.Version
		if m.Version > s.Have {
			s.Pending = append(s.Pending, m)
		}
	}
	if s.Have > s.Want {
		return s, checkNewer(ctx, db, s.Have, s.Want)
	}
	return s, nil
}

// openPlain opens a database without the locks and goroutines of a Store; no database if it is a
// SQLite file that does not exist.
func openPlain(database string) (dialect, *sql.DB, error) {
	if isPostgres(database) {
		config, err := postgresConfig(database)
		if err != nil {
			return dialect{}, nil, err
		}
		return postgres(), stdlib.OpenDB(*config), nil
	}
	path, err := filepath.Abs(database)
	if err != nil {
		return dialect{}, nil, err
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return sqlite3(), nil, nil
	}
	db, err := sqlitePool(path, "busy_timeout(10000)", "query_only(1)")
	return sqlite3(), db, err
}
