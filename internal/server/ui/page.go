package ui

import (
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// Page is a view model: what a template shows, with what the frame around it needs to know.
type Page interface {
	Meta() Meta
}

// shell is the frame around a page's content.
type Shell string

const (
	ShellPortal  Shell = "portal"
	ShellPhone   Shell = "phone"
	ShellSandbox Shell = "sandbox"
	ShellConsole Shell = "console"
)

// Meta is what the layout needs to know of a page.
type Meta struct {
	Template string   // file in templates, without ".html"
	Title    string   // message key of the page's title
	Args     []any    // arguments of the title
	Shell    Shell    // frame around the content
	Script   string   // entry point of the page's browser code, or ""
	Live     *LiveRef // what the page follows, or nil
	Viewer   bool     // the page shows a PDF
	Eager    bool     // the page shows it at once
	Warm     bool     // a page that comes soon shows one
	English  bool     // the page is in English whatever the browser asks for
	Targets  []string // URLs on other origins that a form's answer may redirect to
	Login    bool     // a form's answer may redirect to the identity provider
}

// liveRef is the live state that a page follows.
type LiveRef struct {
	httpx.Live
	Events string // URL of the server-sent events
	Poll   string // URL of the same JSON, for when the stream drops
}

// Party is a relying party as a person sees it.
type Party struct {
	// Name is the display name.
	Name string
	// LogoURL is a path on Signet's own origin, or "" for a monogram. A logo on
	// another origin would be a third-party request, which the page's policy
	// refuses.
	LogoURL string
}

// Initial is the letter of the monogram that stands in for a missing logo.
func (p Party) Initial() string {
	for _, r := range p.Name {
		return string(r)
	}
	return "?"
}

// Choice is an option of a form field.
type Choice struct{ Value, Label string }

// Person is a signed-in person.
type Person struct {
	// Name is the full name.
	Name string
	// Hint tells two people of one name apart without showing the whole
	// identifier, such as "•••••373D". May be empty.
	Hint string
}

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
	// ReturnURL is where the form "Return to the relying party" ends up. It is
	// not shown: the page's policy must allow the redirect.
	ReturnURL string
}

// Path is a URL below the request's portal: Path("login") is /sign/{id}/login.
func (s Summary) Path(action string) string {
	p := "/sign/" + url.PathEscape(s.ID)
	if action != "" {
		p += "/" + action
	}
	return p
}

// targets lists where the forms of a portal page may redirect to.
func (s Summary) Targets() []string {
	if s.ReturnURL == "" {
		return nil
	}
	return []string{s.ReturnURL}
}

func (s Summary) Follow(l httpx.Live) *LiveRef {
	return &LiveRef{Live: l, Events: s.Path("events"), Poll: s.Path("state")}
}
