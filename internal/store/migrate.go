package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"strconv"
	"strings"

	"github.com/pressly/goose/v3"
)

// migrations are plain SQL, named <version>_<what>.sql: one file for both databases, or
// <version>_<what>.<database>.sql for each. They go forward only, and on PostgreSQL each must leave
// a schema on which the version before still runs, because nodes are replaced one by one.
//
//go:embed migrations/*.sql
var migrations embed.FS

// ErrNewerSchema is the error for a database that a newer version of the program has migrated.
var ErrNewerSchema = errors.New("the database was written by a newer version of signet")

// ErrOtherKind is the error for a sandbox's database in the service, or the reverse.
var ErrOtherKind = errors.New("the database is of another kind")

// migrate migrates the schema and checks that the database is of the wanted kind. It changes
// nothing in a database that it refuses. It returns the version of the schema.
func migrate(ctx context.Context, db *sql.DB, d dialect, o Options) (version int64, err error) {
	steps, err := loadMigrations(d)
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(
		d.goose,
		db,
		nil,
		goose.WithGoMigrations(
			steps...),
		goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	)
	if err != nil {
		return 0, fmt.Errorf("preparing migrations: %w", err)
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	if have > want {
		return 0, fmt.Errorf(
			"%w: its schema is %d, this program knows %d", ErrNewerSchema, have, want,
		)
	}
	switch {
	case have > 0:
		if err := checkKind(ctx, db, o.Kind); err != nil {
			return 0, err
		}
	case o.Kind == AnyKind:
		return 0, fmt.Errorf("there is no database of signet: %w", fs.ErrNotExist)
	}
	if o.Keep {
		return want, nil
	}
	if have < want {
		if _, err := provider.Up(ctx); err != nil {
			return 0, fmt.Errorf("migrating the schema: %w", err)
		}
	}
	if o.Kind == AnyKind {
		return want, nil
	}
	const claim = `INSERT INTO meta (key, value) VALUES ('kind', $1), ('created_at', $2) ON CONFLICT (key) DO NOTHING`
	if _, err := db.ExecContext(ctx, claim, string(o.Kind), strconv.FormatInt(micros(o.Now()), 10)); err != nil {
		return 0, fmt.Errorf("naming the database's kind and age: %w", err)
	}
	return want, checkKind(ctx, db, o.Kind)
}

func checkKind(ctx context.Context, db *sql.DB, want Kind) error {
	var have string
	err := db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'kind'`).Scan(&have)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return nil // its first start was interrupted; this one sets the kind
	case err != nil:
		return fmt.Errorf("reading the database's kind: %w", err)
	case want != AnyKind && have != string(want):
		return fmt.Errorf("%w: it belongs to a %s, this is a %s", ErrOtherKind, have, want)
	}
	return nil
}

func loadMigrations(d dialect) ([]*goose.Migration, error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
	var steps []*goose.Migration
	for _, name := range names {
		if stem := strings.TrimSuffix(name, ".sql"); strings.Contains(stem, ".") &&
			!strings.HasSuffix(stem, "."+d.name) {
			continue
		}
		text, err := migrations.ReadFile(name)
		if err != nil {
			return nil, err
		}
		number, _, _ := strings.Cut(strings.TrimPrefix(name, "migrations/"), "_")
		version, err := strconv.ParseInt(number, 10, 64)
		if err != nil {
			return nil, fmt.Errorf("migration %s: %w", name, err)
		}
		script := strings.NewReplacer("@identity@", d.identity, "@clustered@", d.clustered).Replace(
			string(text),
		)
		steps = append(steps, goose.NewGoMigration(version, &goose.GoFunc{
			RunTx: func(ctx context.Context, tx *sql.Tx) error {
				_, err := tx.ExecContext(ctx, script)
				return err
			},
		}, nil))
	}
	return steps, nil
}
