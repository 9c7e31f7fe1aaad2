package request

import (
	"context"
	"time"
)

// EventAged notes that the request was made older; detail: by.
const EventAged EventKind = "aged"

// Age makes one request older by d, as if it had been made that much earlier: its end, the end of
// its session, the hour in which its result can be had and its pending jobs come nearer. A negative
// d makes it younger. No other request is touched and no clock is moved, so tests of several
// relying parties can share a sandbox. What time does to the request then is written by the worker.
//
// CreatedAt stays, because it is the request's place in lists. So do the two minutes of download
// links that were handed out, because relying parties have them as times.
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
		if job.Status == JobPending && !job.Lease.After(at) { // one under way keeps its lease
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
