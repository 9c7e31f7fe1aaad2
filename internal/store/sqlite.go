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

// pragmas are set on every connection, in this order. busy_timeout is the first, because the others
// may have to wait for a lock that another program holds, such as a backup.
var pragmas = []string{
	"busy_timeout(10000)",
	"journal_mode(WAL)",
	"synchronous(FULL)", // in WAL mode, every commit is on disk before it is answered
	// the outbox has a foreign key from the first schema; the migration 0006_trail.postgres.sql
	// says why it is not checked
	"foreign_keys(0)",
	// in KiB; most commits look at each page of the cache, because a B-tree that is balanced leaves
	// a number behind that is larger than that of any page. With 32,000 a change takes 6 % longer.
	"cache_size(-8000)",
	"temp_store(MEMORY)",
	// in pages; one commit in hundreds copies the log into the database, too few to affect the 99 %
	// quantile
	"wal_autocheckpoint(4000)",
	"journal_size_limit(67108864)", // truncates a log that has grown
	// overwrites what is deleted with zeros, such as keys of documents
	"secure_delete(1)",
}

// openSQLite opens the file o.Database, which no other process can open until it is closed. With
// o.Keep it only reads, beside a process that may have it open.
func openSQLite(ctx context.Context, o Options) (_ *Store, err error) {
	path, err := filepath.Abs(o.Database)
	if err != nil {
		return nil, err
	}
	// The file contains personal numbers, so no other user may read it. SQLite gives its log the
	// same permissions.
	flags := os.O_RDWR
	if o.Kind != AnyKind {
		flags |= os.O_CREATE
	}
	f, err := os.OpenFile(path, flags, 0o600)
	if err != nil {
		return nil, err
	}
	opened, err := f.Stat()
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	// Different names of a file must lead to the same lock.
	if path, err = filepath.EvalSymlinks(path); err != nil {
		return nil, err
	}
	unlock, pragmas := func() error { return nil }, pragmas
	if o.Keep {
		pragmas = readOnly(pragmas)
	} else if unlock, err = lockFile(path + ".lock"); err != nil {
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
	schema, err := migrate(ctx, writing, d, o)
	if err != nil {
		return nil, err
	}
	// This process has the lock, so the process that claimed these jobs has ended. They need not
	// wait for the end of their leases.
	const release = `UPDATE outbox SET lease = 0, ready_at = due_at WHERE status = 'pending' AND lease <> 0`
	if !o.Keep {
		if _, err := writing.ExecContext(ctx, release); err != nil {
			return nil, fmt.Errorf("releasing leases: %w", err)
		}
	}
	reading, err := sqlitePool(path, readOnly(pragmas)...)
	if err != nil {
		return nil, err
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	reading.SetMaxOpenConns(n)
	reading.SetMaxIdleConns(n)

	s := &Store{
		dialect: d, schema: schema, readers: newReaders(reading, func(error) bool { return false }),
		hub: newHub(),
	}
	s.writers = newWriters(1, sqliteDatabase{writing, path, opened}, s.hub, o.Fault)
	s.compact = func(ctx context.Context) error {
		_, err := writing.ExecContext(ctx, `VACUUM; PRAGMA wal_checkpoint(TRUNCATE)`)
		return err
	}
	s.overwrite = func(ctx context.Context) error {
		var busy, frames, copied int
		const query = `PRAGMA wal_checkpoint(TRUNCATE)`
		err := writing.QueryRowContext(ctx, query).Scan(&busy, &frames, &copied)
		if err == nil && busy != 0 {
			err = errors.New("the write-ahead log is in use")
		}
		return err
	}
	s.close = sync.OnceValue(func() error {
		// The last connection to close copies the log into the database. Only then may another
		// process open it.
		return errors.Join(s.writers.close(), s.readers.close(), writing.Close(), unlock())
	})
	return s, nil
}

// readOnly adds the pragma with which a connection refuses to write.
func readOnly(pragmas []string) []string {
	return append(pragmas[:len(pragmas):len(pragmas)], "query_only(1)")
}

func sqlitePool(path string, pragmas ...string) (*sql.DB, error) {
	name := url.URL{
		Scheme: "file", Path: filepath.ToSlash(path),
		// openSQLite makes the file; a connection never makes another one, as below a disk that was
		// unmounted.
		RawQuery: url.Values{"_pragma": pragmas, "mode": {"rw"}}.Encode(),
	}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// sqliteDatabase runs transactions without batching of statements.
type sqliteDatabase struct {
	writing *sql.DB
	path    string
	opened  os.FileInfo // of the file when it was opened
}

// errMoved is the error of a change while another file, or none, has the name of the database:
// what is written to the file that was opened would be lost at the next start.
var errMoved = errors.New("the database file was moved or replaced, or its disk is not mounted")

func (d sqliteDatabase) connect(ctx context.Context) (*conn, error) {
	return newConn(ctx, d.writing)
}

// limit sets no time limit. busy_timeout bounds the wait for a lock that another program holds.
func (sqliteDatabase) limit() (context.Context, context.CancelFunc) {
	return context.Background(), func() {}
}

// begin takes the write lock immediately, because a transaction that first reads and then writes
// may be refused. The lock covers the whole database, so rows need none.
func (d sqliteDatabase) begin(ctx context.Context, c *conn, ids []string) (map[string]row, error) {
	loaded := map[string]row{}
	if now, err := os.Stat(d.path); err != nil || !os.SameFile(now, d.opened) {
		return nil, errMoved
	}
	if _, err := c.exec(ctx, "BEGIN IMMEDIATE"); err != nil || len(ids) == 0 {
		return loaded, err
	}
	query, arg := `SELECT id, version, data FROM requests WHERE id = $1`, ids[0]
	if len(ids) > 1 { // one statement for all is faster than one for each
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

// commit commits. With SQLite an error always means that nothing was committed.
func (sqliteDatabase) commit(ctx context.Context, c *conn) error {
	_, err := c.exec(ctx, "COMMIT")
	return err
}

// transient gives up a connection that could not use the files: SQLite may have opened a file that
// could not be written to read-only, and a connection keeps it so.
func (sqliteDatabase) transient(err error) (again, lost bool) { return false, isDisk(err) }
