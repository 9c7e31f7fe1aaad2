package storetest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"log/slog"
	"math/big"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
)

var retentionTests = []test{
	{name: "requests", run: sweepRequests},
	{name: "requests with jobs", run: sweepJobs},
	{name: "many requests", run: sweepMany},
	{name: "phones", run: sweepPhones},
	{name: "changes of parties", run: sweepChanges},
	{name: "calls", run: sweepCalls},
	{name: "no end", run: sweepNothing},
	{name: "dropped jobs", run: dropJob},
	{name: "one sweep at a time", run: claimSweep},
	{name: "one sweep on several nodes", run: claimSweepOnNodes, shared: true},
}

const day = 24 * time.Hour

// ninety is a policy of ninety days for everything.
var ninety = retention.Policy{
	Signed: 90 * day, Unsigned: 90 * day, Phones: 90 * day, Changes: 90 * day, Calls: 90 * day,
	MaxCalls: 1000,
}

// sweep sweeps at a time, after all events are in the audit log.
func (s *suite) sweep(policy retention.Policy, now time.Time) map[string]int {
	s.t.Helper()
	s.integrate()
	sweeper := &retention.Sweeper{
		Store: s.Store, Policy: policy, Now: func() time.Time { return now },
		Log: slog.New(slog.DiscardHandler),
	}
	erased, err := sweeper.Sweep(s.t.Context())
	if err != nil {
		s.t.Fatalf("Sweep: %v", err)
	}
	return erased
}

// integrate takes all events into the audit log.
func (s *suite) integrate() {
	s.t.Helper()
	unsigned := func(tlog.Tree) (string, error) { return "", nil }
	for n := 1; n > 0; {
		var err error
		if n, err = s.Integrate(s.t.Context(), 1000, unsigned); err != nil {
			s.t.Fatalf("Integrate: %v", err)
		}
	}
}

// exists reports whether there is anything of a request.
func (s *suite) exists(id string) bool {
	s.t.Helper()
	_, err := s.Get(s.t.Context(), id)
	if err != nil && !errors.Is(err, api.ErrNoRecord) {
		s.t.Fatalf("Get(%s): %v", id, err)
	}
	return err == nil
}

// ended is request i in a final state, with a trail, that ended at a time.
func (s *suite) ended(i int, state request.State, at time.Time) *request.Request {
	s.t.Helper()
	r := sample(i)
	if state == request.StateSigned {
		r = signed(i)
		r.CancelledAt = time.Time{}
		r.Signed.At = at
	}
	r.State, r.ExpiresAt = state, at
	if state == request.StateCancelled {
		r.CancelledAt = at
	}
	err := s.Create(s.t.Context(), r, request.Effects{Events: []request.Event{
		{At: start, Kind: request.EventInitiated}, {At: at, Kind: request.EventKind(state)},
	}})
	if err != nil {
		s.t.Fatalf("Create: %v", err)
	}
	return r
}

// sweepRequests: a sweep erases what ended before the time of the policy with all that belongs to
// it, and nothing else, of whatever age.
func sweepRequests(t *testing.T, s *suite, _ Harness) {
	now := start.Add(100 * day)
	var old, kept []*request.Request
	for i, state := range request.States() {
		if state.Final() {
			old = append(old, s.ended(10+i, state, now.Add(-91*day)))
			// made long ago, and over a short time ago
			kept = append(kept, s.ended(20+i, state, now.Add(-89*day)))
			continue
		}
		r := signed(30 + i)
		r.State = state
		kept = append(kept, s.create(r))
	}
	for i, r := range append(old, kept...) {
		c := call(i)
		c.RequestID = r.ID
		s.addCalls(roomy, c)
	}
	policy := ninety
	policy.Calls = 0
	erased := s.sweep(policy, now)
	if diff := cmp.Diff(map[string]int{retention.Requests: len(old)}, erased); diff != "" {
		t.Errorf("erased (-want +got):\n%s", diff)
	}
	for _, r := range old {
		if s.exists(r.ID) || len(s.events(r.ID)) > 0 ||
			s.calls(calllog.Filter{RequestID: r.ID, Limit: 9}) != "" {
			t.Errorf("of the %s request %s something is left", r.State, r.ID)
		}
		jobs := s.jobs(r.ID)
		if len(jobs) != 1 || jobs[0].Kind != request.JobPurge || !jobs[0].DueAt.Equal(now) {
			t.Errorf("jobs of the %s request: %+v, want the purge of its documents", r.State, jobs)
		}
	}
	for _, r := range kept {
		got := s.get(r.ID)
		r.Version = 1
		if diff := cmp.Diff(r, got); diff != "" {
			t.Errorf("the %s request %s (-want +got):\n%s", r.State, r.ID, diff)
		}
		if want := 2; r.State.Final() && len(s.events(r.ID)) != want {
			t.Errorf("the %s request has %d events", r.State, len(s.events(r.ID)))
		}
		if s.calls(calllog.Filter{RequestID: r.ID, Limit: 9}) == "" {
			t.Errorf("the %s request has lost its call", r.State)
		}
	}
	if again := s.sweep(policy, now); len(again) != 0 {
		t.Errorf("another sweep erased %v", again)
	}
}

