// Package security writes security events to the log: logins, enrolments and removals of phones,
// approvals, refused tokens, and what operators do.
//
// Start at [Log.Observe]. A handler says what its request means with [Note]; the observer writes
// one record when the request is answered. Failures are bounded: of the failures with one action,
// reason and client address in a minute, the first is written at once and the number of the others
// at the end (repeats.go).
//
// A record has the message "security" and the group "security", whose members docs/operating.md
// lists. It holds no NRIC, token, URL or body: persons are named by a keyed hash ([Log.Secret]).
package security
