package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
)

// TestOperatorSessionsSurvive checks that a session holds after a restart, and what ended before it
// does not.
func TestOperatorSessionsSurvive(t *testing.T) {
	provider := newOperatorProvider(t)
	c := provider.config(t, partytest.Start(t), "audit=viewer")
	stop := running(t, c)
	login := func(name string) *operator {
		t.Helper()
		provider.claims = map[string]any{"sub": name, "email": name, "groups": "audit"}
		o := newOperator(t, c)
		if got := o.do("GET", "/console/", nil); got.status != http.StatusOK {
			t.Fatalf("login: %d", got.status)
		}
		o.client.CheckRedirect = func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}
		return o
	}
	stays, leaves := login("ann"), login("bob")
	u, _ := url.Parse(stays.console)
	cookies := leaves.client.Jar.Cookies(u)
	leaves.do("POST", "/console/logout", nil)
	leaves.client.Jar.SetCookies(u, cookies)
	stop()
	running(t, c)
	page := stays.do("GET", "/console/sessions", nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, "ann") ||
		strings.Contains(page.body, "bob") {
		t.Errorf("after the restart: %d %s", page.status, page.body)
	}
	if got := leaves.do("GET", "/console/sessions", nil); got.status != http.StatusSeeOther {
		t.Errorf("a session that was ended before the restart: %d", got.status)
	}
}

// TestOperatorRoleChanges checks that a login with another role, or without one, ends the sessions
// and tokens that the operator has from before, and one with the same role only that of its browser.
func TestOperatorRoleChanges(t *testing.T) {
	provider := newOperatorProvider(t)
	c := provider.config(t, partytest.Start(t), "audit=viewer", "it=admin")
	running(t, c)
	login := func(o *operator, sub, group string, want int) {
		t.Helper()
		provider.claims = map[string]any{"sub": sub, "email": sub, "groups": group}
		if got := o.do("GET", "/console/login", nil); got.status != want {
			t.Fatalf("login of %s with %s: %d", sub, group, got.status)
		}
	}
	// in reports whether a secret opens the console.
	in := func(secret string) bool {
		t.Helper()
		r, err := http.NewRequestWithContext(
			t.Context(), "GET", c.ConsoleURL+"/console/api/parties", nil,
		)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+secret)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	}
	secret := func(o *operator) string {
		t.Helper()
		u, _ := url.Parse(o.console)
		for _, cookie := range o.client.Jar.Cookies(u) {
			if cookie.Name == "signet_console" {
				return cookie.Value
			}
		}
		t.Fatal("no session")
		return ""
	}
	desk, laptop, other := newOperator(t, c), newOperator(t, c), newOperator(t, c)
	login(desk, "ann", "it", 200)
	login(other, "bob", "it", 200)
	first, bobs := secret(desk), secret(other)
	login(desk, "ann", "it", 200)
	if second := secret(desk); second == first || in(first) || !in(second) {
		t.Error("a second login of a browser does not replace its session")
	}
	login(laptop, "ann", "it", 200)
	if !in(secret(desk)) || !in(secret(laptop)) {
		t.Error("a login ends the operator's session in another browser")
	}
	before := secret(desk)
	login(laptop, "ann", "audit", 200)
	if in(before) || !in(secret(laptop)) || !in(bobs) {
		t.Error("the session of an admin outlives the role")
	}
	before = secret(laptop)
	login(newOperator(t, c), "ann", "none", 403)
	if in(before) || !in(bobs) {
		t.Error("a session outlives the last role")
	}
}
