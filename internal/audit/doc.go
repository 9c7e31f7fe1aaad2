// Package audit makes the audit trails of all requests tamper-evident. Their events are the leaves
// of one transparency log (RFC 6962), whose signed checkpoints have the format of C2SP
// tlog-checkpoint.
//
// Start at [Log.Run], which integrates events into the log, and at [Verify], which requires a file
// and a key, but no server.
//
// An event is written in the transaction of its change, without an index in the log.
// [Store].Integrate gives it the index later, on one node at a time, so changes do not wait for the
// log. The hashes, proofs and signatures are those of golang.org/x/mod/sumdb, which work with any
// storage. The package transparency-dev/tessera is a complete log, but none of its storage drivers
// keeps its state in the transactions of SQLite or PostgreSQL.
//
// Package request writes the events, and package store implements [Store].
package audit
