package sandbox

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Hidden is a hidden form field.
type Hidden struct{ Name, Value string }

// PersonaChoice is a persona as pages show it.
type PersonaChoice struct {
	// ID is the value that the form posts.
	ID string
	// Name is the full name.
	Name string
	// Identifier is the persona's (test) NRIC.
	Identifier string
	// Note says what the persona is for, such as "has a software phone". May be
	// empty.
	Note string
}

// Initial is the letter in the persona's circle.
func (p PersonaChoice) Initial() string { return ui.Party{Name: p.Name}.Initial() }

// PersonaChooser is the login page of the sandbox's identity provider. Each persona is a submit
// button named "persona"; "Decline" posts persona="".
type PersonaChooser struct {
	// Action is where the form posts.
	Action string
	// Fields are posted with the choice.
	Fields []Hidden
	// Client is the name of the application that asks for the login. May be
	// empty.
	Client   string
	Personas []PersonaChoice
	// RedirectURL is where the answer to the form redirects to. The page's policy must allow it.
	RedirectURL string
}

func (p PersonaChooser) Meta() ui.Meta {
	m := ui.Meta{
		Template: "personas", Title: "personas.title", Shell: ui.ShellSandbox, Script: "portal",
	}
	if p.RedirectURL != "" {
		m.Targets = []string{p.RedirectURL}
	}
	return m
}

// DemoHome is the first page of the demo relying party. The form posts multipart data to Action:
// source (sample or upload), document (the file), places (a value of Placings), signer (an ID of
// Personas, or "" for the first person who opens it).
type DemoHome struct {
	Action   string
	Party    ui.Party
	Personas []PersonaChoice
	Placings []ui.Choice
	Requests []DemoRow
	// What the form was sent with, after a refusal.
	Chosen struct{ Source, Places, Signer string }
	// Error is the service's refusal of the last upload. May be nil.
	Error *Exchange
}

// DemoRow is one request in the demo's list.
type DemoRow struct {
	ID        string
	URL       string // page of the request in the demo
	Document  string
	State     string
	CreatedAt time.Time
}

func (p DemoHome) Meta() ui.Meta {
	return ui.Meta{
		Template: "demo_home", Title: "demo.home.title", Shell: ui.ShellDemo, Script: "demo",
		English: true,
	}
}

// DemoPlace is the page on which the signature boxes are placed by hand. Its form posts what that
// of [DemoHome] does, with places "hand" and the JSON of the boxes in locations.
type DemoPlace struct {
	Action    string
	SampleURL string // of the sample document
	Personas  []PersonaChoice
}

func (p DemoPlace) Meta() ui.Meta {
	return ui.Meta{
		Template: "demo_place", Title: "place.title", Shell: ui.ShellDemo, Script: "demo",
		English: true,
	}
}

// Exchange is a call of the demo with the exact answer.
type Exchange struct {
	// Call names the call, such as "POST /api/v3/sign-requests/cancel".
	Call   string
	Status int
	// Header holds answer headers worth showing, one "Name: value" each.
	Header []string
	// Body is the answer's body, laid out if it is JSON; may be empty.
	Body string
	At   time.Time
	// Token is the token of the call, decoded. Nil: the call carried none.
	Token *Token
	// Code is the call in several languages.
	Code []Snippet
}

// Token is a decoded token: two JSON texts, laid out.
type Token struct{ Header, Claims string }

// Snippet is a call in one language.
type Snippet struct{ Language, Text string }

// OK reports whether the call succeeded.
func (e Exchange) OK() bool { return e.Status >= 200 && e.Status < 300 }

// Answer is the answer in a few words: its status, and its error code if it has one.
func (e Exchange) Answer() string {
	if e.Status == 0 {
		return "no answer"
	}
	var refusal api.Error
	_ = json.Unmarshal([]byte(e.Body), &refusal) // a body that is no refusal leaves it empty
	return strings.TrimSpace(fmt.Sprint(e.Status, " ", refusal.Code))
}

// WebhookDelivery is a webhook that the demo received.
type WebhookDelivery struct {
	At time.Time
	// Verified says that the token's signature is valid.
	Verified bool
	// Claims is the token's decoded payload, indented JSON.
	Claims string
}

// DemoRequest is the demo's page about one request.
type DemoRequest struct {
	ID        string
	Party     ui.Party
	Document  string
	State     string
	CreatedAt time.Time
	ExpiresAt time.Time
	// SigningURL is the link of the button "Sign".
	SigningURL string
	// CancelAction and ResultAction are where the forms post; SignedURL is the signed document. An
	// empty URL hides the control.
	CancelAction string
	ResultAction string
	SignedURL    string
	HomeURL      string
	// Returned is the status parameter of the browser's return, or "".
	Returned string
	// Exchanges are the calls so far, newest first.
	Exchanges []Exchange
	Webhooks  []WebhookDelivery
	// StateURL answers {"state": "..."}; the page reloads when it changes. May be "".
	StateURL string
	// ConsoleURL is the request's page in the console. May be "".
	ConsoleURL string
	// Seq is the "seq" that StateURL answers, so that the page reloads after a webhook too.
	Seq int64
}

// Refused is the last call if the service refused it, and otherwise nil.
func (p DemoRequest) Refused() *Exchange {
	if len(p.Exchanges) == 0 || p.Exchanges[0].OK() {
		return nil
	}
	return &p.Exchanges[0]
}

// Open reports whether the request can still be signed.
func (p DemoRequest) Open() bool {
	switch p.State {
	case "created", "locked", "session", "sealing":
		return true
	}
	return false
}

func (p DemoRequest) Meta() ui.Meta {
	return ui.Meta{
		Template: "demo_request", Title: "demo.request.title", Args: []any{p.Document},
		Shell: ui.ShellDemo, Script: "demo", English: true,
	}
}
