package request_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestOutage checks that while no timestamp authority answers, an approved document is tried again
// at growing distances, across restarts, and cancel says when. The document is sealed when the
// authority is back.
func TestOutage(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSealing)
	begin := w.clock.Now()
	var waits []time.Duration
	w.away(t, func() {
		for len(waits) < 20 {
			w.drain(t)
			if len(waits)%3 == 2 {
				w.reopen(t)
			}
			var active *request.ActiveSessionError
			if err := w.Cancel(t.Context(), shop, in.RequestID); !errors.As(err, &active) {
				t.Fatalf("cancel: %v", err)
			}
			waits = append(waits, active.RetryAfter)
			w.clock.advance(active.RetryAfter - time.Second)
			w.drain(t)
			// and none before its time
			w.audited(t, in.RequestID, request.EventSealRetried, len(waits))
			w.clock.advance(time.Second)
		}
	})
	for i, wait := range waits {
		if want := min(time.Second<<i, time.Hour); wait != want {
			t.Errorf("after attempt %d cancel says %s, want %s", i+1, wait, want)
		}
	}
	if away := w.clock.Now().Sub(begin); away > request.DefaultSealTimeout {
		t.Fatalf("the authority was away for %s, which is too long for this test", away)
	}
	w.drain(t)
	if got := w.state(t, in.RequestID); got != request.StateSigned {
		t.Errorf("with the authority back the request is %s", got)
	}
	w.audited(t, in.RequestID, request.EventSealFailed, 0)
}

// TestStalled checks that at the bound the request is stalled, with an alarm in the log and a line
// of the trail, however the clock came there, and nothing but an operator or the relying party ends
// it.
func TestStalled(t *testing.T) {
	for name, steps := range map[string][]time.Duration{
		"step by step":  {time.Hour, 11 * time.Hour, 12*time.Hour - 2*time.Second, 2 * time.Second},
		"in one step":   {100 * 24 * time.Hour},
		"to the second": {request.DefaultSealTimeout - time.Second, time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			var log bytes.Buffer
			w.Log = slog.New(slog.NewTextHandler(&log, nil))
			stalled := 0
			w.Stalled = func() { stalled++ }
			in := w.in(t, request.StateSealing)
			w.away(t, func() {
				w.drain(t)
				for _, step := range steps {
					if got := w.state(t, in.RequestID); got != request.StateSealing {
						t.Fatalf("before the bound the request is %s", got)
					}
					w.clock.advance(step)
					w.drain(t)
				}
				w.clock.advance(1000 * time.Hour)
				w.drain(t)
			})
			if got := w.state(t, in.RequestID); got != request.StateStalled || stalled != 1 {
				t.Errorf("the request is %s, %d alarms", got, stalled)
			}
			w.audited(t, in.RequestID, request.EventSealFailed, 1)
			w.audited(t, in.RequestID, request.EventSessionEnded, 0)
			if strings.Count(log.String(), "ALARM") != 1 ||
				!strings.Contains(log.String(), in.RequestID) {
				t.Errorf("the log says %s", &log)
			}

			// With the authority back the same signature is sealed.
			if err := w.SealAgain(t.Context(), in.RequestID, "mei"); err != nil {
				t.Fatal(err)
			}
			w.drain(t)
			if got := w.state(t, in.RequestID); got != request.StateSigned {
				t.Errorf("sealed again, the request is %s", got)
			}
			w.audited(t, in.RequestID, request.EventSealAgain, 1)
			w.audited(t, in.RequestID, request.EventApproved, 1)
		})
	}
}

// TestStalledCancel checks that the relying party can end a stalled request. Its documents go, and
// the phone's answer sent again is refused.
func TestStalledCancel(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSession)
	answer, err := w.scan(t.Context(), in.RequestID, alice)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.send(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	w.away(t, func() {
		w.drain(t)
		w.clock.advance(request.DefaultSealTimeout)
		w.drain(t)
	})
	if err := w.send(t.Context(), answer); err != nil {
		t.Errorf("the same approval of a stalled request: %v", err)
	}
	if err := w.Cancel(t.Context(), shop, in.RequestID); err != nil {
		t.Fatal(err)
	}
	w.drain(t)
	if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 0 {
		t.Errorf("%v are stored, %v", keys, err)
	}
	if got := code(w.send(t.Context(), answer)); got != api.CodeCancelled {
		t.Errorf("the same approval after the cancel: %q", got)
	}
	if got := code(w.SealAgain(t.Context(), in.RequestID, "mei")); got != request.ErrNotSealing.Code {
		t.Errorf("sealing what is cancelled: %q", got)
	}
}

