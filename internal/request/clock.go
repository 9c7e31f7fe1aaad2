package request

import (
	"context"
	"time"
)

// Clocks are the clocks of single requests in a sandbox. Such a clock goes as the service's does,
// unless it is stopped. What moves it otherwise is [Service.Age].
type Clocks interface {
	// Stopped returns the service's time at which the clock of a request was stopped; ok is false
	// if it goes.
	Stopped(requestID string) (at time.Time, ok bool)

	// Count returns how many clocks are stopped.
	Count() int
}

// NowOf returns the time of a request, by which everything about the request is judged: the
// service's time unless the request's clock is stopped.
func (s *Service) NowOf(id string) time.Time {
	if at, ok := s.stopped(id); ok {
		return at
	}
	return s.now()
}

func (s *Service) stopped(id string) (at time.Time, ok bool) {
	if s.Clocks == nil {
		return time.Time{}, false
	}
	return s.Clocks.Stopped(id)
}

// isDue reports whether a request that is due by the service's time is so by its own.
func (s *Service) isDue(ctx context.Context, id string) (bool, error) {
	at, stopped := s.stopped(id)
	if !stopped {
		return true, nil
	}
	r, err := s.Store.Get(ctx, id)
	if err != nil {
		return false, err
	}
	due, ok := r.DueAt()
	return ok && !at.Before(due), nil
}

// held is added to the due time of a job whose request's clock is stopped before it, so that no
// worker claims the job.
const held = 100 * 365 * 24 * time.Hour

// due returns the due time of a job that is due at a time of its request's clock.
func (s *Service) due(id string, at time.Time) time.Time {
	if now, ok := s.stopped(id); ok && at.After(now) {
		return at.Add(held)
	}
	return at
}

// dueAt returns when j is due by its request's clock. now is the service's time.
func (j *Job) dueAt(now time.Time) time.Time {
	if j.DueAt.After(now.Add(held / 2)) {
		return j.DueAt.Add(-held)
	}
	return j.DueAt
}

// Age makes one request older by d, as if it had been created that much earlier: its end, the end
// of its session, the end of access to its result, and its pending jobs move by d. A negative d
// makes it younger. Other requests and the clock do not change, so tests of several relying parties
// can share a sandbox. The worker stores the changes that follow.
//
// CreatedAt does not change, because lists are ordered by it. Download links that were issued keep
// their two minutes, because relying parties have the times.
func (s *Service) Age(ctx context.Context, id string, d time.Duration) error {
	err := s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		r.age(d)
		e.record(now, EventAged, Detail{By: d.String()})
		return e, nil
	})
	if err != nil {
		return err
	}
	return s.reschedule(ctx, id, d)
}

// Reschedule has the jobs of a request follow its clock, which was stopped or goes again.
func (s *Service) Reschedule(ctx context.Context, id string) error {
	return s.reschedule(ctx, id, 0)
}

func (s *Service) reschedule(ctx context.Context, id string, d time.Duration) error {
	jobs, err := s.Outbox.Jobs(ctx, id)
	if err != nil {
		return err
	}
	now := s.now()
	var settled []Settlement
	for _, job := range jobs {
		// one that is running keeps its lease
		if job.Status == JobPending && !job.Lease.After(now) {
			job.DueAt = s.due(id, job.dueAt(now).Add(-d))
			settled = append(settled, Settlement{Job: job})
		}
	}
	return s.Outbox.Settle(ctx, settled...)
}

// age moves the times that rules compare with the present.
func (r *Request) age(d time.Duration) {
	back := func(at *time.Time) {
		if !at.IsZero() {
			*at = at.Add(-d)
		}
	}
	back(&r.ExpiresAt)
	back(&r.CancelledAt)
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
