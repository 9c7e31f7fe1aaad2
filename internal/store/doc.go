// Package store keeps sign requests, their audit trails, the outbox, phones, relying parties with their calls and used token
// ids, in SQLite for one machine or in PostgreSQL for several. Start at [Open]; [Store] implements request.Store, request.Watcher,
// request.Outbox, signer.Store, token.Replay, party.Store and calls.Store, and what those interfaces promise is tested by the suite in
// storetest.
//
// # One transaction for many changes
//
// The price of a durable change is the wait for the disk. All changes of a process therefore go to one writer (writer.go),
// which runs whatever is waiting in one transaction and answers each caller after the commit. Alone, a change pays for one
// commit and no more; under load, one commit carries many. On PostgreSQL a second transaction may run beside the first, never
// about the same request. A change that is refused or fails leaves its neighbours alone: writes are put off until no change can
// be refused any more (session.go), and should the database refuse what one of them writes, each runs again in a transaction of
// its own.
//
// # One text of SQL
//
// Both databases read the same statements: binds are $1, times are integer microseconds since 1970 (0: none), JSON is TEXT.
// What differs is in dialect.go, and how a transaction runs in sqlite.go and postgres.go. Whoever changes a request holds its
// row (on SQLite, the whole database) and compares its version, so that it does not matter how many processes there are.
//
// # What it does not do
//
// It knows no rule about requests: what may happen to one is decided in internal/request, inside Update. It does not keep
// documents (internal/documents does).
package store
