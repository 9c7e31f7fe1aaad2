package console

import (
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Parties is the list of relying parties.
type Parties struct {
	Parties []Party
	// Done is the key of the success message of the form that redirected here, or "".
	Done string
}

// NewURL returns the URL of the form for a new party.
func (p Parties) NewURL() string { return PartiesURL("new") }

func (p Parties) Meta() ui.Meta { return consoleMeta("console_parties", "console.parties.title") }

// PartiesURL returns the URL of the list if what is "", and of a page below it otherwise.
func PartiesURL(what string) string {
	if what == "" {
		return consoleURL(nil, "parties")
	}
	return consoleURL(nil, "parties", what)
}

// PartyURL returns the URL of a party's page if action is "", and of an action on it otherwise.
func PartyURL(clientID, action string) string {
	parts := []string{"party", url.PathEscape(clientID)}
	if action != "" {
		parts = append(parts, action)
	}
	return consoleURL(nil, parts...)
}

// Party is one relying party. Its URLs have no queries, because these may be secret.
type Party struct {
	ui.Party
	ClientID, JWKSURL, RedirectURL, WebhookURL string

	AllowDownload, RequireAllPages, WebhookLadder, AllowPrivate bool
	// authorities that are trusted for its URLs, as party.ShownCA says; empty: the system's
	CA string
	// in the configuration, so the console cannot change it
	Configured           bool
	Disabled             bool // its calls are refused
	CreatedAt, ChangedAt time.Time
	Version              int64
}

// RequestsURL returns the URL of the list of the party's requests.
func (p Party) RequestsURL() string { return Filter{Party: p.ClientID}.URL() }

// URL is [PartyURL] of this party.
func (p Party) URL(action string) string { return PartyURL(p.ClientID, action) }

// PartyPage is the page of one relying party.
type PartyPage struct {
	Party
	// API and KeysURL are the URLs of this service that the party's developers need.
	API, KeysURL string
	// Checks are the findings of a test, or nil if there was no test.
	Checks []Check
	// Keys is this node's cached JWKS of the party, or nil.
	Keys    *Keys
	Changes []Change // newest first
	// Proposal is the change that waits for a second operator, or nil.
	Proposal *Proposal
	// Done is the key of the success message of the form that redirected here. Problem is a
	// sentence that says why an action was refused. Both may be "".
	Done, Problem string
}

func (p PartyPage) Meta() ui.Meta {
	return consoleMeta("console_party", "console.party.title", p.Name)
}

// Check is one finding of a test.
type Check struct {
	Name string // jwks, redirect or webhook
	Tone string // good, warn or bad
	Text string
	More []string
}

// Keys is a cached JWKS.
type Keys struct {
	Keys             []Key
	Ignored          []string // why other keys cannot be used
	Failed           string   // why the JWKS could not be fetched, or ""
	FetchedAt, Until time.Time
}

// Key is one key.
type Key struct {
	Kid, Curve, Alg string
	Twice           bool      // not usable, because another key has the same kid
	LastUsed        time.Time // zero if not used since the program started
}

// Change is one change that an operator made, on the page and in the API.
type Change struct {
	At    time.Time `json:"at"`
	By    string    `json:"by"`
	Kind  string    `json:"kind"` // a party.ChangeKind
	Edits []Edit    `json:"edits,omitempty"`
}

// Proposal is a change that waits for a second operator.
type Proposal struct {
	ID    int64 // which a post to approve or reject names
	By    string
	At    time.Time
	Edits []Edit
	Own   bool // the operator who looks has proposed it
	Stale bool // it is for an older version of the party

	Removal bool // of the party
}

// Title returns the key of the title of the proposal.
func (p Proposal) Title() string {
	if p.Removal {
		return "console.proposal.removal"
	}
	return "console.proposal"
}

// Edit is the old and the new value of one field.
type Edit struct {
	Field string `json:"field"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// PartyForm registers or changes a party. After an error it shows the values that were submitted.
type PartyForm struct {
	Version  int64 // version that is changed; 0 for a new party
	ClientID string
	Name     string // saved name of a party that is changed
	Fields   []Field
	Options  []Option
	Checks   []Check
	// Problem is a sentence that says why nothing was saved, or "".
	Problem string
	// Anyway offers to save in spite of failed checks.
	Anyway bool
}

// Option is a setting that is on or off.
type Option struct {
	Name  string
	On    bool
	Saved string // "yes" or "no" if another operator saved the other setting, or ""
}

// Field is a field of a form.
type Field struct {
	Name, Value string
	Error       string // what is wrong with it, or ""
	Saved       string // value that another operator saved in the meantime, or ""
	Required    bool
	Masked      bool // Value hides a URL's query
}

// Long reports whether the value has several lines.
func (f Field) Long() bool { return f.Name == "ca" }

// InputMode returns the inputmode attribute, which selects a phone's keyboard.
func (f Field) InputMode() string {
	if f.Name == "name" || f.Name == "client_id" {
		return "text"
	}
	return "url"
}

// Describes returns the ids of the texts that describe the field, for aria-describedby.
func (f Field) Describes() string {
	ids := "h-" + f.Name
	if f.Error != "" {
		ids = "e-" + f.Name + " " + ids
	}
	if f.Saved != "" {
		ids += " s-" + f.Name
	}
	return ids
}

// New reports whether the party is not registered yet.
func (p PartyForm) New() bool { return p.Version == 0 }

// Action is where the form posts.
func (p PartyForm) Action() string {
	if p.New() {
		return PartiesURL("")
	}
	return PartyURL(p.ClientID, "edit")
}

// TestURL is where the form posts to test its URLs.
func (p PartyForm) TestURL() string { return PartiesURL("test") }

// BackURL is the page that the form's cancel link leads to.
func (p PartyForm) BackURL() string {
	if p.New() {
		return PartiesURL("")
	}
	return PartyURL(p.ClientID, "")
}

func (p PartyForm) Meta() ui.Meta {
	if p.New() {
		return consoleMeta("console_party_form", "console.party.new")
	}
	return consoleMeta("console_party_form", "console.party.edit.title", p.Name)
}
