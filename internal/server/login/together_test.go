package login_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/server/login"
)

// TestLoginsTogether has two browsers log in at the same time on two nodes, at a provider that
// checks neither PKCE nor that a code is used once. Of all ways to exchange the states, codes and
// cookies of the two logins, only each browser's own lead to a login, on either node, of the person
// whose code it is.
func TestLoginsTogether(t *testing.T) {
	p := newProvider(t)
	first := newClient(t, func(c *login.Config) { c.Issuer = p.URL })
	second := newClient(t, func(c *login.Config) { c.Issuer = p.URL })
	nodes := []*client{first, second}
	const scope = "/sign/signv3-1"
	uins := []string{"S8979373D", "S8116474F"}
	type begun struct {
		cookies      []*http.Cookie
		state, nonce string
	}
	var logins []begun
	for i := range uins {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodPost, "https://sign.example/", nil)
		nodes[i].Begin(w, r, scope, scope)
		at, err := url.Parse(w.Header().Get("Location"))
		if err != nil {
			t.Fatal(err)
		}
		q := at.Query()
		logins = append(logins, begun{w.Result().Cookies(), q.Get("state"), q.Get("nonce")})
	}
	p.answer = func(answer map[string]any) {
		var i int
		if _, err := fmt.Sscanf(p.form.Get("code"), "code-%d", &i); err != nil {
			t.Error(err)
		}
		answer["id_token"] = p.idToken(t, p.key, map[string]any{
			"iss": p.URL, "aud": "signet", "sub": "s", "iat": time.Now().Unix(),
			"exp": time.Now().Add(time.Minute).Unix(), "nonce": logins[i].nonce, "uin": uins[i],
			"name": "TAN XIAO HUI",
		})
	}
	// renamed are the cookies of a login under the names of another one's.
	renamed := func(cookies, names []*http.Cookie) (list []*http.Cookie) {
		for i, c := range cookies {
			list = append(list, &http.Cookie{Name: names[i].Name, Value: c.Value})
		}
		return list
	}
	for at, node := range nodes {
		for state := range logins {
			for code := range logins {
				for name, cookies := range map[string][]*http.Cookie{
					"the first's":          logins[0].cookies,
					"the second's":         logins[1].cookies,
					"the first's renamed":  renamed(logins[0].cookies, logins[1].cookies),
					"the second's renamed": renamed(logins[1].cookies, logins[0].cookies),
					"both, names exchanged": append(
						renamed(logins[0].cookies, logins[1].cookies),
						renamed(logins[1].cookies, logins[0].cookies)...,
					),
					"both, as in one browser": append(append([]*http.Cookie{}, logins[0].cookies...), logins[1].cookies...),
					"none":                    nil,
				} {
					r := httptest.NewRequest(http.MethodGet, fmt.Sprintf(
						"https://sign.example/login/callback?code=code-%d&state=%s", code,
						logins[state].state,
					), nil)
					for _, c := range cookies {
						r.AddCookie(c)
					}
					w := httptest.NewRecorder()
					node.mux.ServeHTTP(w, r)
					own := name == "both, as in one browser" ||
						name == []string{"the first's", "the second's"}[state]
					want := own && code == state
					what := fmt.Sprintf(
						"node %d, state %d, code %d, cookies: %s", at, state, code, name,
					)
					if got := w.Code == http.StatusSeeOther; got != want {
						t.Errorf("%s: %d", what, w.Code)
					}
					after := httptest.NewRequest(
						http.MethodGet, "https://sign.example"+scope, nil,
					)
					for _, c := range w.Result().Cookies() {
						after.AddCookie(c)
					}
					for other, n := range nodes {
						person, ok := n.Person(after, scope)
						if ok != want || ok && person.UIN != uins[code] {
							t.Errorf("%s: node %d knows %v %v", what, other, person, ok)
						}
					}
				}
			}
		}
	}
}
