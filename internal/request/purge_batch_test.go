package request

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/api"
)

// purgeWorld is a store, an outbox and documents of which only what purges need is there.
type purgeWorld struct {
	Store
	Outbox
	Documents
	jobs      []Job
	busy      bool
	leased    bool
	settled   []Settlement
	settledAt time.Time
	settleErr error
	requests  map[string]*Request
	stored    map[string][]string
	broken    string // a key that cannot be deleted
	trash     []string
	batches   int // calls of Delete
	reads     int // calls of GetAll

	unreadable string // the id of a request that cannot be read
}

var errNewer = errors.New("the row was written by a newer version")

func (w *purgeWorld) Claim(
	_ context.Context, kind JobKind, now time.Time, _ time.Duration, q Quota,
) ([]Job, error) {
	if kind != JobPurge || w.leased {
		return nil, nil
	}
	w.leased = true
	due := slices.DeleteFunc(slices.Clone(w.jobs), func(j Job) bool { return j.DueAt.After(now) })
	return due[:min(q.Jobs, len(due))], nil
}

func (w *purgeWorld) Busy() bool { return w.busy }

func (w *purgeWorld) Settle(_ context.Context, settled ...Settlement) error {
	w.settled, w.settledAt = append(w.settled, settled...), time.Now()
	return w.settleErr
}

func (w *purgeWorld) Get(_ context.Context, id string) (*Request, error) {
	if id == w.unreadable {
		return nil, errNewer
	}
	if w.requests[id] == nil {
		return nil, api.ErrNoRecord
	}
	return w.requests[id], nil
}

func (w *purgeWorld) GetAll(ctx context.Context, ids []string) (map[string]*Request, error) {
	w.reads++
	all := map[string]*Request{}
	for _, id := range ids {
		if id == w.unreadable {
			return nil, errNewer
		}
		if r, err := w.Get(ctx, id); err == nil {
			all[id] = r
		}
	}
	return all, nil
}

func (w *purgeWorld) Keys(_ context.Context, id string) ([]string, error) {
	return slices.Clone(w.stored[id]), nil
}

func (w *purgeWorld) Delete(_ context.Context, keys ...string) error {
	w.batches++
	if slices.Contains(keys, w.broken) {
		return errors.New("permission denied")
	}
	for _, key := range keys {
		id, _, _ := strings.Cut(key, "/")
		w.stored[id] = slices.DeleteFunc(w.stored[id], func(k string) bool { return k == key })
	}
	return nil
}

func (w *purgeWorld) Discard(_ context.Context, keys ...string) error {
	w.trash = append(w.trash, keys...)
	return w.Delete(context.Background(), keys...)
}

// What the sweep for strays asks for.
func (w *purgeWorld) Requests(context.Context, time.Time) ([]string, error) {
	return slices.Sorted(maps.Keys(w.stored)), nil
}
func (w *purgeWorld) CreatedAt(context.Context) (time.Time, error)           { return dawn, nil }
func (w *purgeWorld) Discarded(context.Context, time.Time) ([]string, error) { return nil, nil }
func (w *purgeWorld) DeleteDiscarded(context.Context, ...string) error       { return nil }
func (w *purgeWorld) Jobs(_ context.Context, requestID string) (of []Job, _ error) {
	for _, j := range w.jobs {
		if j.RequestID == requestID {
			of = append(of, j)
		}
	}
	return of, nil
}

func newPurgeWorld() (*purgeWorld, *Worker) {
	w := &purgeWorld{requests: map[string]*Request{}, stored: map[string][]string{}}
	s := New(Config{
		Store: w, Outbox: w, Documents: w, Now: func() time.Time { return dawn },
		Log: slog.New(slog.DiscardHandler),
	})
	return w, NewWorker(s, nil)
}

func (w *purgeWorld) add(id string, state State, due time.Time, keys ...string) {
	w.jobs = append(w.jobs, Job{
		ID: int64(len(w.jobs) + 1), RequestID: id, Kind: JobPurge, Status: JobPending,
		DueAt: due,
	})
	w.requests[id] = &Request{
		ID: id, State: state, Signed: &SignedDocument{Document: Document{Key: id + "/signed"}},
	}
	w.stored[id] = keys
}

// TestPurgesShareOneDeletion checks that the deletions of many requests are one call, and what is
// signed stays.
func TestPurgesShareOneDeletion(t *testing.T) {
	w, worker := newPurgeWorld()
	w.add("a", StateCancelled, dawn, "a/original", "a/prepared")
	w.add("b", StateSigned, dawn, "b/original", "b/signed")
	w.add("c", StateExpired, dawn)
	w.add("later", StateExpired, dawn.Add(time.Second), "later/original")
	if n, err := worker.purge(t.Context()); n != 3 || err != nil {
		t.Fatalf("purge = %d, %v", n, err)
	}
	if w.batches != 1 || w.reads != 1 {
		t.Errorf("%d calls of Delete, %d of GetAll", w.batches, w.reads)
	}
	if got := slices.Concat(w.stored["a"], w.stored["b"], w.stored["c"], w.stored["later"]); !slices.Equal(
		got,
		[]string{"b/signed", "later/original"},
	) {
		t.Errorf("stored: %v", got)
	}
	for i, documents := range []string{"2", "1", ""} {
		s := w.settled[i]
		if said := len(s.Events) == 1 && s.Events[0].Detail.Documents == documents; said != (documents != "") ||
			s.Job.Status != JobDone {
			t.Errorf("%s ended with %+v", s.Job.RequestID, s)
		}
	}
}

