package audit

import (
	"encoding/json"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// The trails of the log that are not of a request have these prefixes before the id of a phone and
// the client id of a relying party. [ErasureTrail] is one more.
const (
	PhoneTrail = "phone/"
	PartyTrail = "party/"
)

// Entry is an event of a trail with its index in the log.
type Entry struct {
	Index     int64  // of the leaf, from 0
	RequestID string // or the name of another trail
	Seq       int64  // of the event in its trail, from 1 without gaps
	At        time.Time
	Kind      string
	Detail    string // JSON, as it is stored, or empty
}

// event is the JSON of a leaf. Its form never changes, because existing logs contain it.
type event struct {
	RequestID string          `json:"request_id"`
	Seq       int64           `json:"seq"`
	At        time.Time       `json:"at"`
	Kind      string          `json:"kind"`
	Detail    json.RawMessage `json:"detail,omitempty"`
}

// Leaf returns the bytes of the leaf, which are JSON without line breaks.
func (e Entry) Leaf() ([]byte, error) {
	leaf, err := json.Marshal(event{
		e.RequestID, e.Seq, e.At.UTC(), e.Kind, json.RawMessage(e.Detail),
	})
	if err != nil {
		return nil, fmt.Errorf("the leaf of event %d of %s: %w", e.Seq, e.RequestID, err)
	}
	return leaf, nil
}

// Hash returns the hash of the leaf.
func (e Entry) Hash() (tlog.Hash, error) {
	leaf, err := e.Leaf()
	return tlog.RecordHash(leaf), err
}
