// Package store keeps sign requests, their audit trails, the outbox, phones and used token ids, in SQLite for one machine or
// in PostgreSQL for several. Start at [Open]; [Store] implements sign.Store, sign.Watcher, sign.Outbox, signer.Store and
// rp.Replay, and what those interfaces promise is tested by the suite in storetest.
//
// # One transaction for many changes
//
// The price of a durable change is the wait for the disk. All changes of a process therefore go to one writer (writer.go),
// which runs whatever is waiting in one transaction and answers each caller after the commit. Alone, a change pays for one
// commit and no more; under load, one commit carries many. A change that fails is rolled back to its savepoint and leaves
// its neighbours alone.
//
// # One text of SQL
//
// Both databases read the same statements: binds are $1, times are integer microseconds since 1970 (0: none), JSON is TEXT.
// The few words that differ are in dialect.go. Every read-modify-write takes the row (on PostgreSQL, FOR UPDATE) and
// compares its version, so that it is right whether or not this process is the only writer.
//
// # What it does not do
//
// It knows no rule about requests: what may happen to one is decided in internal/sign, inside Update. It does not keep
// documents (internal/blob does).
package store
