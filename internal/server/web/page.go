package web

import (
	"net/url"
	"time"
)

// Page is a view model of this package. The interface is closed: a page needs a
// template, messages and a place in the gallery, which all live here.
type Page interface {
	meta() meta
}

// shell is the frame around a page's content.
type shell string

const (
	shellPortal  shell = "portal"
	shellPhone   shell = "phone"
	shellSandbox shell = "sandbox"
	shellConsole shell = "console"
)

// meta is what the layout needs to know of a page.
type meta struct {
	template string   // file in templates, without ".html"
	title    string   // message key of the page's title
	args     []any    // arguments of the title
	shell    shell    // frame around the content
	script   string   // entry point of the page's browser code, or ""
	live     *liveRef // what the page follows, or nil
	viewer   bool     // the page shows a PDF
	eager    bool     // the page shows it at once
	warm     bool     // a page that comes soon shows one
	english  bool     // the page is in English whatever the browser asks for
	targets  []string // URLs on other origins that a form's answer may redirect to
	login    bool     // a form's answer may redirect to the identity provider
}

// liveRef is the live state that a page follows.
type liveRef struct {
	Live
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
func (s Summary) targets() []string {
	if s.ReturnURL == "" {
		return nil
	}
	return []string{s.ReturnURL}
}

func (s Summary) follow(l Live) *liveRef {
	return &liveRef{Live: l, Events: s.Path("events"), Poll: s.Path("state")}
}

// Live is the state that a page was rendered from. The page follows the state
// by server-sent events and reloads when it is no longer this one, so it must be
// filled from the same read as the rest of the page.
type Live struct {
	// State is one of created, locked, session, sealing, signed, expired,
	// cancelled.
	State string
	// Outcome is how the last sign session ended: rejected, timed_out, left,
	// failed or "".
	Outcome string
	// SessionEndsAt is the end of the present sign session; zero if there is
	// none. A different end means another session, whose code must be shown.
	SessionEndsAt time.Time
	// Scanned says that the phone has opened the session.
	Scanned bool
	// Seq grows with every change, so that late answers can be told from new
	// ones.
	Seq int64
}

// SessionEndsMillis is SessionEndsAt in Unix milliseconds, or 0.
func (l Live) SessionEndsMillis() int64 {
	if l.SessionEndsAt.IsZero() {
		return 0
	}
	return l.SessionEndsAt.UnixMilli()
}
