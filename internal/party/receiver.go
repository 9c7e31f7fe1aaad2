package party

import (
	"context"
	"errors"
	"time"
)

// Receiver is how the receiver of a party's webhooks has failed since it last accepted one. The
// zero value has not failed. Only the webhooks of parties that opted in to further attempts
// (Party.WebhookLadder) follow it, so those of others are sent as docs/contract.md, 7.1, says.
type Receiver struct {
	ClientID string
	Failures int       // attempts that failed in a row
	Since    time.Time // the first of them
	Last     time.Time // the latest of them

	// HeldUntil, if not zero, says that the breaker is open: no webhook of the party is claimed
	// before that time. Then one is, which moves the time to the end of its lease, and its outcome
	// decides.
	HeldUntil time.Time

	// PausedAt, if not zero, is since when webhooks of the party fail without an attempt. They do
	// until an operator resumes them ([Registrar.ResumeWebhooks]).
	PausedAt time.Time
}

const (
	// breakerAt is the number of failures in a row that opens the breaker. A single webhook reaches
	// it six minutes after its first attempt.
	breakerAt = 5

	// An open breaker holds webhooks for as long as the receiver has failed, within these limits.
	minHold = time.Minute
	maxHold = 15 * time.Minute

	// pauseAfter is how long a receiver fails before its webhooks are paused.
	pauseAfter = 5 * 24 * time.Hour

	// forgetAfter is how long after a failure the next one counts as the first. It is longer than
	// any pause between two attempts.
	forgetAfter = 36 * time.Hour
)

// Fail records an attempt that failed. It reports whether that pauses the webhooks.
func (r *Receiver) Fail(now time.Time) (pauses bool) {
	now = now.UTC().Truncate(time.Microsecond) // as it is stored
	if !r.PausedAt.IsZero() {
		return false
	}
	if now.Sub(r.Last) > forgetAfter {
		*r = Receiver{ClientID: r.ClientID, Since: now}
	}
	r.Failures++
	r.Last = now
	failing := now.Sub(r.Since)
	switch {
	case failing >= pauseAfter:
		r.PausedAt, r.HeldUntil = now, time.Time{}
		return true
	case r.Failures >= breakerAt:
		r.HeldUntil = now.Add(min(max(failing, minHold), maxHold))
	}
	return false
}

// Reset forgets the failures, because the receiver has accepted a webhook, an operator resumes the
// webhooks, or the party follows the contract only.
func (r *Receiver) Reset() { *r = Receiver{ClientID: r.ClientID} }

// Failed reports whether there is a failure to forget.
func (r *Receiver) Failed() bool { return r.Failures > 0 }

// ErrPaused means that the webhooks of a party are paused.
var ErrPaused = errors.New("the webhooks of the relying party are paused")

// Receivers keeps the receivers that fail, for all nodes. Changes are durable when a method
// returns. All methods may be called concurrently, on any number of nodes.
type Receivers interface {
	// Receiver returns the receiver of a party, which is zero but for its ClientID if it does not
	// fail.
	Receiver(ctx context.Context, clientID string) (Receiver, error)

	// Receivers lists those that fail, by client id.
	Receivers(ctx context.Context) ([]Receiver, error)

	// ChangeReceiver reads a receiver, calls change, and stores the receiver and the [Change] that
	// change returns, if it is not nil, in one transaction. No other change of the same receiver
	// happens in between. If change returns an error, nothing is stored and ChangeReceiver returns
	// that error. change may be called more than once.
	ChangeReceiver(
		ctx context.Context, clientID string, change func(*Receiver) (*Change, error),
	) error
}

// ErrNotPaused means that no webhooks of the party are paused or held.
var ErrNotPaused = errors.New("the webhooks of the relying party are not paused")

// ResumeWebhooks sends webhooks of a party again that were paused or are held by the breaker. The
// party may be a configured one. Those that failed in the meantime have to be requested again.
func (r *Registrar) ResumeWebhooks(ctx context.Context, by, clientID string) error {
	return r.Store.ChangeReceiver(ctx, clientID, func(rec *Receiver) (*Change, error) {
		if rec.PausedAt.IsZero() && rec.HeldUntil.IsZero() {
			return nil, ErrNotPaused
		}
		rec.Reset()
		c := r.change(clientID, by, ChangeResumed)
		return &c, nil
	})
}
