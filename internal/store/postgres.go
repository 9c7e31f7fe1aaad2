package store

import (
	"cmp"
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// isPostgres reports whether a database is named by a PostgreSQL URL.
func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") ||
		strings.HasPrefix(database, "postgresql://")
}

// Connections of a node; a server has 100 by default.
const (
	nodeReaders = 16
	nodeWriters = 2 // one runs while the disk is busy with the other; more are not faster

	// Connections is how many connections a node has to PostgreSQL: readers, writers and one that
	// listens.
	Connections = nodeReaders + nodeWriters + 1
)

// CheckURL returns what is wrong with a PostgreSQL URL, or with the files of certificates that it
// names. It makes no connection.
func CheckURL(database string) error {
	_, err := postgresConfig(database)
	return err
}

// PlainHosts returns the hosts of a PostgreSQL URL, other than this machine, to which a connection
// may be made without TLS.
func PlainHosts(database string) (hosts []string) {
	config, err := pgx.ParseConfig(database)
	if !isPostgres(database) || err != nil {
		return nil
	}
	add := func(host string, secure bool) {
		ip := net.ParseIP(host)
		local := strings.HasPrefix(host, "/") || host == "localhost" || ip != nil && ip.IsLoopback()
		if !secure && !local && !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	add(config.Host, config.TLSConfig != nil)
	for _, f := range config.Fallbacks {
		add(f.Host, f.TLSConfig != nil)
	}
	return hosts
}

// openPostgres opens a database that any number of processes may share.
func openPostgres(ctx context.Context, o Options) (_ *Store, err error) {
	config, err := postgresConfig(o.Database)
	if err != nil {
		return nil, err
	}
	d := postgres()
	session, pooled := config, o.Session != ""
	if pooled {
		if session, err = postgresConfig(o.Session); err != nil {
			return nil, err
		}
		throughPooler(config)
		d.server = pgServer(true)
	}
	writing, reading := stdlib.OpenDB(*config), stdlib.OpenDB(*config)
	undo := []func() error{writing.Close, reading.Close}
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			_ = undo[i]()
		}
	}()
	schema, err := migrateAlone(ctx, session, d, o)
	if err != nil {
		return nil, err
	}
	reading.SetMaxOpenConns(nodeReaders)
	reading.SetMaxIdleConns(nodeReaders)

	s := &Store{
		dialect: d, schema: schema, readers: newReaders(reading, pgTransient), hub: newHub(),
		partitions: &partitions{db: writing}, recent: recent{o.Now},
	}
	// Of the texts that recent has made for a month, each connection of pgx keeps the latest 512.
	s.readers.direct = true
	node := rand.Text()
	listening, err := listen(ctx, session, node, s.hub, o.Log)
	if err != nil {
		return nil, fmt.Errorf("listening: %w", err)
	}
	db := &pgDatabase{
		node: node, writing: writing, pooled: pooled, recent: s.recent,
		timeout: cmp.Or(o.ServerTimeout, 10*time.Second),
	}
	s.writers = newWriters(nodeWriters, db, s.hub, o.Fault)
	s.compact = func(ctx context.Context) error {
		_, err := writing.ExecContext(
			ctx, `VACUUM requests, events, outbox, phones, phone_events, calls`,
		)
		return err
	}
	s.overwrite = s.compact
	s.close = sync.OnceValue(func() error {
		return errors.Join(s.writers.close(), listening.close(), s.readers.close(), writing.Close())
	})
	return s, nil
}

