package login_test

import (
	"crypto"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/server/login"
)

// TestFAPI logs a person in at a provider that asks for a fresh DPoP nonce in each call: two calls
// of each endpoint, whose proofs have one key. The code is redeemed once.
func TestFAPI(t *testing.T) {
	p := newFAPI(t)
	c := p.client(nil)
	resp, again := p.attempt(c)
	if who, ok := c.Person(with(resp.Cookies()), "/sign/1"); !ok || who.UIN != "S8979373D" {
		t.Fatalf("%d, logged in %t as %+v: %s", resp.StatusCode, ok, who, &c.log)
	}
	if p.calls["/par"] != 2 || p.calls["/token"] != 2 {
		t.Errorf("%v", p.calls)
	}
	if p.request.Get("scope") != "openid uinfin" ||
		p.request.Get("code_challenge_method") != "S256" || p.request.Has("request_uri") {
		t.Errorf("pushed %v", p.request)
	}
	if resp := again(); resp.StatusCode != http.StatusForbidden {
		t.Errorf("a replayed code: %d", resp.StatusCode)
	}
	if got := c.log.String(); !strings.Contains(got, "the code was used before") {
		t.Errorf("the log lacks the provider's reason: %s", got)
	}
}

// TestHostileProvider checks that a login fails for each fault of the provider, that the log names
// the fault, and that a provider that does not answer is 503 and not 403.
func TestHostileProvider(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("DPoP-Nonce", "again")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	slow := func(_ http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm() // after which the server sees the client leave
		<-r.Context().Done()
	}
	claim := func(name string, v any) func(*fapi) {
		return func(p *fapi) { p.claims = map[string]any{name: v} }
	}
	lacks := func(name string, v any) func(*fapi) {
		return func(p *fapi) { p.metadata = map[string]any{name: v} }
	}
	for name, test := range map[string]struct {
		edit   func(*fapi)
		status int
		log    string
		calls  map[string]int
	}{
		"iss of another": {
			func(p *fapi) {
				p.response = url.Values{"iss": {"https://evil.example"}}
			},
			403, "another issuer answers",
			map[string]int{"/par": 2},
		},
		"no iss": {
			func(p *fapi) {
				p.response = url.Values{"iss": nil}
			},
			403, "does not name its issuer",
			map[string]int{"/par": 2},
		},
		"ID token of another":  {claim("iss", "https://evil.example"), 403, "issued by a different provider", nil},
		"ID token for another": {claim("aud", "other"), 403, "expected audience", nil},
		"azp of another": {
			func(p *fapi) {
				p.claims = map[string]any{"aud": []string{"signet", "other"}, "azp": "other"}
			},
			403, "azp", nil,
		},
		"another nonce": {claim("nonce", "other"), 403, "nonce", nil},
		"no nonce":      {claim("nonce", nil), 403, "nonce", nil},
		"expired":       {claim("exp", time.Now().Add(-time.Hour).Unix()), 403, "expired", nil},
		"no person":     {claim("sub_attributes", "S8979373D"), 403, "sub_attributes.uinfin", nil},
		"signed by another key": {func(p *fapi) {
			other := newKey(p.t)
			p.sign = func(c map[string]any) string { return new(provider).idToken(p.t, other, c) }
		}, 403, "failed to verify signature", nil},
		"not signed": {
			func(p *fapi) {
				p.sign = unsigned
			},
			403, "signature algorithm", nil,
		},
		"not encrypted": {
			func(p *fapi) {
				p.encrypt = func(s string) string {
					return s
				}
			},
			403, "not encrypted", nil,
		},
		"encrypted for another": {
			func(p *fapi) {
				p.encrypt = func(s string) string {
					return encrypted(p.t, newKey(p.t), s)
				}
			},
			403, "encrypted for another key", nil,
		},
		"encrypted twice": {func(p *fapi) {
			p.encrypt = func(s string) string { return encrypted(p.t, p.opener, encrypted(p.t, p.opener, s)) }
		}, 403, "ID token is not valid", nil},
		"a loop of nonces": {
			func(p *fapi) {
				p.push = answer(400, `{"error":"use_dpop_nonce"}`)
			},
			403, "use_dpop_nonce",
			map[string]int{"/par": 2},
		},
		"a loop at the token": {
			func(p *fapi) {
				p.token = answer(401, `{"error":"use_dpop_nonce"}`)
			},
			403, "use_dpop_nonce",
			map[string]int{"/par": 2, "/token": 2},
		},
		"a push that fails": {
			func(p *fapi) {
				p.push = answer(500, "")
			},
			503, "500",
			map[string]int{"/par": 1},
		},
		"a push that hangs": {
			func(p *fapi) {
				p.push = slow
			},
			503, "pushing",
			map[string]int{"/par": 1},
		},
		"a push that is refused": {
			func(p *fapi) {
				p.push = answer(400, `{"error":"invalid_scope","error_description":"uinfin"}`)
			},
			403, "invalid_scope",
			map[string]int{"/par": 1},
		},
		"a push without a result": {
			func(p *fapi) {
				p.push = answer(201, `{}`)
			},
			403, "no request_uri",
			map[string]int{"/par": 1},
		},
		"a push that is not JSON": {
			func(p *fapi) {
				p.push = answer(201, `<html>`)
			},
			403, "not JSON",
			map[string]int{"/par": 1},
		},
		"a request that expired": {func(p *fapi) {
			p.response = url.Values{"error": {"invalid_request_uri"}, "error_description": {"it has expired"}}
		}, 403, "it has expired", map[string]int{"/par": 2}},
		"away in the answer": {
			func(p *fapi) {
				p.response = url.Values{"error": {"temporarily_unavailable"}}
			},
			503, "temporarily_unavailable", nil,
		},
		"a token that hangs": {func(p *fapi) { p.token = slow }, 503, "redeeming", nil},
		"too many calls":     {func(p *fapi) { p.token = answer(429, "") }, 503, "429", nil},
		"another client": {
			func(p *fapi) {
				p.token = answer(401, `{"error":"invalid_client"}`)
			},
			403, "invalid_client",
			map[string]int{"/par": 2, "/token": 1},
		},
		"a redirect of the client": {func(p *fapi) {
			p.token = func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, p.URL+"/stolen", http.StatusTemporaryRedirect)
			}
		}, 403, "307", map[string]int{"/par": 2, "/token": 1}},
		"no ID token": {
			func(p *fapi) {
				p.token = answer(200, `{"access_token":"x"}`)
			},
			403, "no ID token", nil,
		},
		"no pushed requests": {
			lacks("pushed_authorization_request_endpoint", nil),
			403, "pushed authorization requests",
			map[string]int{},
		},
		"no DPoP": {
			lacks("dpop_signing_alg_values_supported", []string{"RS256"}),
			403, "DPoP",
			map[string]int{},
		},
		"no private_key_jwt": {
			lacks("token_endpoint_auth_methods_supported", []string{"client_secret_basic"}),
			403, "private_key_jwt",
			map[string]int{},
		},
		"no issuer promised": {
			lacks("authorization_response_iss_parameter_supported", nil),
			403, "RFC 9207",
			map[string]int{},
		},
		"RS256 only": {
			lacks("id_token_signing_alg_values_supported", []string{"RS256"}),
			403, "ES256, PS256 or EdDSA",
			map[string]int{},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFAPI(t)
			test.edit(p)
			c := p.client(nil)
			start := time.Now()
			resp, _ := p.attempt(c)
			if resp.StatusCode != test.status || len(c.failed) != 1 {
				t.Errorf("%d, want %d; failed %v", resp.StatusCode, test.status, c.failed)
			}
			if got := resp.Header.Get("Retry-After"); (got != "") != (test.status == 503) {
				t.Errorf("Retry-After %q", got)
			}
			if took := time.Since(start); took > time.Minute {
				t.Errorf("the login took %s", took)
			}
			if _, ok := c.Person(with(resp.Cookies()), "/sign/1"); ok {
				t.Error("logged in all the same")
			}
			if got := c.log.String(); !strings.Contains(got, test.log) ||
				strings.Contains(got, "S8979373D") {
				t.Errorf("the log lacks %q, or has the person: %s", test.log, got)
			}
			if test.calls != nil && !maps.Equal(p.calls, test.calls) {
				t.Errorf("calls %v, want %v", p.calls, test.calls)
			}
		})
	}
}

