package store_test

import (
	"context"
	"errors"
	"slices"
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

// TestPoolerServer checks what is said about a database whose roles begin with synchronous_commit
// off. Through a pooler it does not matter, because each transaction sets it on; what else is wrong
// is said.
func TestPoolerServer(t *testing.T) {
	url := cluster.Migrated(t)
	for _, setting := range []string{
		"synchronous_commit = off", "statement_timeout = 5000",
		"idle_in_transaction_session_timeout = 5000",
	} {
		ask(t, url, `DO $$ BEGIN EXECUTE
			format('ALTER DATABASE %I SET `+setting+`', current_database()); END $$`)
	}
	pooler := cluster.Pooler(t, url)
	through := openPooled(t, pooler, url)
	for name, server := range map[string]func() (store.Server, error){
		"an open store": func() (store.Server, error) { return through.Server(t.Context()) },
		"no store": func() (store.Server, error) {
			return store.ReadServer(t.Context(), store.Options{Database: pooler, Session: url})
		},
	} {
		found, err := server()
		if err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, f := range found.Flaws {
			if !strings.HasPrefix(f.Text, "fsync is off") { // the test's server does not flush
				texts = append(texts, f.Text)
			} else if strings.Contains(f.Text, "synchronous_commit") {
				t.Errorf("%s: %s", name, f.Text)
			}
		}
		if !slices.Equal(texts, []string{"statement_timeout is 5000 ms"}) {
			t.Errorf("%s: %q", name, texts)
		}
	}
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
