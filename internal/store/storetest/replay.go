package storetest

import (
	"sync/atomic"
	"testing"
	"time"
)

var replayTests = []test{
	{name: "once", run: useOnce},
	{name: "at once", run: useAtOnce},
	{name: "forget", run: forget},
}

func (s *suite) use(clientID, jti string, until time.Time) bool {
	s.t.Helper()
	first, err := s.Use(s.t.Context(), clientID, jti, until)
	if err != nil {
		s.t.Fatalf("Use: %v", err)
	}
	return first
}

func useOnce(t *testing.T, s *suite, _ Harness) {
	for i, want := range []bool{true, false, false} {
		if first := s.use(client, "one", start); first != want {
			t.Errorf("use %d: first = %v", i+1, first)
		}
	}
	if !s.use(client, "two", start) || !s.use("another", "one", start) || !s.use(client+" one", "", start) {
		t.Error("ids or parties meet")
	}
}

func useAtOnce(t *testing.T, s *suite, _ Harness) { useFromAll(t, s) }

// useFromAll uses one id everywhere at once: one is first.
func useFromAll(t *testing.T, stores ...*suite) {
	for round := range 10 {
		var firsts atomic.Int32
		jti := string(rune('a' + round))
		together(20, func(i int) {
			first, err := stores[i%len(stores)].Use(t.Context(), client, jti, start)
			if err != nil {
				t.Errorf("Use: %v", err)
			}
			if first {
				firsts.Add(1)
			}
		})
		if firsts.Load() != 1 {
			t.Errorf("round %d: %d were first", round, firsts.Load())
		}
	}
}

func forget(t *testing.T, s *suite, _ Harness) {
	s.use(client, "old", start)
	s.use(client, "exact", start.Add(time.Minute))
	s.use(client, "new", start.Add(time.Hour))
	n, err := s.ForgetUsed(t.Context(), start.Add(time.Minute))
	if n != 1 || err != nil {
		t.Errorf("ForgetUsed = %d, %v; want 1", n, err)
	}
	if s.use(client, "exact", start) || s.use(client, "new", start) {
		t.Error("an id was forgotten before its time")
	}
	if !s.use(client, "old", start) {
		t.Error("an old id was kept")
	}
}
