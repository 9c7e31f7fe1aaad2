package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/signet-sign/signet/internal/request"
)

// tx is a transaction as one change sees it. It does not use the callers' contexts: a transaction
// has changes of several callers, and none of them may end it for the others.
//
// The writes of a change to requests are deferred until all changes of the transaction have been
// applied. So a refused change leaves nothing to undo, and PostgreSQL gets all writes in one
// message.
type tx struct {
	db   database
	conn *conn
	// the requests of the transaction after the previous changes
	loaded map[string]row

	rows    map[string]row // requests as this change modifies them
	later   []statement    // deferred writes
	told    notification
	touched bool // it has written immediately, or a statement has failed
}

// row is the stored form of a request.
type row struct {
	version int64
	state   string
	due     sql.NullInt64
	data    string
}

// The writes of every change. Indexes of columns that an UPDATE does not name cost nothing.
const (
	insertRequest = `INSERT INTO requests (id, client_id, state, version, created_at, due_at, data)
		VALUES ($1, $2, $3, $4, $5, $6, $7)`
	updateRequest = `UPDATE requests SET state = $3, version = $4, due_at = $5, data = $6
		WHERE id = $1 AND version = $2`
	insertEvent = `INSERT INTO events (request_id, seq, at, kind, detail) VALUES ($1, $2, $3, $4, $5)`
	appendEvent = `INSERT INTO events (request_id, seq, at, kind, detail)
		VALUES ($1, (SELECT coalesce(max(seq), 0) + 1 FROM events WHERE request_id = $1), $2, $3, $4)`
	insertHash = `INSERT INTO audit_hashes (id, hash) VALUES ($1, $2)`
	setLeaf    = `UPDATE events SET leaf = $3, nth = $4
		WHERE request_id = $1 AND seq = $2 AND leaf IS NULL`
	insertJob = `INSERT INTO outbox (request_id, client_id, kind, status, attempts, due_at, ready_at,
			lease, payload, last_error)
		VALUES ($1, $2, $3, $4, $5, $6, $6, 0, $7, $8)`
	settleJob = `UPDATE outbox SET status = $4, due_at = $5, ready_at = $5, lease = 0, payload = $6,
			last_error = $7
		WHERE id = $1 AND request_id = $2 AND lease = $3`
)

// statement is a deferred write.
type statement struct {
	query string
	args  []any
	rows  int64 // that it must write, or anyNumber
}

// anyNumber of rows may be written.
const anyNumber = -1

// load returns a request of the change's target. The error is sql.ErrNoRows if there is none.
func (t *tx) load(id string) (row, error) {
	r, ok := t.loaded[id]
	if !ok {
		return row{}, sql.ErrNoRows
	}
	return r, nil
}

// insert defers the write of a new request, whose version is 1.
func (t *tx) insert(r *request.Request, new row) {
	new.version = 1
	t.rows = map[string]row{r.ID: new}
	t.deferOne(
		insertRequest, r.ID, r.ClientID, new.state, new.version, micros(r.CreatedAt), new.due,
		new.data,
	)
}

// update defers the write of a loaded request, and returns its new version.
func (t *tx) update(id string, old, new row) (version int64) {
	new.version = old.version + 1
	t.rows = map[string]row{id: new}
	t.deferOne(updateRequest, id, old.version, new.state, new.version, new.due, new.data)
	return new.version
}

// lineBits is the number of bits that number the lines of the trail of one version of a request.
// The higher bits are the version.
const lineBits = 16

// deferEffects defers the writes of the effects of a change to a request, and adds its
// notification. version is the request's new version, or 0 if its row does not change.
//
// Lines of the trail have ascending numbers with gaps: those of a change begin with the request's
// new version, which saves a query; others follow the last line.
func (t *tx) deferEffects(id, clientID string, version int64, e request.Effects) error {
	for i, e := range e.Events {
		detail, err := encodeDetail(e.Detail)
		if err != nil {
			return err
		}
		if version != 0 {
			t.deferOne(
				insertEvent, id, version<<lineBits+int64(i), micros(e.At), string(e.Kind), detail,
			)
			continue
		}
		t.deferOne(appendEvent, id, micros(e.At), string(e.Kind), detail)
	}
	for _, j := range e.Jobs {
		t.told.jobs = t.told.jobs || j.Kind.Wakes()
		t.deferOne(
			insertJob, id, clientID, string(j.Kind), string(j.Status), int64(j.Attempts),
			micros(j.DueAt), text(j.Payload), text(j.LastError),
		)
	}
	t.told.requests = append(t.told.requests, id)
	return nil
}

// deferOne defers a write that must change one row.
func (t *tx) deferOne(query string, args ...any) {
	t.later = append(t.later, statement{query, args, 1})
}

// deferAny defers a write of any number of rows.
func (t *tx) deferAny(query string, args ...any) {
	t.later = append(t.later, statement{query, args, anyNumber})
}

// write executes a statement immediately and returns the number of rows that it wrote.
func (t *tx) write(ctx context.Context, query string, args ...any) (n int64, err error) {
	n, err = t.conn.exec(ctx, query, args...)
	t.touched = t.touched || err != nil || n > 0
	return n, err
}

// writeAll executes statements immediately and returns the numbers of rows that they wrote.
func (t *tx) writeAll(ctx context.Context, statements []statement) (counts []int64, err error) {
	t.touched = true
	return t.db.write(ctx, t.conn, statements)
}

// writeRows is write for a statement that returns rows.
func (t *tx) writeRows(
	ctx context.Context, query string, args []any, scan func(*sql.Rows) error,
) error {
	t.touched = true
	return t.conn.rows(ctx, query, args, scan)
}

// read calls scan for every row of a query.
func (t *tx) read(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	err := t.conn.rows(ctx, query, args, scan)
	t.touched = t.touched || err != nil
	return err
}

// row reads one row into dest. The error is sql.ErrNoRows if there is none.
func (t *tx) row(ctx context.Context, query string, args []any, dest ...any) error {
	stmt, err := t.conn.stmt(ctx, query)
	if err == nil {
		err = stmt.QueryRowContext(ctx, args...).Scan(dest...)
	}
	t.touched = t.touched || err != nil && !errors.Is(err, sql.ErrNoRows)
	return err
}

// lock locks a text until the end of the transaction.
func (s *Store) lock(ctx context.Context, tx *tx, text string) error {
	if s.dialect.lockText == "" {
		return nil
	}
	ignore := func(*sql.Rows) error { return nil }
	return tx.read(ctx, s.dialect.lockText, []any{text}, ignore)
}
