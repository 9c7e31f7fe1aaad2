package console

import "github.com/signet-sign/signet/internal/server/ui"

// Webhooks is the page of the webhooks that were not delivered, newest request first. A form posts
// to /console/webhooks/resend.
type Webhooks struct {
	All     int         // of all parties
	Party   string      // client id of the only party that is shown, or ""
	Parties []ui.Choice // "" first
	Rows    []FailedWebhook
	Sent    int // webhooks that the post before has made due
}

// FailedWebhook is one webhook.
type FailedWebhook struct {
	Row
	Attempts int
	Error    string // of the last attempt
}

func (p Webhooks) Meta() ui.Meta {
	return consoleMeta("console_webhooks", "console.failed.title")
}
