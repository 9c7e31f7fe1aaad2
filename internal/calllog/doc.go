// Package calllog keeps a record of what relying parties called, with which token, and why they were refused: for their developers,
// who hear nothing but UNAUTHORIZED, and for operators. Start at [Recorder.Record], which edges call after they have answered.
//
// A record never slows down a call and never fails one. It waits in memory, in a bounded queue, until one goroutine decodes its
// token and writes it with others; what does not fit is dropped and counted. It is bounded on disk, too ([Limits]): in bytes, for a
// request, for a relying party, and in all.
//
// Calls that are not authentic come from anybody. They have a queue, a rate and places of their own, so that whoever sends garbage
// pushes out other garbage at most. No record holds a token that could be used, an exchange code, an NRIC, or a value of a claim
// that we do not know (token.go).
package calllog
