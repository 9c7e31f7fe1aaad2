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

// pragmas are set on every connection, in this order: first how long to wait for a lock that another program holds (a backup
// takes one for a moment), because the next ones may meet it.
var pragmas = []string{
	"busy_timeout(10000)",
	"journal_mode(WAL)",
	"synchronous(FULL)",  // in WAL mode: every commit is on disk before it is answered
	"foreign_keys(0)",    // the outbox's is left from the first schema; see the migration 0006_trail.postgres.sql for why nobody checks it
	"cache_size(-32000)", // KiB
	"temp_store(MEMORY)",
	"wal_autocheckpoint(4000)",     // pages: the log is written home by one commit in hundreds, and by none that a quantile of 99 % sees
	"journal_size_limit(67108864)", // a log that grew is cut back after it was written home
}

// openSQLite opens the file o.Database, which belongs to this process alone until it is closed.
func openSQLite(ctx context.Context, o Options) (_ *Store, err error) {
	path, err := filepath.Abs(o.Database)
	if err != nil {
		return nil, err
	}
	// The file holds people's numbers: nobody else may read it. SQLite gives its log the same permissions.
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := f.Close(); err != nil {
		return nil, err
	}
	if path, err = filepath.EvalSymlinks(path); err != nil { // two names of a file must meet at one lock
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
	// We hold the lock, so whoever claimed these jobs is dead. Its work need not wait for the leases to run out.
	const release = `UPDATE outbox SET lease = 0, ready_at = due_at WHERE status = 'pending' AND lease <> 0`
	if _, err := writing.ExecContext(ctx, release); err != nil {
		return nil, fmt.Errorf("releasing leases: %w", err)
	}
	reading, err := sqlitePool(path, append(pragmas[:len(pragmas):len(pragmas)], "query_only(1)")...)
	if err != nil {
		return nil, err
	}
	n := max(4, 2*runtime.GOMAXPROCS(0))
	reading.SetMaxOpenConns(n)
	reading.SetMaxIdleConns(n)

	connect := func(ctx context.Context) (*session, error) {
		conn, err := writing.Conn(ctx)
		if err != nil {
			return nil, err
		}
		return newSession(d, conn), nil
	}
	s := &Store{dialect: d, readers: newReaders(reading, func(error) bool { return false }), hub: newHub()}
	s.writer = newWriter(1, connect, sqliteDatabase{}, s.hub, o.Fault)
	s.close = sync.OnceValue(func() error {
		// The last connection that closes writes the log home; only then may somebody else come.
		return errors.Join(s.writer.close(), s.readers.close(), writing.Close(), unlock())
	})
	return s, nil
}

func sqlitePool(path string, pragmas ...string) (*sql.DB, error) {
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: url.Values{"_pragma": pragmas}.Encode()}
	connector, err := sqlite.NewConnector(name.String())
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector), nil
}

// sqliteDatabase runs transactions in the plain way.
type sqliteDatabase struct{}

// begin takes the write lock at once, because a transaction that first reads and then wants to write may be refused. It is the
// whole database's, so that rows need none.
func (sqliteDatabase) begin(s *session, _, read []string) error {
	if err := s.run("BEGIN IMMEDIATE"); err != nil || len(read) == 0 {
		return err
	}
	query, ids := `SELECT id, rowid, version, data FROM requests WHERE id = $1`, read[0]
	if len(read) > 1 { // one statement for all is the cheaper, the more there are
		query = `SELECT id, rowid, version, data FROM requests WHERE id IN (SELECT value FROM json_each($1))`
		b, err := json.Marshal(read)
		if err != nil {
			return err
		}
		ids = string(b)
	}
	return s.rows(query, []any{ids}, func(rows *sql.Rows) error {
		var id string
		var r row
		err := rows.Scan(&id, &r.rowid, &r.version, &r.data)
		s.loaded[id] = r
		return err
	})
}

// flush writes row by row: a statement costs no more than a row of a longer one.
func (sqliteDatabase) flush(s *session) error {
	exactlyOne := func(query string, args ...any) error {
		n, err := s.write(query, args...)
		switch {
		case err != nil:
			return fmt.Errorf("%w: %w", errSpoiled, err)
		case n != 1:
			return errConflict
		}
		return nil
	}
	for _, c := range s.held.merged() {
		r := c.new
		query, args := `INSERT INTO requests (id, client_id, state, version, created_at, due_at, data)
			VALUES ($1, $2, $3, $4, $5, $6, $7)`, []any{c.id, r.clientID, r.state, r.version, r.createdAt, r.due, r.data}
		if c.old.version != 0 {
			// Columns that are not named here cost no work on their index.
			query, args = `UPDATE requests SET state = $3, version = $4, due_at = $5, data = $6 WHERE rowid = $1 AND version = $2`,
				[]any{r.rowid, c.old.version, r.state, r.version, r.due, r.data}
		}
		if err := exactlyOne(query, args...); err != nil {
			return err
		}
	}
	for _, e := range s.held.events {
		err := exactlyOne(`INSERT INTO events (request_id, seq, at, kind, detail)
			VALUES ($1, coalesce($2, (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE request_id = $1)), $3, $4, $5)`,
			e.id, e.seq, e.at, e.kind, e.detail)
		if err != nil {
			return err
		}
	}
	for _, j := range s.held.jobs {
		err := exactlyOne(`INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
			VALUES ($1, $2, $3, $4, $5, $5, 0, $6, $7)`, j.id, j.kind, j.status, j.attempts, j.due, j.payload, j.lastError)
		if err != nil {
			return err
		}
	}
	for _, o := range s.held.others {
		if _, err := s.write(o.query, o.args...); err != nil {
			return fmt.Errorf("%w: %w", errSpoiled, err)
		}
	}
	return nil
}

// commit is answered truthfully by SQLite: an error means that it did not happen.
func (sqliteDatabase) commit(s *session, _ news) error { return s.run("COMMIT") }

func (sqliteDatabase) end(*session) {}

func (sqliteDatabase) transient(error) (again, lost bool) { return false, false }
