package web

import (
	"net/url"
	"time"
)

// ConsoleParties is the list of relying parties.
type ConsoleParties struct {
	Parties []ConsoleParty
	// Done is the message's key of a success that led here, or "".
	Done string
}

// NewURL is the form for one more.
func (p ConsoleParties) NewURL() string { return ConsolePartiesURL("new") }

func (p ConsoleParties) meta() meta { return consoleMeta("console_parties", "console.parties.title") }

// ConsolePartiesURL is the list's address, or one below it.
func ConsolePartiesURL(what string) string {
	if what == "" {
		return consoleURL(nil, "parties")
	}
	return consoleURL(nil, "parties", what)
}

// ConsolePartyURL is a party's page, or an action there.
func ConsolePartyURL(clientID, action string) string {
	parts := []string{"party", url.PathEscape(clientID)}
	if action != "" {
		parts = append(parts, action)
	}
	return consoleURL(nil, parts...)
}

// ConsoleParty is one relying party. URLs come without their queries, which may be secret.
type ConsoleParty struct {
	Party
	ClientID, JWKSURL, RedirectURL, WebhookURL string
	Configured                                 bool // in the configuration: nothing here changes it
	Disabled                                   bool // its calls are refused
	CreatedAt, ChangedAt                       time.Time
	Version                                    int64
}

// RequestsURL is the list of the party's requests.
func (p ConsoleParty) RequestsURL() string { return ConsoleFilter{Party: p.ClientID}.URL() }

// URL is the party's page, or an action there.
func (p ConsoleParty) URL(action string) string { return ConsolePartyURL(p.ClientID, action) }

// ConsolePartyPage is all about one relying party.
type ConsolePartyPage struct {
	ConsoleParty
	// API and KeysURL are what its developers need to know of us.
	API, KeysURL string
	// Checks are the answers of a test; none: it was not tested.
	Checks []ConsoleCheck
	// Keys is what this node has cached of its JWKS; nil: nothing.
	Keys    *ConsoleKeys
	Changes []ConsoleChange // newest first
	// Done is the message's key of a success that led here; Problem, in words, why something was not done. Or "".
	Done, Problem string
}

func (p ConsolePartyPage) meta() meta {
	return consoleMeta("console_party", "console.party.title", p.Name)
}

// ConsoleCheck is one finding of a test.
type ConsoleCheck struct {
	Name string // jwks, redirect or webhook
	Tone string // good, warn or bad
	Text string
	More []string
}

// ConsoleKeys is a cached JWKS.
type ConsoleKeys struct {
	Keys             []ConsoleKey
	Ignored          []string // why other keys are of no use
	Failed           string   // why there is none, or ""
	FetchedAt, Until time.Time
}

// ConsoleKey is one key.
type ConsoleKey struct {
	Kid, Curve, Alg string
	Twice           bool      // not usable: another key has the same kid
	LastUsed        time.Time // zero: not since the program started
}

// ConsoleChange is one line of what operators did.
type ConsoleChange struct {
	At    time.Time
	By    string
	Kind  string // party.ChangeKind
	Edits []ConsoleEdit
}

// ConsoleEdit is one field's old and new value.
type ConsoleEdit struct{ Field, From, To string }

// ConsolePartyForm registers a party or changes one. It keeps what was typed.
type ConsolePartyForm struct {
	Version  int64 // that is changed; 0: a new one
	ClientID string
	Name     string // as registered, of one that is changed
	Fields   []ConsoleField
	Checks   []ConsoleCheck
	// Problem, in words, is why nothing was saved, or "".
	Problem string
}

// ConsoleField is a field of a form.
type ConsoleField struct {
	Name, Value string
	Error       string // what is wrong with it, or ""
	Saved       string // what another operator has saved meanwhile, or ""
	Required    bool
	Masked      bool // Value hides a URL's query
}

// InputMode tells a phone which keys to offer.
func (f ConsoleField) InputMode() string {
	if f.Name == "name" || f.Name == "client_id" {
		return "text"
	}
	return "url"
}

// Describes lists the ids of the texts that belong to the field.
func (f ConsoleField) Describes() string {
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
func (p ConsolePartyForm) New() bool { return p.Version == 0 }

// Action is where the form posts.
func (p ConsolePartyForm) Action() string {
	if p.New() {
		return ConsolePartiesURL("")
	}
	return ConsolePartyURL(p.ClientID, "edit")
}

// TestURL is where the form posts to be tried.
func (p ConsolePartyForm) TestURL() string { return ConsolePartiesURL("test") }

// BackURL is where somebody goes who changes nothing.
func (p ConsolePartyForm) BackURL() string {
	if p.New() {
		return ConsolePartiesURL("")
	}
	return ConsolePartyURL(p.ClientID, "")
}

func (p ConsolePartyForm) meta() meta {
	if p.New() {
		return consoleMeta("console_party_form", "console.party.new")
	}
	return consoleMeta("console_party_form", "console.party.edit.title", p.Name)
}
