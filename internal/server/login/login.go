// Package login is the OpenID Connect client (authorization code with PKCE) that logs people in to
// portal and phone, and the cookie that keeps them logged in. It is the same for an organisation's
// provider and for the sandbox's own. It does what the FAPI 2.0 Security Profile asks of clients,
// if the provider offers that (file client.go).
//
// Start at [Login.Begin]. A login holds for one scope, a path such as "/sign/signv3-…" or "/phone",
// because another request in the same browser may belong to another person. The cookie is sealed,
// bound to its scope and contains the login's id. The server keeps the ids of logins that ended
// early ([Ended]), so that a copy of the cookie is refused after a log-out.
//
// It does not decide what a person may do; package request does.
package login

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/signer"
)

// Config is the provider, and how to read its answers.
type Config struct {
	Issuer       string
	ClientID     string
	ClientSecret string   // "": the client authenticates by a key, if the provider offers that
	Scopes       []string // beside openid; nil is profile
	Profile      Profile
	Keys         *Keys  // nil: the client has none
	Encrypted    bool   // an ID token that is not encrypted is refused
	UINClaim     string // path of the claim with the NRIC or FIN; default "uin"
	NameClaim    string // path of the claim with the name for the certificate; default "name"
	// ACRValues are asked for in this order (OpenID Connect Core, section 3.1.2.1, acr_values), and
	// the ID token has to have one of them; empty: any.
	ACRValues []string
	MaxAge    time.Duration // since the person logged in at the provider; 0: any

	PublicURL string
	// Secrets returns secrets of 32 bytes that seal the cookies: the one to use first, then others
	// that are accepted.
	Secrets   func() [][]byte
	Transport http.RoundTripper // reaches the provider; nil is http.DefaultTransport
	Wait      time.Duration     // for the provider in one login, and for each call; 0 is 5 s
	Now       func() time.Time
	Log       *slog.Logger

	Ended Ended

	People   *limit.People   // limits the logins of one person; nil: no limit
	Failures *limit.Failures // limits failed logins from one address; nil: no limit

	// Accept takes the claims of the ID token after a login, and answers. If it is nil, the person
	// whom the claims name is logged in. An error is a failed login.
	Accept func(
		w http.ResponseWriter, r *http.Request, claims map[string]any, returnTo string,
	) error

	// Callback is the path below PublicURL that is registered with the provider; default
	// "/login/callback".
	Callback string

	// Failed answers a request after a failed login. returnTo is the page on which the login began.
	Failed func(w http.ResponseWriter, r *http.Request, returnTo string, why Failure)
}

// scopes returns those to ask for, each once.
func (c *Config) scopes() []string {
	list := []string{oidc.ScopeOpenID}
	asked := c.Scopes
	if asked == nil {
		asked = []string{"profile"}
	}
	for _, scope := range asked {
		if !slices.Contains(list, scope) {
			list = append(list, scope)
		}
	}
	return list
}

// Ended keeps the ids of logins that ended early, for all nodes and across restarts. Package store
// implements it with the record of used tokens (package token, Replay).
type Ended interface {
	// Use records the id in namespace and keeps it at least until the given time.
	Use(ctx context.Context, namespace, id string, until time.Time) (first bool, err error)

	// Used reports whether a record of the id exists.
	Used(ctx context.Context, namespace, id string) (bool, error)
}

// namespace is that of ended logins. It contains a space, so it is not the client id of a relying
// party.
const namespace = "ended logins"

// Login is the OIDC client.
type Login struct {
	claims []string // those that the configuration names, or ""; operators have neither
	c      Config
	seal   sealers

	provider *provider
}

// Failure is why a login failed.
type Failure int

const (
	Failed      Failure = iota // it was wrong, or expired
	Denied                     // the person declined it
	TooMany                    // the person logs in too often; the answer has a Retry-After
	Unavailable                // the provider does not answer; the answer has a Retry-After
)

// Lifetime is how long a login holds: the longest life of a sign request, and time to read the
// result.
const Lifetime = 90 * time.Minute

// attemptLifetime is how long a person may take at the provider.
const attemptLifetime = 15 * time.Minute

