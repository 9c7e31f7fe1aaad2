package request_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// want is what a cell of the table promises: a refusal's code, or "" and the state that follows.
type want struct {
	code string
	then request.State
}

func ok(then request.State) want { return want{then: then} }
func no(code string) want        { return want{code: code} }
func (w want) after(s request.State) request.State {
	if w.code != "" {
		return s // a refusal changes nothing
	}
	return w.then
}

// TestEveryCell brings a real request into each state and does each thing to it. The expectations
// are the contract's and the design's, written down a second time, so that neither the table nor
// the code can drift alone.
func TestEveryCell(t *testing.T) {
	w := newWorld(t)
	states := request.States()
	expired, cancelled, signed := no(api.CodeExpired), no(
		api.CodeCancelled,
	), no(api.CodeAlreadySigned)
	notSealing := no(request.ErrNotSealing.Code)
	rows := []struct {
		name string
		do   func(ctx context.Context, r *api.Initiated) error
		want [8]want
	}{
		{
			"open by the signer",
			func(ctx context.Context, r *api.Initiated) error {
				_, err := w.Open(ctx, r.RequestID, alice)
				return err
			},
			[8]want{
				ok(request.StateLocked), ok(request.StateLocked), ok(request.StateSession),
				ok(request.StateSealing),
				ok(request.StateStalled), signed, expired, cancelled,
			},
		},
		{
			// in state created another person is the first, so that cell has a test of its own
			"open by another person",
			func(ctx context.Context, r *api.Initiated) error { _, err := w.Open(ctx, r.RequestID, bob); return err },
			[8]want{
				ok(request.StateLocked), no(api.CodeNoAccess), no(api.CodeNoAccess),
				no(api.CodeNoAccess),
				no(api.CodeNoAccess), no(api.CodeNoAccess), expired, cancelled,
			},
		},
		{
			"proceed",
			func(ctx context.Context, r *api.Initiated) error {
				_, err := w.Proceed(ctx, r.RequestID, alice, request.SeenUnasked)
				return err
			},
			[8]want{
				no(api.CodeNotOpened), ok(request.StateSession), ok(request.StateSession),
				no(api.CodeSigning),
				no(api.CodeSigning), signed, expired, cancelled,
			},
		},
		{
			"read the document",
			func(ctx context.Context, r *api.Initiated) error {
				_, doc, err := w.Document(ctx, r.RequestID, alice)
				if err == nil {
					err = doc.Close()
				}
				return err
			},
			[8]want{ // cancelled before a signer has opened it
				no(api.CodeNoAccess), ok(request.StateLocked), ok(request.StateSession),
				ok(request.StateSealing),
				ok(request.StateStalled), signed, expired, no(api.CodeNoAccess),
			},
		},
		{
			"read the document as another person",
			func(ctx context.Context, r *api.Initiated) error {
				_, _, err := w.Document(ctx, r.RequestID, bob)
				return err
			},
			[8]want{
				no(api.CodeNoAccess), no(api.CodeNoAccess), no(api.CodeNoAccess),
				no(api.CodeNoAccess),
				no(api.CodeNoAccess), no(api.CodeNoAccess), no(api.CodeNoAccess),
				no(api.CodeNoAccess),
			},
		},
		{
			"proceed by another person",
			func(ctx context.Context, r *api.Initiated) error {
				_, err := w.Proceed(ctx, r.RequestID, bob, request.SeenUnasked)
				return err
			},
			[8]want{
				no(api.CodeNotOpened), no(api.CodeNoAccess), no(api.CodeNoAccess),
				no(api.CodeNoAccess),
				no(api.CodeNoAccess), no(api.CodeNoAccess), expired, cancelled,
			},
		},
		{
			"approve",
			func(ctx context.Context, r *api.Initiated) error { return w.approve(ctx, r.RequestID, alice) },
			[8]want{
				no(api.CodeNoActiveSession), no(api.CodeNoActiveSession), ok(request.StateSealing),
				no(api.CodeSigning),
				no(api.CodeSigning), signed, expired, cancelled,
			},
		},
		{
			"approve by another person",
			func(ctx context.Context, r *api.Initiated) error { return w.approve(ctx, r.RequestID, bob) },
			[8]want{
				no(api.CodeNoActiveSession), no(api.CodeNoAccess), no(api.CodeNoAccess),
				no(api.CodeNoAccess),
				no(api.CodeNoAccess), no(api.CodeNoAccess), expired, cancelled,
			},
		},
		{
			"reject",
			func(ctx context.Context, r *api.Initiated) error { return w.reject(ctx, r.RequestID, alice) },
			[8]want{
				no(api.CodeNoActiveSession), no(api.CodeNoActiveSession), ok(request.StateLocked),
				no(api.CodeSigning),
				no(api.CodeSigning), signed, expired, cancelled,
			},
		},
		{
			"leave",
			func(ctx context.Context, r *api.Initiated) error { return w.Leave(ctx, r.RequestID, alice) },
			[8]want{
				no(api.CodeNoActiveSession), no(api.CodeNoActiveSession), ok(request.StateLocked),
				no(api.CodeSigning),
				no(api.CodeSigning), signed, expired, cancelled,
			},
		},
		{
			"cancel",
			func(ctx context.Context, r *api.Initiated) error { return w.Cancel(ctx, shop, r.RequestID) },
			[8]want{
				ok(request.StateCancelled), ok(request.StateCancelled), no(api.CodeActiveSession),
				no(api.CodeActiveSession),
				ok(request.StateCancelled), signed, ok(request.StateCancelled),
				no(api.CodeAlreadyCancelled),
			},
		},
		{
			"cancel by another relying party",
			func(ctx context.Context, r *api.Initiated) error { return w.Cancel(ctx, rival, r.RequestID) },
			[8]want{
				no(api.CodeClientSide), no(api.CodeClientSide), no(api.CodeClientSide),
				no(api.CodeClientSide),
				no(api.CodeClientSide), no(api.CodeClientSide), no(api.CodeClientSide),
				no(api.CodeClientSide),
			},
		},
		{
			"result",
			func(ctx context.Context, r *api.Initiated) error {
				_, err := w.Result(ctx, r.RequestID, r.ExchangeCode, w.Now())
				return err
			},
			[8]want{
				no(api.CodeNotSigned), no(api.CodeNotSigned), no(api.CodeNotSigned),
				no(api.CodeNotSigned),
				no(api.CodeNotSigned), ok(request.StateSigned), expired, cancelled,
			},
		},
		{
			"time passes to the end of the session",
			func(ctx context.Context, r *api.Initiated) error {
				w.clock.advance(w.SessionLifetime)
				return nil
			},
			[8]want{
				ok(request.StateCreated), ok(request.StateLocked), ok(request.StateLocked),
				ok(request.StateSealing),
				ok(request.StateStalled), ok(request.StateSigned), ok(request.StateExpired),
				ok(request.StateCancelled),
			},
		},
		{
			"time passes to the end of the request",
			func(ctx context.Context, r *api.Initiated) error {
				w.clock.advance(api.RequestLifetime * 1e9)
				return nil
			},
			[8]want{
				ok(request.StateExpired), ok(request.StateExpired), ok(request.StateExpired),
				ok(request.StateSealing),
				ok(request.StateStalled), ok(request.StateSigned), ok(request.StateExpired),
				ok(request.StateCancelled),
			},
		},
		{
			// which it is not before it is due; the state is the same either way
			"the document is renewed",
			func(ctx context.Context, r *api.Initiated) error {
				job := &request.Job{RequestID: r.RequestID, Kind: request.JobRenew, Attempts: 1}
				if events := w.Renew(ctx, job); len(events) > 0 {
					return fmt.Errorf("%v", events)
				}
				return nil
			},
			[8]want{
				ok(request.StateCreated), ok(request.StateLocked), ok(request.StateSession),
				ok(request.StateSealing),
				ok(request.StateStalled), ok(request.StateSigned), ok(request.StateExpired),
				ok(request.StateCancelled),
			},
		},
		{
			"an operator has the document sealed again",
			func(ctx context.Context, r *api.Initiated) error { return w.SealAgain(ctx, r.RequestID, "operator") },
			[8]want{
				notSealing, notSealing, notSealing, ok(request.StateSealing),
				ok(request.StateSealing), notSealing, notSealing, notSealing,
			},
		},
		{
			"an operator aborts the sealing", // a request is stalled for longer than it lives
			func(ctx context.Context, r *api.Initiated) error { return w.Abort(ctx, r.RequestID, "operator") },
			[8]want{
				notSealing, notSealing, notSealing, ok(request.StateLocked),
				ok(request.StateExpired), notSealing, notSealing, notSealing,
			},
		},
		{
			"the document is sealed",
			func(ctx context.Context, r *api.Initiated) error { return w.worker.Drain(ctx) },
			[8]want{
				ok(request.StateCreated), ok(request.StateLocked), ok(request.StateSession),
				ok(request.StateSigned),
				ok(request.StateStalled), ok(request.StateSigned), ok(request.StateExpired),
				ok(request.StateCancelled),
			},
		},
	}
	for _, row := range rows {
		for i, s := range states {
			t.Run(row.name+"/"+string(s), func(t *testing.T) {
				r := w.in(t, s)
				if got := w.state(t, r.RequestID); got != s {
					t.Fatalf("the request is %s and not %s", got, s)
				}
				if got := code(row.do(t.Context(), r)); got != row.want[i].code {
					t.Errorf("answer %q, want %q", got, row.want[i].code)
				}
				if got := w.state(t, r.RequestID); got != row.want[i].after(s) {
					t.Errorf("then it is %s, want %s", got, row.want[i].after(s))
				}
				w.hasWhatItsStateHas(t, r.RequestID)
			})
		}
	}
}

// hasWhatItsStateHas checks that a request has an approval exactly if its state says that one was
// accepted, and a session exactly if one runs or was approved: what is over is forgotten.
func (w *world) hasWhatItsStateHas(t *testing.T, id string) {
	t.Helper()
	r, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := r.Approval != nil, r.State.Approved(); got != want {
		t.Errorf("a request that is %s has an approval: %t, want %t", r.State, got, want)
	}
	if got, want := r.Session != nil, r.State.InSession() || r.State.Approved(); got != want {
		t.Errorf("a request that is %s has a session: %t, want %t", r.State, got, want)
	}
}

// TestDocumentAfterCancel cancels a request that a signer reads. The document is refused from then
// on, although it is still stored.
func TestDocumentAfterCancel(t *testing.T) {
	w := newWorld(t)
	r := w.in(t, request.StateLocked)
	if err := w.Cancel(t.Context(), shop, r.RequestID); err != nil {
		t.Fatal(err)
	}
	_, _, err := w.Document(t.Context(), r.RequestID, alice)
	if got := code(err); got != api.CodeCancelled {
		t.Errorf("answer %q, want %q", got, api.CodeCancelled)
	}
}
