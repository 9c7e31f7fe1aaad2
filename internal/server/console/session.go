package console

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/security"
)

// sessionCookie is sent to the whole control listener, whose /metrics the session opens too.
const sessionCookie = "signet_console"

// Accept begins the session of an operator whom the identity provider has logged in (package login,
// Config.Accept). The role is the highest that the claim gives; an operator without one is refused.
// The browser's earlier session ends, and so do the operator's sessions with another role.
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
	had := ""
	if role != NoRole {
		had = role.String()
	}
	if err := c.Sessions.EndOther(r.Context(), subject, had); err != nil {
		return err
	}
	if role == NoRole || operatorName(name) == "" {
		return errors.New("the claim " + c.RoleClaim + " gives the operator no role")
	}
	if err := c.leave(r); err != nil {
		return err
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	secret, err := c.Sessions.Begin(r.Context(), operator.Session{
		Subject: subject, Name: operatorName(name), Role: role.String(), Address: address,
		Browser: operatorName(r.UserAgent()),
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, httpx.NewCookie(sessionCookie, secret, "/", c.URL, operator.Life))
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

// sessionOf returns the session of a request, whose secret is a bearer token or a cookie. The error
// is operator.ErrNoSession if there is none.
func (c *Console) sessionOf(r *http.Request) (operator.Session, error) {
	return c.session(r, c.Sessions.Find)
}

// lasts returns an error if the operator's session is over, which the request had at its beginning.
func (c *Console) lasts(r *http.Request) error {
	if operatorOf(r.Context()).begun.IsZero() {
		return nil
	}
	_, err := c.session(r, c.Sessions.Peek)
	return err
}

func (c *Console) session(
	r *http.Request, find func(context.Context, string) (operator.Session, error),
) (operator.Session, error) {
	err := operator.ErrNoSession
	if c.Login == nil {
		return operator.Session{}, err
	}
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return find(r.Context(), token)
	}
	for _, cookie := range httpx.Cookies(r, sessionCookie, "/", c.URL) {
		var s operator.Session
		if s, err = find(r.Context(), cookie.Value); err == nil {
			return s, nil
		}
	}
	return operator.Session{}, err
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

// leave ends the session of the browser.
func (c *Console) leave(r *http.Request) error {
	for _, cookie := range httpx.Cookies(r, sessionCookie, "/", c.URL) {
		if err := c.Sessions.Leave(r.Context(), cookie.Value); err != nil {
			return err
		}
	}
	return nil
}

// logout ends the operator's own session.
func (c *Console) logout(w http.ResponseWriter, r *http.Request) error {
	if err := c.leave(r); err != nil {
		return err
	}
	http.SetCookie(w, httpx.NewCookie(sessionCookie, "", "/", c.URL, -1))
	return c.show(w, r, LoggedOut{})
}

// listSessions shows the sessions of all nodes.
func (c *Console) listSessions(w http.ResponseWriter, r *http.Request) error {
	me := operatorOf(r.Context())
	page := SessionsPage{Login: c.Login != nil, Name: me.name, Role: me.role.String()}
	page.LoggedIn, page.MayEnd = me.subject != "", me.role >= Admin
	all, err := c.Sessions.All(r.Context())
	if err != nil {
		return err
	}
	for _, s := range all {
		page.Sessions = append(page.Sessions, SessionRow{
			ID: s.Label(), Name: s.Name, Role: s.Role, Begun: s.Begun, Seen: s.Seen,
			Address: s.Address, Browser: s.Browser,
		})
	}
	return c.show(w, r, page)
}

// beginToken begins a session for the command line, with the operator's role and the end of the
// operator's own session, and shows its secret.
func (c *Console) beginToken(w http.ResponseWriter, r *http.Request) error {
	me := operatorOf(r.Context())
	if me.begun.IsZero() {
		c.Kit.Error(w, r, http.StatusConflict, "")
		return nil
	}
	address, _, _ := net.SplitHostPort(r.RemoteAddr)
	secret, err := c.Sessions.Begin(r.Context(), operator.Session{
		Subject: me.subject, Name: me.name, Role: me.role.String(), Address: address,
		Browser: "command line", Begun: me.begun,
	})
	if err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-store")
	return c.show(w, r, TokenPage{
		Token: secret, Role: me.role.String(), Ends: me.begun.Add(operator.Life),
	})
}

// endSession ends a session, of any operator.
func (c *Console) endSession(w http.ResponseWriter, r *http.Request) error {
	if err := c.Sessions.End(r.Context(), r.PostFormValue("session")); err != nil {
		return err
	}
	http.Redirect(w, r, "/console/sessions", http.StatusSeeOther)
	return nil
}
