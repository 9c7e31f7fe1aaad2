// Package store stores sign requests, their audit trails, the outbox, phones, relying parties,
// records of their calls, and used token ids, in SQLite for one machine or in PostgreSQL for
// several.
//
// Start at [Open]. Then read in this order: row.go, the stored form of JSON columns; requests.go,
// how a request is read and changed; change.go and writer.go, through which every write goes;
// sqlite.go and postgres.go, how a transaction runs. [Store] implements request.Store,
// request.Lister, request.Watcher, request.Outbox, signer.Store, token.Replay, party.Store and
// calllog.Store. Package storetest tests the contracts of these interfaces.
//
// # One transaction for many changes
//
// A durable change waits for the disk. A writer is a goroutine with one connection and one queue:
// it runs all queued changes in one transaction and answers their callers after the commit. A
// single change pays for one commit; under load, one commit serves many changes. SQLite has one
// writer. PostgreSQL has two, and the hash of a request's id selects the writer of its changes.
//
// A change that is refused or fails does not affect the others in its transaction. Its writes are
// deferred until all changes have been applied (tx.go), and those of a failed change are omitted.
// If the database refuses a write, or a change fails after an immediate write, the transaction is
// rolled back, and each change runs again in its own transaction.
//
// # One text of SQL
//
// Both databases use the same statements: binds are $1, times are integer microseconds since 1970
// (0 for none), JSON is TEXT. The differences are in dialect.go, sqlite.go and postgres.go. A
// change locks its request's row (on SQLite, the whole database) and compares its version, so that
// any number of processes may share a PostgreSQL database.
//
// # What it does not do
//
// It has no rules about requests; package request decides inside Update what may happen. It does
// not store documents; package documents does.
package store
