package console

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Calls is the list of relying parties' calls, the latest first.
type Calls struct {
	Filter              CallFilter
	Kinds, Parties      []ui.Choice // "" first
	Rows                []Call
	NewestURL, OlderURL string // "" if there is no such page
	// Recorded is which calls are: none, refused or all.
	Recorded string
	Follow   bool
}

func (p Calls) Meta() ui.Meta { return consoleMeta("console_calls", "console.calls.title") }

// CallFilter is what the list was asked for, in the form of its fields.
type CallFilter struct {
	Party, Kind string
	Refused     bool
}

// Any says that something restricts the list.
func (f CallFilter) Any() bool { return f != CallFilter{} }

// Query is the filter as a query of [Calls].
func (f CallFilter) Query() url.Values {
	q := url.Values{}
	if f.Party != "" {
		q.Set("party", f.Party)
	}
	if f.Kind != "" {
		q.Set("call", f.Kind)
	}
	if f.Refused {
		q.Set("refused", "1")
	}
	return q
}

// URL is the list with this filter.
func (f CallFilter) URL() string { return consoleURL(f.Query(), "calls") }

// Call is one call of a relying party, in a list, in a timeline or on its page.
type Call struct {
	ID   int64
	At   time.Time
	Took time.Duration
	Kind string // calls.Kind

	Party, ClientID   string // name and client id; "" if nobody is known
	Claimed           string // client id of the token, if it is another one
	Authentic         bool
	By                string // the operator, for what was done in the console
	RequestID         string
	Attempt           int
	Status            int
	Code, Description string // of the refusal; "": accepted
	Reason            string
	Token             *Token // nil: none came with it
}

// URL is the call's page.
func (c Call) URL() string { return consoleURL(nil, "calls", strconv.FormatInt(c.ID, 10)) }

// RequestURL is the page of the request that the call names, or "".
func (c Call) RequestURL() string {
	if c.RequestID == "" {
		return ""
	}
	return RequestURL(c.RequestID, "")
}

// Duration is Took as people read it.
func (c Call) Duration() string {
	switch {
	case c.Took < 50*time.Microsecond:
		return "<0.1 ms"
	case c.Took < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(c.Took.Microseconds())/1000)
	}
	return Took(c.Took)
}

// Tone is bad for a refusal.
func (c Call) Tone() string {
	if c.Code != "" {
		return "bad"
	}
	return "good"
}

// Token is a decoded token. Nothing in it is secret any more.
type Token struct {
	Header, Claims     string // JSON; "" if it could not be read
	Signature, Problem string
	Times              []Detail // iat and exp as times, against the time of the call
}

// CallPage is one call.
type CallPage struct{ Call }

func (p CallPage) Meta() ui.Meta {
	return consoleMeta("console_call", "console.call.title", strings.ToUpper(p.Kind[:1])+p.Kind[1:])
}
