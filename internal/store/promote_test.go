package store_test

import (
	"context"
	"errors"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// TestPromotedReplica stops the primary server while requests are created, and promotes its
// synchronous replica. The store goes on with it, without being opened again, and nothing that it
// has acknowledged is missing there.
func TestPromotedReplica(t *testing.T) {
	primary := pgtest.Cluster{Durable: true}
	t.Cleanup(primary.Stop)
	url := primary.Database(t)
	replica := primary.Standby(t)
	name, _, _ := strings.Cut(path.Base(url), "?")
	s, err := store.Open(context.Background(), store.Options{
		Database: primary.Hosts(strings.TrimPrefix(name, "/"), replica), Kind: store.Sandbox,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })

	var mu sync.Mutex
	var acknowledged []string
	var n atomic.Int64
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r := plainRequest(int(n.Add(1)))
				if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
					time.Sleep(10 * time.Millisecond)
					continue // it may be stored or not
				}
				mu.Lock()
				acknowledged = append(acknowledged, r.ID)
				mu.Unlock()
			}
		})
	}
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acknowledged)
	}
	reach := func(least int) {
		t.Helper()
		for deadline := time.Now().Add(2 * time.Minute); count() < least; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(deadline) {
				close(stop)
				t.Fatalf("%d of %d requests are acknowledged", count(), least)
			}
		}
	}
	reach(100)
	primary.Promote(t, replica)
	before := count()
	reach(before + 100)
	close(stop)
	all.Wait()
	for _, id := range acknowledged {
		if _, err := s.Get(t.Context(), id); err != nil {
			t.Errorf("%s was acknowledged: %v", id, err)
		}
	}
	t.Logf("%d acknowledged before the promotion, %d in all", before, len(acknowledged))
}

// TestStandbyAway stops the synchronous standby. A change is not acknowledged then, although the
// server has made it, because a promotion would lose it. It is there when the standby is back.
func TestStandbyAway(t *testing.T) {
	primary := pgtest.Cluster{Durable: true}
	t.Cleanup(primary.Stop)
	url := primary.Database(t)
	standby := primary.Standby(t)
	s, err := store.Open(t.Context(), store.Options{
		Database: url, Kind: store.Sandbox, ServerTimeout: 2 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	id := plainRequest(1).ID
	eventually := func(what string, f func() error) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
			err := f()
			if err == nil {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("%s: %v", what, err)
			}
		}
	}
	eventually("a change with the standby", func() error {
		err := s.Create(t.Context(), plainRequest(1), request.Effects{})
		if _, found := s.Get(t.Context(), id); found == nil {
			return nil // of a try that was not acknowledged
		}
		return err
	})
	eventually("the standby is found", func() error { return standbyFlaw(t, s, false) })

	standby.Away(t, func() {
		err := s.Update(t.Context(), id, rename("away"))
		if !errors.Is(err, store.ErrUncertain) || !errors.Is(err, request.ErrAway) {
			t.Errorf("a change without the standby: %v", err)
		}
		r, err := s.Get(t.Context(), id)
		if err != nil || r.DocName != "away" {
			t.Errorf("the change is not on the server: %+v, %v", r, err)
		}
		if err := standbyFlaw(t, s, true); err != nil {
			t.Error(err)
		}
	})
	eventually("a change with the standby", func() error {
		return s.Update(t.Context(), id, only(func(r *request.Request) error {
			if r.DocName != "away" && r.DocName != "away, back" {
				t.Errorf("the document is called %q", r.DocName)
			}
			r.DocName = "away, back"
			return nil
		}))
	})
}

// standbyFlaw returns an error unless the server is as wanted: without its standby, or with it.
func standbyFlaw(t *testing.T, s *store.Store, want bool) error {
	t.Helper()
	server, err := s.Server(t.Context())
	if err != nil {
		return err
	}
	for _, f := range server.Flaws {
		if f.Kind == store.FlawStandby {
			if !want {
				return errors.New(f.Text)
			}
			return nil
		}
	}
	if want {
		return errors.New("the server is not found to lack its standby")
	}
	return nil
}
