package login_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/server/login"
)

// TestClaimPaths checks the paths of claims: a name, also with dots in it, a way into objects, and
// a pair of a text. Where a path leads to no text, no person is logged in.
func TestClaimPaths(t *testing.T) {
	for path, claims := range map[string]map[string]any{
		"nric":                      {"nric": "S8979373D"},
		"https://example.test/nric": {"https://example.test/nric": "S8979373D"},
		"a.b.c":                     {"a": map[string]any{"b": map[string]any{"c": "S8979373D"}}},
		"sub.s":                     {"sub": "s=S8979373D,u=5e1a"},
		"x.s":                       {"x": "u=5e1a,s=S8979373D"},
	} {
		p := newProvider(t)
		edit := func(c *login.Config) { c.Issuer, c.UINClaim = p.URL, path }
		claims["uin"] = nil
		l := newClient(t, edit)
		if who, ok := l.Person(
			with(l.attempt(t, p, claims, "/sign/1", "/sign/1").Cookies()), "/sign/1",
		); !ok || who.UIN != "S8979373D" {
			t.Errorf("%s: %+v: %s", path, who, &l.log)
		}
		for _, wrong := range []any{7, []string{"S8979373D"}, map[string]any{"s": 7}, "s"} {
			name, _, _ := strings.Cut(path, ".")
			if strings.HasPrefix(path, "https:") {
				name = path
			}
			l := newClient(t, edit)
			bad := map[string]any{"uin": nil, name: wrong}
			resp := l.attempt(t, p, bad, "/sign/1", "/sign/1")
			if resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s with %v: %d", path, wrong, resp.StatusCode)
			}
		}
	}
}
