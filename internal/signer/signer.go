// Package signer keeps people and their phones: it certifies the keys of phones and knows which
// phones may still sign. Start at [Service.Enrol].
//
// It does not log people in; package login does. It does not know sign requests; package request
// does. A phone creates its private key and never sends it to the service.
package signer

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"time"
)

// Person is a person who has logged in.
type Person struct {
	UIN  string // NRIC or FIN, upper case; never in a log
	Name string // for the certificate

	// Auth is how the person last logged in; zero for a person who is not logged in.
	Auth Authentication
}

// Authentication is what the identity provider says about a login (OpenID Connect Core, section 2).
// A member is empty if the provider does not say.
type Authentication struct {
	ACR string    // authentication context class reference
	AMR string    // authentication methods references, separated by spaces
	At  time.Time // auth_time
}

// Hash returns the form in which a relying party names its intended signer: lower-case hex SHA-256
// over the upper-case UIN (docs/contract.md, 3.4.1 and 14.11).
func (p Person) Hash() string {
	sum := sha256.Sum256([]byte(Normalize(p.UIN)))
	return hex.EncodeToString(sum[:])
}

// Hint returns a text that distinguishes persons of the same name without the whole UIN.
func (p Person) Hint() string { return "•••••" + p.UIN[max(0, len(p.UIN)-4):] }

// Normalize returns a UIN trimmed and in upper case.
func Normalize(uin string) string { return strings.ToUpper(strings.TrimSpace(uin)) }

// ValidUIN reports whether uin, normalised, is an NRIC or FIN with the right check letter. Series S
// and T are for citizens and residents, F, G and M for foreigners.
func ValidUIN(uin string) bool {
	if len(uin) != 9 {
		return false
	}
	weights := [7]int{2, 7, 6, 5, 4, 3, 2}
	sum := 0
	for i, w := range weights {
		d := uin[i+1]
		if d < '0' || d > '9' {
			return false
		}
		sum += int(d-'0') * w
	}
	switch uin[0] {
	case 'S':
		return "JZIHGFEDCBA"[sum%11] == uin[8]
	case 'T':
		return "JZIHGFEDCBA"[(sum+4)%11] == uin[8]
	case 'F':
		return "XWUTRQPNMLK"[sum%11] == uin[8]
	case 'G':
		return "XWUTRQPNMLK"[(sum+4)%11] == uin[8]
	case 'M':
		return "KLJNPQRTUWX"[10-(sum+3)%11] == uin[8]
	}
	return false
}

// Phone is one enrolled key of a person. It is kept after its revocation, because its signatures
// stay valid.
type Phone struct {
	ID          string // UUID
	UIN         string
	Serial      string      // of the certificate, lower-case hex
	Name        string      // chosen by the person: "Ah Kow's phone"
	Certificate []byte      // DER
	Credential  *Credential // nil: the device cannot verify its owner
	EnrolledAt  time.Time
	ActiveAt    time.Time // when it may sign first; zero if it may since its enrolment
	// When it was revoked, or will be: the person has removed it, and may still keep it.
	RevokedAt time.Time

	// RevokedReason is why it was revoked: a CRLReason (RFC 5280, 5.3.1).
	RevokedReason int
}

// Active reports whether the phone may sign at a time.
func (p Phone) Active(now time.Time) bool { return !p.Revoked(now) && !p.ActiveAt.After(now) }

// Waiting reports whether the phone was neither approved nor stopped, and its delay is not over.
func (p Phone) Waiting(now time.Time) bool { return !p.Revoked(now) && p.ActiveAt.After(now) }

// Revoked reports whether the phone is revoked at a time.
func (p Phone) Revoked(now time.Time) bool {
	return !p.RevokedAt.IsZero() && !p.RevokedAt.After(now)
}

// Leaving reports whether the person has removed the phone, and the delay is not over.
func (p Phone) Leaving(now time.Time) bool { return p.RevokedAt.After(now) }

// Event is an event of a person's phones. It is written in the transaction of its change, and never
// changes.
type Event struct {
	PhoneID string
	At      time.Time
	Kind    EventKind
	Detail  Detail
}

// Detail has the details of an event: no NRIC, no secret. A member that does not belong to the kind
// of event is empty.
type Detail struct {
	Name     string    // of the phone when it was enrolled
	ActiveAt time.Time // when an enrolled phone may sign first, or a removed one no longer
	By       string    // the id of the phone that approved, or removed
	ACR      string    // how the person logged in who set up, approved or ended it
	AMR      string
	AuthTime time.Time
	Operator string // who revoked the certificate, or ended a wait
	Reason   int    // why it was revoked: a CRLReason (RFC 5280, 5.3.1)
	Why      string // why the operator ended the wait

	// That the phone By verified its owner: "webauthn", the UUID of the authenticator's model, and
	// the JSON of [Assertion.JSON].
	UserVerified  string
	Authenticator string
	Assertion     string
}

// EventKind names what happened.
type EventKind string

// The kinds of events.
const (
	EventEnrolled EventKind = "enrolled" // detail: Name, ActiveAt
	// detail: By, with UserVerified and so on, or Operator and Why
	EventApproved EventKind = "approved"
	// while it waited; detail: as EventApproved, if a phone removed it
	EventStopped EventKind = "stopped"
	// detail: ActiveAt, if it may sign until then, or as EventApproved
	EventRemoved EventKind = "removed"
	EventKept    EventKind = "kept"    // the removal was stopped
	EventRevoked EventKind = "revoked" // detail: Operator, Reason
)

// Store keeps phones. Changes are durable when a method returns. All methods may be called
// concurrently.
type Store interface {
	// ChangePhones changes the phones of a person in one transaction: change gets them, oldest
	// first, and returns those that are new or changed, to be written with the events. Of two
	// changes for one person, on any nodes, one sees what the other wrote. change may be called
	// more than once. A new phone whose id or serial number is taken is an error.
	ChangePhones(
		ctx context.Context, uin string, change func(phones []Phone) ([]Phone, []Event, error),
	) error

	// Phone returns a phone, revoked or not. The error is [ErrNoPhone] if there is none.
	Phone(ctx context.Context, id string) (Phone, error)

	// Phones lists a person's phones, oldest first.
	Phones(ctx context.Context, uin string) ([]Phone, error)

	// PhoneEvents lists what became of a person's phones, oldest first.
	PhoneEvents(ctx context.Context, uin string) ([]Event, error)

	// PhoneBySerial returns the phone of the certificate with a serial number in lower-case hex.
	// The error is [ErrNoPhone] if there is none.
	PhoneBySerial(ctx context.Context, serial string) (Phone, error)

	// RevokedPhones lists every revoked phone, for the CRL.
	RevokedPhones(ctx context.Context) ([]Phone, error)
}

// ErrNoPhone is the error for a phone that is not enrolled.
var ErrNoPhone = errors.New("no such phone")
