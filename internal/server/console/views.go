package console

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Base is the path that the operators' console is mounted on.
const Base = "/console/"

// consoleMeta returns the ui.Meta of a console page. The console is for operators and developers:
// its pages are dense, in English only, and follow changes by themselves (web/src/console.ts).
func consoleMeta(template, title string, args ...any) ui.Meta {
	return ui.Meta{
		Template: template, Title: title, Args: args, Shell: ui.ShellConsole, Script: "console",
		English: true,
	}
}

// Requests is the list of sign requests with its filters. The form submits the filters by GET.
type Requests struct {
	Filter  Filter
	States  []State     // "all" first
	Parties []ui.Choice // "" first
	Rows    []Row
	// FirstURL is the first page, PreviousURL and NextURL are the pages before and after this one;
	// "" if there is no such page.
	FirstURL, PreviousURL, NextURL string
	CSVURL                         string // the whole list as a file
	// Problem says what is wrong with the filters, or is "".
	Problem string
	// Follow makes the page update itself.
	Follow bool
}

// Filter holds the values of the filters' fields.
type Filter struct {
	State, Party, From, To, Text string
	Zone                         string // of the days From and To; "": that of the service
	Sort                         request.Sort
	OldestFirst                  bool
}

// Any reports whether a filter is set.
func (f Filter) Any() bool {
	f.OldestFirst, f.Sort, f.Zone = false, "", ""
	return f != Filter{}
}

// Query returns the filter as a query of [Requests].
func (f Filter) Query() url.Values {
	q := query(map[string]string{
		"state": f.State, "party": f.Party, "from": f.From, "to": f.To, "q": f.Text, "zone": f.Zone,
	})
	if f.Sort != "" {
		q.Set("sort", f.SortName())
	}
	if f.OldestFirst {
		q.Set("order", "oldest")
	}
	return q
}

// SortName returns the name in queries of the column that the list is grouped by, or "".
func (f Filter) SortName() string {
	for name, sort := range sorts {
		if sort == f.Sort {
			return name
		}
	}
	return ""
}

// reversed returns the filter in the opposite order.
func (f Filter) reversed() Filter {
	f.OldestFirst = !f.OldestFirst
	return f
}

// SortURL returns the list sorted by a column: "state", "party", or "" for the time at which a
// request was created. The column that it is sorted by gets the opposite order.
func (p Requests) SortURL(column string) string {
	if p.Sorted(column) != "" {
		return p.Filter.reversed().URL()
	}
	f := p.Filter
	f.Sort, f.OldestFirst = sorts[column], false
	return f.URL()
}

// Sorted returns "ascending" or "descending" for the column that the list is sorted by, and ""
// for the others.
func (p Requests) Sorted(column string) string {
	switch {
	case sorts[column] != p.Filter.Sort:
		return ""
	case p.Filter.OldestFirst:
		return "ascending"
	}
	return "descending"
}

// URL returns the URL of the list with this filter.
func (f Filter) URL() string { return consoleURL(f.Query(), "requests") }

// State is a state with the number of its requests. State "" stands for all states.
type State struct {
	State     string
	N         int
	More      bool // there are more than N
	Uncounted bool // N is not known
	URL       string
	Current   bool
}

// Row is one request of the list.
type Row struct {
	ID, Party, Document, State string
	CreatedAt, ExpiresAt       time.Time
	Signer                     ui.Person // zero if no person has opened it
}

// URL returns the URL of the request's page if action is "", and of an action on it otherwise.
func (r Row) URL(action string) string { return RequestURL(r.ID, action) }

// RequestURL returns the URL of a request's page if action is "", and of an action on it otherwise.
func RequestURL(id, action string) string {
	parts := []string{"requests", url.PathEscape(id)}
	if action != "" {
		parts = append(parts, action)
	}
	return consoleURL(nil, parts...)
}

