package store

import (
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
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "signet"
	}
	if config.ConnectTimeout == 0 {
		config.ConnectTimeout = 5 * time.Second
	}
	// What we acknowledge is on disk, whatever the server's default is, unless the operator says so in the URL.
	if config.RuntimeParams["synchronous_commit"] == "" {
		config.RuntimeParams["synchronous_commit"] = "on"
	}
	d := postgres()
	writing, reading := stdlib.OpenDB(*config), stdlib.OpenDB(*config)
	undo := []func() error{writing.Close, reading.Close}
	defer func() {
		for i := len(undo) - 1; err != nil && i >= 0; i-- {
			_ = undo[i]()
		}
	}()
	if err := migrateAlone(ctx, writing, d, o.Kind); err != nil {
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
	s.writer = newWriter(connect, &pgDatabase{node: node, db: writing}, s.hub, o.Fault)
	s.close = sync.OnceValue(func() error {
		return errors.Join(s.writer.close(), listening.close(), s.readers.close(), writing.Close())
	})
	return s, nil
}

// migrateAlone is migrate while no other node does the same.
func migrateAlone(ctx context.Context, db *sql.DB, d dialect, kind Kind) (err error) {
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
	return migrate(ctx, db, d, kind)
}

// pgDatabase runs transactions with few round trips, however many changes they carry: one to begin and read, one to write and
// to tell the other nodes, one to commit.
type pgDatabase struct {
	node string
	db   *sql.DB
}

func (d *pgDatabase) begin(s *session, ids []string) error {
	var b pgx.Batch
	b.Queue("BEGIN")
	loaded := make(map[string]row, len(ids))
	if len(ids) > 0 {
		const lock = `SELECT id, version, data FROM requests WHERE id = ANY($1) ORDER BY id COLLATE "C" FOR UPDATE`
		b.Queue(lock, ids).Query(func(rows pgx.Rows) error {
			var id string
			var r row
			_, err := pgx.ForEachRow(rows, []any{&id, &r.version, &r.data}, func() error {
				loaded[id] = r
				return nil
			})
			return err
		})
	}
	s.loaded = loaded
	return d.send(s, &b)
}

// queue moves what was put off to b. Afterwards conflict tells whether a row was not as expected.
func (*pgDatabase) queue(s *session, b *pgx.Batch) (conflict func() error) {
	missed := false
	for _, p := range s.pending {
		b.Queue(p.query, p.args...).Exec(func(tag pgconn.CommandTag) error {
			missed = missed || p.must && tag.RowsAffected() == 0
			return nil
		})
	}
	s.pending = nil
	return func() error {
		if missed {
			return errConflict
		}
		return nil
	}
}

// send executes b in one round trip.
func (*pgDatabase) send(s *session, b *pgx.Batch) error {
	return s.conn.Raw(func(driver any) error {
		conn, ok := driver.(*stdlib.Conn)
		if !ok {
			return fmt.Errorf("not a connection of pgx: %T", driver)
		}
		return conn.Conn().SendBatch(context.Background(), b).Close()
	})
}

// commit tells the other nodes of the changes in the transaction that makes them, and finds out what became of a commit that
// was cut off.
func (d *pgDatabase) commit(s *session, told news) error {
	if !s.wrote {
		return s.run("COMMIT") // there is nothing to lose
	}
	var b pgx.Batch
	conflict := d.queue(s, &b)
	for _, payload := range d.payloads(told) {
		b.Queue(`SELECT pg_notify('signet', $1)`, payload)
	}
	var transaction string
	b.Queue(`SELECT pg_current_xact_id()::text`).QueryRow(func(r pgx.Row) error { return r.Scan(&transaction) })
	if err := d.send(s, &b); err != nil {
		return err
	}
	if err := conflict(); err != nil {
		return err
	}
	err := s.run("COMMIT")
	var answer *pgconn.PgError
	if err == nil || errors.As(err, &answer) && !connectionLost(err) {
		return err
	}
	return d.outcome(transaction, err)
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
		// Class 08: connection exceptions. 57P01 to 57P05: the server ends, starts, or has thrown us out.
		return strings.HasPrefix(answer.Code, "08") || strings.HasPrefix(answer.Code, "57P")
	}
	return pgconn.SafeToRetry(err) || errors.Is(err, sql.ErrConnDone) || isNetwork(err)
}

func isNetwork(err error) bool {
	var network net.Error
	var connecting *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connecting) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.Is(err, driver.ErrBadConn)
}
