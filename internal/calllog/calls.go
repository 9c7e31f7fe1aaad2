package calllog

import (
	"context"
	"slices"
	"time"
)

// Kind is what was called.
type Kind string

// The kinds of calls. A webhook is our call, and the relying party is who answers.
const (
	Initiate Kind = "initiate"
	Cancel   Kind = "cancel"
	Result   Kind = "result"
	Download Kind = "download" // of a signed_doc_url
	Webhook  Kind = "webhook"
)

// Kinds lists the kinds in the order of a request's life.
func Kinds() []Kind { return []Kind{Initiate, Webhook, Result, Download, Cancel} }

// Record is one call and its answer. Nothing in it is secret. Its tags are the JSON of evidence and
// of the sandbox's control listener.
type Record struct {
	ID   int64         `json:"id"` // given by the store; a later record has a larger one
	At   time.Time     `json:"at"` // when the call began
	Took time.Duration `json:"took_ns"`
	Kind Kind          `json:"call"`

	// Party is the client id of the relying party whose call it is, if Authentic; else of the
	// registered one that it claims to be from, or "". Claimed is what the token says, if it is
	// something else.
	Party     string `json:"client_id,omitempty"`
	Claimed   string `json:"client_id_claimed,omitempty"`
	Authentic bool   `json:"authentic"` // the token, or the link, was proven to be genuine
	// the operator who did it in the party's name, in the console
	By string `json:"by,omitempty"`

	// the request that the call made or named, if it has the form of one of ours
	RequestID string `json:"request_id,omitempty"`
	Attempt   int    `json:"attempt,omitempty"` // of a webhook, from 1

	Status      int    `json:"status,omitempty"` // of HTTP; 0: there was no answer
	Error       string `json:"error,omitempty"`  // code of the refusal; "": it was accepted
	Description string `json:"error_description,omitempty"`
	// what we know and do not say, see httpx.HeaderExplanation
	Reason string `json:"reason,omitempty"`

	Token *Token `json:"token,omitempty"` // nil: the call has none
}

// Refused reports whether the call was.
func (r *Record) Refused() bool { return r.Error != "" }

// Store keeps records. Its methods may run concurrently, in several processes over one database.
type Store interface {
	// AddCalls writes records and drops the oldest ones beyond limits. Watchers of a request that a
	// record names are notified. Either all records are written or none, and then the error says
	// why; dropping may be made up for by the next call.
	AddCalls(ctx context.Context, records []Record, limits Limits) error

	// Calls returns up to f.Limit records that match f, newest first: by ID, descending.
	Calls(ctx context.Context, f Filter) ([]Record, error)

	// ForgetCalls drops the records of calls before a time, and the oldest ones beyond keep, and
	// reports how many those were.
	ForgetCalls(ctx context.Context, before time.Time, keep int) (n int64, err error)
}

// Filter says which records. A zero field does not restrict.
type Filter struct {
	ID        int64
	RequestID string
	Party     string
	Kind      Kind
	Refused   bool  // only those
	Before    int64 // only records with a smaller ID
	Limit     int   // at most so many; below 1: none
}

// Limits are how much is kept. Strangers are calls that are not authentic.
type Limits struct {
	// For one request, and for one party (for strangers: that they claim to be from; "" is one,
	// too).
	Request, RequestStrangers int
	Party, PartyStrangers     int

	All int           // in all
	Age time.Duration // for so long
}

// DefaultLimits are those of the program. A record takes 1 to 4 KiB, most of them a third of that.
var DefaultLimits = Limits{
	Request: 100, RequestStrangers: 20,
	Party: 10_000, PartyStrangers: 500,
	All: 200_000, Age: 90 * 24 * time.Hour,
}

// OfRequest lists what is kept of a request's calls, oldest first and never nil, with what r (nil:
// nothing) is about to write.
func OfRequest(ctx context.Context, s Store, r *Recorder, requestID string) ([]Record, error) {
	if err := r.Flush(ctx); err != nil {
		return nil, err
	}
	list, err := s.Calls(
		ctx,
		Filter{RequestID: requestID, Limit: DefaultLimits.Request + DefaultLimits.RequestStrangers},
	)
	if err != nil {
		return nil, err
	}
	slices.Reverse(list)
	return append([]Record{}, list...), nil
}
