package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
)

// Cancel takes a sign request back (docs/contract.md, 6). When it returns nil, no one can sign the
// document any more. Active and expired requests can be cancelled, once. Refusals, for errors.Is:
//
//   - api.ErrActiveSession: the signer is signing. Ask again after the [Error]'s RetryAfter, or use
//     [Client.CancelWhenIdle].
//   - api.ErrAlreadySigned: too late. Get the document with [Client.Result].
//   - api.ErrAlreadyCancelled: nothing left to do; see [IsCancelled].
//   - api.ErrNoRecord: there is no such request, or it belongs to another party.
func (c *Client) Cancel(ctx context.Context, requestID string) error {
	// The documentation names the claim client_request and its sample client_id; a service that
	// reads one ignores the other (docs/contract.md, 14.1).
	_, err := c.do(ctx, call{
		name: "cancel", method: http.MethodPost, path: api.PathCancel,
		contentType: "application/json",
		claims: map[string]any{
			"request_id": requestID, "client_id": c.clientID, "client_request": c.clientID,
		},
	}, false) // what a success says besides is not specified (docs/contract.md, 14.3)
	return err
}

// Waiting times of CancelWhenIdle when the service does not say.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// CancelWhenIdle cancels a sign request as soon as that is possible: while the signer is signing it
// waits as long as the service asks to, and it goes on after lost answers, 5xx and
// TOO_MANY_REQUESTS with growing pauses, as a repeated cancel does no harm. Bound it with ctx; a
// sign session of Signet takes three minutes at most, and the signer may begin another.
//
// It returns nil when the request is cancelled, be it by an earlier try whose answer was lost, or
// by another person. Any other final refusal is returned as by [Client.Cancel];
// api.ErrAlreadySigned is the one to expect. When ctx ends, the error is both its cause and the
// last try's error.
func (c *Client) CancelWhenIdle(ctx context.Context, requestID string) error {
	pause := firstPause
	for {
		err := c.Cancel(ctx, requestID)
		if err == nil || IsCancelled(err) {
			return nil
		}
		wait, again := retryable(err)
		if !again {
			return err
		}
		if wait == 0 {
			wait, pause = pause, min(2*pause, maxPause)
		}
		if ctxErr := sleep(ctx, wait); ctxErr != nil {
			return fmt.Errorf("client: gave up waiting to cancel: %w; last: %w", ctxErr, err)
		}
	}
}

// retryable says whether the call may be tried again, and after what time; 0 if the service does
// not say.
func retryable(err error) (wait time.Duration, again bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter, e.Temporary()
	}
	_, again = errors.AsType[*noAnswerError](err)
	return 0, again
}

// sleep waits, or returns why it must not.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
