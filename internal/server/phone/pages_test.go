package phone

import (
	"net/url"
	"testing"
)

// TestOwnPath resolves what a page asks for as browsers do: it stays below /phone/.
func TestOwnPath(t *testing.T) {
	base, err := url.Parse("https://sign.test/phone/login")
	if err != nil {
		t.Fatal(err)
	}
	for next, want := range map[string]string{
		"/phone/":                         "/phone/",
		"/phone/enrol?next=%2Fphone%2F":   "/phone/enrol?next=%2Fphone%2F",
		"/phone/signv3-x/approve":         "/phone/signv3-x/approve",
		"/phone/a/../b":                   "/phone/a/../b",
		"":                                "/phone/",
		"/":                               "/phone/",
		"/phonebook/":                     "/phone/",
		"//evil.test/phone/":              "/phone/",
		"https://evil.test/phone/":        "/phone/",
		"/phone/../sign/x/leave":          "/phone/",
		"/phone/%2e%2e/sign/x/leave":      "/phone/",
		"/phone/a/..%2f..%2fsign/x/leave": "/phone/",
		"/phone/..":                       "/phone/",
		"/phone/./../../x":                "/phone/",
		"javascript:/phone/":              "/phone/",
	} {
		got := ownPath(next)
		if got != want {
			t.Errorf("%q leads to %q, want %q", next, got, want)
		}
		u, err := base.Parse(got)
		if err != nil || u.Host != base.Host || len(u.Path) < len("/phone/") ||
			u.Path[:len("/phone/")] != "/phone/" {
			t.Errorf("%q leads to %s, %v", next, u, err)
		}
	}
}