// TestAbort checks that an operator's abort lets the signer sign again, and the cancel succeed. A
// seal that is under way then does not count.
func TestAbort(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSealing)
	stamps := w.Timestamper
	w.Timestamper = stampsAfter{stamps, sync.OnceFunc(func() {
		w.Timestamper = stamps
		if err := w.Abort(t.Context(), in.RequestID, "mei"); err != nil {
			t.Error(err)
		}
		if got := w.state(t, in.RequestID); got != request.StateLocked {
			t.Errorf("aborted, the request is %s", got)
		}
		if _, err := w.Proceed(t.Context(), in.RequestID, alice, request.SeenUnasked); err != nil {
			t.Error(err)
		}
		if err := w.approve(t.Context(), in.RequestID, alice); err != nil {
			t.Error(err)
		}
	})}
	w.drain(t)
	r, err := w.Get(t.Context(), in.RequestID)
	if err != nil || r.State != request.StateSigned {
		t.Fatalf("%+v, %v", r, err)
	}
	events, err := w.store.Events(t.Context(), in.RequestID)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, e := range events {
		switch e.Kind {
		case request.EventApproved,
			request.EventSealAborted,
			request.EventSessionEnded,
			request.EventSigned:
			kinds = append(kinds, string(e.Kind)+" "+e.Detail.By+e.Detail.Outcome)
		}
	}
	if got := strings.Join(kinds, ", "); got != "approved , seal_aborted mei, session_ended failed, approved , signed " {
		t.Errorf("the trail says %s", got)
	}
	if keys, err := w.docs.Keys(t.Context(), in.RequestID); err != nil || len(keys) != 1 {
		t.Errorf("%v are stored, %v", keys, err)
	}

	other := w.in(t, request.StateSealing)
	if err := w.Abort(t.Context(), other.RequestID, "mei"); err != nil {
		t.Fatal(err)
	}
	if err := w.Cancel(t.Context(), shop, other.RequestID); err != nil {
		t.Errorf("cancel after an abort: %v", err)
	}
}

// stampsAfter calls before ahead of each timestamp, while a document is being sealed.
type stampsAfter struct {
	request.Timestamper
	before func()
}

func (s stampsAfter) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	s.before()
	return s.Timestamper.Timestamp(ctx, imprint)
}

// reopen closes the store, and opens it as a successor of this process does.
func (w *world) reopen(t *testing.T) {
	t.Helper()
	if err := w.store.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	w.store, err = store.Open(t.Context(), store.Options{
		Database: w.database, Kind: store.Sandbox, Now: w.clock.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Store, w.Outbox, w.Watcher, w.signers.Store = w.store, w.store, w.store, w.store
}

// TestStopWaitsForASealing checks that a sealing in progress when the worker stops continues for
// the worker's Grace. After that its context ends, and another worker does it again.
func TestStopWaitsForASealing(t *testing.T) {
	for _, test := range []struct {
		name  string
		grace time.Duration
		want  request.State
	}{
		{"within the grace", time.Minute, request.StateSigned},
		{"longer", 50 * time.Millisecond, request.StateSealing},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.worker.Grace = test.grace
			in := w.in(t, request.StateSealing)
			slow := slowStamps{w.Timestamper, make(chan struct{}, 10)}
			w.Timestamper = slow
			ctx, stop := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- w.worker.Run(ctx) }()
			<-slow.begun
			stop()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if got := w.state(t, in.RequestID); got != test.want {
				t.Errorf("the request is %s, want %s", got, test.want)
			}
			w.Timestamper = slow.Timestamper
			w.clock.advance(2 * time.Minute)
			w.drain(t)
			if got := w.state(t, in.RequestID); got != request.StateSigned {
				t.Errorf("after another worker the request is %s", got)
			}
		})
	}
}

// slowStamps takes half a second for a timestamp.
type slowStamps struct {
	request.Timestamper
	begun chan struct{}
}

func (s slowStamps) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	s.begun <- struct{}{}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(500 * time.Millisecond):
		return s.Timestamper.Timestamp(ctx, imprint)
	}
}
