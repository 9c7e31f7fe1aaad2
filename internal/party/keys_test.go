package party_test

import (
	"bytes"
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
	b.Verifier = token.NewVerifier(
		token.VerifierConfig{
			Parties: renewableParties{&b.renewable}, Keys: b.keys, Replay: new(partytest.Replay),
			Now: b.now,
		},
	)
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

	// The first caller gives up while the fetch is under way; the fetch goes on for the others.
	ctx, giveUp := context.WithCancelCause(t.Context())
	first := make(chan error)
	go func() {
		_, _, err := b.Verify(ctx, jws, token.Cancel)
		first <- err
	}()
	<-begun
	gone := errors.New("the caller is gone")
	giveUp(gone)
	if err := <-first; !errors.Is(err, gone) || !errors.Is(err, api.ErrUnauthorized) {
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

func TestFetchRefused(t *testing.T) {
	good := func(p *partytest.Party) []byte { return partytest.JWKS(p.Key("ES256").JWK()) }
	cases := []struct {
		name  string
		serve func(*partytest.Party) http.Handler
		cause string
		tries int
	}{
		{"redirect", func(p *partytest.Party) http.Handler {
			return http.RedirectHandler(p.URL()+"/elsewhere", http.StatusFound)
		}, "answered 302, redirects are not followed", 1},
		{"permanent redirect", func(p *partytest.Party) http.Handler {
			return http.RedirectHandler("/jwks.json?again", http.StatusPermanentRedirect)
		}, "answered 308, redirects are not followed", 1},
		{
			"not found",
			func(*partytest.Party) http.Handler { return http.NotFoundHandler() },
			"answered 404",
			1,
		},
		{
			"no content",
			func(*partytest.Party) http.Handler { return serve(http.StatusNoContent, nil) },
			"answered 204",
			1,
		},
		{
			"server error",
			func(p *partytest.Party) http.Handler { return serve(500, good(p)) },
			"answered 500",
			3,
		},
		{
			"too many requests",
			func(p *partytest.Party) http.Handler { return serve(429, good(p)) },
			"answered 429",
			3,
		},
		{"connection cut", func(*partytest.Party) http.Handler {
			return http.HandlerFunc(
				func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			)
		}, "EOF", 3},
		{"too large", func(p *partytest.Party) http.Handler {
			return serve(200, append(good(p), bytes.Repeat([]byte(" "), 64<<10)...))
		}, "too large", 1},
		{"too large, length not told", func(p *partytest.Party) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, _ = w.Write(good(p))
				w.(http.Flusher).Flush()
				_, _ = w.Write(bytes.Repeat([]byte(" "), 64<<10))
			})
		}, "too large", 1},
		{
			"page of a log-in",
			func(*partytest.Party) http.Handler { return serve(200, []byte("<html>")) },
			"not valid JSON",
			1,
		},
		{
			"empty",
			func(*partytest.Party) http.Handler { return serve(200, nil) },
			"not valid JSON",
			1,
		},
		{
			"no keys",
			func(*partytest.Party) http.Handler { return serve(200, []byte(`{}`)) },
			"no array keys",
			1,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b := newKeyBench(t, nil)
			b.party.ServeJWKS(c.serve(b.party))
			wantCause(t, b.cancel(), c.cause)
			if n := b.party.Fetches(); n != c.tries {
				t.Errorf("%d tries, want %d", n, c.tries)
			}
			if f := b.lastFetch(t); f.Tries != c.tries || f.Err == nil || f.Usable != 0 {
				t.Errorf("reported %+v", f)
			}
			if err := b.cancel(); strings.Contains(err.Error(), b.party.URL()) {
				t.Errorf("the error %v holds the URL", err)
			}
			if n := b.party.Fetches(); n != c.tries {
				t.Errorf("%d fetches after the second call", n)
			}
		})
	}
}

func TestSlowServer(t *testing.T) {
	b := newKeyBench(t, func(c *party.KeysConfig) { c.Timeout = 20 * time.Millisecond })
	var n atomic.Int64
	release := make(chan struct{})
	defer close(release)
	b.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch n.Add(1) {
		case 1: // never answers
			select {
			case <-release:
			case <-r.Context().Done():
			}
		case 2: // answers, but not to the end
			_, _ = w.Write([]byte(`{"keys":[`))
			w.(http.Flusher).Flush()
			select {
			case <-release:
			case <-r.Context().Done():
			}
		default:
			_, _ = w.Write(partytest.JWKS(b.party.Key("ES256").JWK()))
		}
	}))
	if err := b.cancel(); err != nil {
		t.Errorf("the third try: %v", err)
	}
	if f := b.lastFetch(t); f.Tries != 3 || f.Err != nil {
		t.Errorf("reported %+v", f)
	}

	b.renew()
	n.Store(-10)
	b.party.ServeJWKS(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-release:
		case <-r.Context().Done():
		}
	}))
	wantCause(t, b.cancel(), "deadline exceeded")
}