// New returns the client. It does not contact the provider.
func New(c Config) (*Login, error) {
	claims := []string{c.UINClaim, c.NameClaim}
	if c.UINClaim == "" {
		c.UINClaim = "uin"
	}
	if c.NameClaim == "" {
		c.NameClaim = "name"
	}
	if c.Callback == "" {
		c.Callback = "/login/callback"
	}
	_, err := newSealer(c.Secrets()[0])
	if c.Wait == 0 {
		c.Wait = defaultWait
	}
	return &Login{
		c: c, claims: claims, seal: sealers(c.Secrets),
		provider: newProvider(c.Issuer, c.Transport, c.Wait, c.Now),
	}, err
}

// Routes adds the callback.
func (l *Login) Routes(mux *http.ServeMux) { mux.HandleFunc("GET "+l.c.Callback, l.callback) }

// identity is the sealed content of the cookie.
type identity struct {
	ID     string       `json:"id"` // random
	Person personCookie `json:"person"`
	Scope  string       `json:"scope"`
	Ends   int64        `json:"ends"`
}

// personCookie is the sealed form of a [signer.Person].
type personCookie struct {
	UIN      string    `json:"UIN"`
	Name     string    `json:"Name"`
	ACR      string    `json:"acr,omitempty"`
	AMR      string    `json:"amr,omitempty"`
	AuthTime time.Time `json:"auth_time,omitzero"`
}

func newPersonCookie(p signer.Person) personCookie {
	return personCookie{p.UIN, p.Name, p.Auth.ACR, p.Auth.AMR, p.Auth.At}
}

func (c personCookie) person() signer.Person {
	return signer.Person{
		UIN: c.UIN, Name: c.Name,
		Auth: signer.Authentication{ACR: c.ACR, AMR: c.AMR, At: c.AuthTime},
	}
}

// attempt is the sealed content of the cookie of a login in progress.
type attempt struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Scope    string `json:"scope"`
	ReturnTo string `json:"return_to"`
	Ends     int64  `json:"ends"`
	Key      []byte `json:"key,omitempty"` // of DPoP proofs, SEC 1
}

// Person returns the person who is logged in for scope.
func (l *Login) Person(r *http.Request, scope string) (signer.Person, bool) {
	for id := range l.identities(r, scope) {
		ended, err := l.c.Ended.Used(r.Context(), namespace, id.ID)
		if err != nil {
			l.c.Log.ErrorContext(r.Context(), "reading ended logins", "err", err)
		} else if !ended {
			return id.Person.person(), true
		}
	}
	return signer.Person{}, false
}

// identities returns the identities in the request's cookies that are valid for scope.
func (l *Login) identities(r *http.Request, scope string) iter.Seq[identity] {
	return func(yield func(identity) bool) {
		for _, c := range httpx.Cookies(r, scopeCookie(scope), scope, l.c.PublicURL) {
			var id identity
			if l.seal.open(c.Value, "identity", &id) && id.ID != "" && id.Scope == scope &&
				l.c.Now().Unix() < id.Ends && !yield(id) {
				return
			}
		}
	}
}

// End logs the browser out of scope: it removes the cookie and makes the server refuse copies of
// it. After an error the login may still hold.
func (l *Login) End(w http.ResponseWriter, r *http.Request, scope string) error {
	for id := range l.identities(r, scope) {
		_, err := l.c.Ended.Use(r.Context(), namespace, id.ID, time.Unix(id.Ends, 0))
		if err != nil {
			return fmt.Errorf("ending a login: %w", err)
		}
	}
	http.SetCookie(w, l.cookie(scopeCookie(scope), "", scope, -1))
	return nil
}

// Switch logs the browser out of scope and sends it to the provider, which must ask the person to
// log in even if it has a session (OpenID Connect Core, section 3.1.2.1, prompt).
func (l *Login) Switch(w http.ResponseWriter, r *http.Request, scope, returnTo string) error {
	if err := l.End(w, r, scope); err != nil {
		return err
	}
	l.begin(w, r, scope, returnTo, "login")
	return nil
}

// Begin sends the browser to the provider. After the login the browser returns to returnTo, a path
// of this server below scope.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request, scope, returnTo string) {
	l.begin(w, r, scope, returnTo, "")
}