// query returns the values that are not empty.
func query(values map[string]string) url.Values {
	q := url.Values{}
	for name, value := range values {
		if value != "" {
			q.Set(name, value)
		}
	}
	return q
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

// Request is the page of one request.
type Request struct {
	Row
	ClientID      string
	Intended      bool // the relying party named the signer
	Outcome       string
	CancelledAt   time.Time
	SessionEndsAt time.Time // zero if there is no session
	Scanned       bool
	File          File
	Signatures    int // number of signatures in the uploaded document
	Places        []Mark
	// MayRead says that there is a document that the operator may see.
	MayRead   bool
	Signed    *Signed
	Events    []Event // oldest first
	Jobs      []Job
	CanResend bool
	// Answer is the outcome of the action that redirected here, or nil.
	Answer *Answer
	// Follow makes the page update itself. It is false after a form.
	Follow bool
}

// CanCancel reports whether a cancel may succeed, now or after the sign session. A signed or
// cancelled request never changes.
func (p Request) CanCancel() bool { return p.State != "signed" && p.State != "cancelled" }

// CanSeal reports whether an approved document waits to be sealed.
func (p Request) CanSeal() bool { return p.State == "sealing" || p.State == "stalled" }

// MarksJSON returns the places as JSON for the viewer, or "" if the document is signed and shows
// them itself.
func (p Request) MarksJSON() (string, error) {
	if p.Signed != nil || len(p.Places) == 0 {
		return "", nil
	}
	b, err := json.Marshal(p.Places)
	return string(b), err
}

// Mark is a place for a signature on a page, as the viewer takes it.
type Mark struct {
	Page   int     `json:"page"` // from 1
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Number int     `json:"signature"`
}

func (p Request) Meta() ui.Meta {
	return consoleMeta("console_request", "console.request.title", p.Document)
}

// Signatures explains what the signatures of a signed document prove. The document itself is in the
// evidence only.
type Signatures struct {
	Row
	Verdict *ui.Verdict
}

func (p Signatures) Meta() ui.Meta {
	return consoleMeta("console_signatures", "console.signatures.title", p.Document)
}

// File describes stored bytes.
type File struct {
	Size   int64
	SHA256 string // lower-case hex
	Pages  int
}

// Bytes returns the size with a unit.
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

// Sealing returns Sealed with a unit.
func (s Signed) Sealing() string { return Took(s.Sealed) }

// Event is one entry of the timeline: an event of the trail with the call that added it, if any, or
// a call that added no event.
type Event struct {
	Call   *Call // nil if no call was recorded
	Seq    int   // number in the trail; 0 for a call without an event
	At     time.Time
	Since  time.Duration // since the request was created
	Kind   string        // a request.EventKind, or the calllog.Kind of a call without an event
	Tone   string        // good, bad, busy or ""
	Detail []Detail
}

// Label returns the key of the message that says what happened.
func (e Event) Label() string {
	switch {
	case e.Seq > 0:
		return "console.event." + e.Kind
	case e.Call.Code != "":
		return "console.call." + e.Kind + ".refused"
	}
	return "console.call." + e.Kind
}

// Offset returns Since with a unit.
func (e Event) Offset() string { return "+" + Took(e.Since) }

// Detail is one detail of an event or a token: a time, a text, or both.
type Detail struct {
	Name, Value string
	At          time.Time
}

// Label returns the name with spaces between its words.
func (d Detail) Label() string { return strings.ReplaceAll(d.Name, "_", " ") }

// Job is one job of the outbox.
type Job struct {
	Kind, Status string
	Attempts     int
	DueAt        time.Time // time of the next attempt; zero if none is due
	Running      bool
	LastError    string
}

// Answer is the success of an action, or its refusal.
type Answer struct {
	// Done is the key of the success message.
	Done string
	// Code and Description are the refusal that a relying party would get. RetryAfter is the value
	// of its header in seconds, or 0.
	Code, Description string
	RetryAfter        int
}

// fine is [Took] for durations below a millisecond too.
func fine(d time.Duration) string {
	switch {
	case d < 50*time.Microsecond:
		return "<0.1 ms"
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return Took(d)
}

// Took returns a duration with a unit, rounded for reading.
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