// sweepJobs: a request with work to do is kept, and one that only waits for its renewal is not.
func sweepJobs(t *testing.T, s *suite, _ Harness) {
	at, now := start, start.Add(100*day)
	var claimed *request.Request
	for i, kind := range []request.JobKind{
		request.JobWebhook, request.JobSeal, request.JobPurge, request.JobRenew, request.JobRenew,
	} {
		r := s.ended(i, request.StateSigned, at)
		s.update(r.ID, func(*request.Request) (e request.Effects, err error) {
			due := now.Add(time.Hour)
			if i == 3 {
				due = now
				claimed = r
			}
			e.Enqueue(kind, due)
			return e, nil
		})
	}
	jobs, err := s.Claim(t.Context(), request.JobRenew, now, time.Minute, request.Quota{Jobs: 9})
	if err != nil || len(jobs) != 1 || jobs[0].RequestID != claimed.ID {
		t.Fatalf("Claim: %+v, %v", jobs, err)
	}
	if erased := s.sweep(ninety, now); erased[retention.Requests] != 1 {
		t.Errorf("erased %v, want one request", erased)
	}
	if s.exists(sample(4).ID) {
		t.Error("the request whose renewal waits is kept")
	}
	jobs[0].Finish()
	s.settle(jobs[0])
	if erased := s.sweep(ninety, now); erased[retention.Requests] != 1 || s.exists(claimed.ID) {
		t.Errorf("after the renewal a sweep erased %v", erased)
	}
}

// sweepMany: one sweep erases more than fits into a transaction, also if requests that it must keep
// come first.
func sweepMany(t *testing.T, s *suite, _ Harness) {
	now := start.Add(100 * day)
	for i := range 40 {
		s.ended(i, request.StateSigned, now)
		s.ended(100+i, request.StateSigned, start)
	}
	if erased := s.sweep(ninety, now); erased[retention.Requests] != 40 {
		t.Errorf("erased %v, want 40 requests", erased)
	}
}

// certificate is a certificate that ends at a time.
func certificate(t *testing.T, serial int64, end time.Time) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(serial), NotBefore: end.Add(-365 * day), NotAfter: end,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// sweepPhones: a sweep erases phones whose certificates ended long ago, with their events.
func sweepPhones(t *testing.T, s *suite, _ Harness) {
	now := start.Add(1000 * day)
	const uin = "S8979373D"
	for i, p := range []struct {
		id           string
		end, revoked time.Time
	}{
		{"ended", now.Add(-91 * day), time.Time{}},
		{"ended and revoked", now.Add(-91 * day), now.Add(-300 * day)},
		{"valid", now.Add(day), time.Time{}},
		{"ended lately", now.Add(-89 * day), time.Time{}},
		{"in the CRL", now.Add(day), now.Add(-300 * day)},
		{"revoked lately", now.Add(-91 * day), now.Add(-89 * day)},
	} {
		ph := phone(p.id, uin, 0)
		ph.Certificate, ph.RevokedAt = certificate(t, int64(i+1), p.end), p.revoked
		err := s.addPhone(ph, signer.Event{PhoneID: p.id, At: start, Kind: signer.EventEnrolled})
		if err != nil {
			t.Fatal(err)
		}
	}
	s.add(phone("unreadable", uin, 0)) // no certificate says that it ended
	if erased := s.sweep(ninety, now); erased[retention.Phones] != 2 {
		t.Errorf("erased %v, want two phones", erased)
	}
	phones, err := s.Phones(t.Context(), uin)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, p := range phones {
		left = append(left, p.ID)
	}
	want := []string{"ended lately", "in the CRL", "revoked lately", "unreadable", "valid"}
	if diff := cmp.Diff(want, left); diff != "" {
		t.Errorf("phones (-want +got):\n%s", diff)
	}
	events, err := s.PhoneEvents(t.Context(), uin)
	if err != nil || len(events) != 4 {
		t.Errorf("events %+v, %v; want those of four phones", events, err)
	}
}

