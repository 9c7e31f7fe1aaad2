// Package request owns the sign request: its states, its rules, and every operation on it. It is
// the heart of Signet.
//
// Start at state.go: the whole life of a request is one table, as data. Each operation is a method
// of [Service] in a file named after it: initiate.go, open.go, proceed.go, scan.go, approve.go,
// cancel.go, result.go, seal.go, renew.go, purge.go. An operation reads the clock and the table
// inside one transaction of [Store.Update], which compares and sets the request's version and
// writes the state, its audit event and its jobs together. So of two operations that meet, one sees
// what the other did.
//
// # The table
//
// A cell is the next state, a refusal's code, or "-": nothing happens. An asterisk marks a refusal
// that is written to the audit trail. A test holds this text against the table in state.go.
//
//	|             | created             | locked              | session                | sealing                | stalled              | signed                  | expired          | cancelled                 |
//	|-------------|---------------------|---------------------|------------------------|------------------------|----------------------|-------------------------|------------------|---------------------------|
//	| open        | -> locked           | -> locked           | -> session             | -> sealing             | -> stalled           | DOCUMENT_ALREADY_SIGNED | REQUEST_EXPIRED  | REQUEST_CANCELLED         |
//	| open, other | NO_ACCESS           | NO_ACCESS           | NO_ACCESS              | NO_ACCESS              | NO_ACCESS            | NO_ACCESS               | REQUEST_EXPIRED  | REQUEST_CANCELLED         |
//	| proceed     | NOT_OPENED          | -> session          | -> session             | SIGNING_IN_PROGRESS    | SIGNING_IN_PROGRESS  | DOCUMENT_ALREADY_SIGNED | REQUEST_EXPIRED  | REQUEST_CANCELLED         |
//	| approve     | NO_ACTIVE_SESSION   | NO_ACTIVE_SESSION*  | -> sealing             | SIGNING_IN_PROGRESS    | SIGNING_IN_PROGRESS  | DOCUMENT_ALREADY_SIGNED | REQUEST_EXPIRED* | REQUEST_CANCELLED*        |
//	| reject      | NO_ACTIVE_SESSION   | NO_ACTIVE_SESSION   | -> locked or expired   | SIGNING_IN_PROGRESS    | SIGNING_IN_PROGRESS  | DOCUMENT_ALREADY_SIGNED | REQUEST_EXPIRED  | REQUEST_CANCELLED         |
//	| leave       | NO_ACTIVE_SESSION   | NO_ACTIVE_SESSION   | -> locked or expired   | SIGNING_IN_PROGRESS    | SIGNING_IN_PROGRESS  | DOCUMENT_ALREADY_SIGNED | REQUEST_EXPIRED  | REQUEST_CANCELLED         |
//	| time-out    | -                   | -                   | -> locked or expired   | -                      | -                    | -                       | -                | -                         |
//	| expire      | -> expired          | -> expired          | -                      | -                      | -                    | -                       | -                | -                         |
//	| seal        | -                   | -                   | -                      | -> signed              | -                    | -                       | -                | -                         |
//	| seal failed | -                   | -                   | -                      | -> stalled             | -                    | -                       | -                | -                         |
//	| seal again  | NOT_SEALING         | NOT_SEALING         | NOT_SEALING            | -> sealing             | -> sealing           | NOT_SEALING             | NOT_SEALING      | NOT_SEALING               |
//	| abort       | NOT_SEALING         | NOT_SEALING         | NOT_SEALING            | -> locked or expired   | -> locked or expired | NOT_SEALING             | NOT_SEALING      | NOT_SEALING               |
//	| renew       | -                   | -                   | -                      | -                      | -                    | -> signed               | -                | -                         |
//	| cancel      | -> cancelled        | -> cancelled        | ACTIVE_SESSION_ONGOING | ACTIVE_SESSION_ONGOING | -> cancelled         | DOCUMENT_ALREADY_SIGNED | -> cancelled     | REQUEST_ALREADY_CANCELLED |
//	| result      | DOCUMENT_NOT_SIGNED | DOCUMENT_NOT_SIGNED | DOCUMENT_NOT_SIGNED    | DOCUMENT_NOT_SIGNED    | DOCUMENT_NOT_SIGNED  | -> signed               | REQUEST_EXPIRED  | REQUEST_CANCELLED         |
//
// What the cells leave unsaid:
//
//   - created and locked become expired when the clock passes ExpiresAt, and a session is over when
//     the clock passes its own end, whether or not a sweeper has written that down: reads and
//     writes call the same settle. A session that began before ExpiresAt may complete after it;
//     "locked or expired" is decided when it ends (docs/contract.md, 14.9).
//   - "other" is anyone but the intended signer, or, if none is named, anyone but the first who
//     opened the request.
//   - Approve holds for one session id and one prepared document. The same approval again is
//     answered like the first.
//   - While no timestamp authority answers, an approved document is tried again at growing
//     distances until Approval.SealBy. Then it is stalled: nothing discards the phone's signature
//     but an operator's abort and the relying party's cancel.
//   - A signed request answers result for an hour, then SIGNED_ACCESS_EXPIRED.
//   - An unknown id and another party's id are both "No record found".
//
// # Bytes and records
//
// Bytes are written first, under a name of their own; then the record that makes them visible.
// After a crash there may be bytes without a record, which [Service.PurgeStrays] deletes, and never
// a record without bytes. What has to happen after a commit is in the same transaction: a [Job]
// (seal, webhook, renew, purge), done by a [Worker] of any process, again if need be.
//
// The package does no HTTP (internal/server), no SQL (internal/store), and knows PDF only through
// pades.
package request
