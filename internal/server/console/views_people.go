package console

import (
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// PeoplePage is the page on which admins look for a person by NRIC or FIN, which no page repeats,
// and act for the person. The form to look posts uin to /console/people; the others post to
// /console/people/lift (phone_id, reason), forget (uin, reason), approve and reject (proposal).
type PeoplePage struct {
	Admin     bool // else the page has no forms
	FourEyes  bool // an act waits for a second admin
	Done      string
	Problem   string // key of a text, or ""
	Active    string // requests in progress that stopped an act
	Person    *Person
	Proposals []PersonProposal
}

// Meta implements ui.Page.
func (p PeoplePage) Meta() ui.Meta { return consoleMeta("console_people", "console.people.title") }

// Person is everything that is stored about a person, and an answer of the API.
type Person struct {
	Hint     string        `json:"hint"` // the end of the NRIC or FIN
	Phones   []PersonPhone `json:"phones"`
	Requests int           `json:"requests"`
	Signed   int           `json:"signed"` // documents, which stay
	Calls    int           `json:"calls"`  // records of calls for the requests
	// requests that must be over before the person can be forgotten
	Active []string `json:"in_progress,omitempty"`
}

// PhoneState is the state of a person's phone.
type PhoneState string

// The states of phones.
const (
	PhoneSigns   PhoneState = "signs"
	PhoneWaits   PhoneState = "waits"   // and signs from At
	PhoneLeaving PhoneState = "leaving" // and is revoked at At
	PhoneRevoked PhoneState = "revoked" // since At
)

// PersonPhone is a phone of a person.
type PersonPhone struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	Serial     string     `json:"serial"`
	EnrolledAt time.Time  `json:"enrolled_at"`
	State      PhoneState `json:"state"`
	At         time.Time  `json:"at,omitzero"`
}

// Waits reports whether an operator can end the wait of the phone.
func (p PersonPhone) Waits() bool { return p.State == PhoneWaits || p.State == PhoneLeaving }

// PersonProposal is an act that waits for a second admin.
type PersonProposal struct {
	ID      string
	Kind    string // lift or forget
	Hint    string // the end of the NRIC or FIN
	PhoneID string
	Reason  string
	By      string
	At      time.Time
	Own     bool

	Claimed     bool // it was approved, and is being carried out
	Interrupted bool // it was approved, and that has not ended
}
