package party_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/safehttp/dnstest"
	"github.com/signet-sign/signet/internal/token"
)

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
		{"10 MB", func(p *partytest.Party) http.Handler {
			return serve(200, append(good(p), bytes.Repeat([]byte(" "), 10<<20)...))
		}, "too large", 1},
		{"without an end", func(p *partytest.Party) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				_, err := w.Write(good(p))
				for err == nil {
					_, err = w.Write(bytes.Repeat([]byte(" "), 64<<10))
				}
			})
		}, "too large", 1},
		{"compressed, 100 MB in 100 kB", func(*partytest.Party) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Header.Get("Accept-Encoding") != "" {
					t.Error("the fetch asks for a compressed answer")
				}
				w.Header().Set("Content-Encoding", "gzip")
				zip := gzip.NewWriter(w)
				for range 100 {
					_, _ = zip.Write(bytes.Repeat([]byte(" "), 1<<20))
				}
				_ = zip.Close()
			})
		}, "too large", 1},
		{"compressed, small", func(p *partytest.Party) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Encoding", "gzip")
				zip := gzip.NewWriter(w)
				_, _ = zip.Write(good(p))
				_ = zip.Close()
			})
		}, "not valid JSON", 1},
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
	b := newKeyBench(t, func(c *party.KeysConfig) { c.Timeout = time.Second })
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
		case 2: // answers a byte now and then, without an end
			for err := error(nil); err == nil && r.Context().Err() == nil; time.Sleep(10 * time.Millisecond) {
				if _, err = w.Write([]byte(" ")); err == nil {
					err = http.NewResponseController(w).Flush()
				}
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
	b := newKeyBench(t, func(c *party.KeysConfig) { c.Clients = &party.Clients{} })
	rp := b.party.Registration()
	rp.JWKSURL, rp.RedirectURL, rp.WebhookURL = "https://localhost/jwks.json", "https://rp.example/", ""
	registry, err := party.NewRegistry(safehttp.Policy{}, rp)
	if err != nil {
		t.Fatal(err)
	}
	v := token.NewVerifier(token.VerifierConfig{
		Parties: registry, Keys: b.keys, Replay: new(partytest.Replay), Now: b.now,
	})
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

// TestNamesOfKeys takes the name of the JWKS away. A call whose keys are needed is refused with the
// reason, after the configured tries; keys that are known still serve; and the first call that finds
// the name again gets the keys.
func TestNamesOfKeys(t *testing.T) {
	names := dnstest.Start(t)
	policy := safehttp.Policy{AllowPrivate: true, Resolver: names.Resolver()}
	bench := func(host string, timeout time.Duration) *keyBench {
		b := newKeyBench(t, func(c *party.KeysConfig) {
			c.Clients, c.Timeout = &party.Clients{Policy: policy}, timeout
		})
		b.JWKSURL = strings.Replace(b.JWKSURL, "127.0.0.1", host, 1)
		return b
	}
	b := bench("unknown.test", time.Minute)
	wantCause(t, b.cancel(), "no such host")
	if f := b.lastFetch(t); f.Tries != 3 {
		t.Errorf("reported %+v", f)
	}
	b.advance(time.Minute) // beyond the pause after a fetch that failed
	names.Answer("unknown.test")
	if err := b.cancel(); err != nil {
		t.Errorf("with the name back: %v", err)
	}
	names.Forget("unknown.test")
	if err := b.cancel(); err != nil {
		t.Errorf("with keys that are known: %v", err)
	}

	b = bench("silent.test", 100*time.Millisecond)
	asked := names.Silence("silent.test")
	wantCause(t, b.cancel(), "deadline exceeded")
	<-asked
	if f := b.lastFetch(t); f.Tries != 3 {
		t.Errorf("reported %+v", f)
	}

	// A relying party whose name is not answered holds up no other one.
	b = bench("late.test", time.Minute)
	asked = names.Silence("late.test")
	waits := make(chan error, 1)
	go func() { waits <- b.cancel() }()
	<-asked
	names.Answer("other.test")
	if err := bench("other.test", time.Minute).cancel(); err != nil {
		t.Errorf("another relying party: %v", err)
	}
	names.Answer("late.test")
	if err := <-waits; err != nil {
		t.Errorf("with a late answer: %v", err)
	}
}
