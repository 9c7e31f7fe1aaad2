package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"sync"

	"modernc.org/sqlite"
)

// pragmas are set on every connection, in this order: first how long to wait for a lock that
// another program holds (a backup takes one for a moment), because the next ones may meet it.
var pragmas = []string{
	"busy_timeout(10000)",
	"journal_mode(WAL)",
	"synchronous(FULL)", // in WAL mode: every commit is on disk before it is answered
	// the outbox's is left from the first schema; see the migration 0006_trail.postgres.sql for why
	// it is not checked
	"foreign_keys(0)",
	"cache_size(-32000)", // KiB
	"temp_store(MEMORY)",
	// pages: one commit in hundreds writes the log into the database, too rarely for the 99 %
	// quantile
	"wal_autocheckpoint(4000)",
	"journal_size_limit(67108864)", // a log that grew is cut back afterwards
}

// openSQLite opens the file o.Database, which belongs to this process alone until it is closed.
func openSQLite(ctx context.Context, o Options) (_ *Store, err error) {
	path, err := filepath.Abs(o.Database)
	if err != nil {
		return nil, err
	}
	// The file holds people's numbers: no other user may read it. SQLite gives its log the same
	// permissions.
	flags := os.O_RDWR
	if o.Kind != AnyKind {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	// two names of a file must meet at one lock
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	unlock, err := lockFile(path + ".lock")
	if err != nil {
		return nil, err
	}
	undo := []func() error{unlock}
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			_ = undo[i]()
		}
	}()

	writing, err := sqlitePool(path, pragmas...)
	if err != nil {
		return nil, err
	}
	undo = append(undo, writing.Close)
	d := sqlite3()
	if err := migrate(ctx, writing, d, o); err != nil {
		return nil, err
	}
	// This process holds the lock, so the one that claimed these jobs has ended. They need not wait
	// for the leases to run out.
	const release = `UPDATE outbox SET lease = 0, ready_at = due_at WHERE status = 'pending' AND lease <> 0`
	if _, err := writing.ExecContext(ctx, release); err != nil {
		return nil, fmt.Errorf("releasing leases: %w", err)
	}
	reading, err := sqlitePool(
		path,
		append(pragmas[:len(pragmas):len(pragmas)], "query_only(1)")...)
	if err != nil {
		return nil, err
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	reading.SetMaxOpenConns(n)
	reading.SetMaxIdleConns(n)

	s := &Store{
		dialect: d, readers: newReaders(reading, func(error) bool { return false }), hub: newHub(),
	}
	s.writers = newWriters(1, sqliteDatabase{writing}, s.hub, o.Fault)
	s.close = sync.OnceValue(func() error {
		// The last connection that closes writes the log into the database; only then may another
		// process open it.
		return errors.Join(s.writers.close(), s.readers.close(), writing.Close(), unlock())
	})
	return s, nil
}

func sqlitePool(path string, pragmas ...string) (*sql.DB, error) {
	name := url.URL{
		Scheme: "file", Path: filepath.ToSlash(path),
		RawQuery: url.Values{"_pragma": pragmas}.Encode(),
	}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// sqliteDatabase runs transactions in the plain way.
type sqliteDatabase struct{ writing *sql.DB }

func (d sqliteDatabase) connect(ctx context.Context) (*conn, error) {
	return newConn(ctx, d.writing)
}

// limit sets none: the disk answers, and a lock that another program holds is waited for as long as
// busy_timeout says.
func (sqliteDatabase) limit() (context.Context, context.CancelFunc) {
	return context.Background(), func() {}
}

// begin takes the write lock at once, because a transaction that first reads and then wants to
// write may be refused. It is the whole database's, so that rows need none.
func (sqliteDatabase) begin(ctx context.Context, c *conn, ids []string) (map[string]row, error) {
	loaded := map[string]row{}
	if _, err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil || len(ids) == 0 {
		return loaded, err
	}
	query, arg := `SELECT id, version, data FROM requests WHERE id = $1`, ids[0]
	if len(ids) > 1 { // one statement for all is cheaper than one for each
		query = `SELECT id, version, data FROM requests WHERE id IN (SELECT value FROM json_each($1))`
		b, err := json.Marshal(ids)
		if err != nil {
			return nil, err
		}
		arg = string(b)
	}
	err := c.rows(ctx, query, []any{arg}, func(rows *sql.Rows) error {
		var id string
		var r row
		err := rows.Scan(&id, &r.version, &r.data)
		loaded[id] = r
		return err
	})
	return loaded, err
}

func (sqliteDatabase) write(ctx context.Context, c *conn, statements []statement) ([]int64, error) {
	counts := make([]int64, len(statements))
	for i, s := range statements {
		var err error
		if counts[i], err = c.exec(ctx, s.query, s.args...); err != nil {
			return nil, err
		}
	}
	return counts, nil
}

func (sqliteDatabase) announce(notification) []statement { return nil }

// commit is answered truthfully by SQLite: an error means that it did not happen.
func (sqliteDatabase) commit(ctx context.Context, c *conn) error {
	_, err := c.exec(ctx, "COMMIT")
	return err
}

func (sqliteDatabase) transient(error) (again, lost bool) { return false, false }
