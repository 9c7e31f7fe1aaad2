package storetest

import (
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/internal/request"
)

var outboxTests = []test{
	{name: "claim and settle", run: claimAndSettle},
	{name: "order and limit", run: claimOrder},
	{name: "kinds", run: claimKinds},
	{name: "shares of relying parties", run: claimShares},
	{name: "lease runs out", run: leaseRunsOut},
	{name: "retry", run: retry},
	{name: "backlog", run: backlog},
	{name: "failed and tried again", run: failedAndAgain},
	{name: "settle twice", run: settleTwice},
	{name: "settle several", run: settleSeveral},
	{name: "two never share a job", run: parallelClaims},
}

// leave creates request i and cancels it at, so that it has one job, due then.
func (s *suite) leave(i int, at time.Time) *request.Request {
	s.t.Helper()
	r := s.create(sample(i))
	s.update(r.ID, cancel(at))
	return r
}

func claimAndSettle(t *testing.T, s *suite, _ Harness) {
	r := s.leave(1, start)
	if jobs := s.claim(start.Add(-time.Microsecond), time.Minute, 10); len(jobs) != 0 {
		t.Fatalf("claimed %+v before it is due", jobs)
	}
	jobs := s.claim(start, time.Minute, 10)
	if len(jobs) != 1 {
		t.Fatalf("claimed %d jobs, want 1", len(jobs))
	}
	job := jobs[0]
	want := request.Job{
		ID: job.ID, RequestID: r.ID, ClientID: r.ClientID, Kind: request.JobWebhook,
		Status:   request.JobPending,
		Attempts: 1,
		DueAt:    start, Lease: start.Add(time.Minute),
	}
	if diff := cmp.Diff(want, job); diff != "" {
		t.Errorf("job (-want +got):\n%s", diff)
	}
	if again := s.claim(start, time.Minute, 10); len(again) != 0 {
		t.Errorf("a leased job was claimed again: %+v", again)
	}
	job.Finish()
	job.Payload = "what was done"
	event := request.Event{At: start.Add(time.Second), Kind: request.EventPurged}
	s.settle(job, event)
	got := s.jobs(r.ID)
	want.Status, want.Payload, want.Lease = request.JobDone, "what was done", time.Time{}
	if diff := cmp.Diff([]request.Job{want}, got); diff != "" {
		t.Errorf("settled job (-want +got):\n%s", diff)
	}
	event.Seq = 2
	if events := s.events(r.ID); len(events) != 2 || cmp.Diff(event, events[1]) != "" {
		t.Errorf("events %+v, want %+v at the end", events, event)
	}
	if again := s.claim(start.Add(time.Hour), time.Minute, 10); len(again) != 0 {
		t.Errorf("a finished job was claimed: %+v", again)
	}
}

func claimOrder(t *testing.T, s *suite, _ Harness) {
	third := s.leave(1, start.Add(3*time.Second))
	first := s.leave(2, start.Add(time.Second))
	second := s.leave(3, start.Add(2*time.Second))
	s.leave(4, start.Add(time.Minute))
	now := start.Add(10 * time.Second)
	if jobs := s.claim(now, time.Minute, 0); len(jobs) != 0 {
		t.Errorf("a claim of none got %d", len(jobs))
	}
	var got []string
	for _, limit := range []int{2, 5} {
		for _, j := range s.claim(now, time.Minute, limit) {
			got = append(got, j.RequestID)
		}
	}
	if diff := cmp.Diff([]string{first.ID, second.ID, third.ID}, got); diff != "" {
		t.Errorf("claimed (-want +got):\n%s", diff)
	}
}

func claimKinds(t *testing.T, s *suite, _ Harness) {
	s.leave(1, start)
	for _, kind := range []request.JobKind{request.JobSeal, "another"} {
		jobs, err := s.Claim(
			t.Context(),
			kind,
			start.Add(time.Hour),
			time.Minute,
			request.Quota{Jobs: 10},
		)
		if err != nil || len(jobs) != 0 {
			t.Errorf("Claim(%s) = %+v, %v; the only job is of another kind", kind, jobs, err)
		}
	}
}

// claimShares: the jobs of one party leave room for those of others, however many and old they are.
func claimShares(t *testing.T, s *suite, _ Harness) {
	parties := []string{
		"hangs", "hangs", "hangs", "hangs", "hangs", "hangs", "quick", "slow", "slow", "slow",
	}
	for i, clientID := range parties {
		r := sample(i)
		r.ClientID = clientID
		s.create(r)
		s.update(r.ID, func(*request.Request) (e request.Effects, err error) {
			e.Enqueue(request.JobWebhook, start.Add(time.Duration(i)*time.Second))
			return e, nil
		})
	}
	for _, claim := range []struct {
		q    request.Quota
		want map[string]int
	}{
		{request.Quota{Jobs: 0, PerParty: 2}, map[string]int{}},
		{request.Quota{Jobs: 2, PerParty: 2}, map[string]int{"hangs": 1, "quick": 1}},
		{
			request.Quota{Jobs: 8, PerParty: 3, Running: map[string]int{"hangs": 1, "quick": 1}},
			map[string]int{"hangs": 2, "slow": 3},
		},
		{
			request.Quota{Jobs: 8, PerParty: 3, Running: map[string]int{"hangs": 3}},
			map[string]int{},
		},
		{request.Quota{Jobs: 8}, map[string]int{"hangs": 3}},
	} {
		jobs, err := s.Claim(
			t.Context(), request.JobWebhook, start.Add(time.Minute), time.Hour, claim.q,
		)
		if err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for i, j := range jobs {
			got[j.ClientID]++
			if i > 0 && j.DueAt.Before(jobs[i-1].DueAt) {
				t.Errorf("claim of %+v: jobs are not in the order in which they are due", claim.q)
			}
		}
		if diff := cmp.Diff(claim.want, got); diff != "" {
			t.Errorf("claim of %+v (-want +got):\n%s", claim.q, diff)
		}
	}
}

