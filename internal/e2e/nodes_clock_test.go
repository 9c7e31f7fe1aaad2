package e2e_test

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestNodesApart makes the steps of a request alternately on two nodes whose clocks are two seconds
// behind and ahead: it is signed, announced and read, and another one is cancelled.
func TestNodesApart(t *testing.T) {
	ctx := t.Context()
	dir, database := t.TempDir(), cluster.Database(t)
	var announced atomic.Int64
	node := func(ahead time.Duration) *world {
		w, err := openWorld(ctx, worldOptions{
			dir: dir, database: database,
			now: func() time.Time { return time.Now().Add(ahead) },
			deliver: func(_ context.Context, j *request.Job) []request.Event {
				announced.Add(1)
				j.Status = request.JobDone
				return nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.close() })
		return w
	}
	behind, ahead := node(-2*time.Second), node(2*time.Second)
	for i, pair := range [][2]*world{{behind, ahead}, {ahead, behind}} {
		a, b := pair[0], pair[1]
		initiate := func() *api.Initiated {
			t.Helper()
			r, err := a.Initiate(ctx, request.Application{
				ClientID: "shop", DocName: "lease.pdf",
				Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
			}, bytes.NewReader(pdftest.Minimal()))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		r := initiate()
		steps := []struct {
			name string
			do   func() error
		}{
			{"open", func() error { _, err := b.Open(ctx, r.RequestID, signerAlice); return err }},
			{"proceed", func() error {
				_, err := a.Proceed(ctx, r.RequestID, signerAlice, request.SeenUnasked)
				return err
			}},
			{"approve", func() error { return b.phones.Approve(ctx, r.RequestID, signerAlice) }},
			{"seal", func() error { return behind.worker.Drain(ctx) }},
			{"seal", func() error { return ahead.worker.Drain(ctx) }},
			{"result", func() error {
				_, err := a.Result(ctx, r.RequestID, r.ExchangeCode, a.Now())
				return err
			}},
			{"cancel", func() error { return b.Cancel(ctx, "shop", initiate().RequestID) }},
		}
		for _, step := range steps {
			if err := step.do(); err != nil {
				t.Fatalf("order %d: %s: %v", i, step.name, err)
			}
		}
		if n := announced.Load(); n != int64(i+1) {
			t.Errorf("order %d: %d webhooks", i, n)
		}
	}
}
