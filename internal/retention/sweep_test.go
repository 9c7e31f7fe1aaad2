package retention_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/store/storetest"
)

const day = 24 * time.Hour

// What a sweep erases is tested by storetest, with every kind of store.

// TestRun checks that one of two nodes sweeps, once an hour, and reports it in one line of the log
// and in the counters.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := storetest.Open(t)
		add := func(id string) {
			r := &request.Request{
				ID: id, State: request.StateExpired, CreatedAt: time.Now().Add(-91 * day),
				ExpiresAt: time.Now().Add(-91 * day),
			}
			if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
				t.Fatal(err)
			}
		}
		add("a")
		add("b")
		err := s.AddCalls(
			t.Context(), []calllog.Record{{At: time.Now()}},
			calllog.Limits{PartyUnauthenticated: 9},
		)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		var mu sync.Mutex
		counts := map[string]int{}
		ctx, cancel := context.WithCancel(t.Context())
		var nodes sync.WaitGroup
		for range 2 {
			sweeper := &retention.Sweeper{
				Store: s, Now: time.Now, Log: slog.New(slog.NewTextHandler(&log, nil)),
				Policy: retention.Policy{Unsigned: 90 * day},
				Erased: func(table string, n int) {
					mu.Lock()
					defer mu.Unlock()
					counts[table] += n
				},
			}
			nodes.Go(func() {
				if err := sweeper.Run(ctx); err != nil {
					t.Error(err)
				}
			})
		}
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 1 ||
			!strings.Contains(log.String(), "calls=1 requests=2") {
			t.Errorf("the log of the first sweep: %s", &log)
		}
		add("c")
		time.Sleep(20 * time.Minute)
		if _, err := s.Get(t.Context(), "c"); err != nil {
			t.Errorf("a sweep before the hour was over: %v", err)
		}
		time.Sleep(2 * time.Hour)
		synctest.Wait()
		if n := strings.Count(log.String(), "\n"); n != 2 {
			t.Errorf("the log of all sweeps: %s", &log)
		}
		if counts[retention.Requests] != 3 || counts[retention.Calls] != 1 {
			t.Errorf("counted %v", counts)
		}
		cancel()
		nodes.Wait()
	})
}

// failing is a store that cannot list requests.
type failing struct{ retention.Store }

func (failing) List(context.Context, request.Filter) ([]*request.Request, error) {
	return nil, errors.New("out of order")
}

// TestSweepContinues checks that after an error with one table a sweep continues with the others.
func TestSweepContinues(t *testing.T) {
	s := storetest.Open(t)
	err := s.AddCalls(
		t.Context(), []calllog.Record{{At: time.Now()}}, calllog.Limits{PartyUnauthenticated: 9},
	)
	if err != nil {
		t.Fatal(err)
	}
	sweeper := &retention.Sweeper{
		Store: failing{s}, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		Policy: retention.Policy{Unsigned: day},
	}
	erased, err := sweeper.Sweep(t.Context())
	if err == nil || erased[retention.Calls] != 1 {
		t.Errorf("Sweep: %v, %v", erased, err)
	}
}
