package login

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/keydir"
)

// Profile says how much of FAPI 2.0 a login needs.
type Profile string

const (
	// ProfileAuto uses what the provider's metadata offers of private_key_jwt (for a client
	// without a secret), pushed authorization requests and DPoP.
	ProfileAuto Profile = ""
	// ProfilePlain uses neither.
	ProfilePlain Profile = "plain"
	// ProfileFAPI2 uses all of them and refuses a provider that lacks one, or whose authorization
	// responses do not name their issuer (FAPI 2.0 Security Profile, section 5.3.3).
	ProfileFAPI2 Profile = "fapi2"
)

// fapiAlgorithms are those of ID tokens (FAPI 2.0 Security Profile, section 5.4.1).
var fapiAlgorithms = []string{"ES256", "PS256", "EdDSA"}

// Keys are the client's own keys. Each function returns the key to use, and then those that the
// provider may still use, or will. All are P-256.
type Keys struct {
	Signing    func() []crypto.Signer // of client assertions
	Encryption func() []crypto.Signer // of ID tokens; those in a token or cloud only sign
}

// decrypting returns the keys that decrypt.
func (k *Keys) decrypting() (list []*ecdsa.PrivateKey) {
	for _, key := range k.Encryption() {
		if private, ok := key.(*ecdsa.PrivateKey); ok {
			list = append(list, private)
		}
	}
	return list
}

