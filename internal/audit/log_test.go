package audit

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// pendingStore is a store with one event without an index.
type pendingStore struct {
	Store
	busy       bool
	pending    bool
	integrated time.Time
}

func (s *pendingStore) Busy() bool { return s.busy }

func (s *pendingStore) Pending(context.Context, string) (bool, error) { return s.pending, nil }

func (s *pendingStore) Integrate(
	context.Context, int, func(tlog.Tree) (string, error),
) (int, error) {
	s.pending, s.integrated = false, time.Now()
	return 1, nil
}

// TestRunWaitsForCallers checks that an event gets its index soon, and that while many callers
// write it waits, but no longer than maxDelay.
func TestRunWaitsForCallers(t *testing.T) {
	for busy, want := range map[bool]time.Duration{false: 0, true: maxDelay} {
		synctest.Test(t, func(t *testing.T) {
			s := &pendingStore{busy: busy, pending: true}
			l := &Log{Store: s, Log: slog.New(slog.DiscardHandler)}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error)
			start := time.Now()
			go func() { ended <- l.Run(ctx) }()
			time.Sleep(2 * maxDelay)
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
			if took := s.integrated.Sub(start); took < want || took > want+interval {
				t.Errorf("busy %v: integrated after %v, want %v", busy, took, want)
			}
		})
	}
}
