package request_test

import (
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// TestAge checks that time acts on a request that was made older as if the clock had been moved,
// and on no other.
func TestAge(t *testing.T) {
	w := newWorld(t)
	state := func(id string) request.State {
		t.Helper()
		r, err := w.Get(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return r.State
	}
	age := func(id string, d time.Duration) {
		t.Helper()
		if err := w.Age(t.Context(), id, d); err != nil {
			t.Fatal(err)
		}
	}
	other := w.in(t, request.StateCreated)
	for _, c := range []struct {
		from   request.State
		by     time.Duration
		become request.State
	}{
		{request.StateCreated, 29 * time.Minute, request.StateCreated},
		{request.StateCreated, 30 * time.Minute, request.StateExpired},
		{request.StateSession, 179 * time.Second, request.StateSession},
		{request.StateSession, 180 * time.Second, request.StateLocked},
		{request.StateSession, time.Hour, request.StateExpired},
		{request.StateCancelled, time.Hour, request.StateCancelled},
	} {
		r := w.in(t, c.from)
		age(r.RequestID, c.by)
		if got := state(r.RequestID); got != c.become {
			t.Errorf("%s, %s older: %s, want %s", c.from, c.by, got, c.become)
		}
	}
	if got := state(other.RequestID); got != request.StateCreated {
		t.Errorf("another request became %s", got)
	}

	signed := w.in(t, request.StateSigned)
	age(signed.RequestID, 61*time.Minute)
	if _, err := w.Result(t.Context(), signed.RequestID, signed.ExchangeCode, w.Now()); !errors.Is(
		err, api.ErrSignedAccessExpired,
	) {
		t.Errorf("61 minutes after it was signed: %v", err)
	}
	age(signed.RequestID, -2*time.Minute)
	if _, err := w.Result(t.Context(), signed.RequestID, signed.ExchangeCode, w.Now()); err != nil {
		t.Errorf("59 minutes after it was signed: %v", err)
	}
	if err := w.Age(t.Context(), "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", 0); !errors.Is(
		err, api.ErrNoRecord,
	) {
		t.Errorf("an unknown request: %v", err)
	}
}

// TestAgeJobs checks that what is to be tried again later is due earlier.
func TestAgeJobs(t *testing.T) {
	w := newWorld(t)
	r := w.in(t, request.StateSession)
	w.away(t, func() {
		if err := w.approve(t.Context(), r.RequestID, alice); err != nil {
			t.Fatal(err)
		}
		if err := w.worker.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
	for _, by := range []time.Duration{0, time.Hour} {
		if err := w.Age(t.Context(), r.RequestID, by); err != nil {
			t.Fatal(err)
		}
		if err := w.worker.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, err := w.Get(t.Context(), r.RequestID)
		if err != nil {
			t.Fatal(err)
		}
		if want := by > 0; got.State.Signed() != want {
			t.Errorf("%s older: it is %s", by, got.State)
		}
	}
}
