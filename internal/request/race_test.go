package request_test

import (
	"context"
	"errors"
	"flag"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// races scales the barrier races: 1 runs a good thousand, 10 more than ten thousand.
var races = flag.Int("races", 1, "multiply the number of barrier races")

// together starts all functions at one barrier and returns their errors' codes.
func together(do ...func() error) []string {
	var ready, done sync.WaitGroup
	barrier := make(chan struct{})
	codes := make([]string, len(do))
	for i, f := range do {
		ready.Add(1)
		done.Add(1)
		go func() {
			defer done.Done()
			ready.Done()
			<-barrier
			codes[i] = code(f())
		}()
	}
	ready.Wait()
	close(barrier)
	done.Wait()
	return codes
}

func count(codes []string, want string) (n int) {
	for _, c := range codes {
		if c == want {
			n++
		}
	}
	return n
}

// rounds runs one kind of race n times, eight at a time, so that the races also disturb each other.
func rounds(t *testing.T, n int, race func(t *testing.T)) {
	t.Helper()
	const lanes = 8
	var wg sync.WaitGroup
	work := make(chan struct{})
	for range lanes {
		wg.Go(func() {
			for range work {
				if !t.Failed() {
					race(t)
				}
			}
		})
	}
	for range n * *races {
		work <- struct{}{}
	}
	close(work)
	wg.Wait()
}

// audited checks that the trail has exactly n events of a kind.
func (w *world) audited(t *testing.T, id string, kind request.EventKind, n int) {
	t.Helper()
	events, err := w.store.Events(context.Background(), id)
	if err != nil {
		t.Error(err)
		return
	}
	got := 0
	for i, e := range events {
		if e.Seq != i+1 {
			t.Errorf("event %d has number %d", i+1, e.Seq)
		}
		if e.Kind == kind {
			got++
		}
	}
	if got != n {
		t.Errorf("%d events %q in the trail, want %d", got, kind, n)
	}
}

func TestRaceCancelCancel(t *testing.T) {
	w := newWorld(t)
	rounds(t, 20, func(t *testing.T) {
		r := w.initiate(t)
		do := make([]func() error, 100)
		for i := range do {
			do[i] = func() error { return w.Cancel(t.Context(), shop, r.RequestID) }
		}
		codes := together(do...)
		if won, lost := count(codes, ""), count(codes, api.CodeAlreadyCancelled); won != 1 ||
			lost != 99 {
			t.Errorf("%d cancels succeeded and %d came second, of 100: %v", won, lost, codes)
		}
		w.audited(t, r.RequestID, request.EventCancelled, 1)
	})
}

func TestRaceCancelProceed(t *testing.T) {
	w := newWorld(t)
	rounds(t, 400, func(t *testing.T) {
		r := w.in(t, request.StateLocked)
		codes := together(
			func() error { return w.Cancel(t.Context(), shop, r.RequestID) },
			func() error { _, err := w.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked); return err },
		)
		state := w.state(t, r.RequestID)
		switch [2]string(codes) {
		case [2]string{"", api.CodeCancelled}:
			if state != request.StateCancelled {
				t.Errorf("cancelled, and yet it is %s", state)
			}
		case [2]string{api.CodeActiveSession, ""}:
			if state != request.StateSession {
				t.Errorf("in session, and yet it is %s", state)
			}
		default:
			t.Errorf("answers %q", codes)
		}
	})
}

func TestRaceCancelApprove(t *testing.T) {
	w := newWorld(t)
	rounds(t, 150, func(t *testing.T) {
		r := w.in(t, request.StateSession)
		a, err := w.scan(t.Context(), r.RequestID, alice)
		if err != nil {
			t.Error(err)
			return
		}
		codes := together(
			func() error { return w.Cancel(t.Context(), shop, r.RequestID) },
			func() error { return w.send(t.Context(), a) },
			func() error { return w.reject(t.Context(), r.RequestID, alice) },
			func() error { return w.Cancel(t.Context(), shop, r.RequestID) },
		)
		state := w.state(t, r.RequestID)
		won := count([]string{codes[0], codes[3]}, "")
		switch {
		case codes[1] == "" && won == 0 && codes[2] != "" && state == request.StateSealing:
		case codes[2] == "" && codes[1] != "" && won == 0 && state == request.StateLocked:
		case codes[2] == "" && codes[1] != "" && won == 1 && state == request.StateCancelled:
		default:
			t.Errorf("answers %q, and it is %s", codes, state)
		}
	})
}

