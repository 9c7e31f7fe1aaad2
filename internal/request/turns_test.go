package request

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestTurns lets one party ask for far more slots than there are. Another party gets one at once,
// all are served, and no party holds more than its share.
func TestTurns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		slots := turns.free
		var mu sync.Mutex
		var served []string
		holding := make(map[string]int)
		var wg sync.WaitGroup
		ask := func(party string) {
			wg.Go(func() {
				turn, err := turns.take(t.Context(), party)
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				served = append(served, party)
				if holding[party]++; holding[party] >= slots {
					t.Errorf("%s holds %d of %d slots", party, holding[party], slots)
				}
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				holding[party]--
				mu.Unlock()
				turn.end()
			})
		}
		for range 40 {
			ask("a")
		}
		synctest.Wait()
		start := time.Now()
		turn, err := turns.take(t.Context(), "b")
		if err != nil || time.Since(start) > 0 {
			t.Fatalf("b waited %v: %v", time.Since(start), err)
		}
		turn.end()
		// Parties that wait are served in turn, whichever came first.
		for range 3 {
			ask("c")
		}
		for range 3 {
			ask("d")
		}
		wg.Wait()
		seen := map[string]int{}
		for _, p := range served[:min(len(served), 4*slots)] {
			seen[p]++
		}
		if seen["c"] == 0 || seen["d"] == 0 {
			t.Errorf("c and d wait behind a: %v", served)
		}
		if len(served) != 46 || turns.free != slots ||
			len(turns.held)+len(turns.waiting)+len(turns.order) > 0 {
			t.Errorf("%d served, %+v", len(served), turns)
		}
	})
}

// TestTurnsGivenUp ends the context of calls that wait. Their places go to others.
func TestTurnsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := newTurns()
		var taken []*turn
		for i := range turns.free {
			turn, err := turns.take(t.Context(), fmt.Sprint(i))
			if err != nil {
				t.Fatal(err)
			}
			taken = append(taken, turn)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := turns.take(ctx, "late"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if len(turns.waiting)+len(turns.order) > 0 {
			t.Errorf("%+v", turns)
		}
		taken[0].end()
		if _, err := turns.take(t.Context(), "next"); err != nil {
			t.Error(err)
		}
	})
}

// TestTurnIsGivenUpForCalls shows that a call to a time-stamping authority holds no slot.
func TestTurnIsGivenUpForCalls(t *testing.T) {
	turns := newTurns()
	slots := turns.free
	s := &Service{parsing: turns}
	turn, err := s.parsing.take(t.Context(), "a")
	if err != nil || turns.free != slots-1 {
		t.Fatalf("%d of %d free, %v", turns.free, slots, err)
	}
	if err := turn.without(t.Context(), func() error {
		if turns.free != slots {
			t.Errorf("%d of %d free during the call", turns.free, slots)
		}
		return nil
	}); err != nil || turns.free != slots-1 {
		t.Errorf("%d of %d free after the call, %v", turns.free, slots, err)
	}
	away := errors.New("away")
	if err := turn.without(t.Context(), func() error { return away }); !errors.Is(err, away) {
		t.Errorf("%v", err)
	}
	turn.end()
	turn.end()
	if turns.free != slots {
		t.Errorf("%d of %d free at the end", turns.free, slots)
	}
}

// TestVerifyGivenUp checks that giving up the wait for a slot, as a node does when it stops, is no
// verdict on the document. The release gate would discard an approved signature finally.
func TestVerifyGivenUp(t *testing.T) {
	s := &Service{parsing: newTurns()}
	ctx, cancel := context.WithCancel(t.Context())
	for i := range s.parsing.free {
		if _, err := s.parsing.take(ctx, fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if _, err := s.verify(ctx, "a", nil); !errors.Is(err, context.Canceled) ||
		errors.Is(err, errGate) {
		t.Errorf("%v", err)
	}
}