func leaseRunsOut(t *testing.T, s *suite, _ Harness) {
	r := s.leave(1, start)
	lost := s.claim(start, 1500*time.Nanosecond, 1)[0]
	if jobs := s.claim(start.Add(1499*time.Nanosecond), time.Minute, 1); len(jobs) != 0 {
		t.Fatal("claimed before the lease ran out")
	}
	if lost.Lease.Before(start.Add(1500 * time.Nanosecond)) {
		t.Errorf("the lease ends %v after its start, want 1.5 µs at least", lost.Lease.Sub(start))
	}
	jobs := s.claim(start.Add(2*time.Microsecond), time.Minute, 1)
	if len(jobs) != 1 || jobs[0].ID != lost.ID || jobs[0].Attempts != 2 {
		t.Fatalf("claimed %+v after the lease ran out, want the job again, attempt 2", jobs)
	}
	mine := jobs[0]
	lost.Fail(errors.New("too late"))
	s.settle(lost, request.Event{At: start, Kind: request.EventPurged})
	if got := s.jobs(r.ID)[0]; got.Status != request.JobPending || got.LastError != "" ||
		!got.Lease.Equal(mine.Lease) {
		t.Errorf("a lost lease settled the job: %+v", got)
	}
	if n := len(s.events(r.ID)); n != 1 {
		t.Errorf("a lost lease wrote events: %d, want 1", n)
	}
	mine.Finish()
	s.settle(mine)
	if got := s.jobs(r.ID)[0]; got.Status != request.JobDone {
		t.Errorf("status %s, want done", got.Status)
	}
}

func retry(t *testing.T, s *suite, _ Harness) {
	r := s.leave(1, start)
	for attempt := 1; attempt <= 3; attempt++ {
		now := start.Add(time.Duration(attempt) * time.Minute)
		jobs := s.claim(now, time.Hour, 1)
		if len(jobs) != 1 || jobs[0].Attempts != attempt {
			t.Fatalf("claim %d: %+v", attempt, jobs)
		}
		jobs[0].Retry(now.Add(time.Minute), errors.New("not yet"))
		s.settle(jobs[0])
		if early := s.claim(now.Add(time.Minute-time.Microsecond), time.Hour, 1); len(early) != 0 {
			t.Fatalf("claimed before the retry is due: %+v", early)
		}
	}
	if got := s.jobs(r.ID)[0]; got.LastError != "not yet" || got.Status != request.JobPending {
		t.Errorf("job %+v", got)
	}
}

func failedAndAgain(t *testing.T, s *suite, _ Harness) {
	r := s.leave(1, start)
	job := s.claim(start, time.Minute, 1)[0]
	job.Fail(errors.New("no"))
	s.settle(job)
	other := s.leave(2, start)
	second := s.claim(start, time.Minute, 1)[0]
	second.Fail(errors.New("no"))
	s.settle(second)
	for limit, want := range [][]string{nil, {other.ID}, {other.ID, r.ID}, {other.ID, r.ID}} {
		failed, all, err := s.Failed(
			t.Context(), request.FailedFilter{Kind: request.JobWebhook, Limit: limit},
		)
		var got []string
		for _, j := range failed {
			got = append(got, j.RequestID)
		}
		if err != nil || all != 2 || !slices.Equal(got, want) {
			t.Errorf("Failed(%d) = %v, %d, %v, want %v of 2", limit, got, all, err, want)
		}
	}
	later := start.Add(time.Microsecond)
	for name, find := range map[string]struct {
		f    request.FailedFilter
		want []string
	}{
		"party":         {request.FailedFilter{ClientID: r.ClientID}, []string{other.ID, r.ID}},
		"another party": {request.FailedFilter{ClientID: "x"}, nil},
		"from":          {request.FailedFilter{From: start}, []string{other.ID, r.ID}},
		"from later":    {request.FailedFilter{From: later}, nil},
		"to":            {request.FailedFilter{To: start}, nil},
		"to later":      {request.FailedFilter{To: later}, []string{other.ID, r.ID}},
		"before":        {request.FailedFilter{Before: second.ID}, []string{r.ID}},
	} {
		find.f.Kind, find.f.Limit = request.JobWebhook, 2
		failed, all, err := s.Failed(t.Context(), find.f)
		var got []string
		for _, j := range failed {
			got = append(got, j.RequestID)
		}
		if err != nil || all != len(find.want) || !slices.Equal(got, find.want) {
			t.Errorf("Failed by %s = %v, %d, %v, want %v", name, got, all, err, find.want)
		}
	}
	seals := request.FailedFilter{Kind: request.JobSeal, Limit: 5}
	failed, all, err := s.Failed(t.Context(), seals)
	if len(failed) != 0 || all != 0 || err != nil {
		t.Errorf("failed jobs of another kind: %+v, %d, %v", failed, all, err)
	}
	if jobs := s.claim(start.Add(time.Hour), time.Minute, 1); len(jobs) != 0 {
		t.Fatalf("a failed job was claimed: %+v", jobs)
	}
	job = s.jobs(r.ID)[0]
	job.Status, job.DueAt = request.JobPending, start.Add(2*time.Hour)
	s.settle(job)
	jobs := s.claim(start.Add(2*time.Hour), time.Minute, 1)
	if len(jobs) != 1 || jobs[0].Attempts != 2 || jobs[0].LastError != "no" {
		t.Errorf("claimed %+v, want the job again with its history", jobs)
	}
}

