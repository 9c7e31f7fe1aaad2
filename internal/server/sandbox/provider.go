package sandbox

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
)

// Provider is an OpenID Connect provider (Core 1.0, authorization code flow with PKCE). Its login
// page lets the browser choose a persona. It has one client: this sandbox's own portal.
type Provider struct {
	Issuer       string // public URL of the provider, without a slash at the end
	ClientID     string
	ClientSecret string
	RedirectURL  string
	Key          crypto.Signer // P-256
	Personas     []Persona
	Kit          *ui.Kit
	Now          func() time.Time
	Log          *slog.Logger

	mu    sync.Mutex
	codes map[string]grant
}

// grant is the login that a code was issued for.
type grant struct {
	person    signer.Person
	nonce     string
	challenge string
	acr       string
	at        time.Time // when the persona was chosen, which is the login
	ends      time.Time
}

// defaultACR is the acr of a login for which no other is asked.
const defaultACR = "urn:signet:sandbox:persona"

const (
	keyID        = "sandbox-idp"
	codeLifetime = time.Minute
	maxCodes     = 10_000
)

// Routes adds the provider below /idp.
func (p *Provider) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /idp/.well-known/openid-configuration", p.configuration)
	mux.HandleFunc("GET /idp/keys", p.keys)
	mux.HandleFunc("GET /idp/authorize", p.authorize)
	mux.HandleFunc("POST /idp/authorize", p.choose)
	mux.HandleFunc("POST /idp/token", p.token)
}

func (p *Provider) configuration(w http.ResponseWriter, r *http.Request) {
	httpx.WriteJSON(w, http.StatusOK, map[string]any{
		"issuer":                                p.Issuer,
		"authorization_endpoint":                p.Issuer + "/authorize",
		"token_endpoint":                        p.Issuer + "/token",
		"jwks_uri":                              p.Issuer + "/keys",
		"response_types_supported":              []string{"code"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"ES256"},
		"code_challenge_methods_supported":      []string{"S256"},
	})
}

func (p *Provider) keys(w http.ResponseWriter, r *http.Request) {
	httpx.WriteJSON(w, http.StatusOK, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
		{Key: p.Key.Public(), KeyID: keyID, Algorithm: string(jose.ES256), Use: "sig"},
	}})
}

// valid checks the parameters that must be right before the browser is redirected.
func (p *Provider) valid(q url.Values) bool {
	return q.Get("client_id") == p.ClientID && q.Get("redirect_uri") == p.RedirectURL &&
		q.Get("response_type") == "code" &&
		q.Get("code_challenge_method") == "S256" && q.Get("code_challenge") != ""
}

// authorize serves the login page.
func (p *Provider) authorize(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if !p.valid(q) {
		p.Kit.Error(w, r, http.StatusBadRequest, "")
		return
	}
	page := PersonaChooser{Action: "/idp/authorize", Client: "Signet", RedirectURL: p.RedirectURL}
	for _, name := range []string{
		"client_id", "redirect_uri", "response_type", "code_challenge_method", "code_challenge",
		"state", "nonce", "scope", "acr_values",
	} {
		page.Fields = append(page.Fields, Hidden{Name: name, Value: q.Get(name)})
	}
	page.Personas = choices(p.Personas)
	if err := p.Kit.Render(w, r, http.StatusOK, page); err != nil {
		p.Log.ErrorContext(r.Context(), "rendering", "err", err)
	}
}

// choose handles the form of the login page.
func (p *Provider) choose(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil || !p.valid(r.PostForm) {
		p.Kit.Error(w, r, http.StatusBadRequest, "")
		return
	}
	back := url.Values{"state": {r.PostForm.Get("state")}}
	chosen := signer.Normalize(r.PostForm.Get("persona"))
	i := slices.IndexFunc(p.Personas, func(p Persona) bool { return p.UIN == chosen })
	if i >= 0 {
		back.Set("code", p.grant(p.Personas[i].Person, r.PostForm))
	} else {
		back.Set("error", "access_denied")
	}
	http.Redirect(w, r, p.RedirectURL+"?"+back.Encode(), http.StatusSeeOther)
}

func (p *Provider) grant(person signer.Person, q url.Values) string {
	code := rand.Text()
	now := p.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for c, g := range p.codes {
		if now.After(g.ends) || len(p.codes) >= maxCodes {
			delete(p.codes, c)
		}
	}
	if p.codes == nil {
		p.codes = map[string]grant{}
	}
	acr, _, _ := strings.Cut(q.Get("acr_values"), " ")
	p.codes[code] = grant{
		person: person, nonce: q.Get("nonce"), challenge: q.Get("code_challenge"),
		acr: cmp.Or(acr, defaultACR), at: now, ends: now.Add(codeLifetime),
	}
	return code
}

// token redeems a code, once.
func (p *Provider) token(w http.ResponseWriter, r *http.Request) {
	id, secret, ok := r.BasicAuth()
	if !ok {
		id, secret = r.PostFormValue("client_id"), r.PostFormValue("client_secret")
	}
	if id != p.ClientID || subtle.ConstantTimeCompare([]byte(secret), []byte(p.ClientSecret)) != 1 {
		httpx.WriteJSON(w, http.StatusUnauthorized, map[string]string{"error": "invalid_client"})
		return
	}
	code := r.PostFormValue("code")
	p.mu.Lock()
	g, ok := p.codes[code]
	delete(p.codes, code)
	p.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
	now := p.Now()
	if !ok || now.After(g.ends) || r.PostFormValue("redirect_uri") != p.RedirectURL ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != g.challenge {
		httpx.WriteJSON(w, http.StatusBadRequest, map[string]string{"error": "invalid_grant"})
		return
	}
	subject := sha256.Sum256([]byte("sandbox subject " + g.person.UIN))
	idToken, err := keydir.SignJWT(p.Key, keyID, map[string]any{
		"iss": p.Issuer, "aud": p.ClientID,
		"sub": base64.RawURLEncoding.EncodeToString(subject[:16]),
		"iat": now.Unix(), "exp": now.Add(5 * time.Minute).Unix(), "nonce": g.nonce,
		"name": g.person.Name, "uin": g.person.UIN,
		"acr": g.acr, "amr": []string{"user"}, "auth_time": g.at.Unix(), // RFC 8176: user presence
	})
	if err != nil {
		p.Log.ErrorContext(r.Context(), "signing an ID token", "err", err)
		httpx.WriteJSON(
			w, http.StatusInternalServerError, map[string]string{"error": "server_error"},
		)
		return
	}
	httpx.WriteJSON(w, http.StatusOK, map[string]any{
		"access_token": rand.Text(), "token_type": "Bearer", "expires_in": 300, "id_token": idToken,
	})
}
