// Package calllog keeps a record of what relying parties called, with which token, and why they
// were refused: for their developers, who hear nothing but UNAUTHORIZED, and for operators. Start
// at [Recorder.Record], which edges call after they have answered.
//
// A record never slows down a call and never fails one. It waits in memory, in a bounded queue,
// until one goroutine decodes its token and writes it with others; what does not fit is dropped and
// counted. It is bounded on disk, too ([Limits]): in bytes, for a request, for a relying party, and
// in all.
//
// Calls that are not authentic come from strangers. They have a queue, a rate and limits of their
// own, so that they displace only records of the same kind. No record holds a token that can be
// used, an exchange code, an NRIC, or the value of a claim that is not known (token.go).
package calllog
