package app

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/request"
)

// TestRetention checks that a running service erases a request that was kept for long enough, with
// its document, which is in the trash then, and keeps a younger one.
func TestRetention(t *testing.T) {
	c := serviceConfig(t, cluster.Database(t))
	c.RetainUnsignedDays, c.RetainSignedDays = 10, 20
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	add := func(id string, state request.State, days int) (key string) {
		t.Helper()
		at := time.Now().AddDate(0, 0, -days)
		key = id + "/signed-x"
		r := &request.Request{
			ID: id, State: state, CreatedAt: at, ExpiresAt: at, CancelledAt: at,
			Signed: &request.SignedDocument{Document: request.Document{Key: key}, At: at},
		}
		_, err := a.documents.Put(t.Context(), key, strings.NewReader("a document"))
		if err := errors.Join(err, a.store.Create(t.Context(), r, request.Effects{})); err != nil {
			t.Fatal(err)
		}
		return key
	}
	id := func(n string) string { return "signv3-01959a3c-0000-7000-8000-00000000000" + n }
	old := add(id("1"), request.StateSigned, 21)
	kept := add(id("2"), request.StateSigned, 19)
	cancelled := add(id("3"), request.StateCancelled, 11)
	runService(t, a)
	began := time.Now()
	gone := func(key string) bool {
		b, err := a.documents.Open(t.Context(), key)
		if err == nil {
			_ = b.Close()
		} else if !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
		return err != nil
	}
	for !gone(old) || !gone(cancelled) {
		if time.Since(began) > time.Minute {
			t.Fatal("documents of old requests are still there after 30 s")
		}
		time.Sleep(20 * time.Millisecond)
	}
	for n, want := range map[string]bool{"1": false, "2": true, "3": false} {
		_, err := a.store.Get(t.Context(), id(n))
		if err != nil && !errors.Is(err, api.ErrNoRecord) || (err == nil) != want {
			t.Errorf("request %s: %v", n, err)
		}
	}
	if gone(kept) {
		t.Error("the document of a request that is kept is gone")
	}
	trash, err := a.documents.Discarded(t.Context(), time.Now().Add(time.Hour))
	if err != nil || len(trash) != 2 || trash[0] != old {
		t.Errorf("in the trash are %v, %v", trash, err)
	}
}

// TestSandboxKeeps checks that a sandbox, whose clock tests move by years, erases records of calls
// only.
func TestSandboxKeeps(t *testing.T) {
	a := &App{Config: config.Config{
		RetainSignedDays: 1, RetainUnsignedDays: 1, RetainPhonesDays: 1, RetainChangesDays: 1,
		RetainCallsDays: 1,
	}, wall: time.Now}
	p := a.sweeper().Policy
	if p.Signed != 0 || p.Unsigned != 0 || p.Phones != 0 || p.Changes != 0 ||
		p.Calls != 24*time.Hour {
		t.Errorf("the policy of a sandbox: %+v", p)
	}
}
