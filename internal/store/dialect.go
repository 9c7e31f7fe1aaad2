package store

import "github.com/pressly/goose/v3"

// dialect is what SQLite and PostgreSQL say differently.
type dialect struct {
	goose      goose.Dialect
	identity   string // type of a column that numbers its rows
	begin      string // starts a transaction that will write
	forUpdate  string // locks the rows of a SELECT until the end of the transaction
	skipLocked string // the same, without those that somebody else holds

	errorSpoils bool // a statement that fails takes the transaction with it, unless there is a savepoint
}

// sqlite3 takes the write lock with BEGIN, because a transaction that first reads and then wants to write may be refused. The
// lock is the database's, so that rows need none.
func sqlite3() dialect {
	return dialect{
		goose:    goose.DialectSQLite3,
		identity: "INTEGER PRIMARY KEY AUTOINCREMENT",
		begin:    "BEGIN IMMEDIATE",
	}
}
