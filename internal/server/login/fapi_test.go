package login_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
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

// fapi is a provider that follows FAPI 2.0, and what of it a test makes wrong.
type fapi struct {
	*httptest.Server
	t               *testing.T
	key             *ecdsa.PrivateKey // signs ID tokens
	signing, opener *ecdsa.PrivateKey // the client's
	metadata        map[string]any    // changes the provider's metadata; nil removes a member
	claims          map[string]any    // changes the ID token's claims; nil removes one
	sign            func(claims map[string]any) string
	encrypt         func(signed string) string
	push, token     http.HandlerFunc // instead of the right answers
	response        url.Values       // changes the authorization response

	calls     map[string]int
	challenge string // PKCE
	proofKey  string // thumbprint of the key of DPoP proofs
	request   url.Values
	code      string
	nonces    int
}

func newFAPI(t *testing.T) *fapi {
	p := &fapi{t: t, key: newKey(t), signing: newKey(t), opener: newKey(t), calls: map[string]int{}}
	p.sign = func(claims map[string]any) string { return new(provider).idToken(t, p.key, claims) }
	p.encrypt = func(signed string) string { return encrypted(t, p.opener, signed) }
	mux := http.NewServeMux()
	write := func(w http.ResponseWriter, status int, v any) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration",
		func(w http.ResponseWriter, _ *http.Request) {
			all := map[string]any{
				"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize",
				"token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
				"pushed_authorization_request_endpoint":          p.URL + "/par",
				"require_pushed_authorization_requests":          true,
				"authorization_response_iss_parameter_supported": true,
				"token_endpoint_auth_methods_supported":          []string{"private_key_jwt"},
				"dpop_signing_alg_values_supported":              []string{"ES256"},
				"id_token_signing_alg_values_supported":          []string{"ES256", "RS256"},
			}
			merge(all, p.metadata)
			write(w, http.StatusOK, all)
		})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		write(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: p.key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"},
		}})
	})
	authenticated := func(path string, wrong *http.HandlerFunc, right http.HandlerFunc) {
		mux.HandleFunc("POST "+path, func(w http.ResponseWriter, r *http.Request) {
			p.calls[path]++
			if *wrong != nil {
				(*wrong)(w, r)
				return
			}
			_ = r.ParseForm()
			claims := verified(t, r.PostForm.Get("client_assertion"), p.signing.Public())
			if claims["iss"] != "signet" || claims["sub"] != "signet" || claims["aud"] != p.URL ||
				r.Header.Get("Authorization") != "" || r.PostForm.Has("client_secret") {
				t.Errorf("the client authenticates with %v, %v", claims, r.Header)
			}
			nonce := fmt.Sprintf("nonce %s %d", path, p.nonces)
			if !p.proves(r, path, nonce) {
				p.nonces++
				w.Header().Set("DPoP-Nonce", fmt.Sprintf("nonce %s %d", path, p.nonces))
				write(w, http.StatusBadRequest, map[string]string{"error": "use_dpop_nonce"})
				return
			}
			right(w, r)
		})
	}
	authenticated("/par", &p.push, func(w http.ResponseWriter, r *http.Request) {
		p.request, p.challenge = r.PostForm, r.PostForm.Get("code_challenge")
		write(w, http.StatusCreated, map[string]any{"request_uri": "urn:1", "expires_in": 60})
	})
	authenticated("/token", &p.token, func(w http.ResponseWriter, r *http.Request) {
		sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != p.challenge {
			t.Error("the code verifier is another login's")
		}
		if code := r.PostForm.Get("code"); code == "" || code != p.code {
			write(w, http.StatusBadRequest, map[string]string{
				"error": "invalid_grant", "error_description": "the code was used before",
			})
			return
		}
		p.code = "" // used
		claims := map[string]any{
			"iss": p.URL, "aud": "signet", "sub": "5e1a", "nonce": p.request.Get("nonce"),
			"iat": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(),
			"sub_attributes": map[string]any{"uinfin": "S8979373D", "name": "TAN XIAO HUI"},
		}
		merge(claims, p.claims)
		write(w, http.StatusOK, map[string]any{
			"access_token": "x", "token_type": "DPoP", "id_token": p.encrypt(p.sign(claims)),
		})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func merge(all, changes map[string]any) {
	maps.Copy(all, changes)
	maps.DeleteFunc(all, func(_ string, v any) bool { return v == nil })
}

// proves reports whether a call has a DPoP proof with the nonce, and checks the proof.
func (p *fapi) proves(r *http.Request, path, nonce string) bool {
	p.t.Helper()
	jws, err := jose.ParseSignedCompact(r.Header.Get("DPoP"), []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		p.t.Errorf("the DPoP proof of %s: %v", path, err)
		return false
	}
	header := jws.Signatures[0].Header
	body, err := jws.Verify(header.JSONWebKey)
	if err != nil || header.ExtraHeaders["typ"] != "dpop+jwt" || !header.JSONWebKey.IsPublic() {
		p.t.Errorf("the DPoP proof of %s has the header %+v: %v", path, header, err)
		return false
	}
	var claims map[string]any
	if err := json.Unmarshal(body, &claims); err != nil {
		p.t.Error(err)
	}
	if claims["htm"] != "POST" || claims["htu"] != p.URL+path || claims["jti"] == "" {
		p.t.Errorf("the DPoP proof of %s has %v", path, claims)
	}
	sum, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		p.t.Error(err)
	}
	if path == "/par" {
		p.proofKey = string(sum)
	} else if p.proofKey != string(sum) {
		p.t.Error("the code is redeemed with another key than the one it is bound to")
	}
	return claims["nonce"] == nonce
}

func verified(t *testing.T, token string, key crypto.PublicKey) (claims map[string]any) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Errorf("%q: %v", token, err)
		return nil
	}
	body, err := jws.Verify(key)
	if err != nil {
		t.Error(err)
		return nil
	}
	if err := json.Unmarshal(body, &claims); err != nil {
		t.Error(err)
	}
	return claims
}

