package e2e_test

import (
	"net/http"
	"strings"
	"testing"
)

// TestSwitchOnEveryPage shows that each page of a person who is logged in offers to log in as
// another person, and that doing so ends the login.
func TestSwitchOnEveryPage(t *testing.T) {
	s := start(t)
	offers := func(name string, a answer, action string) {
		t.Helper()
		if !strings.Contains(a.body, `action="`+action+`"`) ||
			!strings.Contains(a.text(), "Not you?") ||
			!strings.Contains(a.text(), "TAN XIAO HUI") {
			t.Errorf("%s (%d): no way to log in as another person: %s", name, a.status, a.text())
		}
	}
	for name, c := range map[string]struct {
		prepare func(id string, v *visitor)
		over    bool // the link leads to no further login
	}{
		"document": {prepare: func(string, *visitor) {}},
		"code": {prepare: func(id string, v *visitor) {
			v.post(t, "/sign/"+id+"/proceed", nil).follow(t)
		}},
		"ended": {prepare: func(id string, v *visitor) {
			v.post(t, "/sign/"+id+"/proceed", nil).follow(t)
			v.post(t, "/sign/"+id+"/sandbox/reject", nil).follow(t)
		}},
		"signed": {prepare: func(id string, v *visitor) {
			v.post(t, "/sign/"+id+"/proceed", nil).follow(t)
			v.post(t, "/sign/"+id+"/sandbox/approve", nil).follow(t)
			s.settled(t, id, "signed")
		}},
		"cancelled": {over: true, prepare: func(id string, _ *visitor) { s.cancel(t, id) }},
		"expired":   {over: true, prepare: func(string, *visitor) { s.advance(t, "31m") }},
	} {
		t.Run(name, func(t *testing.T) {
			in, v := s.initiate(t), s.visitor(t)
			v.login(t, in, alice)
			c.prepare(in.RequestID, v)
			action := "/sign/" + in.RequestID + "/switch"
			offers(name, v.get(t, in.SigningURL), action)
			to := v.post(t, action, nil).follow(t)
			if over := to == "/sign/"+in.RequestID; over != c.over {
				t.Errorf("the switch leads to %s", to)
			}
			if page := v.get(t, in.SigningURL); strings.Contains(page.text(), "TAN XIAO HUI") {
				t.Errorf("the first person is still logged in: %s", page.text())
			}
		})
	}
	p := enrolled(t, s, alice)
	stale := "/phone/sign/signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"
	for _, path := range []string{"/phone/", "/phone/enrol", "/phone/scan", stale, stale + "?c=AAAAAAAAAAAAAAAA"} {
		offers(path, p.get(t, path), "/phone/switch")
	}
	if a := s.visitor(t).get(t, "/phone/scan"); strings.Contains(a.text(), "Not you?") ||
		a.status != http.StatusOK {
		t.Errorf("without a login: %d %s", a.status, a.text())
	}
}
