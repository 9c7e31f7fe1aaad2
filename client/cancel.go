package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
)

// Cancel cancels a sign request (docs/contract.md, 6). When it returns nil, the document can no
// longer be signed. Active and expired requests can be cancelled, once. Refusals, for errors.Is:
//
//   - api.ErrActiveSession: the signer is signing. Try again after the [Error]'s RetryAfter, or use
//     [Client.CancelWhenIdle].
//   - api.ErrAlreadySigned: the document is signed. Get it with [Client.Result].
//   - api.ErrAlreadyCancelled: nothing left to do; see [IsCancelled].
//   - api.ErrNoRecord: there is no such request, or it belongs to another party.
func (c *Client) Cancel(ctx context.Context, requestID string) error {
	// The documentation calls the claim client_request and its sample client_id. A service that
	// reads one ignores the other (docs/contract.md, 14.1).
	_, err := c.do(ctx, call{
		name: "cancel", method: http.MethodPost, path: api.PathCancel,
		contentType: "application/json",
		claims: map[string]any{
			"request_id": requestID, "client_id": c.clientID, "client_request": c.clientID,
		},
	}, false) // the body of a success is not specified (docs/contract.md, 14.3)
	return err
}

// Default pauses of CancelWhenIdle.
const (
	firstPause = time.Second
	maxPause   = 30 * time.Second
)

// CancelWhenIdle cancels a sign request as soon as that is possible. While the signer is signing,
// it waits for as long as the service asks. After lost answers, 5xx and TOO_MANY_REQUESTS it
// retries with growing pauses, because repeating a cancel is safe. Bound it with ctx: a sign
// session of Signet takes at most three minutes, and the signer may start another one.
//
// It returns nil when the request is cancelled, also if an earlier attempt with a lost answer or
// another caller cancelled it. It returns any other final refusal as [Client.Cancel] does;
// api.ErrAlreadySigned is the likely one. When ctx ends, the error wraps both its cause and the
// last attempt's error.
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

// retryable reports whether the call may be repeated, and after what time; 0 if the service does
// not say.
func retryable(err error) (wait time.Duration, again bool) {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter, e.Temporary()
	}
	_, again = errors.AsType[*noAnswerError](err)
	return 0, again
}

// sleep waits for d. It returns an error if ctx ends first.
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
