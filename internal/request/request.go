package request

import (
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/signer"
)

// Request is one sign request: one row, one version, one state. Its methods change it in memory and
// return the [Effects] of the change. [Store.Update] stores both in one transaction.
// internal/store/row.go has the stored form.
type Request struct {
	ID       string // "signv3-" and a UUIDv7
	ClientID string
	Version  int64 // counts changes; set by the store
	State    State

	DocName   string
	Locations []api.Location
	// of the intended signer (docs/contract.md, 3.4.1); if empty, the first who opens it
	SignerHash   string
	ExchangeHash []byte // SHA-256 of the exchange code, which only the relying party has

	CreatedAt time.Time
	ExpiresAt time.Time

	Document Document
	Warnings []string // kinds of content (pades.FindingCode) that the signer is warned of
	// who opened it, and no other person may; nil, too, if the person was forgotten
	Signer      *signer.Person
	Session     *Session // in state session; kept in sealing
	Approval    *Approval
	Signed      *SignedDocument
	CancelledAt time.Time
	Outcome     Outcome // how the latest session ended without a signature
}

// Effects are the writes of a change beside the request, in the same transaction.
type Effects struct {
	Events []Event // lines of the audit trail; the store numbers them
	Jobs   []Job   // of this request; the store gives them their ids
	Ticket Ticket  // that the change uses up, or for which it is refused
}

// Ticket is the id of what is good for one change, such as a token. The change records it,
// or is refused with [ErrTicketUsed] because another one has: so a token makes one request at most,
// whatever races and crashes do.
type Ticket struct {
	ClientID, JTI string
	KeepUntil     time.Time // end of the time in which the token could be used again
}

// ErrTicketUsed is the error of the second of two calls with one token.
var ErrTicketUsed error = api.ErrUnauthorized.Because("claim jti: used before")

// None reports whether there is nothing to write.
func (e *Effects) None() bool { return len(e.Events) == 0 && len(e.Jobs) == 0 }

// Enqueue adds a job.
func (e *Effects) Enqueue(kind JobKind, due time.Time) {
	e.Jobs = append(e.Jobs, Job{Kind: kind, DueAt: due, Status: JobPending})
}

func (e *Effects) record(at time.Time, kind EventKind, d Detail) {
	e.Events = append(e.Events, Event{At: at, Kind: kind, Detail: d})
}

// purge adds a job that deletes what the request no longer needs.
func (e *Effects) purge(now time.Time) { e.Enqueue(JobPurge, now) }

func (e *Effects) add(more Effects) {
	e.Events, e.Jobs = append(e.Events, more.Events...), append(e.Jobs, more.Jobs...)
	if more.Ticket != (Ticket{}) {
		e.Ticket = more.Ticket
	}
}

// Document describes stored bytes. Key is their key in [Documents].
type Document struct {
	Key    string
	Size   int64
	SHA256 []byte
	Pages  int

	Signatures int // number of signatures in the uploaded document
}

// Session is the time between Proceed to Sign and its end. Its ID is a secret, which a device gets
// for a fresh QR code (scan.go).
type Session struct {
	ID        string
	StartedAt time.Time
	EndsAt    time.Time
	MatchCode string // 4 digits, shown on the page and on the phone
	Prepared  *Prepared
}

// Prepared is the record of the increment that waits for the phone's signature. It exists after a
// phone has scanned.
type Prepared struct {
	Key    string // of the serialised pades.Prepared
	Digest []byte // SHA-256 over the byte range: what the signature covers
	At     time.Time
}

// Approval is the phone's answer. It is written in the transaction that ends the signer's part, so
// that any process can seal the document and no signer is asked twice.
type Approval struct {
	SessionID string
	PhoneID   string
	// DER, of the phone's key; its SHA-256 if the signer was forgotten
	Certificate []byte
	Signature   []byte // DER ECDSA over SHA-256 of the signed attributes
	At          time.Time
	SealBy      time.Time // end of the time for sealing; see sealBy
	Tries       int       // failed attempts to seal
	NextTry     time.Time // time of the next attempt to seal after a failed one
}

