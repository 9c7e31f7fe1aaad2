package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

var requestTests = []test{
	{name: "create and get", run: createAndGet},
	{name: "get all", run: getAll},
	{name: "create with effects", run: createWithEffects},
	{name: "create twice", run: createTwice},
	{name: "unknown id", run: unknownID},
	{name: "update", run: update},
	{name: "update with an error", run: updateError},
	{name: "update of nothing", run: updateNothing},
	{name: "update of the id", run: updateID},
	{name: "update that panics", run: updatePanics},
	{name: "copies", run: copies},
	{name: "events", run: eventOrder},
	{name: "due", run: due},
	{name: "closed", run: closed},
}

func createAndGet(t *testing.T, s *suite, _ Harness) {
	cancelled := sample(3)
	if _, err := cancel(start)(cancelled); err != nil {
		t.Fatal(err)
	}
	bare := &request.Request{ID: "bare", State: request.StateCancelled}
	for _, r := range []*request.Request{sample(1), signed(2), cancelled, bare} {
		s.create(r)
		if r.Version != 1 {
			t.Errorf("%s: Version = %d after Create, want 1", r.ID, r.Version)
		}
		if diff := cmp.Diff(r, s.get(r.ID)); diff != "" {
			t.Errorf("%s changed (-created +got):\n%s", r.ID, diff)
		}
	}
}

func getAll(t *testing.T, s *suite, _ Harness) {
	first, second := s.create(sample(1)), s.create(signed(2))
	s.create(sample(3))
	for _, c := range []struct {
		ids  []string
		want map[string]*request.Request
	}{
		{nil, map[string]*request.Request{}},
		{[]string{"unknown"}, map[string]*request.Request{}},
		{
			[]string{second.ID, "unknown", "\x00", "\xff", `"`, first.ID, second.ID},
			map[string]*request.Request{first.ID: first, second.ID: second},
		},
	} {
		got, err := s.GetAll(t.Context(), c.ids)
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("GetAll(%q): %v (-want +got):\n%s", c.ids, err, diff)
		}
	}
}

