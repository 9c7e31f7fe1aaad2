// Package audit makes the audit trails of all requests tamper-evident: their events are the leaves
// of one transparency log (RFC 6962), whose signed checkpoints have the format of C2SP
// tlog-checkpoint.
//
// Start at [Log.Run], which integrates events in the order of the log, and at [Verify], which needs
// a file and a key, and no server.
//
// An event is written in the transaction of what it tells, without a place in the log. Integrate of
// [Store] gives it its index afterwards, on one node at a time; so a change does not wait for the
// log. Hashes, proofs and signatures are those of golang.org/x/mod/sumdb, which work on any
// storage. The package transparency-dev/tessera is a whole log with storage drivers of its own,
// none of which keeps its state in the transactions of SQLite or PostgreSQL.
package audit
