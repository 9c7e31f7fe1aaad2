package login_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/server/login"
)

// provider is an organisation's OpenID Connect provider that answers what a test tells it to.
type provider struct {
	*httptest.Server
	key    *ecdsa.PrivateKey
	claims map[string]any       // of the next ID token
	answer func(map[string]any) // changes the answer of the token endpoint
	form   url.Values           // of the last token request
}

func newProvider(t *testing.T) *provider {
	t.Helper()
	p := &provider{key: newKey(t), answer: func(map[string]any) {}}
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc(
		"GET /.well-known/openid-configuration",
		func(w http.ResponseWriter, r *http.Request) {
			write(w, map[string]any{
				"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize",
				"token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
				"id_token_signing_alg_values_supported": []string{"ES256"},
			})
		},
	)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		write(w, jose.JSONWebKeySet{
			Keys: []jose.JSONWebKey{
				{Key: p.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"},
			},
		})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		p.form = r.PostForm
		answer := map[string]any{
			"access_token": "x", "token_type": "Bearer", "id_token": p.idToken(t, p.key, p.claims),
		}
		p.answer(answer)
		write(w, answer)
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func (p *provider) idToken(t *testing.T, key *ecdsa.PrivateKey, claims map[string]any) string {
	t.Helper()
	s, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(claims)
	if err != nil {
		t.Fatal(err)
	}
	jws, err := s.Sign(body)
	if err != nil {
		t.Fatal(err)
	}
	text, err := jws.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// client is a Login with a clock, and what it reported.
type client struct {
	*login.Login
	mux    *http.ServeMux
	now    time.Time
	failed []string // where the failed logins began
	log    bytes.Buffer
}

func newClient(t *testing.T, edit func(*login.Config)) *client {
	t.Helper()
	c := &client{now: time.Now(), mux: http.NewServeMux()}
	config := login.Config{
		ClientID: "signet", ClientSecret: "hush", PublicURL: "https://sign.example",
		Secrets: func() [][]byte { return [][]byte{bytes.Repeat([]byte{7}, 32)} },
		Now:     func() time.Time { return c.now },
		Log:     slog.New(slog.NewTextHandler(&c.log, nil)),
		Ended:   &ended{}, Failed: func(w http.ResponseWriter, _ *http.Request, returnTo string, why login.Failure) {
			status := http.StatusForbidden
			switch why {
			case login.Denied:
				returnTo += " denied"
			case login.Unavailable:
				status = http.StatusServiceUnavailable
			}
			c.failed = append(c.failed, returnTo)
			w.WriteHeader(status)
		},
	}
	edit(&config)
	l, err := login.New(config)
	if err != nil {
		t.Fatal(err)
	}
	c.Login = l
	l.Routes(c.mux)
	return c
}

// ended is the record of ended logins in memory.
type ended struct {
	ids   map[string]time.Time
	asked int // how often Used was called
	err   error
}

func (e *ended) Use(_ context.Context, namespace, id string, until time.Time) (bool, error) {
	if e.ids == nil {
		e.ids = map[string]time.Time{}
	}
	_, used := e.ids[namespace+id]
	e.ids[namespace+id] = until
	return !used, e.err
}

func (e *ended) Used(_ context.Context, namespace, id string) (bool, error) {
	e.asked++
	_, used := e.ids[namespace+id]
	return used, e.err
}

// attempt goes through a login: the claims get the nonce that the client asked for.
func (c *client) attempt(
	t *testing.T, p *provider, claims map[string]any, scope, returnTo string,
) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	c.Begin(w, httptest.NewRequest("POST", "https://sign.example/", nil), scope, returnTo)
	at, err := url.Parse(w.Header().Get("Location"))
	if err != nil || w.Code != http.StatusSeeOther {
		t.Fatalf("begin: %d %v", w.Code, err)
	}
	p.claims = map[string]any{
		"iss": p.URL, "aud": "signet", "sub": "s", "iat": c.now.Unix(),
		"exp":   c.now.Add(time.Minute).Unix(),
		"nonce": at.Query().Get("nonce"), "uin": "S8979373D", "name": "TAN XIAO HUI",
	}
	for name, v := range claims {
		if p.claims[name] = v; v == nil {
			delete(p.claims, name)
		}
	}
	r := httptest.NewRequest(
		"GET",
		"https://sign.example/login/callback?code=c&state="+at.Query().Get("state"),
		nil,
	)
	for _, cookie := range w.Result().Cookies() {
		r.AddCookie(cookie)
	}
	answer := httptest.NewRecorder()
	c.mux.ServeHTTP(answer, r)
	return answer.Result()
}
