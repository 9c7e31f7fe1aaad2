package request_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// TestHangingReceiver checks that the webhooks of a party whose receiver does not answer take at
// most half of what runs at once, so those of another party are sent immediately.
func TestHangingReceiver(t *testing.T) {
	w := newWorld(t)
	const hanging, quick = 100, 5
	for i := range hanging + quick {
		r := &request.Request{
			ID: fmt.Sprint("r", i), ClientID: rival, State: request.StateSigned,
			CreatedAt: w.clock.Now(), ExpiresAt: w.clock.Now().Add(time.Hour),
			ExchangeHash: make([]byte, 32),
		}
		if i >= hanging {
			r.ClientID = shop
		}
		var e request.Effects
		e.Enqueue(request.JobWebhook, w.clock.Now())
		if err := w.store.Create(t.Context(), r, e); err != nil {
			t.Fatal(err)
		}
	}
	release, sent := make(chan struct{}), make(chan string, quick)
	var mu sync.Mutex
	waiting, most := 0, 0
	worker := request.NewWorker(
		w.Service,
		func(_ context.Context, job *request.Job) []request.Event {
			if job.ClientID == rival {
				mu.Lock()
				waiting++
				most = max(most, waiting)
				mu.Unlock()
				<-release
				mu.Lock()
				waiting--
				mu.Unlock()
			} else {
				sent <- job.RequestID
			}
			job.Finish()
			return nil
		},
	)
	ctx, stop := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { _ = worker.Run(ctx) })
	for range quick {
		select {
		case <-sent:
		case <-time.After(time.Minute):
			t.Error("a webhook waits for those of another party")
		}
	}
	close(release)
	if err := worker.Drain(t.Context()); err != nil {
		t.Error(err)
	}
	stop()
	running.Wait()
	if most == 0 || most > 32 {
		t.Errorf("%d webhooks of one party at once, want 1 to 32", most)
	}
}
