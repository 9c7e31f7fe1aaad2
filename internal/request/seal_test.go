package request_test

import (
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// TestHourOfAccess checks that the hour begins when the document is signed, not when it was asked
// for or approved.
func TestHourOfAccess(t *testing.T) {
	w := newWorld(t)
	in := w.initiate(t)
	w.clock.advance(20 * time.Minute)
	if _, err := w.Open(t.Context(), in.RequestID, alice); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Proceed(t.Context(), in.RequestID, alice, request.SeenUnasked); err != nil {
		t.Fatal(err)
	}
	if err := w.approve(t.Context(), in.RequestID, alice); err != nil {
		t.Fatal(err)
	}
	w.clock.advance(5 * time.Minute)
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode)
	if err != nil {
		t.Fatal(err)
	}
	if at := time.UnixMilli(got.SignerInfo.SignedAt); !at.Equal(w.clock.Now()) {
		t.Fatalf("signed_at is %s, now is %s", at, w.clock.Now())
	}
	w.clock.advance(time.Hour)
	if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode); err != nil {
		t.Errorf("an hour after signed_at: %v", err)
	}
	w.clock.advance(time.Microsecond)
	if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode); !errors.Is(
		err, api.ErrSignedAccessExpired,
	) {
		t.Errorf("later: %v", err)
	}
}
