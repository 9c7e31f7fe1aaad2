package request_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// deadStamps is a timestamp authority that is away; it counts how often it was asked.
type deadStamps int

func (d *deadStamps) Timestamp(context.Context, []byte) ([]byte, error) {
	*d++
	return nil, errors.New("the timestamp authority is away")
}

// TestSealGivesUp: sealing ends after eight attempts, so that a request is not busy for ever.
func TestSealGivesUp(t *testing.T) {
	for _, c := range []struct {
		name   string
		age    time.Duration // of the request when it is approved
		state  request.State
		result error
	}{
		{"in time", 0, request.StateLocked, api.ErrNotSigned},
		{"at the end of the request", 29*time.Minute + 59*time.Second, request.StateExpired, api.ErrExpired},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			dead := new(deadStamps)
			w.Timestamper = dead
			in := w.initiate(t)
			w.clock.advance(c.age)
			if _, err := w.Open(t.Context(), in.RequestID, alice); err != nil {
				t.Fatal(err)
			}
			if _, err := w.Proceed(t.Context(), in.RequestID, alice); err != nil {
				t.Fatal(err)
			}
			if err := w.approve(t.Context(), in.RequestID, alice); err != nil {
				t.Fatal(err)
			}
			begin := w.clock.Now()
			for attempt := 1; attempt <= 8; attempt++ {
				if got := w.state(t, in.RequestID); got != request.StateSealing {
					t.Fatalf("before attempt %d it is %s", attempt, got)
				}
				var active *request.ActiveSessionError
				if err := w.Cancel(t.Context(), shop, in.RequestID); !errors.As(err, &active) || active.RetryAfter != time.Second {
					t.Errorf("cancel before attempt %d: %v", attempt, err)
				}
				if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode); !errors.Is(err, api.ErrNotSigned) {
					t.Errorf("result before attempt %d: %v", attempt, err)
				}
				for int(*dead) < attempt && w.clock.Now().Sub(begin) < time.Hour {
					if err := w.worker.Drain(t.Context()); err != nil {
						t.Fatal(err)
					}
					w.clock.advance(time.Second)
				}
			}
			if took := w.clock.Now().Sub(begin); took < 2*time.Minute || took > 3*time.Minute {
				t.Errorf("it took %s", took)
			}
			if got := w.state(t, in.RequestID); got != c.state {
				t.Errorf("in the end it is %s, want %s", got, c.state)
			}
			if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode); !errors.Is(err, c.result) {
				t.Errorf("result: %v, want %v", err, c.result)
			}
			if err := w.Cancel(t.Context(), shop, in.RequestID); err != nil {
				t.Errorf("cancel: %v", err)
			}
		})
	}
}

// TestHourOfAccess: the hour begins when the document is signed, not when it was asked for or approved.
func TestHourOfAccess(t *testing.T) {
	w := newWorld(t)
	in := w.initiate(t)
	w.clock.advance(20 * time.Minute)
	if _, err := w.Open(t.Context(), in.RequestID, alice); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Proceed(t.Context(), in.RequestID, alice); err != nil {
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
	if _, err := w.Result(t.Context(), in.RequestID, in.ExchangeCode); !errors.Is(err, api.ErrSignedAccessExpired) {
		t.Errorf("later: %v", err)
	}
}
