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
	lost, err := c.again(ctx, func() error {
		_, err := c.do(ctx, call{
			name: "cancel", method: http.MethodPost, path: api.PathCancel,
			contentType: "application/json",
			claims: map[string]any{
				"request_id": requestID, "client_id": c.clientID, "client_request": c.clientID,
			},
		}, false) // the body of a success is not specified (docs/contract.md, 14.3)
		return err
	})
	if lost && IsCancelled(err) { // by the call whose answer was lost
		return nil
	}
	return err
}

// again makes a call that may be repeated, up to three times while its answer is lost, and reports
// whether an answer was lost.
func (c *Client) again(ctx context.Context, call func() error) (lost bool, err error) {
	for pause := 200 * time.Millisecond; ; pause *= 5 {
		err = call()
		_, none := errors.AsType[*noAnswerError](err)
		if !none || pause > time.Second || ctx.Err() != nil {
			return lost, err
		}
		lost = true
		if c.sleep(ctx, pause) != nil {
			return lost, err
		}
	}
}

// The longest pauses of CancelWhenIdle.
const (
	firstPause = 2 * time.Second
	maxPause   = 30 * time.Second
)

// CancelWhenIdle cancels a sign request as soon as that is possible. While the signer is signing,
// it asks again after growing pauses, and at the latest when the service says that the session is
// over. After lost answers, 5xx and TOO_MANY_REQUESTS it retries too, because repeating a cancel is
// safe. Bound it with ctx: a sign session of Signet takes at most three minutes, and the signer may
// start another one.
//
// It returns nil when the request is cancelled, also if an earlier attempt with a lost answer or
// another caller cancelled it. It returns any other final refusal as [Client.Cancel] does;
// api.ErrAlreadySigned is the likely one. When ctx ends, the error wraps both its cause and the
// last attempt's error.
func (c *Client) CancelWhenIdle(ctx context.Context, requestID string) error {
	pause := firstPause
	var last error // that the service has answered
	for {
		err := c.Cancel(ctx, requestID)
		if err == nil || IsCancelled(err) {
			return nil
		}
		if ctx.Err() == nil || last == nil {
			last = err
		}
		wait, again := retryable(err)
		if !again {
			return err
		}
		// The signer may leave long before the session must end.
		if wait == 0 || wait > pause && errors.Is(err, api.ErrActiveSession) {
			wait, pause = pause, min(2*pause, maxPause)
		}
		if ctxErr := c.sleep(ctx, wait); ctxErr != nil {
			return fmt.Errorf("client: gave up waiting to cancel: %w; last: %w", ctxErr, last)
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

// sleep waits until d has passed by the client's clock or by the machine's: a sandbox's clock may
// be moved, and may stand still. It returns an error if ctx ends first.
func (c *Client) sleep(ctx context.Context, d time.Duration) error {
	const look = 100 * time.Millisecond
	began, real := c.now(), time.Now()
	for {
		left := min(d-c.now().Sub(began), d-time.Since(real))
		if left <= 0 {
			return nil
		}
		timer := time.NewTimer(min(left, look))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return context.Cause(ctx)
		}
	}
}
