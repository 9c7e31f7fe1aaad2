package request

import (
	"iter"
	"reflect"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// Event is one line of a request's audit trail. It is written in the transaction of the change that
// it describes, and never changes. Its tags, and those of [Detail], are the JSON of evidence and of
// the sandbox's control listener; internal/store/row.go has the stored form.
type Event struct {
	Seq    int       `json:"seq"` // in order, starting at 1; set by the store
	At     time.Time `json:"at"`
	Kind   EventKind `json:"kind"`
	Detail Detail    `json:"detail,omitzero"`
}

// Detail has the details of an event, in texts that operators may see: no NRIC, no secret. A member
// that does not belong to the kind of event is empty.
type Detail struct {
	// how the signer logged in, see [signer.Authentication]
	ACR string `json:"acr,omitempty"`
	AMR string `json:"amr,omitempty"`
	// by which the signer was verified, see [signer.Assertion.JSON]
	Assertion     string `json:"assertion,omitempty"`
	Attempt       string `json:"attempt,omitempty"`       // the number of the attempt, from 1
	AuthTime      string `json:"auth_time,omitempty"`     // of the signer's login, RFC 3339
	Authenticator string `json:"authenticator,omitempty"` // UUID of its model
	// the operator, or by how much a request was made older
	By        string `json:"by,omitempty"`
	Client    string `json:"client,omitempty"`    // class of the downloading client
	ClientID  string `json:"client_id,omitempty"` // of the relying party that initiated the request
	Count     string `json:"count,omitempty"`     // of downloads after the first
	Documents string `json:"documents,omitempty"` // how many were deleted
	EndsAt    string `json:"ends_at,omitempty"`   // of the session, RFC 3339
	Error     string `json:"error,omitempty"`     // why it failed
	Failures  string `json:"failures,omitempty"`  // in a row
	Findings  string `json:"findings,omitempty"`  // codes of package pades, with commas
	From      string `json:"from,omitempty"`      // the state before
	Outcome   string `json:"outcome,omitempty"`   // how the session ended, see [Outcome]
	Pages     string `json:"pages,omitempty"`     // of the document
	Phone     string `json:"phone,omitempty"`     // the phone's id
	Places    string `json:"places,omitempty"`    // signature boxes of the document
	SHA256    string `json:"sha256,omitempty"`    // of the signed document, in hexadecimal
	Seen      string `json:"seen,omitempty"`      // where the signer saw every page, see [Seen]
	Size      string `json:"size,omitempty"`      // of the document, in bytes
	State     string `json:"state,omitempty"`     // in which the request was
	Status    string `json:"status,omitempty"`    // that the receiver answered with
	// when the renewed document holds, or when the download link ends, RFC 3339
	Until string `json:"until,omitempty"`
	// how the signer was verified for the signature: webauthn; empty: not
	UserVerified string `json:"user_verified,omitempty"`
	WarnedOf     string `json:"warned_of,omitempty"` // codes of package pades, with commas
}

// authDetail is the detail of an event that a signer caused.
func authDetail(p signer.Person) Detail {
	d := Detail{ACR: p.Auth.ACR, AMR: p.Auth.AMR}
	if !p.Auth.At.IsZero() {
		d.AuthTime = p.Auth.At.Format(time.RFC3339)
	}
	return d
}

// Members yields the names and texts of d in the order of their names, also those that are empty.
func (d *Detail) Members() iter.Seq2[string, *string] {
	return func(yield func(string, *string) bool) {
		v := reflect.ValueOf(d).Elem()
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			if !yield(name, v.Field(i).Addr().Interface().(*string)) {
				return
			}
		}
	}
}

// EventKind is the kind of an event.
type EventKind string

// The kinds of events, and the details that each has.
const (
	EventInitiated    EventKind = "initiated"     // client_id, pages, size, places, findings
	EventOpened       EventKind = "opened"        // acr, amr, auth_time
	EventProceeded    EventKind = "proceeded"     // as opened, ends_at, seen, warned_of
	EventScanned      EventKind = "scanned"       // phone
	EventSessionEnded EventKind = "session_ended" // outcome
	// phone, user_verified, authenticator, assertion
	EventApproved       EventKind = "approved"
	EventApproveRefused EventKind = "approve_refused" // phone, state
	EventSigned         EventKind = "signed"          // sha256
	EventSealRetried    EventKind = "seal_retried"    // attempt, error
	EventSealFailed     EventKind = "seal_failed"     // the request is stalled; attempt, error
	EventSealAgain      EventKind = "seal_again"      // by
	EventSealAborted    EventKind = "seal_aborted"    // by
	EventRenewed        EventKind = "renewed"         // sha256, until
	EventRenewFailed    EventKind = "renew_failed"    // failures, error
	EventExpired        EventKind = "expired"
	EventCancelled      EventKind = "cancelled"      // from; by, if an operator did it
	EventPurged         EventKind = "purged"         // documents
	EventAdopted        EventKind = "adopted"        // after the restore of an older database; by
	EventWebhook        EventKind = "webhook"        // one attempt; attempt, status or error
	EventResent         EventKind = "webhook_resent" // an operator requested the webhook again; by
	EventResult         EventKind = "result"
	EventEvidence       EventKind = "evidence"  // an operator took the evidence; by
	EventShown          EventKind = "shown"     // an operator looked at the document; by
	EventAged           EventKind = "aged"      // made older, in a sandbox; by
	EventForgotten      EventKind = "forgotten" // the signer's identifiers were removed; by
	EventErased         EventKind = "erased"    // left of an event with such an identifier

	// The first use of a link by a class of client, before a byte is sent: client, until.
	EventDownloaded EventKind = "downloaded"
	// Further uses, once the link has ended, by process: client, until, count.
	EventDownloadedAgain EventKind = "downloaded_again"
)
