package request_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// TestPurgeFails checks that a request whose documents cannot be listed is put off and told of in
// the log, and its neighbour is done.
func TestPurgeFails(t *testing.T) {
	w := newWorld(t)
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	in := []string{
		w.in(t, request.StateCancelled).RequestID, w.in(t, request.StateCancelled).RequestID,
	}
	real := w.Documents
	w.Documents = unlisted{real, in[0]}
	w.drain(t)
	w.Documents = real
	if !strings.Contains(log.String(), in[0]) || strings.Contains(log.String(), in[1]) {
		t.Errorf("the log tells: %s", &log)
	}
	w.audited(t, in[0], request.EventPurged, 0)
	w.audited(t, in[1], request.EventPurged, 1)
	w.clock.advance(time.Minute)
	w.drain(t)
	w.audited(t, in[0], request.EventPurged, 1)
}

// unlisted cannot list the documents of one request.
type unlisted struct {
	request.Documents
	id string
}

func (u unlisted) Keys(ctx context.Context, id string) ([]string, error) {
	if id == u.id {
		return nil, errors.New("cannot be listed")
	}
	return u.Documents.Keys(ctx, id)
}

// TestJobsDoNotWaitForTheSweep checks that jobs are done during a sweep of everything that is
// stored.
func TestJobsDoNotWaitForTheSweep(t *testing.T) {
	w := newWorld(t)
	in := w.in(t, request.StateSealing)
	changed, stop := w.store.Watch(in.RequestID)
	defer stop()
	sweep := endless{w.Documents, make(chan struct{})}
	w.Documents = sweep
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.worker.Run(ctx) }()
	<-sweep.begun
	for w.state(t, in.RequestID) != request.StateSigned {
		<-changed
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// endless lists requests until the context ends.
type endless struct {
	request.Documents
	begun chan struct{}
}

func (e endless) Requests(ctx context.Context, _ time.Time) ([]string, error) {
	close(e.begun)
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestStraysBehindAnother checks that documents that cannot be listed do not keep other strays from
// deletion.
func TestStraysBehindAnother(t *testing.T) {
	w := newWorld(t)
	in := []string{
		w.in(t, request.StateCancelled).RequestID, w.in(t, request.StateCancelled).RequestID,
		w.in(t, request.StateCancelled).RequestID,
	}
	w.drain(t)
	for _, id := range in {
		if _, err := w.docs.Put(t.Context(), id+"/prepared-late", bytes.NewReader(minimal())); err != nil {
			t.Fatal(err)
		}
	}
	w.clock.t = time.Now().Add(2 * time.Hour) // documents grow old by the machine's clock here
	slices.Sort(in)                           // the order in which they are looked at
	broken := in[0]
	w.Documents = unlisted{w.docs, broken}
	if err := w.PurgeStrays(t.Context()); err == nil || !strings.Contains(err.Error(), broken) {
		t.Errorf("%s cannot be listed: %v", broken, err)
	}
	for _, id := range in {
		keys, err := w.docs.Keys(t.Context(), id)
		if err != nil || (len(keys) > 0) != (id == broken) {
			t.Errorf("%s: %v, %v", id, keys, err)
		}
	}
}