func settleTwice(t *testing.T, s *suite, _ Harness) {
	r := s.leave(1, start)
	job := s.claim(start, time.Minute, 1)[0]
	job.Finish()
	s.settle(job, request.Event{At: start, Kind: request.EventPurged})
	job.Fail(errors.New("on second thoughts"))
	s.settle(job, request.Event{At: start, Kind: request.EventPurged})
	if got := s.jobs(r.ID)[0]; got.Status != request.JobDone {
		t.Errorf("a second Settle made it %s", got.Status)
	}
	if n := len(s.events(r.ID)); n != 2 {
		t.Errorf("%d events, want 2", n)
	}
}

// settleSeveral settles jobs of several requests in one call; that of a lost lease is left alone.
func settleSeveral(t *testing.T, s *suite, _ Harness) {
	var settled []request.Settlement
	for i := range 5 {
		s.leave(i, start)
	}
	for _, job := range s.claim(start, time.Minute, 5) {
		st := request.Settlement{
			Job: job, Events: []request.Event{{At: start, Kind: request.EventPurged}},
		}
		st.Job.Finish()
		settled = append(settled, st)
	}
	settled[1].Job.Retry(start.Add(time.Hour), errors.New("later"))
	settled[2].Job.Lease = start
	if err := s.Settle(t.Context(), settled...); err != nil {
		t.Fatal(err)
	}
	for i, want := range []struct {
		status request.JobStatus
		events int
	}{
		{request.JobDone, 2},
		{request.JobPending, 2},
		{request.JobPending, 1},
		{request.JobDone, 2},
		{request.JobDone, 2},
	} {
		id := settled[i].Job.RequestID
		if job, events := s.jobs(id)[0], s.events(id); job.Status != want.status ||
			len(events) != want.events ||
			job.Lease.IsZero() != (i != 2) {
			t.Errorf("job %d is %+v, with %d events", i, job, len(events))
		}
	}
	if err := s.Settle(t.Context()); err != nil {
		t.Errorf("settling nothing: %v", err)
	}
}

func parallelClaims(t *testing.T, s *suite, _ Harness) {
	claimWithoutSharing(t, s)
}

// claimWithoutSharing lets all stores claim jobs of one database until none is left: each must go
// to one claim only.
func claimWithoutSharing(t *testing.T, stores ...*suite) {
	const n = 60
	for i := range n {
		stores[0].leave(i, start)
	}
	var mu sync.Mutex
	claims := map[int64]int{}
	together(12, func(i int) {
		s := stores[i%len(stores)]
		for range n {
			jobs, err := s.Claim(
				t.Context(), request.JobWebhook, start, time.Hour, request.Quota{Jobs: 3},
			)
			if err != nil {
				t.Errorf("Claim: %v", err)
			}
			mu.Lock()
			for _, j := range jobs {
				claims[j.ID]++
			}
			done := len(claims) == n
			mu.Unlock()
			if done {
				return
			}
		}
	})
	if len(claims) != n {
		t.Errorf("%d of %d jobs were claimed", len(claims), n)
	}
	for id, c := range claims {
		if c != 1 {
			t.Errorf("job %d was claimed %d times", id, c)
		}
	}
}

// backlog counts the jobs that are due and not claimed.
func backlog(t *testing.T, s *suite, _ Harness) {
	s.leave(1, start)
	s.leave(2, start.Add(time.Second))
	s.leave(3, start.Add(time.Hour))
	expect := func(want request.Backlog) {
		t.Helper()
		got, err := s.Backlog(t.Context(), start.Add(time.Minute))
		if err != nil || got[request.JobWebhook] != want || got[request.JobSeal].Jobs != 0 {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	}
	expect(request.Backlog{Jobs: 2, Oldest: time.Minute})
	s.claim(start, time.Hour, 1)
	expect(request.Backlog{Jobs: 1, Oldest: 59 * time.Second})
}
