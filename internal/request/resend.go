package request

import (
	"context"

	"github.com/signet-sign/signet/api"
)

// EventResent records that an operator has requested the webhook again; detail: by.
const EventResent EventKind = "webhook_resent"

// Errors of Resend. Operators see the texts.
var (
	ErrNoWebhookYet = &api.Error{
		Code: "NO_WEBHOOK", Description: "There is no webhook: the document has not been signed",
	}
	ErrWebhookOnWire = &api.Error{
		Code: "WEBHOOK_UNDER_WAY", Description: "The webhook is being delivered right now",
	}
)

// Resend makes the webhook of a signed request due now, whether it failed, was accepted, or waits
// for its next attempt. by names the operator in the trail. The error is [ErrNoWebhookYet] before
// the request is signed, and [ErrWebhookOnWire] while an attempt runs.
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
		job.Status, job.DueAt = JobPending, s.NowOf(id)
		// If a worker claims the job now, Settle does not change it, and the worker sends the
		// webhook.
		return s.Outbox.Settle(
			ctx, Settlement{
				Job: job, Events: []Event{{At: now, Kind: EventResent, Detail: Detail{By: by}}},
			},
		)
	}
	return ErrNoWebhookYet
}
