package store

import (
	"context"
	"database/sql"
	"errors"
)

// session is the writer's connection, with its prepared statements, in the middle of a transaction. No caller's context
// reaches it: once begun, a transaction carries the changes of several callers, and none of them may end it for the others.
type session struct {
	dialect dialect
	conn    *sql.Conn
	stmts   map[string]*sql.Stmt

	wrote   bool // the transaction has something to commit
	pending []statement
	loaded  map[string]row // requests as they stand in this transaction; nil: read them one by one

	alone   bool // the transaction carries one change, which needs no savepoint of its own
	saved   bool // the change under way has its savepoint
	failed  bool // a statement of the change under way failed
	touched bool // the change under way has written
}

// statement is a write that is put off until the end of the transaction, so that one round trip carries many.
type statement struct {
	query string
	args  []any
	must  bool // it must write a row, or else somebody else has changed it
}

// row is a request as the database keeps it.
type row struct {
	version int64
	data    string
}

// reset prepares for a new transaction.
func (s *session) reset() { s.wrote, s.pending, s.loaded = false, nil, nil }

// load reads a request and locks it until the end of the transaction; sql.ErrNoRows if there is none.
func (s *session) load(id string) (r row, err error) {
	if s.loaded != nil {
		r, ok := s.loaded[id]
		if !ok {
			return row{}, sql.ErrNoRows
		}
		return r, nil
	}
	err = s.row(`SELECT version, data FROM requests WHERE id = $1`, []any{id}, &r.version, &r.data)
	return r, err
}

// replace puts off the write of a request that was loaded.
func (s *session) replace(id string, old row, state string, due sql.NullInt64, data string) error {
	if s.loaded != nil {
		s.loaded[id] = row{old.version + 1, data}
	}
	// Whose it is and since when never changes, and columns that are not named here cost no work on their index.
	return s.later(true, `UPDATE requests SET state = $3, version = version + 1, due_at = $4, data = $5 WHERE id = $1 AND version = $2`,
		id, old.version, state, due, data)
}

// later is write for a statement whose result nobody needs before the end. What was put off runs in its order, after all
// that was not: nothing in a transaction may depend on reading it. If it must write a row and does not, the transaction runs
// again.
func (s *session) later(must bool, query string, args ...any) error {
	if s.dialect.batches {
		s.wrote = true
		s.pending = append(s.pending, statement{query, args, must})
		return nil
	}
	n, err := s.write(query, args...)
	if err == nil && n == 0 && must {
		return errConflict
	}
	return err
}

const (
	savepoint = "SAVEPOINT change"
	forget    = "RELEASE SAVEPOINT change"
	undo      = "ROLLBACK TO SAVEPOINT change"
)

func newSession(d dialect, conn *sql.Conn) *session {
	return &session{dialect: d, conn: conn, stmts: map[string]*sql.Stmt{}}
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

// save sets the savepoint of the change under way, before its first write. Where every statement is a round trip there are
// none: should a change fail after it wrote, which none does in good order, each change runs again in a transaction alone.
func (s *session) save() error {
	if s.alone || s.saved || s.dialect.batches {
		return nil
	}
	if err := s.run(savepoint); err != nil {
		s.failed = true
		return err
	}
	s.saved = true
	return nil
}

// write executes a statement and tells how many rows it wrote.
func (s *session) write(query string, args ...any) (n int64, err error) {
	if err := s.save(); err != nil {
		return 0, err
	}
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
	if err := s.save(); err != nil {
		return err
	}
	defer func() { s.failed = s.failed || err != nil }()
	stmt, err := s.stmt(query)
	if err != nil {
		return err
	}
	s.touched, s.wrote = true, true
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
