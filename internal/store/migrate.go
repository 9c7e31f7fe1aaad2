package store

import (
	"cmp"
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

// oldestProgram is the schema of the oldest release that works on the newest schema. The database
// records it, so that an older release knows whether it may open a database that a newer one has
// migrated: to be rolled back, or to run beside it while nodes are replaced.
//
// A migration expands: it adds tables, columns with a default, and indexes. What an older release
// still reads goes with the migration of a later release, which then raises this number.
const oldestProgram = 11

// ErrNewerSchema is the error for a database that a newer version of the program has migrated, if
// this program does not work on its schema.
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
	if o.next != nil {
		steps = append(steps, o.next.step(steps))
	}
	provider, err := newProvider(db, d, steps)
	if err != nil {
		return 0, err
	}
	have, want, err := provider.GetVersions(ctx)
	if err != nil {
		return 0, fmt.Errorf("reading the schema's version: %w", err)
	}
	if have > want {
		if err := checkNewer(ctx, db, have, want); err != nil {
			return 0, err
		}
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
		if have > 0 { // a start of a new release may wait for it
			o.Log.Info("migrating the schema", "from", have, "to", want)
		}
		if _, err := provider.Up(ctx); err != nil {
			return 0, fmt.Errorf("migrating the schema: %w", err)
		}
		if have > 0 {
			o.Log.Info("migrated the schema", "from", have, "to", want)
		}
	}
	if have <= want {
		const record = `INSERT INTO meta (key, value) VALUES ('oldest_program', $1)
			ON CONFLICT (key) DO UPDATE SET value = excluded.value`
		if _, err := db.ExecContext(ctx, record, strconv.FormatInt(o.oldest(), 10)); err != nil {
			return 0, fmt.Errorf("recording the oldest program of the schema: %w", err)
		}
	}
	if o.Kind == AnyKind {
		return want, nil
	}
	const claim = `INSERT INTO meta (key, value) VALUES ('kind', $1), ('created_at', $2) ON CONFLICT (key) DO NOTHING`
	_, err = db.ExecContext(ctx, claim, string(o.Kind), strconv.FormatInt(micros(o.Now()), 10))
	if err != nil {
		return 0, fmt.Errorf("naming the database's kind and age: %w", err)
	}
	return want, checkKind(ctx, db, o.Kind)
}

func newProvider(db *sql.DB, d dialect, steps []*goose.Migration) (*goose.Provider, error) {
	p, err := goose.NewProvider(
		d.goose, db, nil, goose.WithGoMigrations(steps...), goose.WithDisableGlobalRegistry(true),
		goose.WithLogger(goose.NopLogger()),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing migrations: %w", err)
	}
	return p, nil
}

// checkNewer returns an ErrNewerSchema if a program that knows the schema want does not work on the
// newer schema have.
func checkNewer(ctx context.Context, db *sql.DB, have, want int64) error {
	oldest, err := readOldest(ctx, db)
	if err == nil && (oldest == 0 || oldest > want) {
		err = fmt.Errorf(
			"%w: its schema is %d and needs a program that knows %d, this program knows %d",
			ErrNewerSchema, have, cmp.Or(oldest, have), want,
		)
	}
	return err
}

// readOldest reads the schema of the oldest release that works on the database's schema; 0 if a
// release has migrated it that recorded none.
func readOldest(ctx context.Context, db *sql.DB) (oldest int64, err error) {
	var text string
	err = db.QueryRowContext(ctx, `SELECT value FROM meta WHERE key = 'oldest_program'`).Scan(&text)
	if err == nil {
		oldest, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return 0, fmt.Errorf("reading the oldest program of the schema: %w", err)
	}
	return oldest, nil
}

// next is a further migration, as a later release has one. Only tests have it.
type next struct {
	script string
	oldest int64 // of its release; see oldestProgram
}

func (n *next) step(before []*goose.Migration) *goose.Migration {
	return newStep(before[len(before)-1].Version+1, n.script)
}

func (o *Options) oldest() int64 {
	if o.next != nil {
		return o.next.oldest
	}
	return oldestProgram
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

func loadMigrations(d dialect) (steps []*goose.Migration, err error) {
	scripts, err := loadScripts(d)
	for _, m := range scripts {
		steps = append(steps, newStep(m.Version, m.SQL))
	}
	return steps, err
}

// loadScripts returns the migrations of a dialect in their order.
func loadScripts(d dialect) (scripts []Migration, err error) {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil {
		return nil, err
	}
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
		script := strings.NewReplacer(
			"@identity@", d.identity, "@clustered@", d.clustered, "@position@", d.position,
			"@users@", usersOfTables,
		).Replace(string(text))
		scripts = append(scripts, Migration{version, script})
	}
	return scripts, nil
}

// noTransaction is the first line of a script that ends its transactions itself. It is a single
// statement, and may run again after it was interrupted.
const noTransaction = "-- no transaction\n"

func newStep(version int64, script string) *goose.Migration {
	if strings.HasPrefix(script, noTransaction) {
		return goose.NewGoMigration(version, &goose.GoFunc{
			RunDB: func(ctx context.Context, db *sql.DB) error {
				_, err := db.ExecContext(ctx, script)
				return err
			},
		}, nil)
	}
	return goose.NewGoMigration(version, &goose.GoFunc{
		RunTx: func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, script)
			return err
		},
	}, nil)
}
