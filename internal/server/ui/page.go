package ui

import (
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// Page is a view model: the data of a template, and the data of the frame around it.
type Page interface {
	Meta() Meta
}

// Shell is the frame around a page's content.
type Shell string

const (
	ShellPortal  Shell = "portal"
	ShellPhone   Shell = "phone"
	ShellSandbox Shell = "sandbox"
	ShellDemo    Shell = "demo" // the demo relying party: another company's site
	ShellConsole Shell = "console"
)

// Meta is the data of the frame around a page.
type Meta struct {
	Template string   // file in templates, without ".html"
	Title    string   // message key of the page's title
	Args     []any    // arguments of the title
	Shell    Shell    // frame around the content
	Script   string   // entry point of the page's browser code, or ""
	Live     *LiveRef // what the page follows, or nil
	Viewer   bool     // the page shows a PDF at once
	Document string   // URL of that PDF if it is to load beside the viewer, or ""
	English  bool     // the page is in English for every browser
	Targets  []string // URLs on other origins that a form's answer may redirect to
	Login    bool     // a form's answer may redirect to the identity provider
	Waiting  *Waiting // phones that the page announces, or nil
}

// LiveRef is where a page follows a live state.
type LiveRef struct {
	httpx.Live
	Events string // URL of the server-sent events
	Poll   string // URL of the same JSON, for use while the stream is down
}

// Party is a relying party as pages show it.
type Party struct {
	// Name is the display name.
	Name string
	// LogoURL is a path on Signet's own origin, or "" for a monogram. The page's policy refuses
	// logos of other origins.
	LogoURL string
}

// Initial returns the letter of the monogram for a party without a logo.
func (p Party) Initial() string {
	for _, r := range p.Name {
		return string(r)
	}
	return "?"
}

// Choice is an option of a form field.
type Choice struct{ Value, Label string }

// Person is a person who is logged in.
type Person struct {
	// Name is the full name.
	Name string
	// Hint distinguishes persons of the same name without the whole identifier, such as
	// "•••••373D". May be empty.
	Hint string
	// Waiting are the person's phones that wait, or nil.
	Waiting *Waiting
}

// WaitingPhones returns the phones of p that wait; nil if p is nil.
func (p *Person) WaitingPhones() *Waiting {
	if p == nil {
		return nil
	}
	return p.Waiting
}

// Waiting announces further phones of a person, which can sign after a delay, and phones that are
// being removed. Each has a form that posts phone_id to StopURL, and a further one a button that
// asks this browser's own phone to approve it.
type Waiting struct {
	Phones  []WaitingPhone
	StopURL string
}

// WaitingPhone is a phone that was set up and cannot sign yet, or is being removed.
type WaitingPhone struct {
	ID         string
	Name       string
	EnrolledAt time.Time
	ActiveAt   time.Time // when it can sign without an approval
	RemovedAt  time.Time // when it can sign no longer; zero if it is not being removed
}

// Leaving reports whether the phone is being removed.
func (p WaitingPhone) Leaving() bool { return !p.RemovedAt.IsZero() }

// Summary is the sign request that a portal page is about.
type Summary struct {
	// ID is the request id, as in the URL.
	ID string
	// Party is who asks for the signature.
	Party Party
	// Document is the document's name (doc_name).
	Document string
	// ExpiresAt is the end of the request.
	ExpiresAt time.Time
	// ReturnURL is where the form "Return to the relying party" redirects to. The page does not
	// show it, but its policy must allow it.
	ReturnURL string
}

// Path returns a URL below the request's portal: Path("login") is /sign/{id}/login.
func (s Summary) Path(action string) string {
	p := "/sign/" + url.PathEscape(s.ID)
	if action != "" {
		p += "/" + action
	}
	return p
}

// Targets returns the URLs that the forms of a portal page may redirect to.
func (s Summary) Targets() []string {
	if s.ReturnURL == "" {
		return nil
	}
	return []string{s.ReturnURL}
}

func (s Summary) Follow(l httpx.Live) *LiveRef {
	return &LiveRef{Live: l, Events: s.Path("events"), Poll: s.Path("state")}
}
