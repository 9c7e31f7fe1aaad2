package party_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/store/storetest"
	"github.com/signet-sign/signet/internal/token"
)

// epoch is when the tests begin: half a second past a full second, so that rounding shows.
var epoch = time.Unix(1_760_000_000, 500_000_000)

// clock is a clock that tests move.
type clock struct{ nanos atomic.Int64 }

func newClock() *clock {
	c := new(clock)
	c.nanos.Store(epoch.UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.nanos.Load()) }
func (c *clock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

// keyBench is a verifier whose keys are the matter: a moving clock and the reports of all fetches.
type keyBench struct {
	*token.Verifier
	*clock
	party *partytest.Party
	keys  *party.Keys
	renewable

	mu      sync.Mutex
	fetches []party.Fetch
}

// renewable is the one party that there is, with keys that an operator renews.
type renewable struct {
	party.Party
	epoch atomic.Int64
}

func (r *renewable) renew() { r.epoch.Add(1) }

// registered is what a call gets to see of the party.
func (r *renewable) registered() *party.Party {
	p := r.Party
	p.KeysEpoch = r.epoch.Load()
	return &p
}

type renewableParties struct{ *renewable }

func (r renewableParties) Party(_ context.Context, clientID string) (*party.Party, error) {
	if clientID != r.renewable.ClientID {
		return nil, party.ErrUnknown
	}
	return r.registered(), nil
}

func newKeyBench(t testing.TB, change func(*party.KeysConfig)) *keyBench {
	t.Helper()
	b := &keyBench{clock: newClock(), party: partytest.Start(t)}
	b.party.Now = b.now
	policy := safehttp.Policy{AllowPrivate: true}
	b.renewable.Party = b.party.Registration()
	config := party.KeysConfig{
		Clients: &party.Clients{Policy: policy}, Now: b.now,
		Timeout: time.Minute, Pause: time.Millisecond,
		OnFetch: func(f party.Fetch) {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.fetches = append(b.fetches, f)
		},
	}
	if change != nil {
		change(&config)
	}
	b.keys = party.NewKeys(config)
	b.Verifier = token.NewVerifier(token.VerifierConfig{
		Parties: renewableParties{&b.renewable}, Keys: b.keys, Replay: new(partytest.Replay),
		Now: b.now,
	})
	return b
}

// cancel verifies a fresh cancel token, which nothing but the keys can spoil.
func (b *keyBench) cancel(edits ...partytest.Edit) error {
	_, _, err := b.Verify(context.Background(), b.party.Token(token.Cancel, edits...), token.Cancel)
	return err
}

func (b *keyBench) lastFetch(t *testing.T) party.Fetch {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.fetches) == 0 {
		t.Fatal("no fetch was reported")
	}
	return b.fetches[len(b.fetches)-1]
}

func wantCause(t *testing.T, err error, cause string) {
	t.Helper()
	if !errors.Is(err, api.ErrUnauthorized) || !strings.Contains(err.Error(), cause) {
		t.Errorf("%v, want UNAUTHORIZED because of %q", err, cause)
	}
}

func serve(status int, body []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write(body)
	})
}

func TestHerdFetchesOnce(t *testing.T) {
	b := newKeyBench(t, nil)
	const herd = 1000
	begun, release := make(chan struct{}, 9), make(chan struct{})
	b.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		begun <- struct{}{}
		<-release
		_, _ = w.Write(partytest.JWKS(b.party.Key("ES256").JWK()))
	}))
	jws := b.party.Token(token.Cancel)

	// The first caller gives up while the fetch is under way, which continues for the others.
	ctx, giveUp := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, _, err := b.Verify(ctx, jws, token.Cancel)
		first <- err
	}()
	<-begun
	gone := errors.New("the caller is gone")
	giveUp(gone)
	// It is not known whether its token is good, so it is not refused as a bad one.
	if err := <-first; !errors.Is(err, gone) || errors.Is(err, api.ErrUnauthorized) {
		t.Errorf("the first caller got %v", err)
	}

	var waiting, done sync.WaitGroup
	var refused atomic.Int64
	for range herd {
		waiting.Add(1)
		done.Go(func() {
			waiting.Done()
			if _, _, err := b.Verify(t.Context(), jws, token.Cancel); err != nil {
				refused.Add(1)
			}
		})
	}
	waiting.Wait()
	close(release)
	done.Wait()
	if n := refused.Load(); n != 0 {
		t.Errorf("%d of %d refused", n, herd)
	}
	if n := b.party.Fetches(); n != 1 {
		t.Errorf("%d fetches for a herd of %d", n, herd)
	}
}

