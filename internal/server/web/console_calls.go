package web

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// ConsoleCalls is the list of relying parties' calls, the latest first.
type ConsoleCalls struct {
	Filter              ConsoleCallFilter
	Kinds, Parties      []Choice // "" first
	Rows                []ConsoleCall
	NewestURL, OlderURL string // "" if there is no such page
	// Recorded is which calls are: none, refused or all.
	Recorded string
	Follow   bool
}

func (p ConsoleCalls) meta() meta { return consoleMeta("console_calls", "console.calls.title") }

// ConsoleCallFilter is what the list was asked for, in the form of its fields.
type ConsoleCallFilter struct {
	Party, Kind string
	Refused     bool
}

// Any says that something restricts the list.
func (f ConsoleCallFilter) Any() bool { return f != ConsoleCallFilter{} }

// Query is the filter as a query of [ConsoleCalls].
func (f ConsoleCallFilter) Query() url.Values {
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
func (f ConsoleCallFilter) URL() string { return consoleURL(f.Query(), "calls") }

// ConsoleCall is one call of a relying party, in a list, in a timeline or on its page.
type ConsoleCall struct {
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
	Token             *ConsoleToken // nil: none came with it
}

// URL is the call's page.
func (c ConsoleCall) URL() string { return consoleURL(nil, "calls", strconv.FormatInt(c.ID, 10)) }

// RequestURL is the page of the request that the call names, or "".
func (c ConsoleCall) RequestURL() string {
	if c.RequestID == "" {
		return ""
	}
	return ConsoleRequestURL(c.RequestID, "")
}

// Duration is Took as people read it.
func (c ConsoleCall) Duration() string {
	switch {
	case c.Took < 50*time.Microsecond:
		return "<0.1 ms"
	case c.Took < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(c.Took.Microseconds())/1000)
	}
	return Took(c.Took)
}

// Tone is bad for a refusal.
func (c ConsoleCall) Tone() string {
	if c.Code != "" {
		return "bad"
	}
	return "good"
}

// ConsoleToken is a decoded token. Nothing in it is secret any more.
type ConsoleToken struct {
	Header, Claims     string // JSON; "" if it could not be read
	Signature, Problem string
	Times              []ConsoleDetail // iat and exp as times, against the time of the call
}

// ConsoleCallPage is one call.
type ConsoleCallPage struct{ ConsoleCall }

func (p ConsoleCallPage) meta() meta {
	return consoleMeta("console_call", "console.call.title", strings.ToUpper(p.Kind[:1])+p.Kind[1:])
}