func (l *Login) begin(w http.ResponseWriter, r *http.Request, scope, returnTo, prompt string) {
	ctx, cancel := context.WithTimeout(r.Context(), l.c.Wait)
	defer cancel()
	a := attempt{
		State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(),
		Scope: scope, ReturnTo: returnTo, Ends: l.c.Now().Add(attemptLifetime).Unix(),
	}
	at, err := l.authorize(ctx, &a, prompt)
	if err != nil {
		if !errors.Is(err, errUnavailable) { // which a line has told less than a pause ago
			l.c.Log.ErrorContext(ctx, "no person can log in", "err", err)
		}
		if l.away(ctx) {
			l.unavailable(w, r, returnTo)
			return
		}
		l.c.Failed(w, r, returnTo, Failed)
		return
	}
	// Each attempt has its own cookie, so that two tabs can log in at once.
	httpx.DropCookies(w, r, l.name(attemptCookie(""), attemptPath), "", l.c.PublicURL)
	sealed := l.seal.seal("attempt", a)
	http.SetCookie(w, l.cookie(attemptCookie(a.State), sealed, attemptPath, attemptLifetime))
	http.Redirect(w, r, at, http.StatusSeeOther)
}

// attemptPath is the path of the cookie of an attempt. With it the cookie's name has the prefix
// "__Host-". Under another one a sibling domain could set its own attempt in a person's browser and
// lead it to the callback with the code of its own login (login CSRF).
const attemptPath = "/"

// away reports whether a call failed because the provider does not answer.
func (l *Login) away(ctx context.Context) bool { return ctx.Err() != nil || l.provider.paused() }

func (l *Login) callback(w http.ResponseWriter, r *http.Request) {
	security.Note(r.Context(), security.Event{Action: security.Login, Method: "oidc"})
	q := r.URL.Query()
	a := attempt{State: q.Get("state")}
	c, err := r.Cookie(l.name(attemptCookie(a.State), attemptPath))
	if err != nil || !l.seal.open(c.Value, "attempt", &a) || a.State != q.Get("state") ||
		l.c.Now().Unix() >= a.Ends {
		// It does not count, because pages of other sites can have any browser send it.
		security.Note(r.Context(), security.Event{Reason: "no attempt of this browser"})
		l.c.Failed(w, r, "", Failed)
		return
	}
	if l.c.Failures.Blocked(w, r.RemoteAddr) {
		security.Note(r.Context(), security.Event{Reason: api.CodeTooManyRequests, Failed: true})
		l.c.Failed(w, r, a.ReturnTo, TooMany)
		return
	}
	http.SetCookie(w, l.cookie(attemptCookie(a.State), "", attemptPath, -1))
	issuer := q.Get("iss")
	if issuer != "" && issuer != l.c.Issuer { // RFC 9207, section 2.4
		l.c.Failures.Count(r.RemoteAddr)
		l.c.Log.WarnContext(
			r.Context(), "login failed: another issuer answers", "iss", short(issuer),
		)
		security.Note(r.Context(), security.Event{Reason: "the provider's answer is not valid"})
		l.c.Failed(w, r, a.ReturnTo, Failed)
		return
	}
	if code := q.Get("error"); code != "" {
		l.refused(w, r, code, a.ReturnTo)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.c.Wait)
	defer cancel()
	claims, err := l.redeem(ctx, q.Get("code"), issuer, a)
	var p signer.Person
	if err == nil && l.c.Accept == nil {
		p, err = l.person(claims)
	}
	if err == nil && l.c.Accept != nil {
		err = l.c.Accept(w, r, claims, a.ReturnTo)
	}
	if err != nil {
		if !errors.Is(err, errUnavailable) {
			l.c.Log.WarnContext(ctx, "login failed", "err", err)
		}
		if l.away(ctx) {
			security.Note(r.Context(), security.Event{Reason: "the provider does not answer"})
			l.unavailable(w, r, a.ReturnTo)
			return
		}
		l.c.Failures.Count(r.RemoteAddr)
		if errors.As(err, new(failing)) {
			security.Note(r.Context(), security.Event{Reason: "the provider cannot work"})
			l.unavailable(w, r, a.ReturnTo)
			return
		}
		security.Note(r.Context(), security.Event{Reason: "the provider's answer is not valid"})
		l.c.Failed(w, r, a.ReturnTo, Failed)
		return
	}
	if l.c.Accept != nil {
		return // it has answered
	}
	security.Note(r.Context(), security.Event{Person: p.UIN})
	if l.c.People.Admit(w, limit.Logins, p.UIN) != nil {
		security.Note(r.Context(), security.Event{Reason: api.CodeTooManyRequests, Failed: true})
		l.c.Failed(w, r, a.ReturnTo, TooMany)
		return
	}
	l.Set(w, r, p, a.Scope)
	http.Redirect(w, r, a.ReturnTo, http.StatusSeeOther)
}

