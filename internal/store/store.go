package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/internal/vault"
)

// Options are the options of [Open].
type Options struct {
	// Database is the path of a SQLite file, which Open creates if needed and only one process at a
	// time can open; or the URL of a PostgreSQL database, postgres://user:password@host/name, which
	// any number of processes may share.
	Database string

	// Session is another URL of the same PostgreSQL database, for what needs a session: LISTEN and
	// the lock of a migration. With it Database may lead through a pooler that gives each
	// transaction another connection; no statement is prepared there. Empty is Database.
	Session string

	// Kind is the kind of program. The first one to open a database sets its kind; another kind is
	// refused with [ErrOtherKind].
	Kind Kind

	// Keep leaves the schema as it is, and the jobs that a process has claimed: for tools that only
	// read. They may open a SQLite file beside the process that uses it, and cannot write to it. An
	// older schema may lack what a method reads.
	Keep bool

	next *next // for tests

	// ServerTimeout bounds a transaction's total wait for a PostgreSQL server, after which its
	// connection is closed; 0 means 10 s.
	ServerTimeout time.Duration

	// Now is the clock for the creation time of the database and its partitions; nil means
	// time.Now.
	Now func() time.Time

	// Log is for events that no caller gets as an error; nil discards them.
	Log *slog.Logger

	// Fault, for tests, is called with each of [FaultPoints] as a change passes it.
	Fault func(point string)
}

// Kind is the kind of program that a database belongs to. A sandbox's requests have no legal effect
// and must not be mistaken for real ones.
type Kind string

// The kinds.
const (
	Sandbox Kind = "sandbox"
	Service Kind = "service"

	// AnyKind opens an existing database of either kind, for tools.
	AnyKind Kind = "any"
)

// The points at which a test can stop the process, in the order in which a change passes them.
const (
	FaultBegun     = "store: transaction begun"
	FaultWritten   = "store: changes written"
	FaultCommitted = "store: committed, not answered"
	FaultAnswered  = "store: callers answered"
)

// FaultPoints lists the points.
func FaultPoints() []string {
	return []string{FaultBegun, FaultWritten, FaultCommitted, FaultAnswered}
}

// ErrClosed is the error of a closed store. Nothing was done.
var ErrClosed = errors.New("store: closed")

// ErrInUse is the error for a SQLite database that another process has open.
var ErrInUse = errors.New("the database is in use by another process")

// ErrUncertain is [request.ErrUncertain]. Changes of other kinds may return it too.
var ErrUncertain = request.ErrUncertain

// Store stores everything except documents. It implements request.Store, request.Watcher,
// request.Outbox, signer.Store, token.Replay, party.Store, calllog.Store and vault.Keys. All
// methods may be called concurrently, but not from within an Update's change.
type Store struct {
	dialect            dialect
	schema             int64 // version that Open made
	writers            *writers
	readers            *readers
	hub                *hub
	partitions         *partitions // nil for SQLite
	recent             recent
	compact, overwrite func(context.Context) error
	close              func() error // once
}

var (
	_ request.Store   = (*Store)(nil)
	_ request.Watcher = (*Store)(nil)
	_ request.Outbox  = (*Store)(nil)
	_ signer.Store    = (*Store)(nil)
	_ token.Replay    = (*Store)(nil)

	_ party.Store = (*Store)(nil)
	_ vault.Keys  = (*Store)(nil)

	_ operator.Store = (*Store)(nil)
)

// Open opens the database, migrates its schema, and releases the jobs that a process which died had
// claimed.
func Open(ctx context.Context, o Options) (*Store, error) {
	if o.Kind != Sandbox && o.Kind != Service && o.Kind != AnyKind {
		return nil, fmt.Errorf("store: unknown kind of database %q", o.Kind)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Fault == nil {
		o.Fault = func(string) {}
	}
	open := openSQLite
	if isPostgres(o.Database) {
		open = openPostgres
	}
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening database: %w", err)
	}
	return s, nil
}

// Busy implements request.Outbox and audit.Store.
func (s *Store) Busy() bool { return s.writers.busy() }

// Close waits for the queued changes and then closes the database. Later calls return [ErrClosed].
func (s *Store) Close() error { return s.close() }

// readers are connections for reading, with prepared statements.
type readers struct {
	db        *sql.DB
	direct    bool             // the driver prepares statements, and forgets old ones
	transient func(error) bool // a retry may succeed

	mu     sync.RWMutex
	stmts  map[string]*sql.Stmt
	closed bool
}

func newReaders(db *sql.DB, transient func(error) bool) *readers {
	return &readers{db: db, transient: transient, stmts: map[string]*sql.Stmt{}}
}

func (r *readers) stmt(ctx context.Context, query string) (stmt, error) {
	r.mu.RLock()
	stmt, closed := r.stmts[query], r.closed
	r.mu.RUnlock()
	switch {
	case closed:
		return nil, ErrClosed
	case r.direct:
		return unprepared{r.db, query}, nil
	case stmt != nil:
		return stmt, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, ErrClosed
	}
	if stmt := r.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := r.db.PrepareContext(ctx, query)
	if err == nil {
		r.stmts[query] = stmt
	}
	return stmt, err
}

// row reads one row into dest. The error is sql.ErrNoRows if there is none.
func (r *readers) row(ctx context.Context, query string, args []any, dest ...any) error {
	return r.retry(ctx, func() (bool, error) {
		stmt, err := r.stmt(ctx, query)
		if err != nil {
			return true, err
		}
		return true, stmt.QueryRowContext(ctx, args...).Scan(dest...)
	})
}

// rows calls scan for every row.
func (r *readers) rows(
	ctx context.Context, query string, args []any, scan func(*sql.Rows) error,
) error {
	return r.retry(ctx, func() (bool, error) {
		stmt, err := r.stmt(ctx, query)
		if err != nil {
			return true, err
		}
		rows, err := stmt.QueryContext(ctx, args...)
		if err != nil {
			return true, err
		}
		untouched := true
		err = each(rows, func(rows *sql.Rows) error { untouched = false; return scan(rows) })
		return untouched, err
	})
}

// retry repeats a read after a broken connection. After a restart of the server all connections of
// the pool are broken.
func (r *readers) retry(ctx context.Context, read func() (untouched bool, err error)) error {
	start, wait := time.Now(), time.Millisecond
	for ; ; wait = min(2*wait, maxRetryWait) {
		untouched, err := read()
		switch {
		case err == nil || ctx.Err() != nil:
			return err
		case !untouched || time.Since(start) >= retryFor || !r.transient(err):
			return away(err)
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func (r *readers) close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	var errs []error
	for _, stmt := range r.stmts {
		// A connection that has broken has closed it.
		if err := stmt.Close(); err != nil && !r.transient(err) {
			errs = append(errs, err)
		}
	}
	return errors.Join(append(errs, r.db.Close())...)
}

// readAll reads all rows of a query, each with scan. An error begins with what.
func readAll[T any](
	ctx context.Context, r *readers, what, query string, args []any,
	scan func(*sql.Rows, *T) error,
) (list []T, err error) {
	if err := r.rows(ctx, query, args, collect(&list, scan)); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	return list, nil
}

// collect returns a function that reads a row with scan and appends the result to list.
func collect[T any](list *[]T, scan func(*sql.Rows, *T) error) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var v T
		err := scan(rows, &v)
		*list = append(*list, v)
		return err
	}
}

func each(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// micros returns the stored form of a time; the zero time is 0.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// instant is the inverse of micros, in UTC.
func instant(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}
