package party_test

import (
	"context"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

func TestUnknownKid(t *testing.T) {
	unknown := partytest.Header("kid", "unknown")
	b := newKeyBench(t, nil)
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	b.advance(30 * time.Minute)
	wantCause(t, b.cancel(unknown), "no usable key")
	if n := b.party.Fetches(); n != 1 {
		t.Errorf("%d fetches; an unknown kid causes none by default", n)
	}
}

func TestRefetchUnknownKid(t *testing.T) {
	unknown := partytest.Header("kid", "unknown")
	b := newKeyBench(t, func(c *party.KeysConfig) { c.RefetchUnknownKid = true })
	fetches := func(want int) {
		t.Helper()
		if n := b.party.Fetches(); n != want {
			t.Errorf("%d fetches, want %d", n, want)
		}
	}
	b.party.ServeJWKS(serve(200, partytest.JWKS(b.party.Key("ES256").JWK())))
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	wantCause(t, b.cancel(b.party.Alg("ES384")), "no usable key")
	fetches(1) // too early

	b.advance(time.Minute)
	b.party.ServeJWKS(nil)
	if err := b.cancel(b.party.Alg("ES384")); err != nil {
		t.Errorf("a key published in the meantime: %v", err)
	}
	fetches(2)
	wantCause(t, b.cancel(unknown), "no usable key")
	fetches(2)

	// A failing refetch removes nothing.
	b.advance(time.Minute)
	b.party.ServeJWKS(serve(404, nil))
	wantCause(t, b.cancel(unknown), "no usable key")
	fetches(3)
	if err := b.cancel(); err != nil {
		t.Errorf("a known key after a refetch that failed: %v", err)
	}
	wantCause(t, b.cancel(unknown), "no usable key")
	fetches(3)

	// A herd of unknown kids is one fetch, and known ones do not wait for it.
	b.advance(time.Minute)
	begun, release := make(chan struct{}, 9), make(chan struct{})
	b.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		_, _ = w.Write(partytest.JWKS(b.party.Key("ES256").JWK()))
	}))
	var herd sync.WaitGroup
	for range 100 {
		herd.Go(func() { _ = b.cancel(unknown) })
	}
	<-begun
	if err := b.cancel(); err != nil {
		t.Errorf("a known key during a refetch: %v", err)
	}
	close(release)
	herd.Wait()
	fetches(4)
}

// TestRefetchFailed checks that a party that was restarted with another key under the old kid is
// understood at once, and a forged signature costs at most one fetch in a while.
func TestRefetchFailed(t *testing.T) {
	b := newKeyBench(
		t,
		func(c *party.KeysConfig) { c.RefetchFailed, c.RefetchGap = true, time.Second },
	)
	restarted := partytest.Start(t)
	restarted.Now = b.now
	jwk := restarted.Key("ES256").JWK()
	jwk["kid"] = b.party.Key("ES256").Kid
	again := func() error {
		_, _, err := b.Verify(context.Background(), restarted.Token(
			token.Cancel, partytest.Claim("client_id", b.party.ClientID),
			partytest.Header("kid", jwk["kid"]),
		), token.Cancel)
		return err
	}
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	b.advance(time.Second)
	wantCause(
		t, again(),
		"does not verify with the key that kid names; the JWKS was fetched 0s ago, its kids: ",
	)
	wantCause(t, again(), "does not verify")
	if n := b.party.Fetches(); n != 2 {
		t.Errorf("two forged signatures: %d fetches, want 2", n)
	}
	b.advance(time.Second)
	b.party.ServeJWKS(serve(200, partytest.JWKS(jwk)))
	if err := again(); err != nil {
		t.Errorf("after a restart with a new key: %v", err)
	}
	b.advance(time.Second)
	wantCause(t, b.cancel(), "does not verify")
}

// TestRefetchByTheWallClock checks that fetches are limited by the clock Wall, so that the other
// one can be stopped, and that a call waits for its turn if it may.
func TestRefetchByTheWallClock(t *testing.T) {
	wall := newClock()
	b := newKeyBench(t, func(c *party.KeysConfig) {
		c.RefetchUnknownKid, c.RefetchGap, c.Penalty = true, time.Second, time.Minute
		c.Wall, c.Tries = wall.now, 1
	})
	b.party.ServeJWKS(serve(503, nil))
	wantCause(t, b.cancel(), "answered 503")
	b.party.ServeJWKS(nil)
	wantCause(t, b.cancel(), "answered 503")
	wall.advance(time.Minute)
	if err := b.cancel(); err != nil {
		t.Errorf("after the penalty: %v", err)
	}

	unknown := partytest.Header("kid", "unknown")
	for range 2 {
		wantCause(t, b.cancel(unknown), "no usable key with the token's kid")
	}
	if n := len(b.fetches); n != 2 {
		t.Errorf("%d fetches within the interval, want 2", n)
	}
	wall.advance(time.Second)
	wantCause(t, b.cancel(unknown), "no usable key with the token's kid")
	if n := len(b.fetches); n != 3 {
		t.Errorf("%d fetches after the interval, want 3", n)
	}

	const gap = 50 * time.Millisecond
	waits := newKeyBench(t, func(c *party.KeysConfig) {
		c.RefetchUnknownKid, c.RefetchGap, c.RefetchWaits = true, gap, true
		c.Wall = time.Now
	})
	begin := time.Now()
	for range 3 {
		wantCause(t, waits.cancel(unknown), "no usable key with the token's kid")
	}
	if n, took := len(waits.fetches), time.Since(begin); n != 4 || took < 3*gap {
		t.Errorf("%d fetches in %v, want 4 in %v at least", n, took, 3*gap)
	}
}
