package request

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"
)

// purgeWorld is a store and documents of which only the purges' part is there.
type purgeWorld struct {
	Store
	Documents
	due     []Purge
	ended   []Purge
	stored  map[string][]string
	broken  string // a key that cannot be deleted
	strokes int    // calls of Delete
}

func (w *purgeWorld) PurgesDue(_ context.Context, now time.Time, limit int) ([]Purge, error) {
	due := slices.DeleteFunc(slices.Clone(w.due), func(p Purge) bool { return p.DueAt.After(now) })
	return due[:min(limit, len(due))], nil
}

func (w *purgeWorld) Purged(_ context.Context, purges []Purge) error {
	w.ended = append(w.ended, purges...)
	for _, p := range purges {
		w.due = slices.DeleteFunc(w.due, func(d Purge) bool { return d.RequestID == p.RequestID })
	}
	return nil
}

func (w *purgeWorld) Get(_ context.Context, id string) (*Request, error) {
	return &Request{ID: id, State: StateSigned, Signed: &SignedDocument{Document: Document{Key: id + "/signed"}}}, nil
}

func (w *purgeWorld) Keys(_ context.Context, id string) ([]string, error) {
	return slices.Clone(w.stored[id]), nil
}

func (w *purgeWorld) Delete(_ context.Context, keys ...string) error {
	w.strokes++
	if slices.Contains(keys, w.broken) {
		return errors.New("permission denied")
	}
	for _, key := range keys {
		id, _, _ := strings.Cut(key, "/")
		w.stored[id] = slices.DeleteFunc(w.stored[id], func(k string) bool { return k == key })
	}
	return nil
}

func newPurgeWorld(now *time.Time) (*purgeWorld, *Worker) {
	w := &purgeWorld{stored: map[string][]string{}}
	s := New(Config{Store: w, Documents: w, Now: func() time.Time { return *now }, Log: slog.New(slog.DiscardHandler)})
	return w, NewWorker(s, nil)
}

func (w *purgeWorld) add(id string, state State, at time.Time, keys ...string) {
	w.due = append(w.due, Purge{RequestID: id, State: state, DueAt: at})
	w.stored[id] = keys
}

// TestOneStroke: the deletions of many requests are one stroke, and what is signed stays.
func TestOneStroke(t *testing.T) {
	now := dawn
	w, worker := newPurgeWorld(&now)
	w.add("a", StateCancelled, now, "a/original", "a/prepared")
	w.add("b", StateSigned, now, "b/original", "b/signed")
	w.add("c", StateExpired, now)
	w.add("later", StateExpired, now.Add(time.Second), "later/original")
	if n, err := worker.purge(t.Context(), false); n != 3 || err != nil {
		t.Fatalf("purge = %d, %v", n, err)
	}
	if w.strokes != 1 {
		t.Errorf("%d strokes", w.strokes)
	}
	if got := slices.Concat(w.stored["a"], w.stored["b"], w.stored["c"], w.stored["later"]); !slices.Equal(got, []string{"b/signed", "later/original"}) {
		t.Errorf("stored: %v", got)
	}
	for i, documents := range []string{"2", "1", ""} {
		p := w.ended[i]
		if said := len(p.Events) == 1 && p.Events[0].Detail["documents"] == documents; said != (documents != "") || !p.Again.IsZero() {
			t.Errorf("%s ended with %+v", p.RequestID, p)
		}
	}
}

// TestBrokenDocument: one document that cannot be deleted holds up no other, and is tried again.
func TestBrokenDocument(t *testing.T) {
	now := dawn
	w, worker := newPurgeWorld(&now)
	w.broken = "bad/original"
	w.add("good", StateCancelled, now, "good/original")
	w.add("bad", StateCancelled, now, "bad/original")
	if n, err := worker.purge(t.Context(), false); n != 1 || err != nil {
		t.Fatalf("purge = %d, %v", n, err)
	}
	good, bad := w.ended[0], w.ended[1]
	if !good.Again.IsZero() || len(good.Events) != 1 || len(w.stored["good"]) != 0 {
		t.Errorf("the good one ended with %+v", good)
	}
	if !bad.Again.Equal(now.Add(purgeRetry)) || len(bad.Events) != 0 {
		t.Errorf("the bad one ended with %+v", bad)
	}
}

// TestPurgeWaitsForQuiet: while the service is busy deletions wait, but not for ever.
func TestPurgeWaitsForQuiet(t *testing.T) {
	now := dawn
	w, worker := newPurgeWorld(&now)
	w.add("a", StateCancelled, now, "a/original")
	for _, step := range []struct {
		after time.Duration
		busy  bool
		want  int
	}{{0, true, 0}, {purgeWait - time.Microsecond, true, 0}, {purgeWait, true, 1}} {
		now = dawn.Add(step.after)
		if n, err := worker.purge(t.Context(), step.busy); n != step.want || err != nil {
			t.Errorf("after %s: purge = %d, %v; want %d", step.after, n, err, step.want)
		}
	}
	w.add("b", StateCancelled, now, "b/original")
	if n, err := worker.purge(t.Context(), false); n != 1 || err != nil {
		t.Errorf("in the quiet: purge = %d, %v", n, err)
	}
}