// A session's end frees the request for a cancel; an approval at that very moment must lose against
// it or win.
func TestRaceCancelApproveTimeOut(t *testing.T) {
	w := newWorld(t)
	for range 100 * *races {
		r := w.in(t, request.StateSession)
		a, err := w.scan(t.Context(), r.RequestID, alice)
		if err != nil {
			t.Fatal(err)
		}
		codes := together(
			func() error { w.clock.advance(w.SessionLifetime); return nil },
			func() error { return w.Cancel(t.Context(), shop, r.RequestID) },
			func() error { return w.send(t.Context(), a) },
			func() error { return w.worker.Drain(t.Context()) },
		)
		signed := codes[2] == ""
		cancelled := codes[1] == ""
		switch state := w.state(t, r.RequestID); {
		case signed && cancelled:
			t.Errorf("both cancelled and approved")
		case signed && state != request.StateSealing && state != request.StateSigned,
			cancelled && state != request.StateCancelled,
			!signed && !cancelled && state != request.StateLocked:
			t.Errorf("answers %q, and it is %s", codes, state)
		}
	}
}

func TestRaceCancelExpiry(t *testing.T) {
	w := newWorld(t)
	for range 150 * *races {
		r := w.in(t, request.StateLocked)
		codes := together(
			func() error { w.clock.advance(30 * time.Minute); return nil },
			func() error { return w.Cancel(t.Context(), shop, r.RequestID) },
			func() error { return w.worker.Drain(t.Context()) },
			func() error { return w.Cancel(t.Context(), shop, r.RequestID) },
		)
		// one is the drain
		if won, lost := count(codes[1:], ""), count(codes, api.CodeAlreadyCancelled); won != 2 ||
			lost != 1 {
			t.Errorf("answers %q", codes)
		}
		if got := w.state(t, r.RequestID); got != request.StateCancelled {
			t.Errorf("it is %s", got)
		}
		w.audited(t, r.RequestID, request.EventCancelled, 1)
	}
}

func TestRaceProceedProceed(t *testing.T) {
	w := newWorld(t)
	rounds(t, 150, func(t *testing.T) {
		r := w.in(t, request.StateLocked)
		sessions := make([]*request.Request, 2)
		codes := together(
			func() (err error) {
				sessions[0], err = w.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked)
				return err
			},
			func() (err error) {
				sessions[1], err = w.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked)
				return err
			},
		)
		if count(codes, "") != 2 {
			t.Errorf("answers %q", codes)
			return
		}
		now, err := w.Get(t.Context(), r.RequestID)
		if err != nil {
			t.Error(err)
			return
		}
		ph, err := w.phoneOf(t.Context(), alice)
		if err != nil {
			t.Error(err)
			return
		}
		for _, s := range sessions {
			_, err := w.Challenge(t.Context(), r.RequestID, s.Session.ID, ph.Phone)
			want := ""
			if s.Session.ID != now.Session.ID {
				want = api.CodeNoActiveSession // the old QR code is dead
			}
			if got := code(err); got != want {
				t.Errorf("scanning session: %q, want %q", got, want)
			}
		}
	})
}

func TestRaceFirstViewer(t *testing.T) {
	w := newWorld(t)
	rounds(t, 50, func(t *testing.T) {
		r := w.initiate(t)
		do := make([]func() error, 50)
		viewers := make([]signer.Person, len(do))
		for i := range do {
			viewers[i] = signer.Person{UIN: string(rune('A'+i)) + "1234567A", Name: "VIEWER"}
			do[i] = func() error { _, err := w.Open(t.Context(), r.RequestID, viewers[i]); return err }
		}
		codes := together(do...)
		if won, lost := count(codes, ""), count(codes, api.CodeNoAccess); won != 1 || lost != 49 {
			t.Errorf("%d got in and %d did not, of 50: %v", won, lost, codes)
			return
		}
		got, err := w.Get(t.Context(), r.RequestID)
		if err != nil {
			t.Error(err)
			return
		}
		for i, c := range codes {
			if (c == "") != (got.Signer.UIN == viewers[i].UIN) {
				t.Errorf(
					"viewer %d heard %q, and the request is locked to %s", i, c, got.Signer.UIN,
				)
			}
		}
	})
}

// TestTwoSealings checks that one of two workers that seal the same request wins.
func TestTwoSealings(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSealing)
	seal := func() error {
		job := &request.Job{RequestID: in.RequestID, Kind: request.JobSeal, Attempts: 1}
		w.Seal(t.Context(), job)
		if job.Status != request.JobDone {
			return errors.New(job.LastError)
		}
		return nil
	}
	if codes := together(seal, seal); count(codes, "") != 2 {
		t.Errorf("answers %q", codes)
	}
	w.audited(t, in.RequestID, request.EventSigned, 1)
	w.drain(t)
	if n, _ := w.sent.Load(in.RequestID); n != 1 {
		t.Errorf("%v webhooks", n)
	}
}
