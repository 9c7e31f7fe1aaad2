package console

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/security"
)

// Limits of a session: it ends after an hour without a request, and eight hours after its login.
const (
	sessionIdle = time.Hour
	sessionLife = 8 * time.Hour
)

// sessionCookie is sent to the whole control listener, whose /metrics the session opens too.
const sessionCookie = "signet_console"

// session is one login of an operator.
type session struct {
	Subject string // at the provider
	Name    string
	Role    Role
	Begun   time.Time
	Seen    time.Time // time of the newest request
	Address string    // of the login
	Browser string    // user agent of the login
}

// sessions are the sessions of this process, by the SHA-256 of their secrets. A restart ends them;
// the provider's own session then logs an operator in without a question.
type sessions struct {
	mu   sync.Mutex
	list map[[sha256.Size]byte]*session
}

// add begins a session and returns its secret.
func (s *sessions) add(new session) (secret string) {
	secret = rand.Text()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.list == nil {
		s.list = map[[sha256.Size]byte]*session{}
	}
	s.list[sha256.Sum256([]byte(secret))] = &new
	return secret
}

// find returns a copy of the session with the secret, and notes that it was used.
func (s *sessions) find(secret string, now time.Time) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	found, ok := s.list[sha256.Sum256([]byte(secret))]
	if !ok {
		return session{}, false
	}
	found.Seen = now
	return *found, true
}

// all returns the sessions by the names that [sessions.end] takes.
func (s *sessions) all(now time.Time) map[string]session {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.expire(now)
	all := make(map[string]session, len(s.list))
	for id, one := range s.list {
		all[sessionName(id)] = *one
	}
	return all
}

// end ends the session with this name, if there is one.
func (s *sessions) end(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for id := range s.list {
		if sessionName(id) == name {
			delete(s.list, id)
		}
	}
}

func (s *sessions) expire(now time.Time) {
	for id, one := range s.list {
		if now.Sub(one.Seen) >= sessionIdle || now.Sub(one.Begun) >= sessionLife {
			delete(s.list, id)
		}
	}
}

// sessionName is the name of a session on pages. It opens nothing: only the secret does.
func sessionName(id [sha256.Size]byte) string { return hex.EncodeToString(id[:8]) }

// Accept begins the session of an operator whom the identity provider has logged in (package login,
// Config.Accept). The role is the highest that the claim gives; an operator without one is refused.
func (c *Console) Accept(
	w http.ResponseWriter, r *http.Request, claims map[string]any, returnTo string,
) error {
	subject, _ := claims["sub"].(string)
	name := subject
	for _, claim := range []string{"email", "preferred_username", "name"} {
		if text, ok := claims[claim].(string); ok && operatorName(text) != "" {
			name = text
			break
		}
	}
	security.Note(r.Context(), security.Event{
		Action: security.ConsoleLogin, Actor: operatorName(name), Method: "oidc",
	})
	role := NoRole
	for _, text := range texts(claims[c.RoleClaim]) {
		role = max(role, c.Roles[text])
	}
	if role == NoRole || operatorName(name) == "" {
		return errors.New("the claim " + c.RoleClaim + " gives the operator no role")
	}
	now := c.Now()
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	secret := c.sessions.add(session{
		Subject: subject, Name: operatorName(name), Role: role, Begun: now, Seen: now,
		Address: address, Browser: operatorName(r.UserAgent()),
	})
	http.SetCookie(w, httpx.NewCookie(sessionCookie, secret, "/", c.URL, sessionLife))
	http.Redirect(w, r, returnTo, http.StatusSeeOther)
	return nil
}

// texts returns a claim that is a text or a list of texts as a list.
func texts(claim any) (list []string) {
	switch claim := claim.(type) {
	case string:
		return []string{claim}
	case []any:
		for _, item := range claim {
			if text, ok := item.(string); ok {
				list = append(list, text)
			}
		}
	}
	return list
}

// LoginFailed answers an operator whose login failed (package login, Config.Failed).
func (c *Console) LoginFailed(w http.ResponseWriter, r *http.Request, status int) {
	security.Note(r.Context(), security.Event{Action: security.ConsoleLogin, Failed: true})
	c.Kit.Error(w, r, status, "")
}

// sessionOf returns the session of a request.
func (c *Console) sessionOf(r *http.Request) (*session, bool) {
	if c.Login == nil {
		return nil, false
	}
	for _, cookie := range r.CookiesNamed(httpx.CookieName(sessionCookie, "/", c.URL)) {
		if s, ok := c.sessions.find(cookie.Value, c.Now()); ok {
			return &s, true
		}
	}
	return nil, false
}

// login is GET /console/login: it sends the browser to the identity provider.
func (c *Console) login(w http.ResponseWriter, r *http.Request) {
	next := r.URL.Query().Get("next")
	if !strings.HasPrefix(next, Base) || strings.Contains(next, "..") {
		next = Base
	}
	c.Login.Begin(w, r, "/console", next)
}

func loginURL(next string) string { return "/console/login?next=" + url.QueryEscape(next) }

// logout ends the operator's own session.
func (c *Console) logout(w http.ResponseWriter, r *http.Request) error {
	for _, cookie := range r.CookiesNamed(httpx.CookieName(sessionCookie, "/", c.URL)) {
		c.sessions.end(sessionName(sha256.Sum256([]byte(cookie.Value))))
	}
	http.SetCookie(w, httpx.NewCookie(sessionCookie, "", "/", c.URL, -1))
	c.Kit.Show(w, r, c.Log, http.StatusOK, LoggedOut{})
	return nil
}

// listSessions shows the sessions of this process.
func (c *Console) listSessions(w http.ResponseWriter, r *http.Request) error {
	me := operatorOf(r.Context())
	page := SessionsPage{Login: c.Login != nil, Name: me.name, Role: me.role.String()}
	page.LoggedIn, page.MayEnd = me.session != nil, me.role >= Admin
	for id, s := range c.sessions.all(c.Now()) {
		page.Sessions = append(page.Sessions, SessionRow{
			ID: id, Name: s.Name, Role: s.Role.String(), Begun: s.Begun, Seen: s.Seen,
			Address: s.Address, Browser: s.Browser,
		})
	}
	slices.SortFunc(page.Sessions, func(a, b SessionRow) int { return b.Seen.Compare(a.Seen) })
	c.Kit.Show(w, r, c.Log, http.StatusOK, page)
	return nil
}

// endSession ends a session, of any operator.
func (c *Console) endSession(w http.ResponseWriter, r *http.Request) error {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	c.sessions.end(r.PostFormValue("session"))
	http.Redirect(w, r, "/console/sessions", http.StatusSeeOther)
	return nil
}
