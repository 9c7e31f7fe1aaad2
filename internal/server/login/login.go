// Package login is the OpenID Connect client (authorization code with PKCE) that logs people in to
// portal and phone, and the cookie that keeps them logged in. It is the same for an organisation's
// provider and for the sandbox's own.
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
	ClientSecret string
	UINClaim     string // claim of the ID token with the NRIC or FIN; default "uin"
	NameClaim    string // claim with the name for the certificate; default "name"
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
	Accept func(w http.ResponseWriter, r *http.Request, claims map[string]any, returnTo string) error

	// Callback is the path below PublicURL that is registered with the provider; default
	// "/login/callback".
	Callback string

	// Failed answers a request after a failed login. returnTo is the page on which the login began.
	Failed func(w http.ResponseWriter, r *http.Request, returnTo string, why Failure)
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
	c    Config
	seal sealers

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
		c: c, seal: sealers(c.Secrets), provider: newProvider(c.Issuer, c.Transport, c.Wait, c.Now),
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
		for _, c := range r.CookiesNamed(l.name(scopeCookie(scope), scope)) {
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
		if _, err := l.c.Ended.Use(r.Context(), namespace, id.ID, time.Unix(id.Ends, 0)); err != nil {
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
	l.begin(w, r, scope, returnTo, oauth2.SetAuthURLParam("prompt", "login"))
	return nil
}

// Begin sends the browser to the provider. After the login the browser returns to returnTo, a path
// of this server below scope.
func (l *Login) Begin(w http.ResponseWriter, r *http.Request, scope, returnTo string) {
	l.begin(w, r, scope, returnTo)
}

func (l *Login) begin(
	w http.ResponseWriter, r *http.Request, scope, returnTo string,
	options ...oauth2.AuthCodeOption,
) {
	ctx, cancel := context.WithTimeout(r.Context(), l.c.Wait)
	defer cancel()
	conf, _, err := l.oauth(ctx)
	if err != nil {
		l.c.Log.ErrorContext(ctx, "the identity provider cannot be reached", "err", err)
		l.unavailable(w, r, returnTo)
		return
	}
	a := attempt{
		State: random(), Nonce: random(), Verifier: oauth2.GenerateVerifier(),
		Scope: scope, ReturnTo: returnTo, Ends: l.c.Now().Add(attemptLifetime).Unix(),
	}
	// Each attempt has its own cookie, so that two tabs can log in at once.
	http.SetCookie(
		w,
		l.cookie(attemptCookie(a.State), l.seal.seal("attempt", a), l.c.Callback, attemptLifetime),
	)
	if len(l.c.ACRValues) > 0 {
		acr := strings.Join(l.c.ACRValues, " ")
		options = append(options, oauth2.SetAuthURLParam("acr_values", acr))
	}
	if l.c.MaxAge > 0 {
		seconds := strconv.Itoa(int(l.c.MaxAge.Seconds()))
		options = append(options, oauth2.SetAuthURLParam("max_age", seconds))
	}
	options = append(options, oidc.Nonce(a.Nonce), oauth2.S256ChallengeOption(a.Verifier))
	http.Redirect(w, r, conf.AuthCodeURL(a.State, options...), http.StatusSeeOther)
}

func (l *Login) callback(w http.ResponseWriter, r *http.Request) {
	security.Note(r.Context(), security.Event{Action: security.Login, Method: "oidc"})
	if l.c.Failures.Blocked(w, r.RemoteAddr) {
		security.Note(r.Context(), security.Event{Reason: api.CodeTooManyRequests, Failed: true})
		l.c.Failed(w, r, "", TooMany)
		return
	}
	q := r.URL.Query()
	a := attempt{State: q.Get("state")}
	c, err := r.Cookie(l.name(attemptCookie(a.State), l.c.Callback))
	if err != nil || !l.seal.open(c.Value, "attempt", &a) || a.State != q.Get("state") ||
		l.c.Now().Unix() >= a.Ends {
		l.c.Failures.Count(r.RemoteAddr)
		security.Note(r.Context(), security.Event{Reason: "no attempt of this browser"})
		l.c.Failed(w, r, "", Failed)
		return
	}
	http.SetCookie(w, l.cookie(attemptCookie(a.State), "", l.c.Callback, -1))
	if code := q.Get("error"); code != "" {
		failure, reason := Failed, "refused by the provider"
		if code == "access_denied" {
			failure, reason = Denied, "declined"
		}
		security.Note(r.Context(), security.Event{Reason: reason})
		l.c.Failed(w, r, a.ReturnTo, failure)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), l.c.Wait)
	defer cancel()
	claims, err := l.exchange(ctx, q.Get("code"), a)
	var p signer.Person
	if err == nil && l.c.Accept == nil {
		p, err = l.person(claims)
	}
	if err == nil && l.c.Accept != nil {
		err = l.c.Accept(w, r, claims, a.ReturnTo)
	}
	if err != nil {
		l.c.Log.WarnContext(ctx, "login failed", "err", err)
		if ctx.Err() != nil || l.provider.paused() {
			security.Note(r.Context(), security.Event{Reason: "the provider does not answer"})
			l.unavailable(w, r, a.ReturnTo)
			return
		}
		l.c.Failures.Count(r.RemoteAddr)
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
	l.Set(w, p, a.Scope)
	http.Redirect(w, r, a.ReturnTo, http.StatusSeeOther)
}

// unavailable answers while the provider does not answer.
func (l *Login) unavailable(w http.ResponseWriter, r *http.Request, returnTo string) {
	w.Header().Set("Retry-After", strconv.Itoa(int(pause.Seconds())))
	l.c.Failed(w, r, returnTo, Unavailable)
}

// Set logs p in for scope.
func (l *Login) Set(w http.ResponseWriter, p signer.Person, scope string) {
	id := identity{
		ID: random(), Person: newPersonCookie(p), Scope: scope,
		Ends: l.c.Now().Add(Lifetime).Unix(),
	}
	http.SetCookie(w, l.cookie(scopeCookie(scope), l.seal.seal("identity", id), scope, Lifetime))
}

// exchange redeems the provider's code and returns the claims of the ID token (OpenID Connect Core,
// section 3.1.3).
func (l *Login) exchange(
	ctx context.Context, code string, a attempt,
) (claims map[string]any, err error) {
	conf, provider, err := l.oauth(ctx)
	if err != nil {
		return nil, err
	}
	ctx = oidc.ClientContext(ctx, l.provider.client)
	token, err := conf.Exchange(ctx, code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return nil, fmt.Errorf("redeeming the code: %w", err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, errors.New("the answer holds no ID token")
	}
	idToken, err := provider.Verifier(&oidc.Config{ClientID: l.c.ClientID, Now: l.c.Now}).Verify(
		ctx, raw,
	)
	if err != nil {
		return nil, err
	}
	if idToken.Nonce != a.Nonce {
		return nil, errors.New("the ID token answers another login")
	}
	err = idToken.Claims(&claims)
	return claims, err
}

// person returns the signer whom the claims name.
func (l *Login) person(claims map[string]any) (p signer.Person, err error) {
	uin, _ := claims[l.c.UINClaim].(string)
	name, _ := claims[l.c.NameClaim].(string)
	p = signer.Person{UIN: signer.Normalize(uin), Name: strings.TrimSpace(name)}
	if !signer.ValidUIN(p.UIN) || p.Name == "" {
		return signer.Person{}, fmt.Errorf(
			"the ID token lacks a valid %q or a %q", l.c.UINClaim, l.c.NameClaim,
		)
	}
	p.Auth, err = l.authentication(claims)
	return p, err
}

// leeway is how much longer ago than MaxAge a person may have logged in, for the steps at the
// provider after the password, and for clocks.
const leeway = time.Minute

// authentication reads how the person logged in, and checks it. A provider need not do what
// acr_values and max_age ask for (OpenID Connect Core, section 3.1.3.7).
func (l *Login) authentication(claims map[string]any) (a signer.Authentication, _ error) {
	a.ACR, _ = claims["acr"].(string)
	methods, _ := claims["amr"].([]any)
	var amr []string
	for _, m := range methods {
		if m, ok := m.(string); ok {
			amr = append(amr, m)
		}
	}
	a.AMR = strings.Join(amr, " ")
	if at, ok := claims["auth_time"].(float64); ok {
		a.At = time.Unix(int64(at), 0).UTC()
	}
	if len(l.c.ACRValues) > 0 && !slices.Contains(l.c.ACRValues, a.ACR) {
		return a, fmt.Errorf("the ID token has the acr %q, which is not configured", a.ACR)
	}
	if l.c.MaxAge > 0 {
		age := l.c.Now().Sub(a.At)
		if a.At.IsZero() || age > l.c.MaxAge+leeway || age < -leeway {
			return a, fmt.Errorf(
				"the ID token has the auth_time %s, which is not within %s", a.At, l.c.MaxAge,
			)
		}
	}
	return a, nil
}

func (l *Login) oauth(ctx context.Context) (*oauth2.Config, *oidc.Provider, error) {
	provider, err := l.provider.get(ctx)
	if err != nil {
		return nil, nil, err
	}
	return &oauth2.Config{
		ClientID: l.c.ClientID, ClientSecret: l.c.ClientSecret,
		Endpoint:    provider.Endpoint(),
		RedirectURL: l.c.PublicURL + l.c.Callback,
		Scopes:      []string{oidc.ScopeOpenID, "profile"},
	}, provider, nil
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

func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}
