package operator_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/store/storetest"
)

func TestSessions(t *testing.T) {
	ctx := t.Context()
	now := time.Date(2026, 3, 14, 9, 26, 53, 0, time.UTC)
	db := storetest.Open(t)
	s := &operator.Sessions{Store: db, Now: func() time.Time { return now }}
	begin := func(name string) string {
		t.Helper()
		secret, err := s.Begin(ctx, operator.Session{Name: name, Role: "viewer"})
		if err != nil {
			t.Fatal(err)
		}
		return secret
	}
	finds := func(secret string, want bool) {
		t.Helper()
		found, err := s.Find(ctx, secret)
		if want && err != nil || !want && !errors.Is(err, operator.ErrNoSession) {
			t.Errorf("Find = %+v, %v; want it found: %t", found, err, want)
		}
	}
	names := func(want string) {
		t.Helper()
		all, err := s.All(ctx)
		var got []string
		for _, one := range all {
			got = append(got, one.Name)
		}
		if err != nil || strings.Join(got, " ") != want {
			t.Errorf("All = %q, %v; want %q", got, err, want)
		}
	}

	ann, bob := begin("ann"), begin("bob")
	finds(ann, true)
	finds("", false)
	finds(ann+"x", false)
	// A session that begins with another one ends with it.
	late, err := s.Begin(ctx, operator.Session{Begun: now.Add(time.Second - operator.Life)})
	if err != nil {
		t.Fatal(err)
	}
	finds(late, true)
	now = now.Add(time.Second)
	finds(late, false)
	now = now.Add(-time.Second)
	if err := s.Leave(ctx, late); err != nil {
		t.Fatal(err)
	}
	stored, err := db.OperatorSessions(ctx)
	if err != nil || len(stored) != 2 {
		t.Fatalf("%v, %v", stored, err)
	}
	for _, one := range stored {
		if strings.Contains(one.ID, ann) || strings.Contains(one.ID, bob) {
			t.Error("the secret is stored")
		}
		finds(one.ID, false)
		finds(one.Label(), false)
	}

	now = now.Add(59 * time.Second)
	finds(ann, true)
	if one, err := db.OperatorSessions(ctx); err != nil || !one[0].Seen.Equal(one[0].Begun) {
		t.Errorf("a use within a minute is stored: %+v, %v", one, err)
	}
	now = now.Add(50 * time.Minute)
	finds(ann, true)
	names("ann bob")
	now = now.Add(30 * time.Minute) // bob is idle for more than an hour
	finds(bob, false)
	finds(ann, true)
	names("ann")
	begin("eve") // removes bob's
	if stored, err := db.OperatorSessions(ctx); err != nil || len(stored) != 2 {
		t.Errorf("sessions that are over are kept: %v, %v", stored, err)
	}
	for range 8 {
		now = now.Add(50 * time.Minute)
		if now.Sub(stored[0].Begun) < operator.Life {
			finds(ann, true)
		}
	}
	finds(ann, false) // after eight hours

	one, two := begin("one"), begin("two")
	all, err := s.All(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, session := range all {
		if session.Name == "one" {
			err = errors.Join(s.End(ctx, session.Label()), s.End(ctx, session.Label()))
		}
	}
	if err = errors.Join(err, s.End(ctx, "")); err != nil {
		t.Fatal(err)
	}
	finds(one, false)
	finds(two, true)
	if err := s.Leave(ctx, two); err != nil {
		t.Fatal(err)
	}
	finds(two, false)
}