// ServeHTTP answers with the public parts, as the client's JWKS. Of the encryption keys it has the
// one to use, so that the provider has no choice; none if none of them decrypts.
func (k *Keys) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	var set jose.JSONWebKeySet
	add := func(key crypto.Signer, use, algorithm string) error {
		public, err := keydir.PublicJWK(key, use, algorithm)
		set.Keys = append(set.Keys, public)
		return err
	}
	var err error
	for _, key := range k.decrypting() {
		err = add(key, "enc", string(jose.ECDH_ES_A256KW))
		break
	}
	for _, key := range k.Signing() {
		err = errors.Join(err, add(key, "sig", string(jose.ES256)))
	}
	if err != nil {
		http.Error(w, "the keys cannot be read", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	w.Header().Set("Cache-Control", "max-age=300")
	_ = json.NewEncoder(w).Encode(set) // the client has left
}

// flow is how the client talks to a provider.
type flow struct {
	auth     []string // methods of client authentication, in the order in which they are tried
	push     bool     // pushed authorization requests (RFC 9126)
	dpop     bool     // RFC 9449
	named    bool     // authorization responses have to name the issuer (RFC 9207)
	idTokens []string // algorithms of ID tokens
}

// ErrProfile is the error of a provider that does not offer what the configuration needs.
var ErrProfile = errors.New("the identity provider does not offer what the configuration needs")

// flow returns how the client talks to the provider. The error wraps ErrProfile and says what the
// provider lacks.
func (l *Login) flow(p *discovered) (flow, error) {
	f := flow{
		auth: []string{authNone}, push: p.PushURL != "",
		dpop: slices.Contains(p.DPoPAlgorithms, string(jose.ES256)), named: p.NamesIssuer,
	}
	switch keyed := slices.Contains(p.AuthMethods, authKey); {
	case l.c.ClientSecret != "":
		f.auth = slices.DeleteFunc([]string{authBasic, authPost}, func(method string) bool {
			return len(p.AuthMethods) > 0 && !slices.Contains(p.AuthMethods, method)
		})
		if len(f.auth) == 0 {
			return f, fmt.Errorf(
				"%w: client secrets, but %s", ErrProfile, strings.Join(p.AuthMethods, ", "),
			)
		}
	case keyed && l.c.Keys != nil && l.c.Profile != ProfilePlain:
		f.auth = []string{authKey}
	}
	switch l.c.Profile {
	case ProfilePlain:
		if p.RequiresPush {
			return f, fmt.Errorf(
				"%w: requests that are not pushed, as the profile plain makes them", ErrProfile,
			)
		}
		f.push, f.dpop = false, false
	case ProfileFAPI2:
		f.idTokens = slices.DeleteFunc(slices.Clone(fapiAlgorithms), func(alg string) bool {
			return !slices.Contains(p.IDTokenAlgorithms, alg)
		})
		for _, need := range []struct {
			what string
			ok   bool
		}{
			{"private_key_jwt", f.auth[0] == authKey},
			{"pushed authorization requests", f.push},
			{"DPoP with ES256", f.dpop},
			{"iss in its authorization responses (RFC 9207)", f.named},
			{"ID tokens with ES256, PS256 or EdDSA", len(f.idTokens) > 0},
		} {
			if !need.ok {
				return f, fmt.Errorf("%w: FAPI 2.0 needs %s", ErrProfile, need.what)
			}
		}
	}
	return f, nil
}

// The methods of client authentication (OpenID Connect Core, section 9).
const (
	authNone  = "none"
	authBasic = "client_secret_basic"
	authPost  = "client_secret_post"
	authKey   = "private_key_jwt"
)

// assertionLife is how long a client assertion is valid. Each is used at once.
const assertionLife = time.Minute

// reply is an answer of the token endpoint or of the one for pushed requests.
type reply struct {
	IDToken     string `json:"id_token"`
	RequestURI  string `json:"request_uri"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
}

// refusal is the error of a provider that refuses a call.
type refusal struct {
	status            int
	code, description string
}

func (r *refusal) Error() string {
	text := fmt.Sprintf("the identity provider refuses with %d %.100q", r.status, r.code)
	if r.description != "" {
		text += fmt.Sprintf(": %.300q", r.description)
	}
	return text
}

// ofClient reports whether the provider refuses the client, and not what it asks for.
func (r *refusal) ofClient() bool {
	return r.code == "invalid_client" || r.code == "unauthorized_client" ||
		r.status == http.StatusUnauthorized
}

// post makes an authenticated call to an endpoint of the provider. With a key the call proves the
// possession of it (DPoP). The error is a *refusal if the provider refuses.
func (l *Login) post(
	ctx context.Context, p *discovered, f flow, endpoint string, form url.Values,
	key *ecdsa.PrivateKey,
) (answer reply, err error) {
	for _, method := range f.auth {
		answer, err = l.postAs(ctx, p, method, endpoint, form, key)
		var refused *refusal
		if !errors.As(err, &refused) || !refused.ofClient() {
			return answer, err
		}
	}
	return answer, err
}

// postAs is [Login.post] with one method of client authentication.
func (l *Login) postAs(
	ctx context.Context, p *discovered, method, endpoint string, form url.Values,
	key *ecdsa.PrivateKey,
) (reply, error) {
	nonce := ""
	for again := true; ; again = false {
		r, err := l.request(ctx, p, method, endpoint, form)
		if err != nil {
			return reply{}, err
		}
		if key != nil {
			proof, err := l.proof(key, endpoint, nonce)
			if err != nil {
				return reply{}, err
			}
			r.Header.Set("DPoP", proof)
		}
		resp, err := l.provider.client.Do(r)
		if err != nil {
			return reply{}, err
		}
		var answer reply
		err = json.NewDecoder(resp.Body).Decode(&answer) // its transport has read and bounded it
		_ = resp.Body.Close()
		nonce = resp.Header.Get("DPoP-Nonce")
		switch {
		case answer.Error == "use_dpop_nonce" && key != nil && nonce != "" && again:
			continue // RFC 9449, section 8
		case resp.StatusCode >= 300 || answer.Error != "":
			return reply{}, &refusal{resp.StatusCode, answer.Error, answer.Description}
		case err != nil:
			return reply{}, fmt.Errorf("the identity provider's answer is not JSON: %w", err)
		}
		return answer, nil
	}
}

// request returns a call with the client's authentication.
func (l *Login) request(
	ctx context.Context, p *discovered, method, endpoint string, form url.Values,
) (*http.Request, error) {
	values := url.Values{}
	for name, v := range form {
		values[name] = v
	}
	if method != authBasic {
		values.Set("client_id", l.c.ClientID)
	}
	switch method {
	case authPost:
		values.Set("client_secret", l.c.ClientSecret)
	case authKey:
		assertion, err := l.assertion(p)
		if err != nil {
			return nil, err
		}
		values.Set("client_assertion", assertion)
		values.Set(
			"client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		)
	}
	r, err := http.NewRequestWithContext(
		ctx, http.MethodPost, endpoint, strings.NewReader(values.Encode()),
	)
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	if method == authBasic { // RFC 6749, section 2.3.1
		r.SetBasicAuth(url.QueryEscape(l.c.ClientID), url.QueryEscape(l.c.ClientSecret))
	}
	return r, nil
}

// assertion returns a JWT that authenticates the client (RFC 7523). Its audience is the issuer
// (FAPI 2.0 Security Profile, section 5.3.3).
func (l *Login) assertion(p *discovered) (string, error) {
	key := l.c.Keys.Signing()[0]
	public, err := keydir.PublicJWK(key, "sig", string(jose.ES256))
	if err != nil {
		return "", err
	}
	now := l.c.Now()
	return keydir.SignJWT(key, public.KeyID, map[string]any{
		"iss": l.c.ClientID, "sub": l.c.ClientID, "aud": p.Issuer, "jti": random(),
		"iat": now.Unix(), "exp": now.Add(assertionLife).Unix(),
	})
}

// proof returns a DPoP proof for one POST (RFC 9449, section 4.2).
func (l *Login) proof(key *ecdsa.PrivateKey, endpoint, nonce string) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: key},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"),
	)
	if err != nil {
		return "", err
	}
	target, _, _ := strings.Cut(endpoint, "?")
	claims := map[string]any{
		"jti": random(), "htm": http.MethodPost, "htu": target, "iat": l.c.Now().Unix(),
	}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	return keydir.Compact(signer, claims)
}

// newDPoPKey returns a key for the proofs of one login, and its form in the cookie of the attempt:
// another node may redeem the code, which is bound to the key (RFC 9449, section 10).
func newDPoPKey() (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalECPrivateKey(key)
	return key, der, err
}

// authorize returns the URL at the provider at which the person logs in. It pushes the request if
// the provider takes pushed ones.
func (l *Login) authorize(ctx context.Context, a *attempt, prompt string) (string, error) {
	p, f, err := l.discover(ctx)
	if err != nil {
		return "", err
	}
	form := l.authorization(*a, prompt)
	at, err := url.Parse(p.AuthURL)
	if err != nil {
		return "", fmt.Errorf("the identity provider's authorization_endpoint: %w", err)
	}
	if f.push {
		form, err = l.push(ctx, p, f, form, a)
		if err != nil {
			return "", fmt.Errorf("pushing the authorization request: %w", err)
		}
	} else if f.dpop {
		if _, a.Key, err = newDPoPKey(); err != nil {
			return "", err
		}
	}
	query := at.Query()
	for name, v := range form {
		query[name] = v
	}
	at.RawQuery = query.Encode()
	return at.String(), nil
}

// authorization returns the parameters of the authorization request.
func (l *Login) authorization(a attempt, prompt string) url.Values {
	form := url.Values{
		"response_type": {"code"}, "client_id": {l.c.ClientID},
		"redirect_uri": {l.c.PublicURL + l.c.Callback},
		"scope":        {strings.Join(l.c.scopes(), " ")},
		"state":        {a.State}, "nonce": {a.Nonce},
		"code_challenge": {challenge(a.Verifier)}, "code_challenge_method": {"S256"},
	}
	if prompt != "" {
		form.Set("prompt", prompt)
	}
	if len(l.c.ACRValues) > 0 {
		form.Set("acr_values", strings.Join(l.c.ACRValues, " "))
	}
	if l.c.MaxAge > 0 {
		form.Set("max_age", strconv.Itoa(int(l.c.MaxAge.Seconds())))
	}
	return form
}

// push pushes the authorization request and returns the parameters that refer to it. It gives the
// attempt its DPoP key.
func (l *Login) push(
	ctx context.Context, p *discovered, f flow, form url.Values, a *attempt,
) (url.Values, error) {
	var key *ecdsa.PrivateKey
	var err error
	if f.dpop {
		if key, a.Key, err = newDPoPKey(); err != nil {
			return nil, err
		}
	}
	answer, err := l.post(ctx, p, f, p.PushURL, form, key)
	if err != nil {
		return nil, err
	}
	if answer.RequestURI == "" {
		return nil, errors.New("the identity provider's answer has no request_uri")
	}
	return url.Values{"client_id": {l.c.ClientID}, "request_uri": {answer.RequestURI}}, nil
}

// redeem redeems the provider's code and returns the claims of the ID token (OpenID Connect Core,
// section 3.1.3). issuer is the one that the authorization response names, if any.
func (l *Login) redeem(
	ctx context.Context, code, issuer string, a attempt,
) (claims map[string]any, err error) {
	p, f, err := l.discover(ctx)
	if err != nil {
		return nil, err
	}
	if f.named && issuer == "" {
		return nil, errors.New("the authorization response does not name its issuer (RFC 9207)")
	}
	var key *ecdsa.PrivateKey
	if f.dpop && len(a.Key) > 0 {
		if key, err = x509.ParseECPrivateKey(a.Key); err != nil {
			return nil, err
		}
	}
	answer, err := l.post(
		context.WithValue(ctx, ofBrowser{}, true), p, f, p.TokenURL,
		l.redemption(code, a.Verifier), key,
	)
	if err != nil {
		return nil, fmt.Errorf("redeeming the code: %w", err)
	}
	if answer.IDToken == "" {
		return nil, errors.New("the identity provider's answer has no ID token")
	}
	raw, err := l.decrypt(answer.IDToken)
	if err != nil {
		return nil, err
	}
	token, err := p.Verifier(&oidc.Config{
		ClientID: l.c.ClientID, Now: l.c.Now, SupportedSigningAlgs: f.idTokens,
	}).Verify(oidc.ClientContext(ctx, l.provider.client), raw)
	if err != nil {
		return nil, fmt.Errorf("the ID token is not valid: %w", err)
	}
	if token.Nonce != a.Nonce {
		return nil, errors.New("the ID token answers another login: its nonce is not the login's")
	}
	if err := token.Claims(&claims); err != nil {
		return nil, err
	}
	switch party, ok := claims["azp"]; {
	case ok && party != l.c.ClientID:
		return nil, errors.New("the ID token is for another client: its azp is not the client id")
	case !ok && len(token.Audience) > 1: // OpenID Connect Core, section 3.1.3.7, 3 and 4
		return nil, errors.New("the ID token is for several clients, and has no azp that names this one")
	}
	return claims, nil
}

func (l *Login) redemption(code, verifier string) url.Values {
	return url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "code_verifier": {verifier},
		"redirect_uri": {l.c.PublicURL + l.c.Callback},
	}
}

// The algorithms of encrypted ID tokens: those of Singpass, and ECDH-ES with shorter keys.
var (
	keyAlgorithms = []jose.KeyAlgorithm{
		jose.ECDH_ES_A256KW, jose.ECDH_ES_A192KW, jose.ECDH_ES_A128KW, jose.ECDH_ES,
	}
	contentAlgorithms = []jose.ContentEncryption{
		jose.A256GCM, jose.A128GCM, jose.A256CBC_HS512, jose.A128CBC_HS256,
	}
)

// decrypt returns the signed ID token within one that is encrypted for the client (RFC 7516).
func (l *Login) decrypt(raw string) (string, error) {
	if strings.Count(raw, ".") != 4 {
		if l.c.Encrypted {
			return "", errors.New("the ID token is not encrypted, and has to be")
		}
		return raw, nil
	}
	if l.c.Keys == nil {
		return "", errors.New("the ID token is encrypted, and the client has no key")
	}
	token, err := jose.ParseEncryptedCompact(raw, keyAlgorithms, contentAlgorithms)
	if err != nil {
		return "", fmt.Errorf("the ID token is encrypted with an unknown algorithm: %w", err)
	}
	for _, key := range l.c.Keys.decrypting() {
		if signed, err := token.Decrypt(key); err == nil {
			return string(signed), nil
		}
	}
	return "", errors.New(
		"the ID token is encrypted for another key than the client's: has the provider the JWKS?",
	)
}
