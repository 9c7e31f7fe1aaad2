package store

import (
	"context"
	"database/sql"
	"errors"
)

// session is the writer's connection, with its prepared statements, in the middle of a transaction. No caller's context
// reaches it: once begun, a transaction carries the changes of several callers, and none of them may end it for the others.
//
// What a change does to a request is put off until all changes of the transaction have had their say (put, leave, later), and a
// change puts off as its last step. So one that is refused has left nothing that would have to be taken back, a request that several
// of them change is written once, and a server gets all in one message.
type session struct {
	dialect dialect
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt

	transaction string         // how the server calls it, where one has to be asked what became of it
	loaded      map[string]row // the requests that are read, as they stand in this transaction, with what was put off
	held        deferred
	wrote       bool // something was not put off

	// Of the change under way: a statement failed; one has written.
	failed, touched bool
}

// row is a request as the database keeps it.
type row struct {
	version   int64
	rowid     int64  // where SQLite has it, in this transaction
	clientID  string // of a row that is new; whose it is and since when never changes
	createdAt int64
	state     string
	due       sql.NullInt64
	data      string
}

// deferred is what the transaction writes at its end. Rows are what the requests' rows shall be: the first of an id tells which
// version it replaces, the last what it becomes.
type deferred struct {
	rows   []rowChange
	events []eventRow
	jobs   []jobRow
	others []statement
}

// lineBits is how many bits of a line's number tell the lines of one version of a request apart; the others are the version.
const lineBits = 16

// statement is a write of any other kind.
type statement struct {
	query string
	args  []any
}

type rowChange struct {
	id       string
	old, new row // old.version 0: there was none
}

// eventRow is a line of a request's trail. Lines are numbered upwards, with gaps: those of a change by the request's new version, which
// nobody has to look up; others follow whatever is there.
type eventRow struct {
	id           string
	seq          sql.NullInt64 // NULL: what follows
	at           int64
	kind, detail string
}

type jobRow struct {
	id                 string
	kind, status       string
	attempts           int
	due                int64
	payload, lastError string
}

func newSession(d dialect, conn *sql.Conn) *session {
	return &session{dialect: d, conn: conn, stmts: map[string]*sql.Stmt{}}
}

// reset prepares for a new transaction.
func (s *session) reset() {
	s.transaction, s.wrote, s.held = "", false, deferred{}
	s.loaded = map[string]row{}
}

// load gives a request that the transaction is about; sql.ErrNoRows if there is none.
func (s *session) load(id string) (row, error) {
	r, ok := s.loaded[id]
	if !ok {
		return row{}, sql.ErrNoRows
	}
	return r, nil
}

// put puts off the write of a request that was loaded, or of a new one, whose old row is the zero row. It returns the new version.
func (s *session) put(id string, old, new row) (version int64) {
	new.version, new.rowid = old.version+1, old.rowid
	s.loaded[id] = new
	s.held.rows = append(s.held.rows, rowChange{id, old, new})
	return new.version
}

// later puts off a write whose result nobody needs. Nothing in the transaction may depend on reading it.
func (s *session) later(query string, args ...any) {
	s.held.others = append(s.held.others, statement{query, args})
}

// size is how many writes were put off.
func (d *deferred) size() int {
	return len(d.rows) + len(d.events) + len(d.jobs) + len(d.others)
}

// merged is the rows to write, one for each request.
func (d *deferred) merged() []rowChange {
	if len(d.rows) < 2 {
		return d.rows
	}
	at := make(map[string]int, len(d.rows))
	var out []rowChange
	for _, c := range d.rows {
		if i, ok := at[c.id]; ok {
			c.new.clientID, c.new.createdAt = out[i].new.clientID, out[i].new.createdAt
			out[i].new = c.new
			continue
		}
		at[c.id] = len(out)
		out = append(out, c)
	}
	return out
}

func (s *session) stmt(query string) (*sql.Stmt, error) {
	if stmt := s.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := s.conn.PrepareContext(context.Background(), query)
	if err == nil {
		s.stmts[query] = stmt
	}
	return stmt, err
}

// run executes a statement that takes nothing and gives nothing.
func (s *session) run(query string) error {
	stmt, err := s.stmt(query)
	if err != nil {
		return err
	}
	_, err = stmt.ExecContext(context.Background())
	return err
}

// write executes a statement at once and tells how many rows it wrote.
func (s *session) write(query string, args ...any) (n int64, err error) {
	defer func() { s.failed = s.failed || err != nil }()
	stmt, err := s.stmt(query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	n, err = result.RowsAffected()
	s.touched = s.touched || n > 0
	s.wrote = s.wrote || n > 0
	return n, err
}

// writeRows is write for a statement that returns rows.
func (s *session) writeRows(query string, args []any, scan func(*sql.Rows) error) (err error) {
	defer func() { s.failed = s.failed || err != nil }()
	s.touched, s.wrote = true, true
	return s.rows(query, args, scan)
}

// rows calls scan for every row that a query gives.
func (s *session) rows(query string, args []any, scan func(*sql.Rows) error) error {
	stmt, err := s.stmt(query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(context.Background(), args...)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

// row reads one row into dest; sql.ErrNoRows if there is none.
func (s *session) row(query string, args []any, dest ...any) error {
	stmt, err := s.stmt(query)
	if err == nil {
		err = stmt.QueryRowContext(context.Background(), args...).Scan(dest...)
	}
	s.failed = s.failed || err != nil && !errors.Is(err, sql.ErrNoRows)
	return err
}

func (s *session) close() error {
	var errs []error
	for _, stmt := range s.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, s.conn.Close())...)
}
