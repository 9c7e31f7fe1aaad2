// Package retention ends what is stored about people and their requests: after a time, which a
// [Policy] sets for each table, and on the request of a person.
//
// Start at [Sweeper.Sweep], which erases what is old, and at [Forget], which removes the
// identifiers of one person. Both leave the audit log verifiable: an erased event keeps its hash in
// the log, and a later event says that it was erased (audit.Erasure).
//
// It deletes no documents: those of an erased request are left to a purge job, which moves them to
// the trash. Used tokens end by token.Replay.
package retention
