package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

var watchTests = []test{
	{name: "watch", run: watch},
	{name: "watch many", run: watchMany},
	{name: "ready", run: ready},
}

// signalled waits for a signal, as long as it may take from one node to another.
func signalled(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	case <-time.After(time.Second):
		return false
	}
}

// quiet reports that no signal comes.
func quiet(c <-chan struct{}) bool {
	select {
	case <-c:
		return false
	case <-time.After(50 * time.Millisecond):
		return true
	}
}

func watch(t *testing.T, s *suite, _ Harness) {
	r, other := s.create(sample(1)), s.create(sample(2))
	quietly := func(c <-chan struct{}, stop func()) (<-chan struct{}, func()) {
		for !quiet(c) { // what Create said may still be on its way
		}
		return c, stop
	}
	changed, stop := quietly(s.Watch(r.ID))
	otherChanged, stopOther := quietly(s.Watch(other.ID))
	defer stopOther()
	_ = s.Update(
		t.Context(), r.ID,
		only(func(r *request.Request) error { r.DocName = "refused"; return errors.New("no") }),
	)
	if !quiet(changed) {
		t.Error("a signal for a refused change")
	}
	s.update(r.ID, cancel(start))
	if !signalled(changed) {
		t.Error("no signal for a change")
	}
	if !quiet(otherChanged) {
		t.Error("a signal for the change of another request")
	}
	for range 5 {
		s.update(r.ID, only(func(r *request.Request) error { r.DocName += "."; return nil }))
	}
	if !signalled(changed) {
		t.Error("no signal for several changes")
	}
	for !quiet(changed) { // they may come merged or apart, and end
	}
	job := s.claim(start, time.Minute, 1)[0]
	job.Finish()
	s.settle(job, request.Event{At: start, Kind: request.EventPurged})
	if !signalled(changed) {
		t.Error("no signal for events of a settled job")
	}
	stop()
	stop() // twice is harmless
	s.update(r.ID, only(func(r *request.Request) error { r.DocName += "."; return nil }))
	if !quiet(changed) {
		t.Error("a signal after stop")
	}
}

func watchMany(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	var changed []<-chan struct{}
	for i := range 2000 {
		c, stop := s.Watch(r.ID)
		if i%2 == 0 {
			changed = append(changed, c)
			defer stop()
		} else {
			stop()
		}
	}
	s.update(r.ID, cancel(start))
	for i, c := range changed {
		if !signalled(c) {
			t.Fatalf("watcher %d heard nothing", i)
		}
	}
}

func ready(t *testing.T, s *suite, _ Harness) {
	r := s.create(sample(1))
	for !quiet(s.Ready()) {
	}
	s.update(r.ID, only(func(r *request.Request) error { r.DocName = "no job"; return nil }))
	if !quiet(s.Ready()) {
		t.Error("a signal without a job")
	}
	s.update(r.ID, func(*request.Request) (e request.Effects, err error) {
		e.Enqueue(request.JobPurge, start)
		return e, nil
	})
	if !quiet(s.Ready()) {
		t.Error("a signal for a purge")
	}
	s.update(r.ID, cancel(start))
	if !signalled(s.Ready()) {
		t.Error("no signal for a job")
	}
	job := s.claim(start, time.Minute, 1)[0]
	job.Retry(start, errors.New("again"))
	s.settle(job)
	if !signalled(s.Ready()) {
		t.Error("no signal for a job that is to be tried again")
	}
}