// unsigned returns a token with the algorithm none.
func unsigned(claims map[string]any) string {
	body, _ := json.Marshal(claims)
	text := base64.RawURLEncoding.EncodeToString
	return text([]byte(`{"alg":"none"}`)) + "." + text(body) + "."
}

// TestProfiles checks what a client does by itself with what the provider offers.
func TestProfiles(t *testing.T) {
	for name, test := range map[string]struct {
		profile login.Profile
		secret  string
		offers  map[string]any
		push    bool
		key     bool
		dpop    bool
	}{
		"all that is offered": {push: true, key: true, dpop: true},
		"a secret, if there is": {
			secret: "hush", offers: map[string]any{"token_endpoint_auth_methods_supported": nil},
			push: true, dpop: true,
		},
		"plain": {
			profile: login.ProfilePlain, secret: "hush",
			offers: map[string]any{
				"require_pushed_authorization_requests": nil,
				"token_endpoint_auth_methods_supported": nil,
			},
		},
		"nothing offered": {
			secret: "hush", offers: map[string]any{
				"pushed_authorization_request_endpoint": nil,
				"dpop_signing_alg_values_supported":     nil,
				"token_endpoint_auth_methods_supported": []string{"client_secret_post"},
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFAPI(t)
			p.metadata = test.offers
			var pushed, redeemed *http.Request
			keep := func(at **http.Request) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					_ = r.ParseForm()
					*at = r
					_, _ = w.Write([]byte(`{"request_uri":"urn:1"}`))
				}
			}
			p.push, p.token = keep(&pushed), keep(&redeemed)
			c := p.client(
				func(c *login.Config) { c.Profile, c.ClientSecret = test.profile, test.secret },
			)
			w := httptest.NewRecorder()
			c.Begin(w, httptest.NewRequest("POST", "/", nil), "/sign/1", "/sign/1")
			at, err := url.Parse(w.Header().Get("Location"))
			if err != nil || (pushed != nil) != test.push ||
				at.Query().Has("code_challenge") == test.push {
				t.Fatalf("%d to %s, pushed %t: %s", w.Code, at, pushed != nil, &c.log)
			}
			state := at.Query().Get("state")
			if test.push {
				state = pushed.PostForm.Get("state")
			}
			r := with(w.Result().Cookies())
			r.URL.Path = "/login/callback"
			r.URL.RawQuery = url.Values{"state": {state}, "code": {"c"}, "iss": {p.URL}}.Encode()
			c.mux.ServeHTTP(httptest.NewRecorder(), r)
			if redeemed == nil {
				t.Fatalf("the code is not redeemed: %s", &c.log)
			}
			_, _, basic := redeemed.BasicAuth()
			post := redeemed.PostForm.Get("client_secret") == "hush"
			key := redeemed.PostForm.Has("client_assertion")
			if key != test.key || basic && post || (basic || post) != (test.secret != "") ||
				(redeemed.Header.Get("DPoP") != "") != test.dpop {
				t.Errorf("key %t, basic %t, post %t, %v", key, basic, post, redeemed.Header)
			}
		})
	}
}