// postgresConfig reads the URL of a database, and sets what it leaves open.
func postgresConfig(database string) (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(database)
	if err != nil {
		return nil, err // pgx omits the password
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	setDefaults(config, pgDefaults)
	// A network may drop all packets without an error. Keep-alives then end the connection.
	keepAlive := net.KeepAliveConfig{
		Enable: true, Idle: 5 * time.Second, Interval: 2 * time.Second, Count: 3,
	}
	config.DialFunc = (&net.Dialer{KeepAliveConfig: keepAlive}).DialContext
	return config, nil
}

// pgDefaults are settings of the server for this program's connections, unless the URL sets them.
var pgDefaults = map[string]string{
	"application_name":                    "signet",
	"synchronous_commit":                  "on", // acknowledged changes are on disk
	"idle_in_transaction_session_timeout": "5s",
}

func setDefaults(config *pgx.ConnConfig, defaults map[string]string) {
	for name, value := range defaults {
		if config.RuntimeParams[name] == "" {
			config.RuntimeParams[name] = value
		}
	}
}

// throughPooler changes the configuration of connections to a pooler that gives each transaction
// another connection of the server, as PgBouncer does in transaction mode. A prepared statement
// would stay on one of these. In CacheDescribe mode pgx keeps the types of a statement's parameters
// instead, which it asks for once for each connection. A read through PgBouncer takes 0.25 ms then,
// and 0.38 ms in DescribeExec mode, which asks each time (0.05 ms without a pooler); Exec mode
// cannot encode arrays with NULL. PgBouncer refuses settings that it does not know when a
// connection begins; pgSettings sets them in each transaction.
func throughPooler(config *pgx.ConnConfig) {
	config.DefaultQueryExecMode = pgx.QueryExecModeCacheDescribe
	for name, value := range pgDefaults {
		if name != "application_name" && config.RuntimeParams[name] == value {
			delete(config.RuntimeParams, name)
		}
	}
}

// pgSettings sets, until the end of the transaction, what pgDefaults sets for a connection.
const pgSettings = `SELECT set_config('synchronous_commit', 'on', true),
	set_config('idle_in_transaction_session_timeout', '5s', true)`

// migrateAlone runs migrate while no other node does.
func migrateAlone(
	ctx context.Context, config *pgx.ConnConfig, d dialect, o Options,
) (version int64, err error) {
	config = config.Copy()
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if n.SeverityUnlocalized == "WARNING" {
			o.Log.Warn("migrating the schema", "why", n.Message)
		}
	}
	db := stdlib.OpenDB(*config)
	defer func() { err = errors.Join(err, db.Close()) }()
	conn, err := db.Conn(ctx)
	if err != nil {
		return 0, err
	}
	if err := checkSession(ctx, conn, db); err != nil {
		return 0, errors.Join(err, conn.Close())
	}
	const lock = 0x5167_6e65_74 // an arbitrary constant
	if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_lock($1)`, int64(lock)); err != nil {
		return 0, errors.Join(err, conn.Close())
	}
	defer func() {
		_, unlock := conn.ExecContext(
			context.WithoutCancel(ctx), `SELECT pg_advisory_unlock($1)`, int64(lock),
		)
		err = errors.Join(err, unlock, conn.Close())
	}()
	if version, err = migrate(ctx, db, d, o); err != nil || o.Keep {
		return version, err
	}
	if _, err := (partitions{db: db}).make(ctx, o.Now()); err != nil {
		// The default partition has the rows until then.
		o.Log.Error("making partitions", "err", err)
	}
	return version, nil
}

// ErrPooled is the error of a connection whose transactions are not all made on the same connection
// of the server.
var ErrPooled = errors.New(
	"the connection leads through a pooler in transaction mode, where neither LISTEN nor the lock of a migration works",
)

// checkSession returns an ErrPooled unless conn, which is a connection of db, is a session of the
// server. A pooler gives the number of a process of its own to its clients. In session mode it may
// be used.
func checkSession(ctx context.Context, conn *sql.Conn, db *sql.DB) error {
	var told, real uint32
	err := conn.Raw(func(driver any) error {
		told = driver.(*stdlib.Conn).Conn().PgConn().PID()
		return nil
	})
	if err == nil {
		err = conn.QueryRowContext(ctx, `SELECT pg_backend_pid()`).Scan(&real)
	}
	if err != nil || told == real {
		return err
	}
	// While another client is in a transaction, it has the connection of the server that was used
	// last, or this client gets another one.
	const set = `SELECT set_config('signet.session', $1, false)`
	const get = `SELECT current_setting('signet.session', true)`
	mark := rand.Text()
	if _, err := conn.ExecContext(ctx, set, mark); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }() // it has changed nothing
	var own, other sql.NullString
	if err := tx.QueryRowContext(ctx, get).Scan(&other); err != nil {
		return err
	}
	err = conn.QueryRowContext(ctx, get).Scan(&own)
	if own.String != mark || other.String == mark { // err is that of a pool that has no other one
		return errors.Join(ErrPooled, err)
	}
	return nil
}

// pgDatabase runs transactions with three round trips for any number of changes: one begins, locks
// and reads, one writes and notifies the other nodes, one commits.
//
// If the server does not answer, or the network drops all packets, the transaction ends after the
// timeout, and the outcome of its commit is queried on another connection. If a node stops in the
// middle of a transaction with requests locked, the server's idle_in_transaction_session_timeout
// ends the transaction, so that other nodes can continue.
type pgDatabase struct {
	node    string
	writing *sql.DB
	pooled  bool // through a pooler that gives each transaction another connection
	recent  recent
	timeout time.Duration
}

func (d *pgDatabase) connect(ctx context.Context) (*conn, error) {
	c, err := newConn(ctx, d.writing)
	if err == nil {
		c.pooled = d.pooled
	}
	return c, err
}

func (d *pgDatabase) limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), d.timeout)
}

// pgLock locks requests in the order of their ids in an array, and pgLockOne locks one. The
// subquery makes the server look up each id in the index, however small it takes the table for.
var (
	pgLock = `SELECT r.id, r.version, r.data FROM ` + pgRows("text") + ` AS n (id), LATERAL (
		SELECT id, version, data FROM requests WHERE id = n.id FOR UPDATE) AS r`
	pgLockOne = `SELECT id, version, data FROM requests WHERE id = $1 FOR UPDATE`
)

func (d *pgDatabase) begin(ctx context.Context, c *conn, ids []string) (map[string]row, error) {
	loaded := map[string]row{}
	var b pgx.Batch
	b.Queue("BEGIN")
	if d.pooled {
		b.Queue(pgSettings)
	}
	b.Queue(
		`SELECT pg_current_xact_id()::text`,
	).QueryRow(func(r pgx.Row) error { return r.Scan(&c.transaction) })
	if len(ids) > 0 {
		slices.Sort(ids) // every node locks in this order
		query, arg := pgLock, any(ids)
		if len(ids) == 1 {
			query, arg = pgLockOne, ids[0]
		}
		b.Queue(d.recent.narrow(query, "id", ids...), arg).Query(func(rows pgx.Rows) error {
			var id string
			var r row
			_, err := pgx.ForEachRow(rows, []any{&id, &r.version, &r.data}, func() error {
				loaded[id] = r
				return nil
			})
			return err
		})
	}
	return loaded, pgSend(ctx, c, &b)
}

// pgRows is a table in a FROM clause, with a column of each type from the arrays $1, $2 and so on.
// The inner SELECTs hide the arrays' length from the planner. Otherwise it makes a new plan for
// each short array, because the plan that it could keep is for ten rows, and planning takes longer
// than the execution.
func pgRows(types ...string) string {
	arrays := make([]string, len(types))
	for i, t := range types {
		arrays[i] = fmt.Sprintf("(SELECT $%d::%s[])", i+1, t)
	}
	return "unnest(" + strings.Join(arrays, ", ") + ")"
}

// pgMany are statements for arrays that replace statements of tx.go for one row. They return the
// first column. A statement for many rows takes a third of the CPU time of as many statements.
var pgMany = map[string]string{
	insertRequest: `INSERT INTO requests (id, client_id, state, version, created_at, due_at, data)
		SELECT * FROM ` + pgRows("text", "text", "text", "bigint", "bigint", "bigint", "text") + `
		RETURNING id`,
	updateRequest: `UPDATE requests AS r
		SET state = n.state, version = n.version, due_at = n.due_at, data = n.data
		FROM ` + pgRows("text", "bigint", "text", "bigint", "bigint", "text") + `
			AS n (request_id, old, state, version, due_at, data)
		WHERE id = n.request_id AND r.version = n.old RETURNING id`,
	insertEvent: `INSERT INTO events (request_id, seq, at, kind, detail)
		SELECT * FROM ` + pgRows("text", "bigint", "bigint", "text", "text") + ` RETURNING request_id`,
	insertHash: `INSERT INTO audit_hashes (id, hash)
		SELECT * FROM ` + pgRows("bigint", "text") + ` RETURNING id`,
	setLeaf: `UPDATE events AS e SET leaf = n.leaf, nth = n.nth
		FROM ` + pgRows("text", "bigint", "bigint", "bigint") + ` AS n (id, seq, leaf, nth)
		WHERE e.request_id = n.id AND e.seq = n.seq AND e.leaf IS NULL RETURNING e.request_id`,
	insertJob: `INSERT INTO outbox (request_id, client_id, kind, status, attempts, due_at, ready_at,
			lease, payload, last_error)
		SELECT n.id, n.client, n.kind, n.status, n.attempts, n.due, n.due, 0, n.payload, n.error
		FROM ` + pgRows("text", "text", "text", "text", "bigint", "bigint", "text", "text") + `
			AS n (id, client, kind, status, attempts, due, payload, error) RETURNING request_id`,
	settleJob: `UPDATE outbox AS o SET status = n.status, due_at = n.due, ready_at = n.due, lease = 0,
			payload = n.payload, last_error = n.error
		FROM ` + pgRows("bigint", "text", "bigint", "text", "bigint", "text", "text") + `
			AS n (id, request_id, lease, status, due, payload, error)
		WHERE o.id = n.id AND o.request_id = n.request_id AND o.lease = n.lease RETURNING o.id`,
}

// pgGroup is a group of statements with the same text that are executed as one.
type pgGroup struct {
	query      string
	statements []int        // their numbers
	keys       map[any]bool // of its rows, if each may be written once only
}

// pgGroups puts statements into groups. A group has one statement for each row that is changed. A
// statement that is alone comes after those before it, and before those after it.
func pgGroups(statements []statement) (groups []*pgGroup) {
	open := map[string]*pgGroup{}
	for i, s := range statements {
		many := pgMany[s.query]
		if many == "" {
			groups = append(groups, &pgGroup{query: s.query, statements: []int{i}})
			clear(open)
			continue
		}
		unique := s.query == updateRequest || s.query == settleJob
		g := open[s.query]
		if g == nil || unique && g.keys[s.args[0]] {
			g = &pgGroup{query: many, keys: map[any]bool{}}
			groups, open[s.query] = append(groups, g), g
		}
		g.statements = append(g.statements, i)
		if unique {
			g.keys[s.args[0]] = true
		}
	}
	return groups
}

func (d *pgDatabase) write(ctx context.Context, c *conn, statements []statement) ([]int64, error) {
	if len(statements) == 0 {
		return nil, nil
	}
	counts := make([]int64, len(statements))
	var b pgx.Batch
	for _, g := range pgGroups(statements) {
		query, first := g.query, statements[g.statements[0]]
		if len(g.statements) == 1 {
			query = first.query
		}
		if first.query == updateRequest {
			ids := pgArray[string](statements, g.statements, 0)
			query = d.recent.narrow(query, "id", ids...)
		}
		if len(g.statements) == 1 {
			i := g.statements[0]
			b.Queue(query, first.args...).Exec(func(tag pgconn.CommandTag) error {
				counts[i] = tag.RowsAffected()
				return nil
			})
			continue
		}
		columns := make([]any, len(first.args))
		for k := range columns {
			columns[k] = pgColumn(statements, g.statements, k)
		}
		b.Queue(query, columns...).Query(func(rows pgx.Rows) error {
			written := map[any]int64{}
			for rows.Next() {
				key, err := rows.Values()
				if err != nil {
					return err
				}
				written[key[0]]++
			}
			for _, i := range g.statements {
				if key := statements[i].args[0]; written[key] > 0 {
					written[key]--
					counts[i] = 1
				}
			}
			return rows.Err()
		})
	}
	return counts, pgSend(ctx, c, &b)
}

// pgColumn is one argument of several statements, as an array.
func pgColumn(statements []statement, numbers []int, k int) any {
	switch statements[numbers[0]].args[k].(type) {
	case string:
		return pgArray[string](statements, numbers, k)
	case sql.NullInt64:
		return pgArray[sql.NullInt64](statements, numbers, k)
	}
	return pgArray[int64](statements, numbers, k)
}

func pgArray[T any](statements []statement, numbers []int, k int) []T {
	array := make([]T, len(numbers))
	for i, n := range numbers {
		array[i] = statements[n].args[k].(T)
	}
	return array
}

// announce returns the statements that notify the other nodes in the transaction of the change.
func (d *pgDatabase) announce(n notification) (statements []statement) {
	for _, payload := range d.payloads(n) {
		statements = append(
			statements,
			statement{`SELECT pg_notify('signet', $1)`, []any{payload}, anyNumber},
		)
	}
	return statements
}

// pgSend executes b in one round trip.
func pgSend(ctx context.Context, c *conn, b *pgx.Batch) error {
	return c.Raw(func(driver any) error {
		conn, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("not a connection of pgx: %T", driver)
		}
		return conn.Conn().SendBatch(ctx, b).Close()
	})
}

// commit commits. If the commit is not answered it finds out the outcome.
func (d *pgDatabase) commit(ctx context.Context, c *conn) error {
	_, err := c.exec(ctx, "COMMIT")
	if err == nil || ErrorCode(err) != "" && !connectionLost(err) {
		return err
	}
	c.lost = true
	return d.outcome(c.transaction, err)
}

// outcome queries on another connection whether a transaction was committed whose commit was not
// answered. The server knows; the outcome stays unknown only if the server cannot be reached for a
// while.
func (d *pgDatabase) outcome(transaction string, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		var status sql.NullString
		err := d.writing.QueryRowContext(
			ctx, `SELECT pg_xact_status($1::xid8)`, transaction,
		).Scan(&status)
		switch {
		case err != nil: // still unreachable
		case status.String == "committed":
			return d.confirm(cause)
		case status.String == "aborted":
			return cause
		case !status.Valid:
			return fmt.Errorf("%w: the server has forgotten it: %w", ErrUncertain, cause)
		}
		// also if it is in progress, because the server has not noticed the end of the old
		// connection
		select {
		case <-ctx.Done():
		case <-time.After(50 * time.Millisecond):
		}
	}
	return fmt.Errorf("%w: the server does not answer: %w", ErrUncertain, cause)
}

// confirm waits until a synchronous standby, if there is to be one, has all that was committed so
// far. A commit that waits for the standby has been made on the server, and stays when the wait
// ends with its connection. A later commit that ends its wait shows that the standby has both.
func (d *pgDatabase) confirm(cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	query := `SELECT pg_logical_emit_message(true, 'signet', '')` // which nothing reads
	if d.pooled {
		query = pgSettings + `, pg_logical_emit_message(true, 'signet', '')`
	}
	if _, err := d.writing.ExecContext(ctx, query); err != nil {
		return fmt.Errorf(
			"%w: it is committed, and no synchronous standby has confirmed it: %w", ErrUncertain, cause,
		)
	}
	return nil
}

func (d *pgDatabase) transient(err error) (again, lost bool) {
	if errors.Is(err, ErrUncertain) {
		return false, true
	}
	// Another server of the URL may take changes.
	return pgTransient(err), connectionLost(err) || isReadOnly(err)
}
