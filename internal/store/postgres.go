package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// isPostgres reports whether a database is named by a URL of PostgreSQL.
func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") || strings.HasPrefix(database, "postgresql://")
}

// openPostgres opens a database that any number of processes may share.
func openPostgres(ctx context.Context, o Options) (_ *Store, err error) {
	config, err := pgx.ParseConfig(o.Database)
	if err != nil {
		return nil, err // without the password: pgx takes care of that
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	setDefaults(config, pgDefaults)
	// Packets may vanish without a word; then the connection has to be given up.
	keepAlive := net.KeepAliveConfig{Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3}
	config.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	d := postgres()
	lookups := config.Copy()
	setDefaults(lookups, pgLookups)
	writing, reading := stdlib.OpenDB(*lookups), stdlib.OpenDB(*config)
	undo := []func() error{writing.Close, reading.Close}
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			_ = undo[i]()
		}
	}()
	if err := migrateAlone(ctx, writing, d, o); err != nil {
		return nil, err
	}
	const readers = 16 // for each node; a server has 100 connections unless it is told otherwise
	reading.SetMaxOpenConns(readers)
	reading.SetMaxIdleConns(readers)

	s := &Store{dialect: d, readers: newReaders(reading, pgTransient), hub: newHub()}
	node := rand.Text()
	listening, err := listen(ctx, config, node, s.hub, o.Log)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	connect := func(ctx context.Context) (*session, error) {
		conn, err := writing.Conn(ctx)
		if err != nil {
			return nil, err
		}
		return newSession(d, conn), nil
	}
	const atOnce = 2 // transactions: one is decided upon while the disk is busy with the other
	s.writer = newWriter(atOnce, connect, &pgDatabase{node: node, db: writing, timeout: cmp.Or(o.ServerTimeout, 10*time.Second)}, s.hub, o.Fault)
	s.close = sync.OnceValue(func() error {
		return errors.Join(s.writer.close(), listening.close(), s.readers.close(), writing.Close())
	})
	return s, nil
}

// Settings of the server for our connections, whatever its own defaults are, unless the operator says something else in the URL.
var (
	pgDefaults = map[string]string{
		"application_name":   "signet",
		"synchronous_commit": "on",  // what we acknowledge is on disk
		"jit":                "off", // compiling takes a tenth of a second, and none of our queries that long
	}

	// Those of the connections that write. Whatever they execute finds its rows by key, so there is one good plan for it, at every size
	// of the tables: it is made once, and not anew, at a cost like that of the work itself, for the sake of statistics.
	pgLookups = map[string]string{
		"plan_cache_mode": "force_generic_plan",
		"enable_seqscan":  "off", "enable_hashjoin": "off", "enable_mergejoin": "off",
		"idle_in_transaction_session_timeout": "5s",
	}
)

func setDefaults(config *pgx.ConnConfig, defaults map[string]string) {
	for name, value := range defaults {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
}

// migrateAlone is migrate while no other node does the same.
func migrateAlone(ctx context.Context, db *sql.DB, d dialect, o Options) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	const lock = 0x5167_6e65_74 // any number that is always the same
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(lock)); err != nil {
		return errors.Join(err, conn.Close())
	}
	defer func() {
		_, unlock := conn.ExecContext(context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(lock))
		err = errors.Join(err, unlock, conn.Close())
	}()
	return migrate(ctx, db, d, o)
}

// pgDatabase runs transactions with two round trips, however many changes they carry: one to begin and to read, one to write, to tell
// the other nodes, and to commit. What is written travels as arrays, because a statement costs the server far more than a row.
//
// A server that says nothing, or a network that lets nothing through, ends a transaction after the timeout; what became of it is then
// asked on another connection. And a node that stands still in the middle of a transaction, with requests locked, loses it to the server's
// idle_in_transaction_session_timeout, so that the others can go on.
type pgDatabase struct {
	node    string
	db      *sql.DB
	timeout time.Duration
}

