// Package calllog records the calls of relying parties: the token of each call, its answer, and why
// it was refused. The records are for operators and for developers of relying parties, who
// otherwise only see UNAUTHORIZED. Start at [Recorder.Record], which edges call after they have
// answered.
//
// Recording never delays or fails a call. A record waits in a bounded queue in memory until one
// goroutine decodes its token and writes it in a batch. Records that do not fit are dropped and
// counted. Storage is bounded too ([Limits]): in bytes for each record, and in records for each
// request, for each relying party, and in total.
//
// Unauthenticated calls have a queue, a rate and limits of their own, so that they displace only
// each other. No record contains a usable token, an exchange code, an NRIC, or the value of an
// unknown claim (token.go).
//
// The package does not show records; package console does. It stores nothing itself; package store
// implements [Store].
package calllog
