package console

import (
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Base is where the operators' console is mounted.
const Base = "/console/"

// The pages of the console are for operators and developers: English only, dense, and following
// what happens (web/src/console.ts).
func consoleMeta(template, title string, args ...any) ui.Meta {
	return ui.Meta{
		Template: template, Title: title, Args: args, Shell: ui.ShellConsole, Script: "console",
		English: true,
	}
}

// Requests is the list of sign requests with its filters. The form sends them back by GET.
type Requests struct {
	Filter  Filter
	States  []State     // "all" first
	Parties []ui.Choice // "" first
	Rows    []Row
	// NewestURL leads to the first page, OlderURL to the next; "" if this is it.
	NewestURL, OlderURL string
	// Problem is what was wrong with the filters, or "".
	Problem string
	// Follow lets the page bring itself up to date.
	Follow bool
}

// Filter is what the list was asked for, in the form of its fields.
type Filter struct{ State, Party, From, To, Text string }

// Any says that something restricts the list.
func (f Filter) Any() bool { return f != Filter{} }

// Query is the filter as a query of [Requests].
func (f Filter) Query() url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"state": f.State, "party": f.Party, "from": f.From, "to": f.To, "q": f.Text} {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
}

// URL is the list with this filter.
func (f Filter) URL() string { return consoleURL(f.Query(), "requests") }

// State is a state with the number of its requests; State "" is all.
type State struct {
	State     string
	N         int
	Uncounted bool // N is not known
	URL       string
	Current   bool
}

// Row is one request of the list.
type Row struct {
	ID, Party, Document, State string
	CreatedAt, ExpiresAt       time.Time
	Signer                     ui.Person // zero: not opened yet
}

// URL is the request's page.
func (r Row) URL() string { return RequestURL(r.ID, "") }

// RequestURL is a page of a request: its own, or an action.
func RequestURL(id, action string) string {
	parts := []string{"requests", url.PathEscape(id)}
	if action != "" {
		parts = append(parts, action)
	}
	return consoleURL(nil, parts...)
}

func consoleURL(q url.Values, parts ...string) string {
	u := Base + strings.Join(parts, "/")
	if len(q) > 0 {
		u += "?" + q.Encode()
	}
	return u
}

func (p Requests) Meta() ui.Meta {
	return consoleMeta("console_requests", "console.requests.title")
}

// Request is all about one request.
type Request struct {
	Row
	ClientID      string
	Intended      bool // the relying party named the signer
	Outcome       string
	CancelledAt   time.Time
	SessionEndsAt time.Time // zero: no session
	Scanned       bool
	File          File
	Signatures    int      // that the document had before
	Places        []string // as "page 1 at 0.10, 0.25"
	Signed        *Signed
	Events        []Event // oldest first
	Jobs          []Job
	CanResend     bool
	// Answer is what became of the action that led here; nil: none.
	Answer *Answer
	// Follow lets the page bring itself up to date: not after a form.
	Follow bool
}

// CanCancel says that a cancel may succeed, now or once the sign session is over. What is signed or
// cancelled stays so.
func (p Request) CanCancel() bool { return p.State != "signed" && p.State != "cancelled" }

// CanSeal says that an approved document waits to be sealed.
func (p Request) CanSeal() bool { return p.State == "sealing" || p.State == "stalled" }

// SealURL is where the form posts that has the document sealed at once.
func (p Request) SealURL() string { return RequestURL(p.ID, "seal") }

// AbortURL is where the form posts that discards the phone's signature.
func (p Request) AbortURL() string { return RequestURL(p.ID, "abort") }

// CancelURL, ResendURL and EvidenceURL are where the page's actions lead.
func (p Request) CancelURL() string { return RequestURL(p.ID, "cancel") }

// ResendURL is where the webhook's form posts.
func (p Request) ResendURL() string { return RequestURL(p.ID, "resend") }

// EventsURL is the stream that tells of changes.
func (p Request) EventsURL() string { return RequestURL(p.ID, "events") }

// EvidenceURL is the bundle.
func (p Request) EvidenceURL() string { return RequestURL(p.ID, "evidence.zip") }

func (p Request) Meta() ui.Meta {
	return consoleMeta("console_request", "console.request.title", p.Document)
}

// File describes stored bytes.
type File struct {
	Size   int64
	SHA256 string // lower-case hex
	Pages  int
}

// Bytes is the size as people say it.
func (f File) Bytes() string {
	switch {
	case f.Size >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(f.Size)/(1<<20))
	case f.Size >= 1<<10:
		return fmt.Sprintf("%.0f KiB", float64(f.Size)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", f.Size)
}

// Signed describes the signed document.
type Signed struct {
	At          time.Time
	Name, Level string
	File        File
	Certificate ui.Certificate
	Sealed      time.Duration // from the phone's approval to the signed document
}

// Sealing is Sealed as people read it.
func (s Signed) Sealing() string { return Took(s.Sealed) }

// Event is one line of the timeline: of the trail, with the call that brought it about; or a call
// that changed nothing.
type Event struct {
	Call   *Call // nil: none, or it was not recorded
	Seq    int   // in the trail; 0: it is a call alone
	At     time.Time
	Since  time.Duration // since the request was made
	Kind   string        // request.EventKind; of a call alone, calllog.Kind
	Tone   string        // good, bad, busy or ""
	Detail []Detail
}

// Label is the key of the message that says what happened.
func (e Event) Label() string {
	switch {
	case e.Seq > 0:
		return "console.event." + e.Kind
	case e.Call.Code != "":
		return "console.call." + e.Kind + ".refused"
	}
	return "console.call." + e.Kind
}

// Offset is Since as people read it.
func (e Event) Offset() string { return "+" + Took(e.Since) }

// Detail is one detail of an event.
type Detail struct{ Name, Value string }

// Label is the name as words.
func (d Detail) Label() string { return strings.ReplaceAll(d.Name, "_", " ") }

// Job is one job of the outbox.
type Job struct {
	Kind, Status string
	Attempts     int
	DueAt        time.Time // of the next attempt; zero: none is due
	Running      bool
	LastError    string
}

// Answer is an action's success, or the exact refusal.
type Answer struct {
	// Done is the message's key of a success.
	Done string
	// Code and Description are the refusal as a relying party would get it; RetryAfter its header
	// in seconds, or 0.
	Code, Description string
	RetryAfter        int
}

// Took is a duration as people read it.
func Took(d time.Duration) string {
	switch {
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