func TestKeysLiveForAnHour(t *testing.T) {
	b := newKeyBench(t, nil)
	check := func(when string, fetches int, ok bool) {
		t.Helper()
		if err := b.cancel(); (err == nil) != ok {
			t.Errorf("%s: %v", when, err)
		}
		if n := b.party.Fetches(); n != fetches {
			t.Errorf("%s: %d fetches, want %d", when, n, fetches)
		}
	}
	check("at first", 1, true)
	if f := b.lastFetch(t); f.ClientID != b.party.ClientID || f.Tries != 1 || f.Usable != 3 ||
		f.Err != nil {
		t.Errorf("reported %+v", f)
	}
	b.advance(time.Hour - time.Nanosecond)
	check("just before the hour", 1, true)
	b.advance(time.Nanosecond)
	check("after the hour", 2, true)

	// After the hour the old keys are gone, whatever the server does.
	b.advance(time.Hour)
	b.party.ServeJWKS(serve(http.StatusServiceUnavailable, nil))
	check("with a broken server", 5, false)
	check("in the seconds after a failure", 5, false)
	b.advance(5*time.Second - time.Nanosecond)
	check("at the end of those seconds", 5, false)
	b.party.ServeJWKS(nil)
	b.advance(time.Nanosecond)
	check("with the server back", 6, true)

	b.renew()
	check("after a renewal", 7, true)
}

func TestRenewalDuringFetch(t *testing.T) {
	b := newKeyBench(t, nil)
	old := b.party.Key("ES256").JWK()
	entered, release := make(chan struct{}), make(chan struct{})
	b.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		close(entered)
		<-release
		_, _ = w.Write(partytest.JWKS(old))
	}))
	outcome := make(chan error)
	go func() { outcome <- b.cancel() }()
	<-entered
	b.renew()
	b.party.ServeJWKS(serve(http.StatusOK, partytest.JWKS(b.party.Key("ES384").JWK())))
	close(release)
	if err := <-outcome; err != nil {
		t.Errorf("who waited: %v", err)
	}
	wantCause(t, b.cancel(), "no usable key")
}

func TestNewURLStartsAfresh(t *testing.T) {
	b := newKeyBench(t, nil)
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	b.renewable.JWKSURL = b.party.URL() + "/nowhere"
	wantCause(t, b.cancel(), "answered 404")
}

// TestOffered checks that the reason of a refusal names the cached keys and their age.
func TestOffered(t *testing.T) {
	b := newKeyBench(t, nil)
	keys := make([]map[string]any, 7)
	for i := range keys {
		keys[i] = b.party.Key("ES256").JWK()
		keys[i]["kid"] = fmt.Sprintf("k%d\n", i)
	}
	b.party.ServeJWKS(serve(200, partytest.JWKS(keys...)))
	wantCause(t, b.cancel(), "no usable key")
	b.advance(90 * time.Second)
	wantCause(
		t, b.cancel(),
		`the JWKS was fetched 1m30s ago, its kids: "k0\n", "k1\n", "k2\n", "k3\n", "k4\n", 2 more`,
	)
}

