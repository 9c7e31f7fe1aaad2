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

	wrote  bool // the transaction has something to commit
	alone  bool // the transaction carries one change, which needs no savepoint of its own
	saved  bool // the change under way has its savepoint
	failed bool // a statement of the change under way failed
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

// save sets the savepoint of the change under way, before its first write.
func (s *session) save() error {
	if s.alone || s.saved {
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
	s.wrote = true
	result, err := stmt.ExecContext(context.Background(), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
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
	s.wrote = true
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