func sweepChanges(t *testing.T, s *suite, _ Harness) {
	now := start.Add(100 * day)
	p := aParty("a")
	s.register(p) // at start
	for i := range 40 {
		c := did(p, party.ChangeEdited, time.Duration(i)*time.Second)
		if err := s.ChangeParty(t.Context(), p, int64(i+1), c); err != nil {
			t.Fatal(err)
		}
	}
	late := did(p, party.ChangeEdited, 11*day)
	if err := s.ChangeParty(t.Context(), p, 41, late); err != nil {
		t.Fatal(err)
	}
	if erased := s.sweep(ninety, now); erased[retention.Changes] != 41 {
		t.Errorf("erased %v, want 41 changes", erased)
	}
	left, err := s.PartyChanges(t.Context(), "a", 100)
	if err != nil || len(left) != 1 || !left[0].At.Equal(late.At) {
		t.Errorf("left %+v, %v", left, err)
	}
	s.registration("a")
}

func sweepCalls(t *testing.T, s *suite, _ Harness) {
	for i := range 5 {
		s.addCalls(roomy, call(i))
	}
	policy := ninety
	policy.MaxCalls = 2
	if erased := s.sweep(policy, start.Add(90*day+time.Second)); erased[retention.Calls] != 3 {
		t.Errorf("erased %v, want three calls", erased)
	}
	if got := s.calls(calllog.Filter{Limit: 9}); got != "4 3" {
		t.Errorf("calls %s", got)
	}
}

// sweepNothing: without an end everything is kept.
func sweepNothing(t *testing.T, s *suite, _ Harness) {
	s.ended(1, request.StateSigned, start)
	s.ended(2, request.StateExpired, start)
	s.addCalls(roomy, call(1))
	erased := s.sweep(retention.Policy{MaxCalls: 1000}, start.Add(10_000*day))
	if len(erased) != 0 {
		t.Errorf("erased %v", erased)
	}
}

// dropJob: the purge of an erased request leaves nothing.
func dropJob(t *testing.T, s *suite, _ Harness) {
	r := s.ended(1, request.StateCancelled, start)
	now := start.Add(100 * day)
	s.sweep(ninety, now)
	jobs, err := s.Claim(t.Context(), request.JobPurge, now, time.Minute, request.Quota{Jobs: 9})
	if err != nil || len(jobs) != 1 {
		t.Fatalf("Claim: %+v, %v", jobs, err)
	}
	jobs[0].Finish()
	settled := request.Settlement{
		Job: jobs[0], Drop: true, Events: []request.Event{{At: now, Kind: request.EventPurged}},
	}
	if err := s.Settle(t.Context(), settled); err != nil {
		t.Fatal(err)
	}
	if jobs, events := s.jobs(r.ID), s.events(r.ID); len(jobs)+len(events) > 0 {
		t.Errorf("left: %+v, %+v", jobs, events)
	}
}

func (s *suite) claimSweep(now time.Time) bool {
	s.t.Helper()
	claimed, err := s.ClaimSweep(s.t.Context(), now, time.Hour)
	if err != nil {
		s.t.Fatalf("ClaimSweep: %v", err)
	}
	return claimed
}

func claimSweep(t *testing.T, s *suite, _ Harness) {
	for _, step := range []struct {
		after time.Duration
		want  bool
	}{
		{0, true},
		{0, false},
		{59 * time.Minute, false},
		{-59 * time.Minute, false}, // another node's clock
		{time.Hour, true},
		{time.Hour + 59*time.Minute, false},
		{-1000 * time.Hour, true}, // the clock was wrong
		{-1000 * time.Hour, false},
	} {
		if got := s.claimSweep(start.Add(step.after)); got != step.want {
			t.Errorf("a claim after %s: %t", step.after, got)
		}
	}
}

func claimSweepOnNodes(t *testing.T, a *suite, h Harness) {
	nodes := []*suite{a, a.another(h), a.another(h)}
	var claims atomic.Int64
	together(30, func(i int) {
		claimed, err := nodes[i%len(nodes)].ClaimSweep(t.Context(), start, time.Hour)
		if err != nil {
			t.Errorf("ClaimSweep: %v", err)
		}
		if claimed {
			claims.Add(1)
		}
	})
	if claims.Load() != 1 {
		t.Errorf("%d nodes may sweep", claims.Load())
	}
}
