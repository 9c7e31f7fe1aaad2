package request

import (
	"context"

	"github.com/signet-sign/signet/api"
)

// EventResent notes that an operator has the webhook sent once more; detail: by.
const EventResent EventKind = "webhook_resent"

// What Resend refuses. Operators see the texts.
var (
	ErrNoWebhookYet = &api.Error{
		Code: "NO_WEBHOOK", Description: "There is no webhook: the document has not been signed",
	}
	ErrWebhookOnWire = &api.Error{
		Code: "WEBHOOK_UNDER_WAY", Description: "The webhook is being delivered right now",
	}
)

// Resend makes the webhook of a signed request due now: one that failed or arrived is tried once
// more, and one that waits for its next try waits no longer. by names the operator in the trail. It
// is [ErrNoWebhookYet] before the request is signed, and [ErrWebhookOnWire] while a worker is at
// it.
func (s *Service) Resend(ctx context.Context, id, by string) error {
	if _, err := s.Store.Get(ctx, id); err != nil {
		return err
	}
	jobs, err := s.Outbox.Jobs(ctx, id)
	if err != nil {
		return err
	}
	now := s.now()
	for i := len(jobs) - 1; i >= 0; i-- {
		job := jobs[i]
		if job.Kind != JobWebhook {
			continue
		}
		if job.Lease.After(now) {
			return ErrWebhookOnWire
		}
		job.Status, job.DueAt = JobPending, now
		// Should a worker claim it in this moment, Settle leaves it alone: the webhook is on its
		// way then, too.
		return s.Outbox.Settle(
			ctx, Settlement{job, []Event{{At: now, Kind: EventResent, Detail: Detail{By: by}}}},
		)
	}
	return ErrNoWebhookYet
}