func encrypted(t *testing.T, key *ecdsa.PrivateKey, text string) string {
	t.Helper()
	e, err := jose.NewEncrypter(
		jose.A256GCM, jose.Recipient{Algorithm: jose.ECDH_ES_A256KW, Key: key.Public()},
		(&jose.EncrypterOptions{}).WithContentType("JWT"),
	)
	if err != nil {
		t.Fatal(err)
	}
	jwe, err := e.Encrypt([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	compact, err := jwe.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return compact
}

// client returns the client of the provider.
func (p *fapi) client(edit func(*login.Config)) *client {
	return newClient(p.t, func(c *login.Config) {
		c.Issuer, c.ClientSecret, c.Profile, c.Encrypted = p.URL, "", login.ProfileFAPI2, true
		c.UINClaim, c.NameClaim = "sub_attributes.uinfin", "sub_attributes.name"
		c.Scopes, c.Wait = []string{"uinfin"}, 2*time.Second
		c.Keys = &login.Keys{
			Signing:    func() []crypto.Signer { return []crypto.Signer{p.signing} },
			Encryption: func() []crypto.Signer { return []crypto.Signer{newKey(p.t), p.opener} },
		}
		if edit != nil {
			edit(c)
		}
	})
}

// attempt goes through a login and returns its last answer. again repeats the callback.
func (p *fapi) attempt(c *client) (last *http.Response, again func() *http.Response) {
	p.t.Helper()
	w := httptest.NewRecorder()
	c.Begin(w, httptest.NewRequest("POST", "https://sign.example/", nil), "/sign/1", "/sign/1")
	if w.Code != http.StatusSeeOther {
		return w.Result(), nil
	}
	at, err := url.Parse(w.Header().Get("Location"))
	if err != nil {
		p.t.Fatal(err)
	}
	q := at.Query()
	if at.Path != "/authorize" || len(q) != 2 || q.Get("client_id") != "signet" ||
		q.Get("request_uri") != "urn:1" {
		p.t.Errorf("the browser goes to %s", at)
	}
	p.code = "code"
	back := url.Values{"code": {p.code}, "state": {p.request.Get("state")}, "iss": {p.URL}}
	for name, v := range p.response {
		if back[name] = v; len(v) == 0 {
			delete(back, name)
		}
	}
	r := with(w.Result().Cookies())
	r.URL.Path, r.URL.RawQuery = "/login/callback", back.Encode()
	callback := func() *http.Response {
		answer := httptest.NewRecorder()
		c.mux.ServeHTTP(answer, r)
		return answer.Result()
	}
	return callback(), callback
}

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
			if took := time.Since(start); took > 20*time.Second {
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