// TestNoDecryption checks that a key which only signs, as one in a token, is not published for the
// encryption of ID tokens, and that a client which needs these says so.
func TestNoDecryption(t *testing.T) {
	p := newFAPI(t)
	p.metadata = map[string]any{
		"id_token_encryption_alg_values_supported": []string{string(jose.ECDH_ES_A256KW)},
	}
	signs := struct{ crypto.Signer }{newKey(t)}
	for _, test := range []struct {
		encryption []crypto.Signer
		published  string
		err        error
	}{
		{[]crypto.Signer{signs}, "sig ", login.ErrNoDecryption},
		{[]crypto.Signer{signs, p.opener}, "enc sig ", nil}, // after a rotation
	} {
		var keys *login.Keys
		c := p.client(func(c *login.Config) {
			keys = c.Keys
			keys.Encryption = func() []crypto.Signer { return test.encryption }
		})
		w := httptest.NewRecorder()
		keys.ServeHTTP(w, httptest.NewRequest("GET", "/login/keys.json", nil))
		var set jose.JSONWebKeySet
		if err := json.NewDecoder(w.Body).Decode(&set); err != nil {
			t.Fatal(err)
		}
		uses := ""
		for _, k := range set.Keys {
			uses += k.Use + " "
		}
		if err := c.Check(t.Context()); uses != test.published || !errors.Is(err, test.err) {
			t.Errorf("published are %s, %v", uses, err)
		}
	}
}