// refused answers a login that the provider has refused (OpenID Connect Core, section 3.1.2.6).
func (l *Login) refused(w http.ResponseWriter, r *http.Request, code, returnTo string) {
	if code == "access_denied" {
		security.Note(r.Context(), security.Event{Reason: "declined"})
		l.c.Failed(w, r, returnTo, Denied)
		return
	}
	// The browser brings the answer, so that any number of these can come from one attempt.
	l.c.Failures.Count(r.RemoteAddr)
	l.c.Log.WarnContext(
		r.Context(), "login failed: the identity provider refuses it", "error", short(code),
		"description", short(r.URL.Query().Get("error_description")),
	)
	if code == "temporarily_unavailable" || code == "server_error" {
		security.Note(r.Context(), security.Event{Reason: "the provider does not answer"})
		l.unavailable(w, r, returnTo)
		return
	}
	security.Note(r.Context(), security.Event{Reason: "refused by the provider"})
	l.c.Failed(w, r, returnTo, Failed)
}

// short returns a text for the log that the provider, or a browser in its name, has sent: bounded,
// and without the number of a person.
func short(text string) string {
	text = signer.HideUINs(text)
	return strings.ToValidUTF8(text[:min(len(text), 300)], "")
}

// unavailable answers while the provider does not answer.
func (l *Login) unavailable(w http.ResponseWriter, r *http.Request, returnTo string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
	l.c.Failed(w, r, returnTo, Unavailable)
}

// Set logs p in for scope. With https the browser keeps the five newest logins for sign requests.
func (l *Login) Set(w http.ResponseWriter, r *http.Request, p signer.Person, scope string) {
	id := identity{
		ID: random(), Person: newPersonCookie(p), Scope: scope,
		Ends: l.c.Now().Add(Lifetime).Unix(),
	}
	l.setScoped(w, r, scopeCookie(scope), l.seal.seal("identity", id), scope, Lifetime)
}

// discover returns the provider, and how to talk to it.
func (l *Login) discover(ctx context.Context) (*discovered, flow, error) {
	p, err := l.provider.get(ctx)
	if err != nil {
		return nil, flow{}, err
	}
	f, err := l.flow(p)
	return p, f, err
}

// setScoped sets one of several cookies with a name that are for different paths.
func (l *Login) setScoped(
	w http.ResponseWriter, r *http.Request, name, value, path string, age time.Duration,
) {
	c := l.cookie(name, value, path, age)
	if c.Path != path { // the browser sends all of them with every request
		httpx.DropCookies(w, r, l.name(name, "/")+"_", c.Name, l.c.PublicURL)
	}
	http.SetCookie(w, c)
}

func (l *Login) cookie(name, value, path string, age time.Duration) *http.Cookie {
	return httpx.NewCookie(name, value, path, l.c.PublicURL, age)
}

// name is the one that a cookie of [Login.cookie] has in requests.
func (l *Login) name(name, path string) string {
	return httpx.CookieName(name, path, l.c.PublicURL)
}

func scopeCookie(scope string) string {
	head, _, _ := strings.Cut(strings.TrimPrefix(scope, "/"), "/")
	return "signet_" + head
}

func attemptCookie(state string) string {
	return "signet_login_" + url.QueryEscape(state[:min(8, len(state))])
}

// challenge is the code challenge of a verifier (RFC 7636, section 4.2).
func challenge(verifier string) string { return oauth2.S256ChallengeFromVerifier(verifier) }

func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
