package request

import (
	"context"

	"github.com/signet-sign/signet/api"
)

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
		return s.Outbox.Settle(ctx, Settlement{
			Job: job, Events: []Event{{At: now, Kind: EventResent, Detail: Detail{By: by}}},
		})
	}
	return ErrNoWebhookYet
}

// resendAtOnce is the number of webhooks that one transaction makes due.
const resendAtOnce = 200

// ResendFailed makes the failed webhooks that match the filter due now, the newest first, and
// returns how many. f.Kind and f.Limit are ignored. The workers' quota keeps those of one party
// from delaying those of others. It goes on until ctx ends.
func (s *Service) ResendFailed(ctx context.Context, f FailedFilter, by string) (n int, err error) {
	f.Kind, f.Limit = JobWebhook, resendAtOnce
	for {
		jobs, _, err := s.Outbox.Failed(ctx, f)
		if err != nil || len(jobs) == 0 {
			return n, err
		}
		settled := make([]Settlement, len(jobs))
		for i, job := range jobs {
			now := s.NowOf(job.RequestID)
			job.Status, job.DueAt = JobPending, now
			settled[i] = Settlement{
				Job: job, Events: []Event{{At: now, Kind: EventResent, Detail: Detail{By: by}}},
			}
			f.Before = job.ID // those that fail again in the meantime are not among the next
		}
		if err := s.Outbox.Settle(ctx, settled...); err != nil {
			return n, err
		}
		n += len(jobs)
	}
}
