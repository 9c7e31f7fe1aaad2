// Package request implements the sign request: its states, its rules, and every operation on it.
//
// Start at state.go, which has the whole life of a request as one table. Each operation is a method
// of [Service] in a file named after it: initiate.go, open.go, proceed.go, scan.go, approve.go,
// cancel.go, result.go, seal.go, renew.go, purge.go. An operation reads the clock and the table in
// one transaction of [Store.Update], which compares and sets the request's version and writes the
// state, its audit event and its jobs together. So of two concurrent operations, one sees the
// result of the other.
//
// # The table
//
// A cell is the next state, the code of a refusal, or "-" if nothing happens. An asterisk marks a
// refusal that is recorded in the audit trail. A test compares this text with the table in
// state.go.
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
// The cells do not say:
//
//   - created and locked become expired when the clock passes ExpiresAt, and a session ends when
//     the clock passes its own end, whether or not a worker has stored the change: reads and writes
//     call the same settle. A session that began before ExpiresAt may complete after it; "locked or
//     expired" is decided when it ends (docs/contract.md, 14.9).
//   - "other" is any person but the intended signer, or, if none is named, any person but the first
//     who opened the request.
//   - Approve is for one session id and one prepared document. The same approval again has the
//     answer of the first.
//   - While no timestamp authority answers, sealing an approved document is retried with growing
//     pauses until Approval.SealBy. Then the request is stalled: only an operator's abort or the
//     relying party's cancel discards the phone's signature.
//   - A signed request answers result for an hour, then SIGNED_ACCESS_EXPIRED.
//   - An unknown id and another party's id are both "No record found".
//
// # Bytes and records
//
// Bytes are written first, under a new name; then the record that makes them visible. A crash may
// leave bytes without a record, which [Service.PurgeStrays] deletes, but never a record without
// bytes. Work that must happen after a commit is recorded in the same transaction as a [Job] (seal,
// webhook, renew, purge), which a [Worker] of any process runs, and repeats after a failure.
//
// The package does not serve HTTP; the packages below internal/server do. It contains no SQL;
// package store implements [Store]. It uses PDF only through package pades, and package webhook
// delivers webhooks.
package request
