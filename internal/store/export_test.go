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
