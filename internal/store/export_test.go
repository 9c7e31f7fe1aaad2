package store

import "database/sql"

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

// Statements of the writer on PostgreSQL, with the types of their arguments, and the settings of connections.
var (
	PgWrites = map[string]string{
		pgLock:         "text[]",
		pgUpdateRows:   "text[], bigint[], text[], bigint[], bigint[], text[]",
		pgInsertEvents: "text[], bigint[], bigint[], bigint[], text[], text[]",
	}
	PgDefaults, PgLookups = pgDefaults, pgLookups
)
