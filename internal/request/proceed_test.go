package request_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// TestProceedCannotHoldOffForEver checks that starting over repeatedly keeps the relying party from
// cancelling for one session beyond the request's end, and no longer.
func TestProceedCannotHoldOffForEver(t *testing.T) {
	w := newWorld(t)
	r := w.in(t, request.StateLocked)
	w.clock.advance(30*time.Minute - time.Second)
	for range 4 {
		if _, err := w.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked); err != nil {
			t.Fatal(err)
		}
		if got := code(w.Cancel(t.Context(), shop, r.RequestID)); got != api.CodeActiveSession {
			t.Fatalf("cancel in the session: %q", got)
		}
		w.clock.advance(w.SessionLifetime / 4)
	}
	if got := w.state(t, r.RequestID); got != request.StateExpired {
		t.Errorf("a session's length after the first, the request is %s", got)
	}
	if got := code(w.Cancel(t.Context(), shop, r.RequestID)); got != "" {
		t.Errorf("cancel: %q", got)
	}
}

// TestStraysOfFinishedRequests checks that bytes that come late for a request that is over do not
// stay.
func TestStraysOfFinishedRequests(t *testing.T) {
	w := newWorld(t)
	over, open := w.in(t, request.StateCancelled), w.in(t, request.StateLocked)
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*api.Initiated{over, open} {
		if _, err := w.docs.Put(t.Context(), r.RequestID+"/prepared-late", bytes.NewReader(minimal())); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.t = time.Now().Add(2 * time.Hour) // documents grow old by the machine's clock here
	if err := w.PurgeStrays(t.Context()); err != nil {
		t.Fatal(err)
	}
	for r, want := range map[*api.Initiated]int{over: 0, open: 2} {
		keys, err := w.docs.Keys(t.Context(), r.RequestID)
		if err != nil || len(keys) != want {
			t.Errorf("%v are stored (%v), want %d", keys, err, want)
		}
	}
}