func TestPrivateAddressRefused(t *testing.T) {
	// A name that resolves to this machine passes registration and must be stopped when the
	// connection is made.
	b := newKeyBench(
		t, func(c *party.KeysConfig) { c.Clients = &party.Clients{} },
	)
	rp := b.party.Registration()
	rp.JWKSURL, rp.RedirectURL, rp.WebhookURL = "https://localhost/jwks.json", "https://rp.example/", ""
	registry, err := party.NewRegistry(safehttp.Policy{}, rp)
	if err != nil {
		t.Fatal(err)
	}
	v := token.NewVerifier(
		token.VerifierConfig{
			Parties: registry, Keys: b.keys, Replay: new(partytest.Replay), Now: b.now,
		},
	)
	_, _, err = v.Verify(t.Context(), b.party.Token(token.Cancel), token.Cancel)
	wantCause(t, err, "address not allowed")
	if !errors.Is(err, safehttp.ErrAddress) {
		t.Errorf("%v is not ErrAddress", err)
	}
	if f := b.lastFetch(t); f.Tries != 1 {
		t.Errorf("%d tries at a forbidden address", f.Tries)
	}

	// The same for a URL that should never have been registered.
	wantCause(t, b.cancel(), "URL not allowed")
}

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
		t,
		b.cancel(),
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

// TestKeysInConfiguration checks that a configured set is used without a fetch.
func TestKeysInConfiguration(t *testing.T) {
	b := newKeyBench(t, func(c *party.KeysConfig) { c.RefetchUnknownKid = true })
	b.renewable.JWKSURL, b.renewable.JWKS = "", string(partytest.JWKS(b.party.Key("ES256").JWK()))
	policy := safehttp.Policy{AllowPrivate: true}
	if err := b.renewable.Validate(policy); err != nil {
		t.Fatal(err)
	}
	if err := b.cancel(); err != nil {
		t.Error(err)
	}
	wantCause(t, b.cancel(b.party.Alg("ES384")), "the JWKS is of the configuration, its kids: ")
	b.renewable.JWKS = string(partytest.JWKS(b.party.Key("ES384").JWK()))
	if err := b.cancel(b.party.Alg("ES384")); err != nil {
		t.Errorf("another set: %v", err)
	}
	if n := b.party.Fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
	for text, url := range map[string]string{
		`{"keys":[]}`: "", b.renewable.JWKS: "https://shop.example/jwks", "": "",
	} {
		p := b.renewable.Party
		p.JWKS, p.JWKSURL = text, url
		if err := p.Validate(policy); err == nil || !strings.Contains(err.Error(), "JWKS URL") {
			t.Errorf("JWKS %q and URL %q: %v", text, url, err)
		}
	}
}

