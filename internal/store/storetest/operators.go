package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/operator"
)

var operatorTests = []test{
	{name: "sessions", run: operatorSessions},
	{name: "sessions are durable", run: keepOperatorSessions},
	{name: "sessions on nodes", run: operatorSessionsOnNodes, shared: true},
}

func operatorSession(id string, seen time.Duration) operator.Session {
	return operator.Session{
		ID: id, Subject: "subject of " + id, Name: "Ann – “desk”", Role: "viewer",
		Begun: start, Seen: start.Add(seen), Address: "2001:db8::1", Browser: "a browser",
	}
}

func (s *suite) addSessions(list ...operator.Session) {
	s.t.Helper()
	for _, o := range list {
		if err := s.AddOperatorSession(s.t.Context(), o); err != nil {
			s.t.Fatal(err)
		}
	}
}

func (s *suite) hasSessions(want ...operator.Session) {
	s.t.Helper()
	got, err := s.OperatorSessions(s.t.Context())
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		s.t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	for _, o := range want {
		got, err := s.OperatorSession(s.t.Context(), o.ID)
		if diff := cmp.Diff(o, got); err != nil || diff != "" {
			s.t.Errorf("%s: %v (-want +got):\n%s", o.ID, err, diff)
		}
	}
}

func operatorSessions(t *testing.T, s *suite, _ Harness) {
	ctx := t.Context()
	s.hasSessions()
	a, b, c := operatorSession("a", 1), operatorSession(
		"b", time.Hour,
	), operatorSession("c", time.Minute)
	a.Seen = start
	s.addSessions(a, b, c)
	s.hasSessions(b, c, a)
	if err := s.AddOperatorSession(ctx, a); err == nil {
		t.Error("a session is stored twice")
	}
	a.Seen = start.Add(2 * time.Hour)
	for _, id := range []string{"a", "missing"} {
		if err := s.SeeOperatorSession(ctx, id, a.Seen); err != nil {
			t.Fatal(err)
		}
	}
	s.hasSessions(a, b, c)
	for _, ids := range [][]string{{}, {"b", "missing", "c"}, {"b"}} {
		if err := s.EndOperatorSessions(ctx, ids...); err != nil {
			t.Fatal(err)
		}
	}
	s.hasSessions(a)
	for _, id := range []string{"b", "missing", ""} {
		if _, err := s.OperatorSession(ctx, id); !errors.Is(err, operator.ErrNoSession) {
			t.Errorf("session %q: %v", id, err)
		}
	}
}

func keepOperatorSessions(t *testing.T, s *suite, h Harness) {
	a, b := operatorSession("a", time.Minute), operatorSession("b", 0)
	s.addSessions(a, b)
	if err := s.EndOperatorSessions(t.Context(), "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.another(h).hasSessions(a)
}

func operatorSessionsOnNodes(t *testing.T, s *suite, h Harness) {
	other := s.another(h)
	a := operatorSession("a", time.Minute)
	s.addSessions(a)
	other.hasSessions(a)
	if err := other.EndOperatorSessions(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	s.hasSessions()
}