// SignedDocument describes the signed document.
type SignedDocument struct {
	Document
	At    time.Time
	Name  string // CN of the signer's certificate
	Level string // PAdES level that the release gate has verified, such as "B-T"

	// Until is the end of the certificate of the newest document timestamp; zero below level B-LTA.
	// Renewal is the key of the renewed document while that is being written.
	Until   time.Time
	Renewal string
}

// Outcome is how a session ended without a signature.
type Outcome string

// The outcomes.
const (
	OutcomeRejected Outcome = "rejected"
	OutcomeLeft     Outcome = "left"
	OutcomeTimedOut Outcome = "timed_out"
	OutcomeFailed   Outcome = "failed"
)

// SignerInfo returns the wire form of the signer of a signed request.
func (r *Request) SignerInfo() api.SignerInfo {
	var uin string
	if r.Signer != nil {
		uin = r.Signer.UIN
	}
	return api.SignerInfo{
		SignerName:          r.Signed.Name,
		SignerPartialUINFIN: uin[max(0, len(uin)-4):],
		SignedAt:            r.Signed.At.UnixMilli(),
	}
}

// SignedName returns a name for the signed document: "lease.pdf" becomes "lease-signed.pdf". The
// name may contain any character of the document's name, so users must make it safe for headers and
// file systems.
func (r *Request) SignedName() string {
	stem := r.DocName
	if n := len(stem) - len(".pdf"); n > 0 && strings.EqualFold(stem[n:], ".pdf") {
		stem = stem[:n]
	}
	return stem + "-signed.pdf"
}

// Admits reports whether p may open the request: the intended signer if there is one, and otherwise
// the first who opened it.
func (r *Request) Admits(p signer.Person) bool {
	if r.SignerHash != "" && p.Hash() != r.SignerHash {
		return false
	}
	return r.Signer == nil || r.Signer.UIN == p.UIN
}

// settle applies what time has done to r at now. A read settles its copy and discards the effects,
// and a write settles in its transaction, so both judge alike, even if the worker has not stored
// the change yet.
func (r *Request) settle(now time.Time) Effects {
	if table[ActTimeOut][r.State].ends && !now.Before(r.Session.EndsAt) {
		return r.endSession(ActTimeOut, OutcomeTimedOut, now)
	}
	return r.expire(now)
}

// expire changes r to expired if its time is over at now.
func (r *Request) expire(now time.Time) (e Effects) {
	if c := table[ActExpire][r.State]; c.to != "" && !now.Before(r.ExpiresAt) {
		r.State = c.to
		e.record(now, EventExpired, Detail{})
		e.purge(now)
	}
	return e
}

// endSession ends r's session, or the sealing that is aborted, by the rule of action.
func (r *Request) endSession(action Action, outcome Outcome, now time.Time) (e Effects) {
	c := table[action][r.State]
	if !c.ends {
		return e
	}
	r.State = c.to
	r.Session, r.Approval, r.Outcome = nil, nil, outcome
	e.record(now, EventSessionEnded, Detail{Outcome: string(outcome)})
	e.add(r.expire(now))
	return e
}

// signedPrefix is the beginning of the name in the key of every signed document.
const signedPrefix = "signed-"

// Keys returns the keys of the stored documents that r still needs; all others of the request may
// be deleted.
func (r *Request) Keys() (keys []string) {
	if r.State.KeepsUpload() {
		keys = append(keys, r.Document.Key)
		if r.Session != nil && r.Session.Prepared != nil {
			keys = append(keys, r.Session.Prepared.Key)
		}
	}
	if r.State.Signed() {
		keys = append(keys, r.Signed.Key)
		if r.Signed.Renewal != "" {
			keys = append(keys, r.Signed.Renewal)
		}
	}
	return keys
}

// Clone returns a copy that shares nothing that can change. Byte slices are shared, because they
// are replaced and never modified.
func (r *Request) Clone() *Request {
	c := *r
	c.Locations, c.Warnings = slices.Clone(r.Locations), slices.Clone(r.Warnings)
	c.Signer = clone(r.Signer)
	if c.Session = clone(r.Session); c.Session != nil {
		c.Session.Prepared = clone(r.Session.Prepared)
	}
	c.Approval = clone(r.Approval)
	c.Signed = clone(r.Signed)
	return &c
}

func clone[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}
