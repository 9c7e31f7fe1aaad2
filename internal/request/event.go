package request

import "time"

// Event is one line of a request's audit trail. It is written in the transaction of what it tells
// and never changes. Its tags are the JSON of evidence and of the sandbox's control listener.
type Event struct {
	Seq    int       `json:"seq"` // from 1, in order; kept by the store
	At     time.Time `json:"at"`
	Kind   EventKind `json:"kind"`
	Detail Detail    `json:"detail,omitempty"`
}

// Detail says more about an event, in words that may be shown to operators: no NRIC, no secret.
type Detail map[string]string

// EventKind names what happened.
type EventKind string

// The kinds of events.
const (
	EventInitiated      EventKind = "initiated"
	EventOpened         EventKind = "opened"
	EventProceeded      EventKind = "proceeded"
	EventScanned        EventKind = "scanned"
	EventSessionEnded   EventKind = "session_ended" // detail: outcome
	EventApproved       EventKind = "approved"
	EventApproveRefused EventKind = "approve_refused" // detail: error
	EventSigned         EventKind = "signed"
	EventSealRetried    EventKind = "seal_retried" // detail: attempt, error
	EventSealFailed     EventKind = "seal_failed"  // the request is stalled; detail: attempt, error
	EventSealAgain      EventKind = "seal_again"   // detail: by
	EventSealAborted    EventKind = "seal_aborted" // detail: by
	EventRenewed        EventKind = "renewed"      // detail: sha256, until
	EventRenewFailed    EventKind = "renew_failed" // detail: failures, error
	EventExpired        EventKind = "expired"
	EventCancelled      EventKind = "cancelled" // detail: from; by, if an operator did it
	EventPurged         EventKind = "purged"    // detail: documents
	EventWebhook        EventKind = "webhook"   // one attempt; detail: attempt, status or error
	EventResult         EventKind = "result"
	EventDownloaded     EventKind = "downloaded"
)
