package request

import (
	"context"
	"time"

	"github.com/signet-sign/signet/api"
)

// ActiveSessionError is the refusal ACTIVE_SESSION_ONGOING, with the time after which a retry may
// succeed. It is an [api.ErrActiveSession].
type ActiveSessionError struct {
	// RetryAfter is the time until the end of the session, or until the next attempt to seal the
	// document; at least a second.
	RetryAfter time.Duration
}

func (e *ActiveSessionError) Error() string { return api.ErrActiveSession.Error() }

// Unwrap returns the error of the wire.
func (e *ActiveSessionError) Unwrap() error { return api.ErrActiveSession }

// Cancel cancels a sign request for the relying party that made it (docs/contract.md, 6). Active
// and expired requests can be cancelled, once; the row "cancel" of the table has the refusals. When
// it returns nil the cancellation is on disk: the request can no longer be opened, signed,
// downloaded or announced, a job deletes its document, and all watchers are notified.
//
// An unknown id and an id of another party have the same error, api.ErrNoRecord.
func (s *Service) Cancel(ctx context.Context, clientID, id string) error {
	return s.update(ctx, id, func(r *Request, now time.Time) (Effects, error) {
		if r.ClientID != clientID {
			return Effects{}, api.ErrNoRecord.Because(
				"the request belongs to another relying party",
			)
		}
		return r.cancel(now, "")
	})
}

// CancelFor is Cancel for an operator who acts in the party's name. The same rule applies, and the
// trail names the operator.
func (s *Service) CancelFor(ctx context.Context, id, operator string) error {
	return s.update(
		ctx, id,
		func(r *Request, now time.Time) (Effects, error) { return r.cancel(now, operator) },
	)
}

func (r *Request) cancel(now time.Time, operator string) (e Effects, err error) {
	c := table[ActCancel][r.State]
	switch {
	case c.refuse == api.ErrActiveSession:
		var until time.Time
		if r.State.InSession() {
			until = r.Session.EndsAt
		} else {
			until = r.Approval.NextTry // zero for the first attempt, which takes about a second
		}
		return e, &ActiveSessionError{RetryAfter: max(time.Second, until.Sub(now))}
	case c.refuse != nil:
		return e, c.refuse
	}
	detail := Detail{From: string(r.State)}
	if operator != "" {
		detail.By = operator
	}
	r.State, r.CancelledAt = c.to, now
	r.Session, r.Approval = nil, nil // of a stalled request
	e.record(now, EventCancelled, detail)
	e.purge(now)
	return e, nil
}