func (d *pgDatabase) begin(s *session, ids, _ []string) error {
	if err := pgDeadline(s, time.Now().Add(d.timeout)); err != nil {
		return err
	}
	var b pgx.Batch
	b.Queue("BEGIN")
	b.Queue(`SELECT pg_current_xact_id()::text`).QueryRow(func(r pgx.Row) error { return r.Scan(&s.transaction) })
	if len(ids) > 0 {
		b.Queue(pgLock, ids).Query(func(rows pgx.Rows) error {
			var id string
			var r row
			_, err := pgx.ForEachRow(rows, []any{&id, &r.version, &r.data}, func() error {
				s.loaded[id] = r
				return nil
			})
			return err
		})
	}
	return d.send(s, &b)
}

// The rows of requests are locked since they were read, so that they are what they were; should one not be, the division fails,
// and with it the transaction.
const (
	pgLock       = `SELECT id, version, data FROM requests WHERE id = ANY($1) ORDER BY id COLLATE "C" FOR UPDATE`
	pgInsertRows = `INSERT INTO requests (id, client_id, state, version, created_at, due_at, data)
		SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[])`
	pgUpdateRows = `WITH changed AS (
			UPDATE requests AS r SET state = n.state, version = n.version, due_at = n.due_at, data = n.data
			FROM unnest($1::text[], $2::bigint[], $3::text[], $4::bigint[], $5::bigint[], $6::text[])
				AS n (id, old, state, version, due_at, data)
			WHERE r.id = n.id AND r.version = n.old RETURNING 1)
		SELECT 1 / (count(*) = cardinality($1::text[]))::int FROM changed`
	pgInsertEvents = `INSERT INTO events (request_id, seq, at, kind, detail)
		SELECT n.id, coalesce(n.seq, n.nth + (SELECT coalesce(max(e.seq), 0) FROM events AS e WHERE e.request_id = n.id)), n.at, n.kind, n.detail
		FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[]) AS n (id, seq, nth, at, kind, detail)`
	pgInsertJobs = `INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
		SELECT n.id, n.kind, n.status, n.attempts, n.due, n.due, 0, n.payload, n.error
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::text[])
			AS n (id, kind, status, attempts, due, payload, error)`
)

// queue adds to b what was put off.
func (*pgDatabase) queue(held deferred, b *pgx.Batch) {
	var fresh, changed struct {
		ids, clients, states, data []string
		old, versions, created     []int64
		due                        []sql.NullInt64
	}
	for _, c := range held.merged() {
		to := &changed
		if c.old.version == 0 {
			to = &fresh
		}
		to.ids, to.clients, to.states, to.data = append(to.ids, c.id), append(to.clients, c.new.clientID), append(to.states, c.new.state), append(to.data, c.new.data)
		to.old, to.versions, to.created = append(to.old, c.old.version), append(to.versions, c.new.version), append(to.created, c.new.createdAt)
		to.due = append(to.due, c.new.due)
	}
	if len(fresh.ids) > 0 {
		b.Queue(pgInsertRows, fresh.ids, fresh.clients, fresh.states, fresh.versions, fresh.created, fresh.due, fresh.data)
	}
	if len(changed.ids) > 0 {
		b.Queue(pgUpdateRows, changed.ids, changed.old, changed.states, changed.versions, changed.due, changed.data)
	}
	if len(held.events) > 0 {
		var ids, kinds, details []string
		var seq []sql.NullInt64
		var nth, at []int64
		last, count := map[string]int64{}, map[string]int64{}
		for _, e := range held.events {
			if n := last[e.id]; n != 0 && !e.seq.Valid { // it follows one of this very statement
				e.seq = sql.NullInt64{Int64: n + 1, Valid: true}
			}
			last[e.id] = e.seq.Int64
			count[e.id]++
			ids, kinds, details = append(ids, e.id), append(kinds, e.kind), append(details, e.detail)
			seq, nth, at = append(seq, e.seq), append(nth, count[e.id]), append(at, e.at)
		}
		b.Queue(pgInsertEvents, ids, seq, nth, at, kinds, details)
	}
	if len(held.jobs) > 0 {
		var ids, kinds, statuses, payloads, failures []string
		var attempts, due []int64
		for _, j := range held.jobs {
			ids, kinds, statuses = append(ids, j.id), append(kinds, j.kind), append(statuses, j.status)
			attempts, due = append(attempts, int64(j.attempts)), append(due, j.due)
			payloads, failures = append(payloads, j.payload), append(failures, j.lastError)
		}
		b.Queue(pgInsertJobs, ids, kinds, statuses, attempts, due, payloads, failures)
	}
	for _, o := range held.others {
		b.Queue(o.query, o.args...)
	}
}

