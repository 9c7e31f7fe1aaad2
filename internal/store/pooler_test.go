package store_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// openPooled opens a database through PgBouncer in transaction mode, with a session past it.
func openPooled(t testing.TB, pooler, session string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{
		Database: pooler, Session: session, Kind: store.Sandbox,
	})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

// TestPooler runs the suite of all stores through PgBouncer.
func TestPooler(t *testing.T) {
	url := cluster.Migrated(t)
	pooler := cluster.Pooler(t, url)
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		empty(t, url)
		return storetest.Harness{
			Open:   func(t *testing.T) *store.Store { return openPooled(t, pooler, url) },
			Shared: true,
		}
	})
}

// TestPoolerNodes changes requests on two nodes through PgBouncer, whose few connections serve all
// their writers and readers in turn. Each node hears of the other's changes.
func TestPoolerNodes(t *testing.T) {
	url := cluster.Migrated(t)
	pooler := cluster.Pooler(t, url)
	nodes := []*store.Store{openPooled(t, pooler, url), openPooled(t, pooler, url)}
	var all sync.WaitGroup
	for n := range 40 {
		id := plainRequest(n).ID
		all.Go(func() {
			writer, reader := nodes[n%2], nodes[1-n%2]
			changed, stop := reader.Watch(id)
			defer stop()
			if err := writer.Create(t.Context(), plainRequest(n), request.Effects{}); err != nil {
				t.Error(err)
				return
			}
			select {
			case <-changed:
			case <-time.After(time.Minute):
				t.Errorf("%s: the other node was not told", id)
			}
			for range 5 {
				if r, err := reader.Get(t.Context(), id); err != nil || r.ID != id {
					t.Errorf("Get(%s) = %v, %v", id, r, err)
				}
			}
		})
	}
	all.Wait()
}

// TestPoolerNeedsSession checks that without the second URL a pooler is refused with a reason,
// instead of losing what other nodes tell.
func TestPoolerNeedsSession(t *testing.T) {
	url := cluster.Migrated(t)
	s, err := store.Open(t.Context(), store.Options{
		Database: cluster.Pooler(t, url), Kind: store.Sandbox,
	})
	if err == nil {
		t.Fatal(errors.Join(errors.New("opened"), s.Close()))
	}
	if !strings.Contains(err.Error(), "unsupported startup parameter") {
		t.Errorf("error %v", err)
	}
}

// BenchmarkPooler measures a change and a read without a pooler and through one.
func BenchmarkPooler(b *testing.B) {
	url := cluster.Migrated(b)
	pooler := cluster.Pooler(b, url)
	n := 0
	for _, bench := range []struct {
		name string
		open func() *store.Store
	}{
		{"direct", func() *store.Store { return openPostgres(b, url) }},
		{"pooled", func() *store.Store { return openPooled(b, pooler, url) }},
	} {
		s := bench.open()
		b.Run(bench.name+"/create", func(b *testing.B) {
			for b.Loop() {
				n++
				if err := s.Create(b.Context(), plainRequest(n), request.Effects{}); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run(bench.name+"/get", func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Get(b.Context(), plainRequest(1).ID); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
