package console_test

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
)

func TestPassword(t *testing.T) {
	const password = "correct horse battery"
	w := newWorld(t, func(c *console.Console) { c.Password = password })
	id := w.in(t, request.StateSigned)
	as := func(method, path, user, pass string) answer {
		r := httptest.NewRequest(method, path, nil)
		if user+pass != "" {
			r.SetBasicAuth(user, pass)
		}
		return w.do(t, r)
	}
	for _, test := range []struct {
		name, user, pass string
		want             int
	}{
		{"no name", "", "", 401},
		{"wrong", "mei", "correct horse batterx", 401},
		{"part of it", "mei", password[:10], 401},
		{"no password", "mei", "", 401},
		{"no name", "", password, 401},
		{"a name of nothing", " \x01 ", password, 401},
		{"right", "mei", password, 200},
	} {
		for _, path := range []string{"/console/", "/console/requests/" + id + "/evidence.zip"} {
			got := as("GET", path, test.user, test.pass)
			if got.status != test.want {
				t.Errorf("%s: %s answers %d", test.name, path, got.status)
			}
			if got.status == 401 &&
				!strings.HasPrefix(got.header.Get("WWW-Authenticate"), "Basic realm=") {
				t.Error("a browser would not ask")
			}
		}
	}
	if got := as("POST", "/console/requests/"+id+"/cancel", "", ""); got.status != 401 {
		t.Errorf("a cancel without password: %d", got.status)
	}
	as("POST", "/console/requests/"+id+"/resend", "Mei\nLin", password)
	events, err := w.store.Events(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if last := events[len(events)-1]; last.Kind != request.EventResent ||
		last.Detail.By != "MeiLin" {
		t.Errorf("the trail says %+v", last)
	}
}

// TestWrongPasswords checks that after some wrong passwords no password from that address is
// judged, and those from others are.
func TestWrongPasswords(t *testing.T) {
	const password = "correct horse battery"
	w := newWorld(t, func(c *console.Console) {
		c.Password, c.Failures = password, &limit.Failures{PerMinute: 2}
	})
	for i, step := range []struct {
		address, password string
		want              int
	}{
		{"192.0.2.1:1", "wrong", 401},
		{"192.0.2.1:2", password, 200},
		{"192.0.2.1:3", "wrong", 401},
		{"192.0.2.1:4", "wrong", 429},
		{"192.0.2.1:5", password, 429},
		{"192.0.2.2:1", "wrong", 401},
		{"192.0.2.2:1", password, 200},
	} {
		r := httptest.NewRequest("GET", "/console/", nil)
		r.RemoteAddr = step.address
		r.SetBasicAuth("mei", step.password)
		got := w.do(t, r)
		if got.status != step.want || (got.header.Get("Retry-After") != "") != (step.want == 429) {
			t.Errorf(
				"%d: %+v: %d, Retry-After %q", i, step, got.status, got.header.Get("Retry-After"),
			)
		}
	}
}

// askedSessions counts the queries for sessions.
type askedSessions struct {
	operator.Store
	asked int
}

func (s *askedSessions) OperatorSession(ctx context.Context, id string) (operator.Session, error) {
	s.asked++
	return s.Store.OperatorSession(ctx, id)
}

// TestManySessionCookies checks that a request costs a few queries for sessions however many
// cookies it has, and that some cookies of others do not hide an operator's own.
func TestManySessionCookies(t *testing.T) {
	operators, err := login.New(login.Config{
		Secrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
	})
	if err != nil {
		t.Fatal(err)
	}
	var sessions *askedSessions
	w := newWorld(t, func(c *console.Console) {
		sessions = &askedSessions{Store: c.Sessions.Store}
		c.Sessions.Store, c.Login = sessions, operators
	})
	secret, err := w.Sessions.Begin(t.Context(), operator.Session{
		Subject: "1", Name: "ann", Role: "viewer",
	})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		cookies string
		status  int
	}{
		"own":         {"signet_console=" + secret, 200},
		"others, own": {strings.Repeat("signet_console=x; ", 4) + "signet_console=" + secret, 200},
		"many others": {strings.Repeat("signet_console=x; ", 2900), 401},
	} {
		sessions.asked = 0
		r := httptest.NewRequest("GET", "/console/sessions", nil)
		r.Header.Set("Cookie", test.cookies)
		if got := w.do(t, r); got.status != test.status || sessions.asked > 5 {
			t.Errorf("%s: %d after %d queries", name, got.status, sessions.asked)
		}
	}
}
