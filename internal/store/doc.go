// Package store keeps sign requests, their audit trails, the outbox, phones, relying parties,
// records of their calls, and used token ids, in SQLite for one machine or in PostgreSQL for
// several.
//
// Start at [Open]. Then read in this order: row.go, the stored form of what is kept as JSON;
// requests.go, how a request is read and changed; writer.go, the one way in which anything is
// written; sqlite.go and postgres.go, how a transaction runs. [Store] implements request.Store,
// request.Lister, request.Watcher, request.Outbox, signer.Store, token.Replay, party.Store and
// calllog.Store. The suite in storetest tests what those interfaces promise.
//
// # One transaction for many changes
//
// A durable change costs a wait for the disk. A writer is a goroutine with one connection and one
// queue: it runs all changes that wait in one transaction and answers their callers after the
// commit. A lone change pays for one commit; under load, one commit carries many. SQLite has one
// writer. PostgreSQL has two, and a change goes to the one that its request's id hashes to.
//
// A change that is refused or fails does not affect the others of its transaction. What it writes
// is put off until all changes have been applied (tx.go), and a change that fails is left out. If
// the database refuses a write, or a change fails after it has written at once, the transaction is
// rolled back, and each change runs again in a transaction of its own.
//
// # One text of SQL
//
// Both databases read the same statements: binds are $1, times are integer microseconds since 1970
// (0: none), JSON is TEXT. What differs is in dialect.go, sqlite.go and postgres.go. A change locks
// its request's row (on SQLite, the whole database) and compares its version, so that any number of
// processes may share a PostgreSQL database.
//
// # What it does not do
//
// It knows no rule about requests: what may happen to one is decided in internal/request, inside
// Update. It does not keep documents (internal/documents does).
package store
