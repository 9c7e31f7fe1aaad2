package store

import "database/sql"

// Outcome is how a commit that was cut off is looked up.
func Outcome(db *sql.DB, transaction string, cause error) error {
	return (&pgDatabase{db: db}).outcome(transaction, cause)
}
