package storetest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/request"
)

var durabilityTests = []test{
	{name: "reopen", run: reopen},
	{name: "leases of a predecessor", run: predecessor},
}

var nodeTests = []test{
	{name: "updates of one request", run: nodesUpdate, shared: true},
	{name: "crossing updates", run: nodesCross, shared: true},
	{name: "claims", run: nodesClaim, shared: true},
	{name: "used tokens", run: nodesUse, shared: true},
	{name: "watch", run: nodesWatch, shared: true},
	{name: "parties", run: nodesParty, shared: true},
	{name: "receivers", run: nodesReceiver, shared: true},
}

func reopen(t *testing.T, s *suite, h Harness) {
	r := s.create(signed(1))
	s.leave(2, start)
	job := s.claim(start, time.Minute, 1)[0]
	job.Retry(start.Add(time.Hour), fmt.Errorf("later"))
	job.Payload = "kept"
	s.settle(
		job,
		request.Event{At: start, Kind: request.EventPurged, Detail: request.Detail{Documents: "1"}},
	)
	s.add(phone("a", "S8979373D", 0))
	s.use(client, "jti", start)
	wantJobs, wantEvents := s.jobs(job.RequestID), s.events(job.RequestID)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = s.another(h)
	if diff := cmp.Diff(r, s.get(r.ID)); diff != "" {
		t.Errorf("request (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(wantJobs, s.jobs(job.RequestID)); diff != "" {
		t.Errorf("jobs (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(wantEvents, s.events(job.RequestID)); diff != "" {
		t.Errorf("events (-before +after):\n%s", diff)
	}
	if _, err := s.Phone(t.Context(), "a"); err != nil {
		t.Errorf("Phone: %v", err)
	}
	if s.use(client, "jti", start) {
		t.Error("a used token is fresh after the restart")
	}
}

func predecessor(t *testing.T, s *suite, h Harness) {
	s.leave(1, start)
	old := s.claim(start, time.Hour, 1)[0]
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = s.another(h)
	jobs := s.claim(start.Add(time.Second), time.Hour, 1)
	switch {
	case h.Shared && len(jobs) != 0:
		t.Errorf("a lease that another node may hold was broken: %+v", jobs)
	case !h.Shared && (len(jobs) != 1 || jobs[0].ID != old.ID || jobs[0].Attempts != 2):
		t.Errorf("claimed %+v, want the job of the predecessor, attempt 2", jobs)
	}
}

func nodesUpdate(t *testing.T, a *suite, h Harness) {
	stores := []*suite{a, a.another(h), a.another(h)}
	r := a.create(sample(1))
	const n = 60
	together(n, func(i int) {
		err := stores[i%len(stores)].Update(t.Context(), r.ID, only(func(r *request.Request) error {
			r.DocName += fmt.Sprintf(" <%d>", i)
			return nil
		}))
		if err != nil {
			t.Errorf("Update %d: %v", i, err)
		}
	})
	got := a.get(r.ID)
	if got.Version != n+1 {
		t.Errorf("Version = %d, want %d", got.Version, n+1)
	}
	for i := range n {
		if c := strings.Count(got.DocName, fmt.Sprintf("<%d>", i)); c != 1 {
			t.Errorf("change %d was made %d times", i, c)
		}
	}
}

// nodesCross changes the same requests on two nodes in opposite orders, with jobs settled between:
// no call may wait for ever.
func nodesCross(t *testing.T, a *suite, h Harness) {
	stores := []*suite{a, a.another(h)}
	const n = 20
	for i := range n {
		a.leave(i, start)
	}
	jobs := a.claim(start, time.Hour, n)
	together(3*n, func(k int) {
		i := k % n
		if k >= 2*n {
			job := jobs[i]
			job.Finish()
			err := stores[k%2].Settle(t.Context(), request.Settlement{
				Job: job, Events: []request.Event{{At: start, Kind: request.EventPurged}},
			})
			if err != nil {
				t.Errorf("Settle: %v", err)
			}
			return
		}
		if k >= n {
			i = n - 1 - i
		}
		err := stores[k/n].Update(
			t.Context(), sample(i).ID,
			only(func(r *request.Request) error { r.DocName += "+"; return nil }),
		)
		if err != nil {
			t.Errorf("Update: %v", err)
		}
	})
	for i := range n {
		id := sample(i).ID
		if r := a.get(id); r.Version != 4 {
			t.Errorf("request %d: version %d, want 4", i, r.Version)
		}
		if events := a.events(id); len(events) != 2 || events[1].Seq != 2 {
			t.Errorf("request %d: events %+v, want 2", i, events)
		}
	}
}

func nodesClaim(t *testing.T, a *suite, h Harness) {
	claimWithoutSharing(t, a, a.another(h), a.another(h))
}

func nodesUse(t *testing.T, a *suite, h Harness) { useFromAll(t, a, a.another(h), a.another(h)) }

func nodesWatch(t *testing.T, a *suite, h Harness) {
	b := a.another(h)
	r := a.create(sample(1))
	changed, stop := b.Watch(r.ID)
	defer stop()
	for !quiet(changed) || !quiet(b.Ready()) {
	}
	a.update(r.ID, cancel(start))
	if !signalled(changed) {
		t.Error("the other node did not hear of the change")
	}
	if !signalled(b.Ready()) {
		t.Error("the other node did not hear of the job")
	}
}
