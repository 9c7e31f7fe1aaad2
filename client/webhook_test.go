package client_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// sender is a service that sends webhooks: its keys, and the clock of all parts.
type sender struct {
	t      *testing.T
	server *httptest.Server
	client *client.Client

	mu      sync.Mutex
	now     time.Time
	jwks    []jose.JSONWebKey
	extra   string // more keys, in JSON
	status  int
	hold    chan struct{} // the JWKS comes when it is closed
	fetches int
}

func newSender(t *testing.T, keys ...jose.JSONWebKey) *sender {
	s := &sender{t: t, now: time.Unix(1773036240, 0), jwks: keys, status: 200}
	s.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.fetches++
		hold, status := s.hold, s.status
		var list []string
		for _, k := range s.jwks {
			text, _ := json.Marshal(k)
			list = append(list, string(text))
		}
		if s.extra != "" {
			list = append(list, s.extra)
		}
		s.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if r.URL.Path != api.PathKeys {
			t.Errorf("keys asked for at %s", r.URL.Path)
		}
		writeJSON(w, status, `{"keys":[`+strings.Join(list, ",")+`]}`)
	}))
	t.Cleanup(s.server.Close)
	s.client = newClient(t, s.server.URL, func(c *client.Config) {
		c.Now = func() time.Time {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.now
		}
	})
	return s
}

// set changes the sender.
func (s *sender) set(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f()
}

func (s *sender) wantFetches(want int) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fetches != want {
		s.t.Errorf("%d fetches, want %d", s.fetches, want)
	}
}

// token signs claims: good ones, changed by edit; nil deletes.
func (s *sender) token(k *ecdsa.PrivateKey, kid string, edit map[string]any) string {
	s.t.Helper()
	s.mu.Lock()
	now := s.now.Unix()
	s.mu.Unlock()
	claims := map[string]any{
		"request_type":   "signed_doc_url",
		"signed_doc_url": "https://sign.example/documents/1?signature=s", "request_id": "signv3-1",
		"signer_info": map[string]any{
			"signer_name": "TAN XIAO HUI", "signer_partial_uinfin": "373D",
			"signed_at": now * 1000,
		},
		"iat": now, "exp": now + 120, "unknown": true,
	}
	maps.Copy(claims, edit)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return sign(s.t, k, kid, claims)
}

func sign(t testing.TB, k *ecdsa.PrivateKey, kid string, claims any) string {
	t.Helper()
	alg := map[elliptic.Curve]jose.SignatureAlgorithm{elliptic.P256(): jose.ES256, elliptic.P384(): jose.ES384}[k.Curve]
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: alg, Key: jose.JSONWebKey{Key: k, KeyID: kid}}, nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// receive lets a webhook arrive.
func (s *sender) receive(body string) (*api.WebhookClaims, error) {
	r := httptest.NewRequest(http.MethodPost, "/webhook", strings.NewReader(body))
	return s.client.VerifyWebhook(r.Context(), r)
}

func envelope(token string) string {
	text, _ := json.Marshal(api.Webhook{Token: token})
	return string(text)
}

func public(k *ecdsa.PrivateKey, kid string) jose.JSONWebKey {
	return jose.JSONWebKey{Key: &k.PublicKey, KeyID: kid, Algorithm: "ES256", Use: "sig"}
}

