package console

import (
	"net/url"
	"time"

	"github.com/signet-sign/signet/internal/server/ui"
)

// Webhooks is the page of the webhooks that were not delivered, newest request first, and of the
// receivers that fail. Forms post to /console/webhooks/resend and /console/webhooks/resume.
type Webhooks struct {
	WebhookFilter
	All       int         // that match the filter
	Parties   []ui.Choice // "" first
	Rows      []FailedWebhook
	Sent      int  // webhooks that the post before has made due
	Resumed   bool // the post before has resumed a party's webhooks
	Receivers []Receiver
}

// WebhookFilter selects failed webhooks by relying party and by the day of their last attempt.
type WebhookFilter struct {
	Party    string // client id, or "" for all
	From, To string // days as YYYY-MM-DD, or ""
}

// query returns the filter as the page's query.
func (f WebhookFilter) query() url.Values {
	return query(map[string]string{"party": f.Party, "from": f.From, "to": f.To})
}

// Filtered reports whether the filter selects anything.
func (f WebhookFilter) Filtered() bool { return f != WebhookFilter{} }

// Receiver is a receiver of webhooks that fails.
type Receiver struct {
	Party, ClientID string
	Failures        int
	Since           time.Time
	HeldUntil       time.Time // when it is called next; zero if it is paused
	PausedAt        time.Time // zero if it is not
}

// FailedWebhook is one webhook.
type FailedWebhook struct {
	Row
	Attempts int
	Error    string    // of the last attempt
	At       time.Time // when it was due
}

func (p Webhooks) Meta() ui.Meta {
	return consoleMeta("console_webhooks", "console.failed.title")
}
