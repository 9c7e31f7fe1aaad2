package store

import (
	"context"
	"database/sql"
	"errors"
)

// Outcome is how a commit that was not answered is looked up.
func Outcome(db *sql.DB, transaction string, cause error) error {
	return (&pgDatabase{writing: db}).outcome(transaction, cause)
}

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

// PgStatements are the statements of the writers on PostgreSQL that look for rows, with the types
// of their arguments.
var PgStatements = map[string]string{
	pgLock:                "text[]",
	pgMany[updateRequest]: "text[], bigint[], text[], bigint[], bigint[], text[]",
	pgMany[settleJob]:     "bigint[], text[], bigint[], text[], bigint[], text[], text[]",
	followEvent:           "text, bigint, text, text",
}

// NextRelease makes o those of a later release, which has one more migration. oldest is the schema
// of the oldest release that works on it.
func NextRelease(o Options, script string, oldest int64) Options {
	o.next = &next{script, oldest}
	return o
}

// ForgetCertificates empties the register of issued certificates, as an old release leaves it.
func (s *Store) ForgetCertificates(ctx context.Context) error {
	return s.writers.do(
		ctx, target{key: "certificates"}, func(ctx context.Context, tx *tx) error {
			_, err := tx.write(ctx, `DELETE FROM certificates`)
			return err
		},
	)
}
