package party_test

import (
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
)

// TestReceiver checks when a receiver that fails opens the breaker, for how long, when its webhooks
// are paused, and what ends that.
func TestReceiver(t *testing.T) {
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	r := party.Receiver{ClientID: "shop"}
	none := r
	// The first webhook: attempts of the contract and then of the ladder, each of them a failure.
	for i, step := range []struct{ after, held time.Duration }{
		{0, 0},
		{2 * time.Second, 0},
		{2 * time.Second, 0},
		{time.Minute, 0},
		{5 * time.Minute, 6*time.Minute + 4*time.Second},
		{15 * time.Minute, 15 * time.Minute},
		{30 * time.Minute, 15 * time.Minute},
	} {
		now = now.Add(step.after)
		pauses := r.Fail(now)
		var held time.Duration
		if !r.HeldUntil.IsZero() {
			held = r.HeldUntil.Sub(now)
		}
		if pauses || held != step.held || r.Failures != i+1 || !r.Last.Equal(now) {
			t.Errorf(
				"failure %d: pauses %v, held for %s, want %s: %+v", i+1, pauses, held, step.held, r,
			)
		}
	}
	begin := r.Since
	for ; now.Sub(begin) < 5*24*time.Hour; now = now.Add(24 * time.Hour) {
		if r.Fail(now) {
			t.Errorf("paused after %s", now.Sub(begin))
		}
	}
	if !r.Fail(now) || !r.PausedAt.Equal(now) || !r.HeldUntil.IsZero() {
		t.Errorf("after %s it is not paused: %+v", now.Sub(begin), r)
	}
	paused := r
	if r.Fail(now.Add(time.Hour)) || r != paused {
		t.Errorf("a late failure changes what is paused: %+v", r)
	}
	if r.Reset(); r != none {
		t.Errorf("after the reset: %+v", r)
	}
	// Failures that are days apart are not one outage.
	for range 20 {
		now = now.Add(37 * time.Hour)
		if r.Fail(now) || r.Failures != 1 || !r.Since.Equal(now) {
			t.Fatalf("failures that are apart: %+v", r)
		}
	}
	// Failures at the same time open the breaker for a minute, however many they are.
	r.Reset()
	for range 40 {
		r.Fail(now)
	}
	if got := r.HeldUntil.Sub(now); got != time.Minute {
		t.Errorf("held for %s after failures at once, want a minute", got)
	}
}
