package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
)

// database runs transactions on SQLite or PostgreSQL. ctx bounds the whole transaction.
type database interface {
	connect(ctx context.Context) (*conn, error)

	// limit returns the context of one transaction.
	limit() (context.Context, context.CancelFunc)

	// begin starts a transaction, locks the requests with these ids, and reads them.
	begin(ctx context.Context, c *conn, ids []string) (map[string]row, error)

	// write executes statements in order and returns the numbers of rows that they wrote.
	write(ctx context.Context, c *conn, statements []statement) (counts []int64, err error)

	// announce returns the statements that notify other nodes when the change is committed.
	announce(n notification) []statement

	// commit commits. An error means that nothing was committed, unless it is an ErrUncertain.
	commit(ctx context.Context, c *conn) error

	// transient reports whether the transaction may succeed if it is retried, and whether the
	// connection is lost.
	transient(err error) (again, lost bool)
}

// conn is a writer's connection, with its prepared statements.
type conn struct {
	*sql.Conn
	stmts       map[string]*sql.Stmt
	transaction string // PostgreSQL's id of the transaction
	lost        bool   // the connection broke during a commit
	pooled      bool   // no statement is prepared
}

func newConn(ctx context.Context, db *sql.DB) (*conn, error) {
	c, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: c, stmts: map[string]*sql.Stmt{}}, nil
}

// stmt is a query to run: a prepared *sql.Stmt, or one that is not prepared.
type stmt interface {
	ExecContext(ctx context.Context, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, args ...any) *sql.Row
}

// unprepared is a query that is sent as a whole each time.
type unprepared struct {
	on interface {
		ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
		QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
		QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
	}
	query string
}

func (u unprepared) ExecContext(ctx context.Context, args ...any) (sql.Result, error) {
	return u.on.ExecContext(ctx, u.query, args...)
}

func (u unprepared) QueryContext(ctx context.Context, args ...any) (*sql.Rows, error) {
	return u.on.QueryContext(ctx, u.query, args...)
}

func (u unprepared) QueryRowContext(ctx context.Context, args ...any) *sql.Row {
	return u.on.QueryRowContext(ctx, u.query, args...)
}

func (c *conn) stmt(ctx context.Context, query string) (stmt, error) {
	if c.pooled {
		return unprepared{c.Conn, query}, nil
	}
	if stmt := c.stmts[query]; stmt != nil {
		return stmt, nil
	}
	stmt, err := c.PrepareContext(ctx, query)
	if err == nil {
		c.stmts[query] = stmt
	}
	return stmt, err
}

func (c *conn) exec(ctx context.Context, query string, args ...any) (n int64, err error) {
	stmt, err := c.stmt(ctx, query)
	if err != nil {
		return 0, err
	}
	result, err := stmt.ExecContext(ctx, args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// rows calls scan for every row of a query.
func (c *conn) rows(
	ctx context.Context, query string, args []any, scan func(*sql.Rows) error,
) error {
	stmt, err := c.stmt(ctx, query)
	if err != nil {
		return err
	}
	rows, err := stmt.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	return each(rows, scan)
}

func (c *conn) close() error {
	var errs []error
	for _, stmt := range c.stmts {
		errs = append(errs, stmt.Close())
	}
	return errors.Join(append(errs, c.Close())...)
}

// discard closes the connection to the server instead of returning it to the pool.
func (c *conn) discard() { _ = c.Raw(func(any) error { return driver.ErrBadConn }) }
