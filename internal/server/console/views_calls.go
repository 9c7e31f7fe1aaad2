package console

import (
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Calls is the list of relying parties' calls, the latest first.
type Calls struct {
	Filter         CallFilter
	Kinds, Parties []ui.Choice // "" first
	Codes          []string    // of refusals
	Rows           []Call
	// NewestURL is the first page, NewerURL and OlderURL are the pages beside this one; "" if there
	// is no such page.
	NewestURL, NewerURL, OlderURL string
	// Recorded says which calls are recorded: none, refused or all.
	Recorded string
	Follow   bool
}

func (p Calls) Meta() ui.Meta { return consoleMeta("console_calls", "console.calls.title") }

// CallFilter holds the values of the filters' fields.
type CallFilter struct {
	Party, Kind string
	Code        string // of the refusal
	Refused     bool
}

// Any reports whether a filter is set.
func (f CallFilter) Any() bool { return f != CallFilter{} }

// Query returns the filter as a query of [Calls].
func (f CallFilter) Query() url.Values {
	q := query(map[string]string{"party": f.Party, "call": f.Kind, "code": f.Code})
	if f.Refused {
		q.Set("refused", "1")
	}
	return q
}

// URL returns the URL of the list with this filter.
func (f CallFilter) URL() string { return consoleURL(f.Query(), "calls") }

// Call is one call of a relying party, in a list, in a timeline or on its page.
type Call struct {
	ID   int64
	At   time.Time
	Took time.Duration
	Kind string // a calllog.Kind

	Party, ClientID   string // name and client id; "" if the relying party is not known
	Claimed           string // client id in the token, if it differs
	Authentic         bool
	By                string // operator of an action in the console
	RequestID         string
	Attempt           int
	Status            int
	Code, Description string // of the refusal; "" if the call was accepted
	Reason            string
	Token             *Token // nil if the call had none

	Remedy string        // how to mend a refused call; may be empty
	Checks []CheckOfCall // of a refused call, in their order
}

// CheckOfCall is the result of one check of a call.
type CheckOfCall struct {
	Name, Result, Expected, Got string // Result is a constant of calllog
}

// Tone returns "good", "bad", or "" for a check that was not reached.
func (c CheckOfCall) Tone() string {
	return map[string]string{calllog.Passed: "good", calllog.Failed: "bad"}[c.Result]
}

// URL returns the URL of the call's page.
func (c Call) URL() string { return consoleURL(nil, "calls", strconv.FormatInt(c.ID, 10)) }

// RequestURL returns the URL of the request that the call names, or "".
func (c Call) RequestURL() string {
	if c.RequestID == "" {
		return ""
	}
	return RequestURL(c.RequestID, "")
}

// Duration returns Took with a unit.
func (c Call) Duration() string { return fine(c.Took) }

// Tone returns "bad" for a refusal and "" otherwise.
func (c Call) Tone() string {
	if c.Code != "" {
		return "bad"
	}
	return "good"
}

// Token is a decoded token without its secrets.
type Token struct {
	Header, Claims     string // JSON; "" if it could not be read
	Signature, Problem string
	Times              []Detail // iat and exp as times, relative to the time of the call
}

// CallPage is the page of one call.
type CallPage struct{ Call }

func (p CallPage) Meta() ui.Meta {
	return consoleMeta("console_call", "console.call.title", strings.ToUpper(p.Kind[:1])+p.Kind[1:])
}
