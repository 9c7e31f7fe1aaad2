package storetest

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
)

var receiverTests = []test{
	{name: "change and forget", run: changeReceiver},
	{name: "changes at once", run: changeReceiverAtOnce},
	{name: "held webhooks", run: heldWebhooks},
	{name: "one probe", run: oneProbe},
}

func (s *suite) receiver(clientID string) party.Receiver {
	s.t.Helper()
	r, err := s.Receiver(s.t.Context(), clientID)
	if err != nil {
		s.t.Fatalf("Receiver(%s): %v", clientID, err)
	}
	return r
}

func (s *suite) changeReceiver(clientID string, change func(*party.Receiver)) {
	s.t.Helper()
	err := s.ChangeReceiver(
		s.t.Context(), clientID,
		func(r *party.Receiver) (*party.Change, error) { change(r); return nil, nil },
	)
	if err != nil {
		s.t.Fatalf("ChangeReceiver(%s): %v", clientID, err)
	}
}

func changeReceiver(t *testing.T, s *suite, _ Harness) {
	none := party.Receiver{ClientID: "a"}
	if got := s.receiver("a"); got != none {
		t.Errorf("a receiver that never failed: %+v", got)
	}
	want := party.Receiver{
		ClientID: "a", Failures: 7, Since: start.UTC(), Last: start.Add(time.Hour).UTC(),
		HeldUntil: start.Add(2 * time.Hour).UTC(), PausedAt: start.Add(3 * time.Hour).UTC(),
	}
	change := did(aParty("a"), party.ChangePaused, time.Hour)
	err := s.ChangeReceiver(t.Context(), "a", func(r *party.Receiver) (*party.Change, error) {
		if *r != none {
			t.Errorf("the change gets %+v", r)
		}
		*r = want
		return &change, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	s.changeReceiver("b", func(r *party.Receiver) { r.Fail(start) })
	if diff := cmp.Diff(want, s.receiver("a")); diff != "" {
		t.Errorf("Receiver (-want +got):\n%s", diff)
	}
	all, err := s.Receivers(t.Context())
	if diff := cmp.Diff([]party.Receiver{want, s.receiver("b")}, all); err != nil || diff != "" {
		t.Errorf("Receivers: %v (-want +got):\n%s", err, diff)
	}
	changes, err := s.PartyChanges(t.Context(), "a", 5)
	if diff := cmp.Diff([]party.Change{change}, changes); err != nil || diff != "" {
		t.Errorf("the trail: %v (-want +got):\n%s", err, diff)
	}
	refused := errors.New("refused")
	err = s.ChangeReceiver(t.Context(), "a", func(r *party.Receiver) (*party.Change, error) {
		r.Reset()
		return &change, refused
	})
	if got := s.receiver("a"); !errors.Is(err, refused) || got != want {
		t.Errorf("a refused change: %v, %+v", err, got)
	}
	s.changeReceiver("a", (*party.Receiver).Reset)
	if got := s.receiver("a"); got != none {
		t.Errorf("after the reset: %+v", got)
	}
	if all, err := s.Receivers(t.Context()); err != nil || len(all) != 1 || all[0].ClientID != "b" {
		t.Errorf("Receivers after the reset: %+v, %v", all, err)
	}
}

func changeReceiverAtOnce(t *testing.T, s *suite, _ Harness) { failReceiverFromAll(t, s) }

// failReceiverFromAll fails two receivers everywhere at once: every failure counts.
func failReceiverFromAll(t *testing.T, stores ...*suite) {
	const each = 10
	together(4*len(stores), func(i int) {
		s := stores[i%len(stores)]
		for n := range 2 * each {
			err := s.ChangeReceiver(
				t.Context(), []string{"a", "b"}[(i+n)%2],
				func(r *party.Receiver) (*party.Change, error) { r.Fail(start); return nil, nil },
			)
			if err != nil {
				t.Errorf("ChangeReceiver: %v", err)
			}
		}
	})
	for _, id := range []string{"a", "b"} {
		if got, want := stores[0].receiver(id).Failures, 4*len(stores)*each; got != want {
			t.Errorf("%d of %d failures were counted", got, want)
		}
	}
}

// announce creates request i of a party with a webhook that is due at a time.
func (s *suite) announce(i int, clientID string, due time.Time) *request.Request {
	s.t.Helper()
	r := sample(i)
	r.ClientID = clientID
	s.create(r)
	s.update(r.ID, func(*request.Request) (e request.Effects, err error) {
		e.Enqueue(request.JobWebhook, due)
		return e, nil
	})
	return r
}

var perParty = request.Quota{Jobs: 64, PerParty: 32}

// claimed returns how many jobs of each party a claim with a quota gets.
func (s *suite) claimed(kind request.JobKind, now time.Time) map[string]int {
	s.t.Helper()
	jobs, err := s.Claim(s.t.Context(), kind, now, time.Minute, perParty)
	if err != nil {
		s.t.Fatalf("Claim: %v", err)
	}
	n := map[string]int{}
	for _, j := range jobs {
		n[j.ClientID]++
	}
	return n
}

// heldWebhooks: the webhooks of a party wait as long as they are held. Those of another party do
// not, nor do other jobs, and the backlog does not count them.
func heldWebhooks(t *testing.T, s *suite, _ Harness) {
	for i := range 3 {
		s.announce(i, "held", start)
	}
	s.announce(3, "other", start)
	seal := sample(4)
	seal.ClientID = "held"
	s.create(seal)
	s.update(seal.ID, func(*request.Request) (e request.Effects, err error) {
		e.Enqueue(request.JobSeal, start)
		return e, nil
	})
	until := start.Add(time.Hour)
	s.changeReceiver("held", func(r *party.Receiver) { r.Failures, r.HeldUntil = 5, until })
	expect := func(kind request.JobKind, at time.Time, want map[string]int) {
		t.Helper()
		if diff := cmp.Diff(want, s.claimed(kind, at)); diff != "" {
			t.Errorf("claim of a %s after %s (-want +got):\n%s", kind, at.Sub(start), diff)
		}
	}
	expect(request.JobSeal, start, map[string]int{"held": 1})
	expect(request.JobWebhook, start, map[string]int{"other": 1})
	// its lease ended
	expect(request.JobWebhook, until.Add(-time.Microsecond), map[string]int{"other": 1})
	expect(request.JobWebhook, until, map[string]int{"held": 1})
	if got := s.receiver("held").HeldUntil; !got.Equal(until.Add(time.Minute)) {
		t.Errorf("while the probe runs the others are held until %s", got)
	}
	expect(request.JobWebhook, until.Add(time.Second), map[string]int{})
	// The probe's node died; when its lease has ended, one of the three is the next probe.
	expect(request.JobWebhook, until.Add(2*time.Minute), map[string]int{"held": 1, "other": 1})
	ready := s.Ready()
	for len(ready) > 0 {
		<-ready
	}
	s.changeReceiver("held", (*party.Receiver).Reset)
	if len(ready) != 1 {
		t.Error("the worker is not told that the webhooks are not held any more")
	}
	expect(request.JobWebhook, until.Add(2*time.Minute), map[string]int{"held": 2})
}

func oneProbe(t *testing.T, s *suite, _ Harness) { probeFromAll(t, s) }

// probeFromAll claims held webhooks everywhere at once: one claim gets one.
func probeFromAll(t *testing.T, stores ...*suite) {
	for i := range 20 {
		stores[0].announce(i, "held", start)
	}
	stores[0].changeReceiver("held", func(r *party.Receiver) { r.Failures, r.HeldUntil = 5, start })
	for round := range 5 {
		now := start.Add(time.Duration(round) * time.Hour)
		var mu sync.Mutex
		probes := 0
		together(4*len(stores), func(i int) {
			jobs, err := stores[i%len(stores)].Claim(
				t.Context(), request.JobWebhook, now, time.Minute, perParty,
			)
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			mu.Lock()
			defer mu.Unlock()
			probes += len(jobs)
		})
		if probes != 1 {
			t.Errorf("round %d: %d probes, want 1", round, probes)
		}
	}
}

func nodesReceiver(t *testing.T, a *suite, h Harness) {
	b, c := a.another(h), a.another(h)
	failReceiverFromAll(t, a, b, c)
	probeFromAll(t, a, b, c)
}
