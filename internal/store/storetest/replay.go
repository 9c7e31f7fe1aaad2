package storetest

import (
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

var replayTests = []test{
	{name: "once", run: useOnce},
	{name: "at once", run: useAtOnce},
	{name: "for a purpose", run: useFor},
	{name: "tickets", run: tickets},
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
	if !s.use(client, "two", start) || !s.use("another", "one", start) ||
		!s.use(client+" one", "", start) {
		t.Error("ids or parties meet")
	}
}

// useFor: the first purpose stays, and Use and a ticket leave none.
func useFor(t *testing.T, s *suite, _ Harness) {
	purpose := func(clientID, jti, purpose, want string) {
		t.Helper()
		got, err := s.UseFor(t.Context(), clientID, jti, purpose, start)
		if err != nil || got != want {
			t.Errorf("UseFor(%s, %s, %s) = %q, %v; want %q", clientID, jti, purpose, got, err, want)
		}
	}
	purpose(client, "one", "a", "a")
	purpose(client, "one", "b", "a")
	purpose(client, "one", "a", "a")
	purpose("another", "one", "b", "b")
	if s.use(client, "one", start) {
		t.Error("Use after UseFor is the first")
	}
	s.use(client, "two", start)
	purpose(client, "two", "a", "")
	err := s.Create(t.Context(), sample(1), request.Effects{
		Ticket: request.Ticket{ClientID: client, JTI: "three", KeepUntil: start},
	})
	if err != nil {
		t.Fatal(err)
	}
	purpose(client, "three", "a", "")
	var firsts atomic.Int32
	together(20, func(i int) {
		own := string(rune('a' + i))
		got, err := s.UseFor(t.Context(), client, "race", own, start)
		if err != nil {
			t.Errorf("UseFor: %v", err)
		}
		if got == own {
			firsts.Add(1)
		}
	})
	if n := firsts.Load(); n != 1 {
		t.Errorf("%d were first", n)
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

// tickets: a token's id and the request that it makes are recorded together, or neither is.
func tickets(t *testing.T, s *suite, _ Harness) {
	create := func(i int, jti string) error {
		return s.Create(
			t.Context(), sample(i),
			request.Effects{Ticket: request.Ticket{ClientID: client, JTI: jti, KeepUntil: start}},
		)
	}
	used := func(jti string) bool {
		t.Helper()
		used, err := s.Used(t.Context(), client, jti)
		if err != nil {
			t.Fatal(err)
		}
		return used
	}
	if used("one") {
		t.Error("used before the request was made")
	}
	if err := create(1, "one"); err != nil {
		t.Fatal(err)
	}
	if !used("one") || s.use(client, "one", start) {
		t.Error("the request did not use its ticket up")
	}
	if err := create(2, "one"); !errors.Is(err, request.ErrTicketUsed) {
		t.Errorf("a second request of one token: %v", err)
	}
	if _, err := s.Get(t.Context(), sample(2).ID); !errors.Is(err, api.ErrNoRecord) {
		t.Errorf("it is there: %v", err)
	}
	s.use(client, "two", start)
	if err := create(3, "two"); !errors.Is(err, request.ErrTicketUsed) {
		t.Errorf("a request of a token that was used otherwise: %v", err)
	}
	var made atomic.Int32
	together(20, func(i int) {
		switch err := create(10+i, "race"); {
		case err == nil:
			made.Add(1)
		case !errors.Is(err, request.ErrTicketUsed):
			t.Errorf("Create: %v", err)
		}
	})
	if n := made.Load(); n != 1 {
		t.Errorf("one token made %d requests", n)
	}

	note := func(id, jti string) error {
		return s.Update(t.Context(), id, func(*request.Request) (request.Effects, error) {
			return request.Effects{
				Events: []request.Event{{At: start, Kind: request.EventDownloaded}},
				Ticket: request.Ticket{ClientID: client, JTI: jti, KeepUntil: start},
			}, nil
		})
	}
	if err := note(sample(1).ID, "one"); !errors.Is(err, request.ErrTicketUsed) {
		t.Errorf("a change with a ticket that was used: %v", err)
	}
	var noted atomic.Int32
	together(20, func(int) {
		switch err := note(sample(1).ID, "note"); {
		case err == nil:
			noted.Add(1)
		case !errors.Is(err, request.ErrTicketUsed):
			t.Errorf("Update: %v", err)
		}
	})
	events, err := s.Events(t.Context(), sample(1).ID)
	if n := noted.Load(); n != 1 || len(events) != 1 || err != nil || !used("note") {
		t.Errorf("one ticket made %d changes and %d events, %v", n, len(events), err)
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
