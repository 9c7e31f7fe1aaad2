package request

import (
	"context"
	"time"
)

// EventAged records that the request was made older; detail: by.
const EventAged EventKind = "aged"

// Age makes one request older by d, as if it had been created that much earlier: its end, the end
// of its session, the end of access to its result, and its pending jobs move by d. A negative d
// makes it younger. Other requests and the clock do not change, so tests of several relying parties
// can share a sandbox. The worker stores the changes that follow.
//
// CreatedAt does not change, because lists are ordered by it. Download links that were issued keep
// their two minutes, because relying parties have the times.
func (s *Service) Age(ctx context.Context, id string, d time.Duration) error {
	var at time.Time
	err := s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		at = now
		r.age(d)
		e.record(now, EventAged, Detail{By: d.String()})
		return e, nil
	})
	if err != nil {
		return err
	}
	jobs, err := s.Outbox.Jobs(ctx, id)
	if err != nil {
		return err
	}
	var settled []Settlement
	for _, job := range jobs {
		if job.Status == JobPending && !job.Lease.After(at) { // one that is running keeps its lease
			job.DueAt = job.DueAt.Add(-d)
			settled = append(settled, Settlement{Job: job})
		}
	}
	return s.Outbox.Settle(ctx, settled...)
}

// age moves the times that the table's rules compare with the present.
func (r *Request) age(d time.Duration) {
	back := func(at *time.Time) {
		if !at.IsZero() {
			*at = at.Add(-d)
		}
	}
	back(&r.ExpiresAt)
	if r.Session != nil {
		back(&r.Session.StartedAt)
		back(&r.Session.EndsAt)
	}
	if r.Approval != nil {
		back(&r.Approval.SealBy)
		back(&r.Approval.NextTry)
	}
	if r.Signed != nil {
		back(&r.Signed.At)
	}
}