// TestClockSetBack checks that keys that were fetched at a time to come are not used.
func TestClockSetBack(t *testing.T) {
	b := newKeyBench(t, nil)
	for _, step := range []time.Duration{0, 365 * 24 * time.Hour, -365 * 24 * time.Hour} {
		b.advance(step)
		if err := b.cancel(); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.party.Fetches(); n != 3 {
		t.Errorf("%d fetches, want 3", n)
	}
}

// TestCached checks that an operator sees what is cached, since when and until when, and which key
// was used; a renewal starts afresh and remembers the use of the keys that stay.
func TestCached(t *testing.T) {
	b := newKeyBench(t, nil)
	if _, ok := b.keys.Cached(b.registered()); ok {
		t.Error("keys are cached before a call needs them")
	}
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	used := b.now()
	b.advance(time.Minute)
	// names another key, and does not verify with it
	forged := []byte(b.party.Token(token.Cancel, b.party.Alg("ES384")))
	if c := &forged[len(forged)-50]; *c == 'A' {
		*c = 'B'
	} else {
		*c = 'A'
	}
	if _, _, err := b.Verify(t.Context(), string(forged), token.Cancel); err == nil {
		t.Fatal("a forged token passed")
	}
	got, ok := b.keys.Cached(b.registered())
	if !ok || got.Err != nil || !got.FetchedAt.Equal(used) ||
		!got.Until.Equal(used.Add(time.Hour)) ||
		len(got.Keys) != 3 {
		t.Fatalf("cached: %+v, %v", got, ok)
	}
	for _, k := range got.Keys {
		if k.Kid == b.party.Key("ES256").Kid != k.LastUsed.Equal(used) ||
			k.Kid != b.party.Key("ES256").Kid && !k.LastUsed.IsZero() {
			t.Errorf("key %s: last used %v", k.Kid, k.LastUsed)
		}
	}

	b.party.ServeJWKS(serve(http.StatusOK, partytest.JWKS(b.party.Key("ES256").JWK())))
	b.renew()
	if _, ok := b.keys.Cached(b.registered()); ok {
		t.Error("the old keys are still there after a renewal")
	}
	if err := b.keys.Fetch(t.Context(), b.registered()); err != nil {
		t.Fatal(err)
	}
	got, ok = b.keys.Cached(b.registered())
	if !ok || len(got.Keys) != 1 || !got.Keys[0].LastUsed.Equal(used) ||
		!got.FetchedAt.Equal(b.now()) {
		t.Errorf("after the renewal: %+v, %v", got, ok)
	}

	b.party.ServeJWKS(serve(http.StatusNotFound, nil))
	b.renew()
	if err := b.keys.Fetch(t.Context(), b.registered()); err == nil {
		t.Error("a fetch that failed passes for one that worked")
	}
	if got, ok := b.keys.Cached(b.registered()); !ok || got.Err == nil || len(got.Keys) != 0 {
		t.Errorf("after a failed fetch: %+v, %v", got, ok)
	}
	b.advance(time.Hour)
	if _, ok := b.keys.Cached(b.registered()); ok {
		t.Error("what is stale counts as cached")
	}
}

// TestStoredKeys checks that a process that starts while the party's endpoint is down uses the
// stored keys for what is left of their hour, but not after the keys were renewed, or the URL or
// the settings for it have changed.
func TestStoredKeys(t *testing.T) {
	saved := storetest.Open(t)
	withStore := func(c *party.KeysConfig) { c.Store, c.Tries = saved, 1 }
	b := newKeyBench(t, withStore)
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, ok, err := saved.LoadKeys(t.Context(), b.party.ClientID); ok {
			break
		} else if err != nil || time.Now().After(deadline) {
			t.Fatalf("the keys were not stored: %v", err)
		}
	}
	fetched := b.now()
	b.party.ServeJWKS(serve(http.StatusServiceUnavailable, nil))

	// restarted is another process over the same store, at a time after the fetch.
	restarted := func(after time.Duration) *keyBench {
		n := newKeyBench(t, withStore)
		n.party, n.renewable.Party = b.party, b.party.Registration()
		n.advance(after)
		n.party.Now = n.now
		return n
	}
	n := restarted(time.Hour - time.Second)
	if err := n.cancel(n.party.Alg("ES384")); err != nil {
		t.Errorf("within the hour: %v", err)
	}
	if got, ok := n.keys.Cached(n.registered()); !ok || !got.FetchedAt.Equal(fetched) ||
		!got.Until.Equal(fetched.Add(time.Hour)) ||
		len(got.Keys) != 3 {
		t.Errorf("cached: %+v, %v", got, ok)
	}
	if f := n.lastFetch(t); f.Err == nil {
		t.Error("the failed fetch was not reported")
	}
	n.advance(time.Second)
	wantCause(t, n.cancel(), "answered 503")

	wantCause(t, restarted(time.Hour).cancel(), "answered 503")
	wantCause(t, restarted(-time.Second).cancel(), "answered 503") // fetched in the future
	n = restarted(time.Minute)
	n.renew()
	wantCause(t, n.cancel(), "answered 503")
	n = restarted(time.Minute)
	n.renewable.JWKSURL += "?moved"
	wantCause(t, n.cancel(), "answered 503")
	n = restarted(time.Minute)
	n.renewable.AllowPrivate = true
	wantCause(t, n.cancel(), "answered 503")
	n = restarted(time.Minute)
	_, n.renewable.CA = aServer(t, http.NotFound)
	wantCause(t, n.cancel(), "answered 503")

	// Keys that the endpoint withdraws are gone with the next fetch, stored or not.
	b.party.ServeJWKS(serve(http.StatusOK, partytest.JWKS(b.party.Key("ES256").JWK())))
	wantCause(t, restarted(time.Minute).cancel(b.party.Alg("ES384")), "no usable key")
}
