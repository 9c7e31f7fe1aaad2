package console

import (
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Parties is the list of relying parties.
type Parties struct {
	Parties []Party
	// Done is the message's key of a success that led here, or "".
	Done string
}

// NewURL is the form for one more.
func (p Parties) NewURL() string { return PartiesURL("new") }

func (p Parties) Meta() ui.Meta { return consoleMeta("console_parties", "console.parties.title") }

// PartiesURL is the list's address, or one below it.
func PartiesURL(what string) string {
	if what == "" {
		return consoleURL(nil, "parties")
	}
	return consoleURL(nil, "parties", what)
}

// PartyURL is a party's page, or an action there.
func PartyURL(clientID, action string) string {
	parts := []string{"party", url.PathEscape(clientID)}
	if action != "" {
		parts = append(parts, action)
	}
	return consoleURL(nil, parts...)
}

// Party is one relying party. URLs come without their queries, which may be secret.
type Party struct {
	ui.Party
	ClientID, JWKSURL, RedirectURL, WebhookURL string
	Configured                                 bool // in the configuration: nothing here changes it
	Disabled                                   bool // its calls are refused
	CreatedAt, ChangedAt                       time.Time
	Version                                    int64
}

// RequestsURL is the list of the party's requests.
func (p Party) RequestsURL() string { return Filter{Party: p.ClientID}.URL() }

// URL is the party's page, or an action there.
func (p Party) URL(action string) string { return PartyURL(p.ClientID, action) }

// PartyPage is all about one relying party.
type PartyPage struct {
	Party
	// API and KeysURL are what its developers need to know of us.
	API, KeysURL string
	// Checks are the answers of a test; none: it was not tested.
	Checks []Check
	// Keys is what this node has cached of its JWKS; nil: nothing.
	Keys    *Keys
	Changes []Change // newest first
	// Done is the message's key of a success that led here; Problem, in words, why something was
	// not done. Or "".
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
	Ignored          []string // why other keys are of no use
	Failed           string   // why there is none, or ""
	FetchedAt, Until time.Time
}

// Key is one key.
type Key struct {
	Kid, Curve, Alg string
	Twice           bool      // not usable: another key has the same kid
	LastUsed        time.Time // zero: not since the program started
}

// Change is one line of what operators did.
type Change struct {
	At    time.Time
	By    string
	Kind  string // party.ChangeKind
	Edits []Edit
}

// Edit is one field's old and new value.
type Edit struct{ Field, From, To string }

// PartyForm registers a party or changes one. It keeps what was typed.
type PartyForm struct {
	Version  int64 // that is changed; 0: a new one
	ClientID string
	Name     string // as registered, of one that is changed
	Fields   []Field
	Checks   []Check
	// Problem, in words, is why nothing was saved, or "".
	Problem string
}

// Field is a field of a form.
type Field struct {
	Name, Value string
	Error       string // what is wrong with it, or ""
	Saved       string // what another operator has saved meanwhile, or ""
	Required    bool
	Masked      bool // Value hides a URL's query
}

// InputMode tells a phone which keys to offer.
func (f Field) InputMode() string {
	if f.Name == "name" || f.Name == "client_id" {
		return "text"
	}
	return "url"
}

// Describes lists the ids of the texts that belong to the field.
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

// New says that the party is not registered yet.
func (p PartyForm) New() bool { return p.Version == 0 }

// Action is where the form posts.
func (p PartyForm) Action() string {
	if p.New() {
		return PartiesURL("")
	}
	return PartyURL(p.ClientID, "edit")
}

// TestURL is where the form posts to be tried.
func (p PartyForm) TestURL() string { return PartiesURL("test") }

// BackURL is where somebody goes who changes nothing.
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