// send executes b in one round trip.
func (*pgDatabase) send(s *session, b *pgx.Batch) error {
	return pgRaw(s, func(conn *pgx.Conn) error { return conn.SendBatch(context.Background(), b).Close() })
}

// pgRaw does something with the session's own connection.
func pgRaw(s *session, do func(*pgx.Conn) error) error {
	return s.conn.Raw(func(driver any) error {
		conn, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("not a connection of pgx: %T", driver)
		}
		return do(conn.Conn())
	})
}

// pgDeadline says until when the session's connection may be read and written; the zero time: for ever.
func pgDeadline(s *session, t time.Time) error {
	return pgRaw(s, func(conn *pgx.Conn) error { return conn.PgConn().Conn().SetDeadline(t) })
}

// flush does nothing: what was put off travels with the commit.
func (*pgDatabase) flush(*session) error { return nil }

// commit writes, tells the other nodes of the changes in the transaction that makes them, and commits; and it finds out what
// became of a commit that was cut off.
func (d *pgDatabase) commit(s *session, told news) error {
	var b pgx.Batch
	d.queue(s.held, &b)
	if b.Len() == 0 && !s.wrote {
		return s.run("COMMIT") // there is nothing to lose
	}
	for _, payload := range d.payloads(told) {
		b.Queue(`SELECT pg_notify('signet', $1)`, payload)
	}
	b.Queue("COMMIT")
	err := d.send(s, &b)
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &answer) || connectionLost(err):
		return d.outcome(s.transaction, err)
	case answer.Code == "22012": // division by zero
		return errConflict
	case pgTransient(err):
		return err
	}
	return fmt.Errorf("%w: %w", errSpoiled, err)
}

// outcome asks on another connection what became of a transaction whose commit was not answered. The server knows; only if it
// cannot be reached for a while the outcome stays open.
func (d *pgDatabase) outcome(transaction string, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		var status sql.NullString
		err := d.db.QueryRowContext(ctx, `SELECT pg_xact_status($1::xid8)`, transaction).Scan(&status)
		switch {
		case err != nil: // still away
		case status.String == "committed":
			return nil
		case status.String == "aborted":
			return cause
		case !status.Valid:
			return fmt.Errorf("%w: the server has forgotten it: %w", ErrUncertain, cause)
		}
		select { // also for "in progress": the old connection has not noticed yet
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("%w: the server does not answer: %w", ErrUncertain, cause)
}

// end takes the deadline away, so that it does not strike later, in the middle of something else. If that fails, the connection is gone.
func (*pgDatabase) end(s *session) { _ = pgDeadline(s, time.Time{}) }

func (d *pgDatabase) transient(err error) (again, lost bool) {
	if errors.Is(err, ErrUncertain) {
		return false, true
	}
	return pgTransient(err), connectionLost(err)
}

// pgTransient reports that a transaction may work when it is run again: it met another one's, or the connection broke.
func pgTransient(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) && (answer.Code == "40001" || answer.Code == "40P01") { // serialization failure, deadlock
		return true
	}
	return connectionLost(err)
}

// connectionLost reports that err is the end of a connection, rather than an answer that came over it.
func connectionLost(err error) bool {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		// Class 08: connection exceptions. 57P01 to 57P05: the server ends, starts, or has thrown us out. 25P03: we stood still.
		return strings.HasPrefix(answer.Code, "08") || strings.HasPrefix(answer.Code, "57P") || answer.Code == "25P03"
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, sql.ErrConnDone) || isNetwork(err)
}

func isNetwork(err error) bool {
	var network net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connecting) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn)
}
