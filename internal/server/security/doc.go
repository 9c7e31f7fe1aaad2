// Package security writes security events to the log: logins, enrolments and removals of phones,
// approvals, refused tokens, and actions of operators.
//
// Start at [Log.Observe]. A handler describes its request with [Note]; the observer writes one
// record when the request is answered. Failures are bounded: of the failures with one action,
// reason and client address in a minute, the first is written immediately and the number of the
// others at the end (repeats.go).
//
// A record has the message "security" and the group "security"; docs/operating.md lists its
// members. It contains no NRIC, token, URL or body: a keyed hash identifies persons ([Log.Secret]).
// Package audit keeps the audit trails of requests.
package security
