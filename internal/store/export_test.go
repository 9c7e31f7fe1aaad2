package store

import (
	"context"
	"database/sql"
	"errors"
)

// Outcome is how a commit that was cut off is looked up.
func Outcome(db *sql.DB, transaction string, cause error) error {
	return (&pgDatabase{db: db}).outcome(transaction, cause)
}

// Queued is how many changes wait for the one that is under way.
func (s *Store) Queued() int {
	s.writer.mu.Lock()
	defer s.writer.mu.Unlock()
	return len(s.writer.queue)
}

// Setting is what a setting of the server's is on a connection of the writer's.
func (s *Store) Setting(ctx context.Context, name string) (value string, err error) {
	w, err := s.writer.connect(ctx)
	if err != nil {
		return "", err
	}
	err = w.row("SHOW "+name, nil, &value)
	return value, errors.Join(err, w.close())
}

// WriteOver tries, once, to write a request as if its stored version were this one, as only somebody can who got past the locks.
func (s *Store) WriteOver(id string, version int64) error {
	s.writer.mu.Lock()
	l := s.writer.take()
	s.writer.mu.Unlock()
	defer func() {
		s.writer.mu.Lock()
		defer s.writer.mu.Unlock()
		s.writer.lanes, s.writer.busy = append(s.writer.lanes, l), s.writer.busy-1
	}()
	over := func(tx *session, _ *news) error {
		stored := tx.loaded[id]
		stored.version = version
		tx.put(id, stored, row{state: "CANCELLED", data: "{}"})
		return nil
	}
	return l.transact([]*change{{target: aRequest(id), apply: over, done: make(chan error, 1)}})
}

// FailLate makes a change of a request that fails with err after it has put off its writes, as none should.
func (s *Store) FailLate(ctx context.Context, id string, err error) error {
	return s.writer.do(ctx, aRequest(id), func(tx *session, _ *news) error {
		stored := tx.loaded[id]
		tx.put(id, stored, row{state: "CANCELLED", data: stored.data})
		return err
	})
}

// ConflictOnce makes a change that finds out, when it is written for the first time, that the row is not what was read.
func (s *Store) ConflictOnce(ctx context.Context, id string) (calls int, err error) {
	err = s.writer.do(ctx, aRequest(id), func(tx *session, _ *news) error {
		stored := tx.loaded[id]
		if calls++; calls == 1 {
			stored.version--
		}
		tx.put(id, stored, row{state: "LOCKED", data: stored.data})
		return nil
	})
	return calls, err
}

// Conflict is how a write fails whose row is not what was read.
var Conflict = errConflict

// Statements of the writer on PostgreSQL, with the types of their arguments, and the settings of connections.
var (
	PgWrites = map[string]string{
		pgLock:         "text[]",
		pgUpdateRows:   "text[], bigint[], text[], bigint[], bigint[], text[]",
		pgInsertEvents: "text[], bigint[], bigint[], bigint[], text[], text[]",
	}
	PgDefaults, PgLookups = pgDefaults, pgLookups
)
