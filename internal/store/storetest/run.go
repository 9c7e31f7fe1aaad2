// Package storetest tests what the store does, on each of its databases: [Run] holds it against the
// contracts of request.Store, request.Lister, request.Watcher, request.Outbox, signer.Store,
// token.Replay, party.Store with party.Receivers, party.KeyStore, calllog.Store, operator.Store,
// vault.Keys and retention.Store, and against what several of them promise together. Start at
// [Run].
//
// The package knows nothing of SQL; what only a database can do wrong (crashes, migrations, locks)
// is tested beside internal/store. [Open] opens a store for the tests of other packages.
package storetest

import (
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// Harness is one empty database.
type Harness struct {
	// Open opens it. The suite closes what it opened.
	Open func(t *testing.T) *store.Store

	// several may have it open at once; else Open takes over the leases of the one before
	Shared bool
}

// Run tests a kind of store. fresh makes a new empty database for each test.
func Run(t *testing.T, fresh func(t *testing.T) Harness) {
	groups := []struct {
		name  string
		tests []test
	}{
		{"requests", requestTests},
		{"list", listTests},
		{"concurrency", concurrencyTests},
		{"outbox", outboxTests},
		{"watch", watchTests},
		{"phones", phoneTests},
		{"replay", replayTests},
		{"parties", partyTests},
		{"receivers", receiverTests},
		{"keys", keyTests},
		{"key files", keyFileTests},
		{"calls", callTests},
		{"document keys", documentKeyTests},
		{"retention", retentionTests},
		{"operators", operatorTests},
		{"durability", durabilityTests},
		{"nodes", nodeTests},
	}
	for _, g := range groups {
		t.Run(g.name, func(t *testing.T) {
			for _, test := range g.tests {
				t.Run(test.name, func(t *testing.T) {
					before := goleak.IgnoreCurrent()
					h := fresh(t)
					if test.shared && !h.Shared {
						t.Skip("this database has one node")
					}
					s := h.open(t)
					test.run(t, s, h)
					for _, s := range *s.opened {
						_ = s.Close()
					}
					goleak.VerifyNone(t, before)
				})
			}
		})
	}
}

type test struct {
	name   string
	run    func(t *testing.T, s *suite, h Harness)
	shared bool
}

// suite is a store under test with shorthands that end the test when they fail.
type suite struct {
	*store.Store
	t      *testing.T
	opened *[]*store.Store
}

func (h Harness) open(t *testing.T) *suite {
	s := h.Open(t)
	return &suite{Store: s, t: t, opened: &[]*store.Store{s}}
}

// another opens the database once more: a second node, or a successor.
func (s *suite) another(h Harness) *suite {
	n := h.Open(s.t)
	*s.opened = append(*s.opened, n)
	return &suite{Store: n, t: s.t, opened: s.opened}
}

func (s *suite) create(r *request.Request) *request.Request {
	s.t.Helper()
	if err := s.Create(s.t.Context(), r, request.Effects{}); err != nil {
		s.t.Fatalf("Create(%s): %v", r.ID, err)
	}
	return r
}

func (s *suite) get(id string) *request.Request {
	s.t.Helper()
	r, err := s.Get(s.t.Context(), id)
	if err != nil {
		s.t.Fatalf("Get(%s): %v", id, err)
	}
	return r
}

func (s *suite) update(id string, change func(*request.Request) (request.Effects, error)) {
	s.t.Helper()
	if err := s.Update(s.t.Context(), id, change); err != nil {
		s.t.Fatalf("Update(%s): %v", id, err)
	}
}

func (s *suite) events(id string) []request.Event {
	s.t.Helper()
	events, err := s.Events(s.t.Context(), id)
	if err != nil {
		s.t.Fatalf("Events(%s): %v", id, err)
	}
	return events
}

func (s *suite) jobs(id string) []request.Job {
	s.t.Helper()
	jobs, err := s.Jobs(s.t.Context(), id)
	if err != nil {
		s.t.Fatalf("Jobs(%s): %v", id, err)
	}
	return jobs
}

func (s *suite) claim(now time.Time, lease time.Duration, limit int) []request.Job {
	s.t.Helper()
	jobs, err := s.Claim(s.t.Context(), request.JobWebhook, now, lease, request.Quota{Jobs: limit})
	if err != nil {
		s.t.Fatalf("Claim: %v", err)
	}
	return jobs
}

func (s *suite) settle(job request.Job, events ...request.Event) {
	s.t.Helper()
	if err := s.Settle(s.t.Context(), request.Settlement{Job: job, Events: events}); err != nil {
		s.t.Fatalf("Settle: %v", err)
	}
}
