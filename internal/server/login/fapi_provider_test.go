package login_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
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