// TestPurgesWaitForCallers checks that purges are made within a second, and that while many callers
// change requests they wait, but no longer than maxPurgeDelay.
func TestPurgesWaitForCallers(t *testing.T) {
	for busy, want := range map[bool]time.Duration{false: purgeEvery, true: maxPurgeDelay} {
		synctest.Test(t, func(t *testing.T) {
			w, worker := newPurgeWorld()
			w.busy = busy
			w.add("a", StateCancelled, dawn, "a/original")
			ctx, cancel := context.WithCancel(t.Context())
			start := time.Now()
			go worker.runPurges(ctx)
			time.Sleep(2 * maxPurgeDelay)
			cancel()
			synctest.Wait()
			if len(w.settled) != 1 || w.settledAt.Sub(start) != want {
				t.Errorf("busy %v: %d purged after %v", busy, len(w.settled), w.settledAt.Sub(start))
			}
		})
	}
}

// TestPurgeOfAnErasedRequest checks that the documents of an erased request go to the trash, also
// the signed one, and the job leaves nothing. The sweep for strays, which may come first, leaves
// them to the job.
func TestPurgeOfAnErasedRequest(t *testing.T) {
	w, worker := newPurgeWorld()
	var log strings.Builder
	worker.service.Log = slog.New(slog.NewTextHandler(&log, nil))
	w.add("gone", StateSigned, dawn, "gone/signed-a", "gone/prepared")
	w.add("here", StateSigned, dawn, "here/signed")
	delete(w.requests, "gone")
	if err := worker.service.PurgeStrays(t.Context()); err != nil || log.Len() > 0 ||
		len(w.trash) > 0 {
		t.Errorf("the sweep for strays: %v, trash %v, log %s", err, w.trash, &log)
	}
	if n, err := worker.purge(t.Context()); n != 2 || err != nil {
		t.Fatalf("purge = %d, %v", n, err)
	}
	if want := []string{"gone/signed-a", "gone/prepared"}; !slices.Equal(w.trash, want) {
		t.Errorf("trash: %v, want %v", w.trash, want)
	}
	gone, here := w.settled[0], w.settled[1]
	if !gone.Drop || len(gone.Events) > 0 || gone.Job.Status != JobDone || here.Drop {
		t.Errorf("settled: %+v", w.settled)
	}
}

// TestPurgeOfABrokenDocument checks that one document that cannot be deleted holds up no other, and
// is tried again.
func TestPurgeOfABrokenDocument(t *testing.T) {
	w, worker := newPurgeWorld()
	w.broken = "bad/original"
	w.add("good", StateCancelled, dawn, "good/original")
	w.add("bad", StateCancelled, dawn, "bad/original")
	if n, err := worker.purge(t.Context()); n != 2 || err != nil {
		t.Fatalf("purge = %d, %v", n, err)
	}
	good, bad := w.settled[0], w.settled[1]
	if good.Job.Status != JobDone || len(good.Events) != 1 || len(w.stored["good"]) != 0 {
		t.Errorf("the good one ended with %+v", good)
	}
	if bad.Job.Status != JobPending || !bad.Job.DueAt.Equal(dawn.Add(purgeRetry)) ||
		bad.Job.LastError == "" ||
		len(bad.Events) != 0 {
		t.Errorf("the bad one ended with %+v", bad)
	}
}

// TestPurgeOfAnUnreadableRequest checks that a request that cannot be read keeps its documents and
// its job, and holds up no other.
func TestPurgeOfAnUnreadableRequest(t *testing.T) {
	w, worker := newPurgeWorld()
	w.unreadable = "bad"
	w.add("good", StateCancelled, dawn, "good/original")
	w.add("bad", StateCancelled, dawn, "bad/original")
	w.add("gone", StateCancelled, dawn, "gone/original")
	delete(w.requests, "gone")
	if n, err := worker.purge(t.Context()); n != 3 || err != nil {
		t.Fatalf("purge = %d, %v", n, err)
	}
	good, bad, gone := w.settled[0], w.settled[1], w.settled[2]
	if good.Job.Status != JobDone || len(w.stored["good"]) != 0 || !gone.Drop ||
		!slices.Equal(w.trash, []string{"gone/original"}) {
		t.Errorf("the others ended with %+v, %+v, trash %v", good, gone, w.trash)
	}
	if bad.Job.Status != JobPending || bad.Drop || bad.Job.LastError != errNewer.Error() ||
		len(w.stored["bad"]) != 1 {
		t.Errorf("the bad one ended with %+v, stored %v", bad, w.stored["bad"])
	}
}

// TestPurgeWithoutRecord checks that purges that cannot be settled stay leased, and do not count as
// done, so that the worker pauses.
func TestPurgeWithoutRecord(t *testing.T) {
	w, worker := newPurgeWorld()
	w.settleErr = errors.New("the disk is full")
	w.add("a", StateCancelled, dawn, "a/original")
	if n, err := worker.purge(t.Context()); n != 0 || !errors.Is(err, w.settleErr) {
		t.Errorf("purge = %d, %v", n, err)
	}
}