func TestWebhook(t *testing.T) {
	k, other := key(t, elliptic.P256()), key(t, elliptic.P256())
	s := newSender(t, public(other, "sign-2"), public(k, "sign-1"))
	s.extra = `{"kty":"FUTURE","kid":"sign-3"},{"kty":"oct","k":"AAAA","kid":"sign-4"}`

	claims, err := s.receive(envelope(s.token(k, "sign-1", nil)))
	want := api.WebhookClaims{
		RequestType: "signed_doc_url", SignedDocURL: "https://sign.example/documents/1?signature=s",
		RequestID: "signv3-1",
		SignerInfo: api.SignerInfo{
			SignerName: "TAN XIAO HUI", SignerPartialUINFIN: "373D", SignedAt: 1773036240000,
		},
		Iat: 1773036240, Exp: 1773036360,
	}
	if err != nil || *claims != want {
		t.Fatalf("%+v, %v", claims, err)
	}
	if claims, err := s.receive(envelope(s.token(k, "sign-1", map[string]any{"signer_info": nil}))); err != nil ||
		claims.SignerInfo != (api.SignerInfo{}) {
		t.Errorf("V3.0: %+v, %v", claims, err)
	}
	s.wantFetches(1)

	now := s.now.Unix()
	for name, body := range map[string]string{
		"nothing":            "",
		"HTML":               "<html>",
		"no token":           "{}",
		"huge":               `{"token":"` + strings.Repeat("x", 1<<20) + `"}`,
		"no JWS":             envelope("a.b.c"),
		"another key":        envelope(s.token(other, "sign-1", nil)),
		"unknown kid":        envelope(s.token(k, "sign-9", nil)),
		"kid of another":     envelope(s.token(k, "sign-2", nil)),
		"kid of a secret":    envelope(s.token(k, "sign-4", nil)),
		"no kid":             envelope(s.token(k, "", nil)),
		"expired":            envelope(s.token(k, "sign-1", map[string]any{"iat": now - 131, "exp": now - 11})),
		"of the future":      envelope(s.token(k, "sign-1", map[string]any{"iat": now + 11, "exp": now + 131})),
		"no exp":             envelope(s.token(k, "sign-1", map[string]any{"exp": nil})),
		"no iat":             envelope(s.token(k, "sign-1", map[string]any{"iat": nil})),
		"exp before iat":     envelope(s.token(k, "sign-1", map[string]any{"exp": now - 1})),
		"exp as text":        envelope(s.token(k, "sign-1", map[string]any{"exp": "soon"})),
		"another type":       envelope(s.token(k, "sign-1", map[string]any{"request_type": "login"})),
		"no type":            envelope(s.token(k, "sign-1", map[string]any{"request_type": nil})),
		"no request":         envelope(s.token(k, "sign-1", map[string]any{"request_id": nil})),
		"no URL":             envelope(s.token(k, "sign-1", map[string]any{"signed_doc_url": nil})),
		"a file":             envelope(s.token(k, "sign-1", map[string]any{"signed_doc_url": "file:///etc/passwd"})),
		"another audience":   envelope(s.token(k, "sign-1", map[string]any{"aud": "rival"})),
		"other audiences":    envelope(s.token(k, "sign-1", map[string]any{"aud": []string{"a", "b"}})),
		"no audience":        envelope(s.token(k, "sign-1", map[string]any{"aud": []string{}})),
		"claims are a list":  envelope(sign(t, k, "sign-1", []int{1})),
		"alg none":           envelope("eyJhbGciOiJub25lIiwia2lkIjoic2lnbi0xIn0.e30."),
		"changed afterwards": envelope(strings.Replace(s.token(k, "sign-1", nil), ".", ".e", 1)),
	} {
		if claims, err := s.receive(body); claims != nil ||
			!errors.Is(err, client.ErrInvalidWebhook) {
			t.Errorf("%s: %+v, %v", name, claims, err)
		}
	}
	s.wantFetches(1) // the forged ones came within the minute
	millis := map[string]any{"iat": now * 1000, "exp": now*1000 + 120_000}
	if _, err := s.receive(envelope(s.token(k, "sign-1", millis))); err == nil ||
		!strings.Contains(err.Error(), "no seconds since 1970") {
		t.Errorf("milliseconds: %v", err)
	}
	// On the edge.
	for _, d := range []int64{-130, 10} {
		if _, err := s.receive(envelope(s.token(k, "sign-1", map[string]any{"iat": now + d, "exp": now + d + 120}))); err != nil {
			t.Errorf("iat %d: %v", d, err)
		}
	}
	for _, audience := range []any{"demo-client", []string{"a", "demo-client"}} {
		if _, err := s.receive(envelope(s.token(k, "sign-1", map[string]any{"aud": audience}))); err != nil {
			t.Errorf("aud %v: %v", audience, err)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/webhook", nil)
	if _, err := s.client.VerifyWebhook(t.Context(), r); !errors.Is(err, client.ErrInvalidWebhook) {
		t.Errorf("GET: %v", err)
	}
	r = httptest.NewRequest(http.MethodPost, "/webhook", failing{io.ErrUnexpectedEOF})
	if _, err := s.client.VerifyWebhook(t.Context(), r); err == nil ||
		errors.Is(err, client.ErrInvalidWebhook) {
		t.Errorf("cut short: %v", err)
	}
}

func TestWebhookWithP384(t *testing.T) {
	k := key(t, elliptic.P384())
	s := newSender(t, jose.JSONWebKey{Key: &k.PublicKey, KeyID: "sign-1"})
	if _, err := s.receive(envelope(s.token(k, "sign-1", nil))); err != nil {
		t.Error(err)
	}
}

// The times of the keys: an hour without a look, one look when a token does not verify, one look a
// minute at most.
func TestKeysAreCached(t *testing.T) {
	k, fresh := key(t, elliptic.P256()), key(t, elliptic.P256())
	s := newSender(t, public(k, "sign-1"))
	later := func(d time.Duration) { s.set(func() { s.now = s.now.Add(d) }) }
	ok := func(k *ecdsa.PrivateKey, kid string) {
		t.Helper()
		if _, err := s.receive(envelope(s.token(k, kid, nil))); err != nil {
			t.Error(err)
		}
	}
	refused := func(k *ecdsa.PrivateKey, kid string) {
		t.Helper()
		if _, err := s.receive(envelope(s.token(k, kid, nil))); !errors.Is(
			err, client.ErrInvalidWebhook,
		) {
			t.Error(err)
		}
	}
	ok(k, "sign-1")
	later(59 * time.Minute)
	ok(k, "sign-1")
	s.wantFetches(1)

	s.set(func() { s.jwks = append(s.jwks, public(fresh, "sign-2")) })
	ok(fresh, "sign-2") // after one look
	s.wantFetches(2)
	refused(k, "sign-3")
	later(59 * time.Second)
	refused(k, "sign-3")
	s.wantFetches(2)
	later(time.Second)
	refused(k, "sign-3")
	refused(k, "sign-3")
	s.wantFetches(3)

	// The same kid with another key.
	later(time.Minute)
	s.set(func() { s.jwks = []jose.JSONWebKey{public(fresh, "sign-1")} })
	ok(fresh, "sign-1")
	s.wantFetches(4)

	later(time.Hour)
	ok(fresh, "sign-1")
	s.wantFetches(5)

	// The keys cannot be had: the old ones do for a day, and are looked after once a minute.
	s.set(func() { s.status = 500 })
	later(time.Hour)
	ok(fresh, "sign-1")
	ok(fresh, "sign-1")
	s.wantFetches(6)
	later(time.Minute)
	ok(fresh, "sign-1")
	s.wantFetches(7)
	later(24 * time.Hour)
	if _, err := s.receive(envelope(s.token(fresh, "sign-1", nil))); err == nil ||
		errors.Is(err, client.ErrInvalidWebhook) {
		t.Errorf("a day later: %v", err)
	}
	s.set(func() { s.status = 200 })
	ok(fresh, "sign-1")
}

func TestKeysCannotBeHad(t *testing.T) {
	k := key(t, elliptic.P256())
	for name, edit := range map[string]func(*sender){
		"status":  func(s *sender) { s.status = 503 },
		"no key":  func(s *sender) { s.jwks = nil },
		"useless": func(s *sender) { s.jwks, s.extra = nil, `{"kty":"EC","use":"enc"}` },
		"no JSON": func(s *sender) { s.extra = "<html>" },
		"huge":    func(s *sender) { s.extra = `"` + strings.Repeat("x", 1<<20) + `"` },
		"gone":    func(s *sender) { s.server.Close() },
	} {
		s := newSender(t, public(k, "sign-1"))
		edit(s)
		if _, err := s.receive(envelope(s.token(k, "sign-1", nil))); err == nil ||
			errors.Is(err, client.ErrInvalidWebhook) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A webhook gives up with its sender, and the next finds the keys that it asked for. Many at once
// make one fetch.
func TestSlowKeys(t *testing.T) {
	k := key(t, elliptic.P256())
	s := newSender(t, public(k, "sign-1"))
	s.hold = make(chan struct{})
	token := s.token(k, "sign-1", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := s.client.VerifyWebhookToken(ctx, token); !errors.Is(
		err, context.DeadlineExceeded,
	) {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := s.client.VerifyWebhookToken(t.Context(), token); err != nil {
				t.Error(err)
			}
		})
	}
	close(s.hold)
	all.Wait()
	s.wantFetches(1)
}