func TestKeySets(t *testing.T) {
	b := newKeyBench(t, nil)
	good, second := b.party.Key("ES256").JWK(), b.party.Key("ES384").JWK()
	other := partytest.Start(t).Key("ES256").JWK()
	other["kid"] = good["kid"]
	with := func(name string, v any) map[string]any {
		k := b.party.Key("ES256").JWK()
		if v == nil {
			delete(k, name)
		} else {
			k[name] = v
		}
		return k
	}
	many := make([]map[string]any, 101)
	for i := range many {
		many[i] = map[string]any{"kty": "RSA", "kid": fmt.Sprint(i)}
	}
	duplicate := bytes.Replace(
		partytest.JWKS(good),
		[]byte(`"kty":"EC"`),
		[]byte(`"kty":"EC","k\u0074y":"EC"`),
		1,
	)

	cases := []struct {
		name  string
		jwks  []byte
		cause string // empty: the key works
	}{
		{"one key", partytest.JWKS(good), ""},
		{"without use", partytest.JWKS(with("use", nil)), ""},
		{"without alg", partytest.JWKS(with("alg", nil)), ""},
		{"with key_ops", partytest.JWKS(with("key_ops", []string{"verify"})), ""},
		{"with unknown members", partytest.JWKS(with("exp", 5)), ""},
		{"a hundred others", partytest.JWKS(append(many[:99:99], good)...), ""},
		{
			"malformed ones beside it",
			partytest.JWKS(
				nil, map[string]any{}, map[string]any{"kty": "EC"}, with("crv", "secp256k1"), good,
			),
			"",
		},
		{
			"an encryption key of the same kid beside it",
			partytest.JWKS(with("use", "enc"), good),
			"",
		},
		{
			"other members of the set",
			append([]byte(`{"a":[{"keys":[]}],`), partytest.JWKS(good)[1:]...),
			"",
		},

		{"more than a hundred", partytest.JWKS(many...), "more than 100 keys"},
		{"the same key twice", partytest.JWKS(good, second, good), ""},
		{"two keys with one kid", partytest.JWKS(good, second, other), "several keys"},
		{
			"one key for two algorithms",
			partytest.JWKS(with("alg", nil), second, good),
			"several keys",
		},
		{"use enc", partytest.JWKS(with("use", "enc"), second), "use is not sig"},
		{
			"use no string",
			partytest.JWKS(with("use", 1), second),
			"of type number and must be of type string",
		},
		{
			"key_ops sign",
			partytest.JWKS(with("key_ops", []string{"sign"}), second),
			"key_ops has no verify",
		},
		{
			"key_ops no array",
			partytest.JWKS(with("key_ops", "verify"), second),
			"key_ops is not an array",
		},
		{
			"alg ES384",
			partytest.JWKS(with("alg", "ES384"), second),
			"its alg is not the token's alg ES256",
		},
		{
			"alg ECDH-ES",
			partytest.JWKS(with("alg", "ECDH-ES"), second),
			"its alg is not the token's alg",
		},
		{
			"alg no string",
			partytest.JWKS(with("alg", 1), second),
			"of type number and must be of type string",
		},
		{"kty RSA", partytest.JWKS(with("kty", "RSA"), second), "invalid RSA key"},
		{
			"kty oct",
			partytest.JWKS(map[string]any{"kty": "oct", "kid": good["kid"], "k": "AAAA"}),
			"no usable key",
		},
		{"kid absent", partytest.JWKS(with("kid", nil), second), "kid is missing"},
		{
			"kid number",
			partytest.JWKS(with("kid", 7), second),
			"of type number and must be of type string",
		},
		{"crv P-384", partytest.JWKS(with("crv", "P-384"), second), "wrong length for x"},
		{"crv absent", partytest.JWKS(with("crv", nil), second), "unsupported elliptic curve"},
		{
			"crv Ed25519",
			partytest.JWKS(with("crv", "Ed25519"), second),
			"unsupported elliptic curve",
		},
		{"x absent", partytest.JWKS(with("x", nil), second), "missing x/y"},
		{"x short", partytest.JWKS(with("x", "AAAA"), second), "wrong length for x"},
		{
			"x with padding",
			partytest.JWKS(with("x", good["x"].(string)+"="), second),
			"illegal base64",
		},
		{"not on the curve", partytest.JWKS(with("x", good["y"]), second), "not on declared curve"},
		{
			"kty OKP",
			partytest.JWKS(
				map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": good["kid"], "x": good["x"]},
				second,
			),
			"kty is not EC",
		},
		{
			"crv of 60 KB",
			partytest.JWKS(with("crv", strings.Repeat("P", 60_000)), second),
			strings.Repeat("P", 60) + ")",
		},
		{
			"private key published",
			partytest.JWKS(with("d", good["x"]), second),
			"the private key is published",
		},
		{"member twice", duplicate, "duplicate key 'kty'"},
		{"no key at all", partytest.JWKS(), "no usable key"},
		{"keys null", []byte(`{"keys":null}`), "no array keys"},
		{"keys object", []byte(`{"keys":{}}`), "no array keys"},
		{"keys twice", []byte(`{"keys":[],"keys":[]}`), "duplicate key"},
		{
			"the key alone",
			bytes.TrimSuffix(
				bytes.TrimPrefix(partytest.JWKS(good), []byte(`{"keys":[`)),
				[]byte(`]}`),
			),
			"no array keys",
		},
		{"array", []byte(`[]`), "no array keys"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			b.renew()
			b.party.ServeJWKS(serve(200, c.jwks))
			err := b.cancel()
			if c.cause == "" && err != nil {
				t.Error(err)
			}
			if c.cause != "" {
				wantCause(t, err, c.cause)
			}
		})
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
	saved := storetest.NewMemory()
	withStore := func(c *party.KeysConfig) { c.Store, c.Tries = saved, 1 }
	b := newKeyBench(t, withStore)
	if err := b.cancel(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(5 * time.Second); ; time.Sleep(time.Millisecond) {
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
