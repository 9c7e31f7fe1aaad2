package partytest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/internal/party"
)

// Party is a relying party with its own server. Create it with [New] or [Start]. It is safe for
// concurrent use, except that Now must be set before the first token.
type Party struct {
	ClientID string
	Now      func() time.Time // the party's clock; default time.Now

	keys   map[string]Key // by alg
	url    string
	server *http.Server

	fetches atomic.Int64
	jwks    atomic.Pointer[http.Handler]

	mu       sync.Mutex
	webhooks []Webhook
	arrived  chan struct{} // closed and replaced when a webhook arrives
	answer   func(n int) int
}

// Key is one of the party's keys.
type Key struct {
	Alg     string // ES256, ES384 or ES512
	Kid     string
	Private *ecdsa.PrivateKey
}

// TB is the part of testing.TB that [Start] uses.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
}

// Start returns a party that is closed at the end of the test.
func Start(tb TB) *Party {
	tb.Helper()
	p, err := New()
	if err != nil {
		tb.Fatalf("start a relying party: %v", err)
		return nil
	}
	tb.Cleanup(p.Close)
	return p
}

// New returns a party with a new client id and new keys, listening on a loopback port. Close it
// after use.
func New() (*Party, error) {
	id := make([]byte, 24)
	_, _ = rand.Read(id) // never fails
	p := &Party{
		ClientID: base64.RawURLEncoding.EncodeToString(id), // 32 characters, as usual
		Now:      time.Now,
		keys:     make(map[string]Key),
		arrived:  make(chan struct{}),
		answer:   func(int) int { return http.StatusOK },
	}
	for alg, curve := range map[string]elliptic.Curve{
		"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
	} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("generate a key for %s: %w", alg, err)
		}
		p.keys[alg] = Key{Alg: alg, Kid: alg + "-" + p.ClientID[:8], Private: private}
	}
	p.ServeJWKS(nil)

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p.url = "http://" + listener.Addr().String()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /jwks.json", func(w http.ResponseWriter, r *http.Request) {
		p.fetches.Add(1)
		(*p.jwks.Load()).ServeHTTP(w, r)
	})
	mux.HandleFunc("POST /webhook", p.receive)
	mux.HandleFunc("GET /redirect", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte("back at the relying party"))
	})
	p.server = &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = p.server.Serve(listener) }()
	return p, nil
}

// Close stops the party's server and closes its connections.
func (p *Party) Close() { _ = p.server.Close() }

// URL returns the URL of the party's server, without a slash at the end.
func (p *Party) URL() string { return p.url }

// Registration returns the party as it is registered with the service. It is valid under a policy
// with AllowPrivate.
func (p *Party) Registration() party.Party {
	return party.Party{
		ClientID:    p.ClientID,
		Name:        "Test Party " + p.ClientID[:4],
		JWKSURL:     p.url + "/jwks.json",
		RedirectURL: p.url + "/redirect",
		WebhookURL:  p.url + "/webhook",
	}
}

// Key returns the party's key for ES256, ES384 or ES512.
func (p *Party) Key(alg string) Key { return p.keys[alg] }

// UseKey lets the party sign its tokens with k, in place of its own key for the algorithm.
func (p *Party) UseKey(k Key) { p.keys[k.Alg] = k }

// ServeJWKS makes handler answer for the party's JWKS; nil restores the default.
func (p *Party) ServeJWKS(handler http.Handler) {
	if handler == nil {
		text := JWKS(p.keys["ES256"].JWK(), p.keys["ES384"].JWK(), p.keys["ES512"].JWK())
		handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = w.Write(text)
		})
	}
	p.jwks.Store(&handler)
}

// Fetches returns how often the JWKS was fetched.
func (p *Party) Fetches() int { return int(p.fetches.Load()) }

// JWK returns the public key as the members of a JWK (RFC 7517). The caller may change them.
func (k Key) JWK() map[string]any {
	point, err := k.Private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		panic(err) // only for curves that New does not use
	}
	size := (len(point) - 1) / 2
	return map[string]any{
		"kty": "EC", "use": "sig", "kid": k.Kid, "alg": k.Alg, "crv": k.Private.Curve.Params().Name,
		"x": base64.RawURLEncoding.EncodeToString(point[1 : 1+size]),
		"y": base64.RawURLEncoding.EncodeToString(point[1+size:]),
	}
}

// JWKS returns the set of these keys as JSON. It panics on values that JSON cannot hold.
func JWKS(keys ...map[string]any) []byte {
	if keys == nil {
		keys = []map[string]any{}
	}
	return marshal(map[string]any{"keys": keys})
}

func marshal(v any) []byte {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("partytest: %v", err))
	}
	return text
}
