package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"
)

// Outcome is how a commit that was not answered is looked up.
func Outcome(db *sql.DB, transaction string, cause error) error {
	return (&pgDatabase{writing: db}).outcome(transaction, cause)
}

// Impatient makes Detach try once.
func (s *Store) Impatient() { s.partitions.tries = 1 }

// Queued is how many changes wait for those that are under way.
func (s *Store) Queued() (n int) {
	for _, w := range s.writers.all {
		n += len(w.queue)
	}
	return n
}

// Writer is the number of the writer that makes the changes of a request.
func (s *Store) Writer(id string) int {
	for i, w := range s.writers.all {
		if w == s.writers.of(id) {
			return i
		}
	}
	return -1
}

// Prepared is how many statements are prepared on a connection of the readers.
func (s *Store) Prepared(ctx context.Context) (n int, err error) {
	err = s.readers.db.QueryRowContext(
		ctx, "SELECT count(*) FROM pg_prepared_statements",
	).Scan(&n)
	return n, err
}

// Replanned is how often the server has made a plan for the arguments of a prepared statement with
// these words, on a connection of the readers.
func (s *Store) Replanned(ctx context.Context, words string) (n int, err error) {
	err = s.readers.db.QueryRowContext(
		ctx, `SELECT sum(custom_plans) FROM pg_prepared_statements
			WHERE strpos(statement, $1) > 0 AND strpos(statement, 'custom_plans') = 0`, words,
	).Scan(&n)
	return n, err
}

// Setting is what a setting of the server's is on a connection of the writer's.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	c, err := s.writers.all[0].db.connect(ctx)
	if err != nil {
		return "", err
	}
	err = c.QueryRowContext(ctx, "SHOW "+name).Scan(&value)
	return value, errors.Join(err, c.close())
}

// WriteOver tries to write a request as if its stored version were this one, as only a change can
// that the locks did not stop.
func (s *Store) WriteOver(ctx context.Context, id string, version int64) error {
	return s.writers.do(ctx, aRequest(id), func(_ context.Context, tx *tx) error {
		stored := tx.loaded[id]
		stored.version = version
		tx.update(id, stored, row{state: "CANCELLED", data: "{}"})
		return nil
	})
}

// FailLate makes a change of a request that fails with err after it has put off its writes, as none
// should.
func (s *Store) FailLate(ctx context.Context, id string, err error) error {
	return s.writers.do(ctx, aRequest(id), func(_ context.Context, tx *tx) error {
		tx.update(id, tx.loaded[id], row{state: "CANCELLED", data: tx.loaded[id].data})
		return err
	})
}

// FailWritten makes a change of a phone's name that fails with err after it was written at once, as
// none should.
func (s *Store) FailWritten(ctx context.Context, key, phone string, err error) error {
	return s.writers.do(ctx, target{key: key}, func(ctx context.Context, tx *tx) error {
		_, writing := tx.write(ctx, `UPDATE phones SET name = 'spoiled' WHERE id = $1`, phone)
		return errors.Join(writing, err)
	})
}

// Conflict is how a write fails whose row is not what was read.
var Conflict = errConflict

// Writers is how many writers there are.
func (s *Store) Writers() int { return len(s.writers.all) }

// PgStatements are frequent statements on PostgreSQL that look for rows, with the types of their
// arguments.
var PgStatements = map[string]string{
	pgLock:                "text[]",
	pgMany[updateRequest]: "text[], bigint[], text[], bigint[], bigint[], text[]",
	pgMany[settleJob]:     "bigint[], text[], bigint[], text[], bigint[], text[], text[]",
	pgMany[setLeaf]:       "text[], bigint[], bigint[], bigint[]",
	appendEvent:           "text, bigint, text, text",
	RequestsOf[1]:         "text, text",

	fmt.Sprintf(dueRequests, 64): "bigint",
}

// PgPick is the statement that claims due jobs, and PgPickTypes are the types of its arguments.
var PgPick = new(postgres()).pickJobs(dueJobs)

const PgPickTypes = "text, bigint, bigint, bigint"

// Narrow is a query that is narrowed to the months of ids, at a time.
func Narrow(now time.Time, query, column string, ids ...string) string {
	return recent{func() time.Time { return now }}.narrow(query, column, ids...)
}

// PgOfOne are the statements for one request that are narrowed to its month, at a time.
func PgOfOne(now time.Time, id string) map[string]string {
	r := recent{func() time.Time { return now }}
	return map[string]string{
		r.narrow(pgLockOne, "id", id):             "text",
		r.narrow(updateRequest, "id", id):         "text, bigint, text, bigint, bigint, text",
		r.narrow(eventsOf, "request_id", id):      "text",
		r.narrow(pgMany[updateRequest], "id", id): PgStatements[pgMany[updateRequest]],
	}
}

// NextRelease makes o those of a later release, which has one more migration. oldest is the schema
// of the oldest release that works on it.
func NextRelease(o Options, script string, oldest int64) Options {
	o.next = &next{script, oldest}
	return o
}

// ForgetCertificates empties the register of issued certificates, as an old release leaves it.
func (s *Store) ForgetCertificates(ctx context.Context) error {
	return s.writers.do(ctx, target{key: "certificates"}, func(ctx context.Context, tx *tx) error {
		_, err := tx.write(ctx, `DELETE FROM certificates`)
		return err
	})
}

// MigrateTo migrates a new PostgreSQL database to an earlier version of the schema.
func MigrateTo(ctx context.Context, database string, version int64) (err error) {
	d, db, err := openPlain(database)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	steps, err := loadMigrations(d)
	if err != nil {
		return err
	}
	provider, err := newProvider(db, d, steps)
	if err == nil {
		_, err = provider.UpTo(ctx, version)
	}
	return err
}

// Detach detaches a month's partitions, as an erasure that is then interrupted does.
func (s *Store) Detach(ctx context.Context, at time.Time) error {
	return s.partitions.detach(ctx, monthOf(at))
}

// RequestsOf are the queries for the requests of a person, on SQLite and on PostgreSQL.
var RequestsOf = [2]string{sqlite3().requestsOf(), postgres().requestsOf()}
