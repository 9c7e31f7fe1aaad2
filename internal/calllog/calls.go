package calllog

import (
	"context"
	"slices"
	"time"
)

// Kind is the kind of a call.
type Kind string

// The kinds of calls. A webhook is a call by this service that the relying party answers.
const (
	Initiate Kind = "initiate"
	Cancel   Kind = "cancel"
	Result   Kind = "result"
	Download Kind = "download" // of a signed_doc_url
	Webhook  Kind = "webhook"
)

// Kinds returns the kinds in the order in which they occur in the life of a request.
func Kinds() []Kind { return []Kind{Initiate, Webhook, Result, Download, Cancel} }

// Record is one call and its answer. It contains no secret. Its tags are the JSON of evidence and
// of the sandbox's control listener.
type Record struct {
	ID   int64         `json:"id"` // set by the store; later records have larger ones
	At   time.Time     `json:"at"` // when the call began
	Took time.Duration `json:"took_ns"`
	Kind Kind          `json:"call"`

	// Party is the client id of the caller if Authentic. Otherwise it is the registered party that
	// the token names, or "". Claimed is what the token says if it is something else.
	Party     string `json:"client_id,omitempty"`
	Claimed   string `json:"client_id_claimed,omitempty"`
	Authentic bool   `json:"authentic"` // the token or the link was verified
	// the operator who acted in the party's name in the console
	By string `json:"by,omitempty"`

	// the request that the call created or named, if it has the form of an id
	RequestID string `json:"request_id,omitempty"`
	Attempt   int    `json:"attempt,omitempty"` // of a webhook, starting at 1

	Status      int    `json:"status,omitempty"` // of HTTP; 0 if there was no answer
	Error       string `json:"error,omitempty"`  // code of the refusal; "" if it was accepted
	Description string `json:"error_description,omitempty"`
	// the cause that the answer does not contain, see httpx.HeaderExplanation
	Reason string `json:"reason,omitempty"`

	Diagnosis *Diagnosis `json:"diagnosis,omitempty"` // of a refused call that has checks

	Token *Token `json:"token,omitempty"` // nil if the call has none
}

// Refused reports whether the call was refused.
func (r *Record) Refused() bool { return r.Error != "" }

// Store keeps records. Its methods may run concurrently, in several processes with one database.
type Store interface {
	// AddCalls writes all records or, if it returns an error, none, and removes the oldest ones
	// beyond limits. It notifies watchers of the requests that records name. The next call may do
	// what is left of the removal.
	AddCalls(ctx context.Context, records []Record, limits Limits) error

	// Calls returns up to f.Limit records that match f, newest first: by ID, descending; or
	// ascending if f.After is set.
	Calls(ctx context.Context, f Filter) ([]Record, error)

	// ForgetCalls removes the records of calls before a time, and the oldest ones beyond keep, and
	// returns how many it removed.
	ForgetCalls(ctx context.Context, before time.Time, keep int) (n int64, err error)
}

// Filter selects records. A zero field does not restrict.
type Filter struct {
	ID        int64
	RequestID string
	Party     string
	Kind      Kind
	Refused   bool   // only refused calls
	Code      string // of the refusal
	Before    int64  // only records with a smaller ID
	After     int64  // only records with a larger ID
	Limit     int    // at most this many; none if it is below 1
}

// Limits bound what is kept. Unauthenticated calls have limits of their own.
type Limits struct {
	// Request is for each request, Party for each party. Unauthenticated calls count for the party
	// that they name, or for "".
	Request, RequestUnauthenticated int
	Party, PartyUnauthenticated     int

	All int // in total
}

// DefaultLimits are the program's limits. A record takes at most 1 to 4 KiB, and usually a third of
// that.
var DefaultLimits = Limits{
	Request: 100, RequestUnauthenticated: 20,
	Party: 10_000, PartyUnauthenticated: 500,
	All: 200_000,
}

// OfRequest returns the records of a request's calls, oldest first and never nil. It first flushes
// r, unless r is nil.
func OfRequest(ctx context.Context, s Store, r *Recorder, requestID string) ([]Record, error) {
	if err := r.Flush(ctx); err != nil {
		return nil, err
	}
	list, err := s.Calls(ctx, Filter{
		RequestID: requestID,
		Limit:     DefaultLimits.Request + DefaultLimits.RequestUnauthenticated,
	})
	if err != nil {
		return nil, err
	}
	slices.Reverse(list)
	return append([]Record{}, list...), nil
}