func createWithEffects(t *testing.T, s *suite, _ Harness) {
	r := sample(1)
	at := start.Add(time.Minute)
	e, err := cancel(at)(r)
	if err == nil {
		err = s.Create(t.Context(), r, e)
	}
	if err != nil {
		t.Fatal(err)
	}
	wantEvents := []request.Event{
		{Seq: 1, At: at, Kind: request.EventCancelled, Detail: request.Detail{From: "created"}},
	}
	if diff := cmp.Diff(wantEvents, s.events(r.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	wantJobs := []request.Job{
		{
			RequestID: r.ID, ClientID: r.ClientID, Kind: request.JobWebhook,
			Status: request.JobPending, DueAt: at,
		},
	}
	diff := cmp.Diff(wantJobs, s.jobs(r.ID), cmpopts.IgnoreFields(request.Job{}, "ID"))
	if diff != "" {
		t.Errorf("jobs (-want +got):\n%s", diff)
	}
}

func createTwice(t *testing.T, s *suite, _ Harness) {
	first := s.create(sample(1))
	second := signed(1)
	if _, err := cancel(start)(first); err != nil { // not in the store
		t.Fatal(err)
	}
	if err := s.Create(t.Context(), second, request.Effects{}); err == nil {
		t.Fatal("a second Create of one id succeeded")
	}
	diff := cmp.Diff(sample(1), s.get(first.ID), cmpopts.IgnoreFields(request.Request{}, "Version"))
	if diff != "" {
		t.Errorf("the first request changed (-created +got):\n%s", diff)
	}
	if events, jobs := s.events(first.ID), s.jobs(first.ID); len(events)+len(jobs) != 0 {
		t.Errorf("the refused Create left %d events, %d jobs", len(events), len(jobs))
	}
}

func unknownID(t *testing.T, s *suite, _ Harness) {
	s.create(sample(1))
	for _, id := range []string{"", "signv3-none", "signv3-' OR 1=1 --", "SIGNV3-01959A3C-0000-7000-8000-000000000001", "a\x00b", "\xff\xfe"} {
		if _, err := s.Get(t.Context(), id); !errors.Is(err, api.ErrNoRecord) {
			t.Errorf("Get(%q): %v, want ErrNoRecord", id, err)
		}
		err := s.Update(
			t.Context(), id,
			only(func(*request.Request) error { t.Errorf("change called for %q", id); return nil }),
		)
		if !errors.Is(err, api.ErrNoRecord) {
			t.Errorf("Update(%q): %v, want ErrNoRecord", id, err)
		}
		if events, jobs := s.events(id), s.jobs(id); len(events)+len(jobs) != 0 {
			t.Errorf("%q has %d events, %d jobs", id, len(events), len(jobs))
		}
	}
}

func update(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	at := r.ExpiresAt.Add(time.Second) // so that two things happen in one change
	s.update(r.ID, func(r *request.Request) (request.Effects, error) {
		e, err := cancel(at)(r)
		e.Enqueue(request.JobSeal, at)
		return e, err
	})
	got := s.get(r.ID)
	want := sample(1)
	want.State, want.CancelledAt, want.Version = request.StateCancelled, at, 2
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("request (-want +got):\n%s", diff)
	}
	wantEvents := []request.Event{
		{Seq: 1, At: at, Kind: request.EventExpired},
		{Seq: 2, At: at, Kind: request.EventCancelled, Detail: request.Detail{From: "expired"}},
	}
	if diff := cmp.Diff(wantEvents, s.events(r.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if jobs := s.jobs(r.ID); len(jobs) != 2 || jobs[0].ID == jobs[1].ID {
		t.Errorf("jobs %+v, want two", jobs)
	}
}

func updateError(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	boom := errors.New("boom")
	err := s.Update(t.Context(), r.ID, func(r *request.Request) (request.Effects, error) {
		e, err := cancel(start)(r)
		r.DocName = "spoiled"
		if err != nil {
			t.Error(err)
		}
		return e, boom
	})
	if err != boom { //nolint:errorlint // as it is
		t.Errorf("Update: %v, want the change's own error", err)
	}
	if diff := cmp.Diff(r, s.get(r.ID)); diff != "" {
		t.Errorf("request changed (-want +got):\n%s", diff)
	}
	if events, jobs := s.events(r.ID), s.jobs(r.ID); len(events)+len(jobs) != 0 {
		t.Errorf("%d events, %d jobs were written", len(events), len(jobs))
	}
}

func updateNothing(t *testing.T, s *suite, _ Harness) {
	r := s.create(signed(1))
	s.update(r.ID, only(func(*request.Request) error { return nil }))
	if got := s.get(r.ID); got.Version != 1 {
		t.Errorf("Version = %d after a change of nothing, want 1", got.Version)
	}
}

func updateID(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	other := func(r *request.Request) error { r.ID = "other"; return nil }
	if err := s.Update(t.Context(), r.ID, only(other)); err == nil {
		t.Error("a change of the id was taken")
	}
	if diff := cmp.Diff(r, s.get(r.ID)); diff != "" {
		t.Errorf("request changed (-want +got):\n%s", diff)
	}
}

func updatePanics(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	func() {
		defer func() { _ = recover() }()
		err := s.Update(
			t.Context(), r.ID,
			only(func(r *request.Request) error { r.DocName = "spoiled"; panic("boom") }),
		)
		if err == nil {
			t.Error("a change that panicked succeeded")
		}
	}()
	if diff := cmp.Diff(r, s.get(r.ID)); diff != "" {
		t.Errorf("request changed (-want +got):\n%s", diff)
	}
	s.update(r.ID, cancel(start)) // and life goes on
}

func copies(t *testing.T, s *suite, _ Harness) {
	r := s.create(signed(1))
	// after Create it is the caller's own again
	r.Signer.Name, r.Locations[0].Page = "another person", 99
	got := s.get(r.ID)
	got.Signer.Name, got.Locations[0].Page = "another person", 99
	var kept *request.Request
	s.update(r.ID, only(func(r *request.Request) error { kept = r; r.DocName = "new"; return nil }))
	kept.Signer.Name, kept.Locations[0].Page = "another person", 99
	want := signed(1)
	want.DocName, want.Version = "new", 2
	if diff := cmp.Diff(want, s.get(r.ID)); diff != "" {
		t.Errorf("the store's copy was changed from outside (-want +got):\n%s", diff)
	}
}

func eventOrder(t *testing.T, s *suite, _ Harness) {
	r, other := s.create(sample(1)), s.create(sample(2))
	s.update(r.ID, func(*request.Request) (e request.Effects, err error) {
		e.Enqueue(request.JobWebhook, start)
		return e, nil
	})
	job := s.claim(start, time.Minute, 1)[0]
	job.Retry(start, errors.New("before the cancel"))
	// its job has changed nothing of the request
	before := request.Event{Seq: 1, At: start.Add(time.Hour), Kind: request.EventWebhook}
	s.settle(job, before)
	s.update(r.ID, cancel(start))
	want := []request.Event{
		before,
		{
			Seq:    2,
			At:     start,
			Kind:   request.EventCancelled,
			Detail: request.Detail{From: "created"},
		},
	}
	job = s.claim(start, time.Minute, 1)[0]
	for i := range 12 { // times run backwards: the order is that of the changes
		e := request.Event{
			At: start.Add(-time.Duration(i) * time.Second), Kind: request.EventWebhook,
			Detail: request.Detail{Attempt: fmt.Sprint(i), Error: "“é\n\x00”"},
		}
		job.Retry(start, errors.New("again \x00\xff"))
		s.settle(job, e)
		e.Seq = len(want) + 1
		want = append(want, e)
		job = s.claim(start, time.Minute, 1)[0]
	}
	if diff := cmp.Diff(want, s.events(r.ID)); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	if events := s.events(other.ID); len(events) != 0 {
		t.Errorf("another request has %d events", len(events))
	}
}

func due(t *testing.T, s *suite, _ Harness) {
	late, early, session := sample(20), sample(10), sample(1)
	session.State = request.StateSession
	session.Session = &request.Session{EndsAt: start.Add(time.Minute)}
	never := signed(2)
	for _, r := range []*request.Request{late, early, session, never} {
		s.create(r)
	}
	check := func(now time.Time, limit int, want ...string) {
		t.Helper()
		ids, err := s.Due(t.Context(), now, limit)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, ids, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("Due(%v, %d) (-want +got):\n%s", now.Sub(start), limit, diff)
		}
	}
	check(start, 10)
	check(start.Add(time.Minute-time.Microsecond), 10)
	check(start.Add(time.Minute), 10, session.ID)
	check(start.Add(time.Hour), 10, session.ID, early.ID, late.ID)
	check(start.Add(time.Hour), 2, session.ID, early.ID)
	check(start.Add(time.Hour), 0)
	s.update(early.ID, cancel(start))
	s.update(session.ID, only(func(r *request.Request) error {
		r.Session.EndsAt = start.Add(50 * time.Minute)
		return nil
	}))
	check(start.Add(time.Hour), 10, late.ID, session.ID)
}

func closed(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	if err := s.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Errorf("a second Close: %v", err)
	}
	if err := s.Update(t.Context(), r.ID, cancel(start)); err == nil {
		t.Error("Update succeeded after Close")
	}
	if err := s.Create(t.Context(), sample(2), request.Effects{}); err == nil {
		t.Error("Create succeeded after Close")
	}
	if _, err := s.Use(t.Context(), client, "j", start); err == nil {
		t.Error("Use succeeded after Close")
	}
	if _, err := s.Get(t.Context(), r.ID); err == nil {
		t.Error("Get succeeded after Close")
	}
}
