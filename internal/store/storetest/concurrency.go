package storetest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

var concurrencyTests = []test{
	{name: "100 updates of one request", run: manyUpdates},
	{name: "100 cancels of one request", run: manyCancels},
	{name: "good and bad neighbours", run: neighbours},
	{name: "50 creates of one id", run: manyCreates},
	{name: "context over before", run: contextBefore},
	{name: "context ends while waiting", run: contextWaiting},
	{name: "context ends when begun", run: contextBegun},
	{name: "close under load", run: closeUnderLoad},
}

// together runs n calls that start at one moment.
func together(n int, call func(i int)) {
	var ready, all sync.WaitGroup
	ready.Add(n)
	for i := range n {
		all.Go(func() {
			ready.Done()
			ready.Wait()
			call(i)
		})
	}
	all.Wait()
}

func manyUpdates(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	const n = 100
	together(n, func(i int) {
		err := s.Update(t.Context(), r.ID, only(func(r *request.Request) error {
			r.DocName += fmt.Sprintf(" <%d>", i)
			return nil
		}))
		if err != nil {
			t.Errorf("Update %d: %v", i, err)
		}
	})
	got := s.get(r.ID)
	if got.Version != n+1 {
		t.Errorf("Version = %d, want %d", got.Version, n+1)
	}
	for i := range n {
		if c := strings.Count(got.DocName, fmt.Sprintf("<%d>", i)); c != 1 {
			t.Errorf("change %d was made %d times", i, c)
		}
	}
}

func manyCancels(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	var won, lost atomic.Int32
	together(100, func(int) {
		switch err := s.Update(t.Context(), r.ID, cancel(start)); {
		case err == nil:
			won.Add(1)
		case errors.Is(err, api.ErrAlreadyCancelled):
			lost.Add(1)
		default:
			t.Errorf("Update: %v", err)
		}
	})
	if won.Load() != 1 || lost.Load() != 99 {
		t.Errorf("%d cancels succeeded, %d were refused; want 1 and 99", won.Load(), lost.Load())
	}
	if events, jobs := s.events(r.ID), s.jobs(r.ID); len(events) != 1 || len(jobs) != 1 {
		t.Errorf("%d events, %d jobs; want one of each", len(events), len(jobs))
	}
}

// neighbours mixes good changes with such that fail in every way: each caller must get the answer
// to its own.
func neighbours(t *testing.T, s *suite, _ Harness) {
	const n = 60
	for i := range n {
		s.create(sample(i))
	}
	together(4*n, func(k int) {
		i := k % n
		id := sample(i).ID
		own := fmt.Errorf("refusal %d", k)
		switch k / n {
		case 0:
			if err := s.Update(t.Context(), id, cancel(start)); err != nil {
				t.Errorf("cancel %d: %v", i, err)
			}
		case 1:
			err := s.Update(t.Context(), id, only(func(r *request.Request) error {
				r.DocName = "refused"
				return own
			}))
			if err != own { //nolint:errorlint // as it is
				t.Errorf("refused change %d: %v, want its own error", i, err)
			}
		case 2:
			if err := s.Create(t.Context(), sample(i), request.Effects{}); err == nil {
				t.Errorf("second Create of %d succeeded", i)
			}
		case 3:
			defer func() { _ = recover() }()
			err := s.Update(t.Context(), id, only(func(*request.Request) error { panic(k) }))
			if err == nil {
				t.Errorf("panic %d came to nothing", i)
			}
		}
	})
	for i := range n {
		r := s.get(sample(i).ID)
		if r.State != request.StateCancelled || r.Version != 2 || r.DocName != sample(i).DocName {
			t.Errorf("request %d: state %s, version %d, name %q", i, r.State, r.Version, r.DocName)
		}
		if events, jobs := s.events(r.ID), s.jobs(r.ID); len(events) != 1 || len(jobs) != 1 {
			t.Errorf("request %d: %d events, %d jobs; want one of each", i, len(events), len(jobs))
		}
	}
}

func manyCreates(t *testing.T, s *suite, _ Harness) {
	var won atomic.Int32
	together(50, func(i int) {
		r := sample(1)
		r.DocName = fmt.Sprint(i)
		if s.Create(t.Context(), r, request.Effects{}) == nil {
			won.Add(1)
		}
	})
	if won.Load() != 1 {
		t.Errorf("%d creates of one id succeeded", won.Load())
	}
}

func contextBefore(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := s.Update(ctx, r.ID, cancel(start)); !errors.Is(err, context.Canceled) {
		t.Errorf("Update: %v, want context.Canceled", err)
	}
	if err := s.Create(ctx, sample(2), request.Effects{}); !errors.Is(err, context.Canceled) {
		t.Errorf("Create: %v, want context.Canceled", err)
	}
	if got := s.get(r.ID); got.Version != 1 {
		t.Error("the change was made")
	}
	if _, err := s.Get(t.Context(), sample(2).ID); !errors.Is(err, api.ErrNoRecord) {
		t.Errorf("Get: %v, want ErrNoRecord", err)
	}
}

// contextWaiting: while a change of the same request is under way, another waits, and its caller
// goes. The answer must be true: either the context's error and nothing written, or success and
// written.
func contextWaiting(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	begun, proceed := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		err := s.Update(context.Background(), r.ID, only(func(r *request.Request) error {
			close(begun)
			<-proceed
			r.DocName = "first"
			return nil
		}))
		if err != nil {
			t.Errorf("the change under way: %v", err)
		}
	})
	<-begun
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	var called atomic.Bool
	err := s.Update(ctx, r.ID, only(func(r *request.Request) error {
		called.Store(true)
		r.Outcome = request.OutcomeLeft
		return nil
	}))
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the waiting change: %v, want context.DeadlineExceeded", err)
	}
	close(proceed)
	all.Wait()
	// after whatever was still queued
	s.update(r.ID, only(func(r *request.Request) error { r.Signer = nil; return nil }))
	if got := s.get(r.ID); called.Load() || got.Outcome != "" || got.DocName != "first" {
		t.Errorf(
			"after a withdrawn change: called %v, outcome %q, name %q", called.Load(), got.Outcome,
			got.DocName,
		)
	}
}

func contextBegun(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	ctx, stop := context.WithCancel(t.Context())
	err := s.Update(ctx, r.ID, func(r *request.Request) (request.Effects, error) {
		stop()
		time.Sleep(5 * time.Millisecond) // let the waiting caller notice
		return cancel(start)(r)
	})
	got := s.get(r.ID)
	if made := got.State == request.StateCancelled; made != (err == nil) {
		t.Errorf("Update: %v, and the request is %s: not the truth", err, got.State)
	}
}

// closeUnderLoad: what was acknowledged before Close is kept, what failed was not made.
func closeUnderLoad(t *testing.T, s *suite, h Harness) {
	const n = 40
	for i := range n {
		s.create(sample(i))
	}
	var made [n]bool
	together(n+1, func(i int) {
		if i == n {
			time.Sleep(time.Millisecond)
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
			return
		}
		made[i] = s.Update(context.Background(), sample(i).ID, cancel(start)) == nil
	})
	s = s.another(h)
	for i := range n {
		if got := s.get(sample(i).ID).State == request.StateCancelled; got != made[i] {
			t.Errorf("request %d: cancelled %v, acknowledged %v", i, got, made[i])
		}
	}
}
