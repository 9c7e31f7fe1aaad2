package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestLogin goes from the signing URL through the identity provider to the document.
func TestLogin(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	v := s.visitor(t)
	v.get(t, in.SigningURL).shows(t, 200, "Log in")

	begin := v.post(t, "/sign/"+in.RequestID+"/login", nil)
	at, err := url.Parse(begin.follow(t))
	if err != nil {
		t.Fatal(err)
	}
	q := at.Query()
	for name, want := range map[string]string{
		"response_type": "code", "code_challenge_method": "S256",
		"redirect_uri": s.url + "/login/callback", "scope": "openid profile",
	} {
		if q.Get(name) != want {
			t.Errorf("%s=%q, want %q", name, q.Get(name), want)
		}
	}
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if len(q.Get(name)) < 16 {
			t.Errorf("%s=%q is too short", name, q.Get(name))
		}
	}
	for _, c := range begin.header.Values("Set-Cookie") {
		if !strings.Contains(c, "HttpOnly") || !strings.Contains(c, "SameSite=Lax") ||
			!strings.Contains(c, "; Path=/;") {
			t.Errorf("cookie %s", c)
		}
	}

	callback := v.choose(t, v.chooser(t, begin), alice)
	back := v.get(t, callback)
	if to := back.follow(t); to != "/sign/"+in.RequestID {
		t.Errorf("the login leads to %s", to)
	}
	set := strings.Join(back.header.Values("Set-Cookie"), "\n")
	if !strings.Contains(set, "Path=/sign/"+in.RequestID+";") || strings.Contains(set, alice) {
		t.Errorf("cookies %s", set)
	}
	page := v.get(t, in.SigningURL)
	page.shows(t, 200, "Agreement.pdf")
	page.shows(t, 200, "Proceed to Sign")
	page.shows(t, 200, "TAN XIAO HUI")
	if strings.Contains(page.body, alice) {
		t.Error("the page shows the whole NRIC")
	}
	if v := s.view(t, in.RequestID); v.State != "locked" {
		t.Errorf("the request is %s", v.State)
	}
	if doc := v.get(t, "/sign/"+in.RequestID+"/document.pdf"); doc.status != 200 ||
		doc.body != string(pdftest.Minimal()) {
		t.Errorf("document.pdf: %d, %d bytes", doc.status, len(doc.body))
	}

	// The rest of the way, by the page's own forms.
	if to := v.post(t, "/sign/"+in.RequestID+"/proceed", nil).follow(t); to != "/sign/"+in.RequestID {
		t.Errorf("proceed leads to %s", to)
	}
	v.get(t, in.SigningURL).shows(t, 200, "Your match code")
	v.post(t, "/sign/"+in.RequestID+"/leave-session", nil).follow(t)
	v.get(t, in.SigningURL).shows(t, 200, "You cancelled signing")
	v.post(t, "/sign/"+in.RequestID+"/proceed", nil).follow(t)
	v.post(t, "/sign/"+in.RequestID+"/sandbox/reject", nil).follow(t)
	v.get(t, in.SigningURL).shows(t, 200, "You rejected the request")
	v.post(t, "/sign/"+in.RequestID+"/proceed", nil).follow(t)
	v.post(t, "/sign/"+in.RequestID+"/sandbox/approve", nil).follow(t)
	s.settled(t, in.RequestID, "signed")
	v.get(t, in.SigningURL).shows(t, 200, "Document signed")
	if doc := v.get(t, "/sign/"+in.RequestID+"/signed.pdf"); doc.status != 200 ||
		!strings.HasPrefix(doc.body, string(pdftest.Minimal())) {
		t.Errorf("signed.pdf: %d, %d bytes", doc.status, len(doc.body))
	}
	v.get(t, in.SigningURL).shows(t, 200, "proves it for decades")
	v.get(t, "/sign/"+in.RequestID+"/check").shows(t, 200, "The document is as it was signed")
	if a := s.visitor(t).get(t, "/sign/"+in.RequestID+"/check"); a.status != http.StatusForbidden {
		t.Errorf("a stranger's check: %d", a.status)
	}
	// An hour later it is not there for the signer either.
	s.advance(t, "61m")
	v.get(t, in.SigningURL).shows(t, 200, "no longer available here")
	if doc := v.get(t, "/sign/"+in.RequestID+"/signed.pdf"); doc.status != http.StatusForbidden {
		t.Errorf("signed.pdf after an hour: %d", doc.status)
	}
}

// TestLoginInTrail shows that the trail, the evidence and the events of phones say how the signer
// logged in.
func TestLoginInTrail(t *testing.T) {
	const acr = "urn:example:high"
	s := start(t, func(c *config.Config) {
		c.OIDCACRValues, c.OIDCMaxAge = config.List{acr, "urn:example:low"}, 10*time.Minute
	})
	in := s.initiate(t)
	v := s.visitor(t)
	before := s.now().Add(-time.Second)
	v.login(t, in, alice)
	s.advance(t, "20s")
	v.proceed(t, in)
	found := 0
	for _, e := range s.trail(t, in.RequestID).Events {
		if e.Kind != "opened" && e.Kind != "proceeded" {
			continue
		}
		found++
		at, err := time.Parse(time.RFC3339, e.Detail["auth_time"])
		if e.Detail["acr"] != acr || e.Detail["amr"] != "user" || err != nil ||
			at.Before(before.Truncate(time.Second)) || at.After(before.Add(10*time.Second)) {
			t.Errorf("%s: %v, logged in at about %s", e.Kind, e.Detail, before)
		}
	}
	if found != 2 {
		t.Errorf("%d events", found)
	}
	p := enrolled(t, s, alice)
	if !strings.Contains(p.get(t, "/phone/").body, "Test phone") {
		t.Error("a login at the phone does not work")
	}
}

// TestLoginAttacks checks what an attacker can try with the provider's answer.
func TestLoginAttacks(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	login := "/sign/" + in.RequestID + "/login"
	failed := func(t *testing.T, a answer) {
		t.Helper()
		a.shows(t, http.StatusForbidden, "Login failed")
		for _, c := range a.header.Values("Set-Cookie") {
			if strings.HasPrefix(c, "signet_sign=") {
				t.Errorf("a cookie all the same: %s", c)
			}
		}
		if v := s.view(t, in.RequestID); v.State != "created" {
			t.Errorf("the request is %s", v.State)
		}
	}
	change := func(callback, name, value string) string {
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	t.Run("another state", func(t *testing.T) {
		v := s.visitor(t)
		callback := v.choose(t, v.chooser(t, v.post(t, login, nil)), alice)
		failed(t, v.get(t, change(callback, "state", strings.Repeat("A", 22))))
		failed(t, v.get(t, change(callback, "state", "")))
	})
	t.Run("another browser", func(t *testing.T) {
		v := s.visitor(t)
		callback := v.choose(t, v.chooser(t, v.post(t, login, nil)), alice)
		failed(t, s.visitor(t).get(t, callback))
	})
	t.Run("another code", func(t *testing.T) {
		v := s.visitor(t)
		callback := v.choose(t, v.chooser(t, v.post(t, login, nil)), alice)
		failed(t, v.get(t, change(callback, "code", "guessed")))
	})
	t.Run("the code of another login, which PKCE tells apart", func(t *testing.T) {
		victim, attacker := s.visitor(t), s.visitor(t)
		stolen, err := url.Parse(
			victim.choose(t, victim.chooser(t, victim.post(t, login, nil)), alice),
		)
		if err != nil {
			t.Fatal(err)
		}
		own := attacker.choose(t, attacker.chooser(t, attacker.post(t, login, nil)), bob)
		failed(t, attacker.get(t, change(own, "code", stolen.Query().Get("code"))))
		// The code is used up by that; the victim has to begin again.
		failed(t, victim.get(t, stolen.String()))
	})
	t.Run("declined", func(t *testing.T) {
		v := s.visitor(t)
		a := v.get(t, v.choose(t, v.chooser(t, v.post(t, login, nil)), ""))
		failed(t, a)
		a.shows(t, 403, "The login was not approved")
		a.shows(t, 403, "Try again")
	})
	t.Run("too late", func(t *testing.T) {
		v := s.visitor(t)
		callback := v.choose(t, v.chooser(t, v.post(t, login, nil)), alice)
		s.advance(t, "2m") // codes live a minute
		failed(t, v.get(t, callback))
	})
	t.Run("the same code twice", func(t *testing.T) {
		in := s.initiate(t)
		v := s.visitor(t)
		callback := v.choose(t, v.chooser(t, v.post(t, "/sign/"+in.RequestID+"/login", nil)), alice)
		u, err := url.Parse(callback)
		if err != nil {
			t.Fatal(err)
		}
		kept := v.client.Jar.Cookies(u)
		v.get(t, callback).follow(t)
		v.get(t, callback).shows(t, 403, "Login failed") // the attempt is over
		v.client.Jar.SetCookies(u, kept)
		v.get(t, callback).shows(t, 403, "Login failed") // and so is the code
	})
}

// TestProvider is the sandbox's identity provider from a client's side.
func TestProvider(t *testing.T) {
	s := start(t)
	c := s.app.Config
	good := url.Values{
		"client_id": {c.OIDCClientID}, "redirect_uri": {s.url + "/login/callback"},
		"response_type":         {"code"},
		"code_challenge_method": {"S256"},
		"code_challenge":        {"E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"}, "state": {"st"},
		"nonce": {"no"}, "scope": {"openid"},
	}
	const verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" // RFC 7636, appendix B
	with := func(name, value string) url.Values {
		v := url.Values{}
		for k := range good {
			v.Set(k, good.Get(k))
		}
		v.Set(name, value)
		return v
	}
	v := s.visitor(t)
	for name, q := range map[string]url.Values{
		"a foreign redirect_uri":  with("redirect_uri", "https://evil.example/login/callback"),
		"a longer redirect_uri":   with("redirect_uri", s.url+"/login/callback?x"),
		"no redirect_uri":         with("redirect_uri", ""),
		"another client":          with("client_id", "other"),
		"the implicit flow":       with("response_type", "id_token"),
		"no PKCE":                 with("code_challenge", ""),
		"PKCE that hides nothing": with("code_challenge_method", "plain"),
	} {
		for _, a := range []answer{v.get(t, "/idp/authorize?"+q.Encode()), v.post(t, "/idp/authorize", withPersona(q))} {
			if a.status != 400 || a.header.Get("Location") != "" {
				t.Errorf("%s: %d, to %s", name, a.status, a.header.Get("Location"))
			}
		}
	}
	code := func() string {
		t.Helper()
		u, err := url.Parse(v.post(t, "/idp/authorize", withPersona(good)).follow(t))
		if err != nil || u.Query().Get("state") != "st" {
			t.Fatalf("%v %v", u, err)
		}
		return u.Query().Get("code")
	}
	redeem := func(edit func(url.Values)) answer {
		t.Helper()
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code()},
			"redirect_uri": good["redirect_uri"], "code_verifier": {verifier},
			"client_id": {c.OIDCClientID}, "client_secret": {c.OIDCClientSecret},
		}
		edit(form)
		return v.post(t, "/idp/token", form)
	}
	if a := redeem(func(url.Values) {}); a.status != 200 ||
		!strings.Contains(a.body, `"id_token"`) {
		t.Errorf("the right way: %d %s", a.status, a.body)
	}
	for name, edit := range map[string]func(url.Values){
		"another verifier":     func(f url.Values) { f.Set("code_verifier", strings.Repeat("x", 43)) },
		"no verifier":          func(f url.Values) { f.Del("code_verifier") },
		"another redirect_uri": func(f url.Values) { f.Set("redirect_uri", "https://evil.example/") },
		"another code":         func(f url.Values) { f.Set("code", "guessed") },
	} {
		if a := redeem(edit); a.status != 400 || !strings.Contains(a.body, "invalid_grant") {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	if a := redeem(func(f url.Values) { f.Set("client_secret", "guessed") }); a.status != 401 {
		t.Errorf("another secret: %d %s", a.status, a.body)
	}
	// A wrong verifier uses the code up.
	used := code()
	for _, try := range []string{"wrong", verifier} {
		if a := redeem(func(f url.Values) { f.Set("code", used); f.Set("code_verifier", try) }); a.status != 400 {
			t.Errorf("verifier %s: %d", try, a.status)
		}
	}
}

func withPersona(q url.Values) url.Values {
	form := url.Values{"persona": {alice}}
	for name := range q {
		form.Set(name, q.Get(name))
	}
	return form
}

// TestLoginScope checks that a login holds for one request, or for the phone, and nothing else.
func TestLoginScope(t *testing.T) {
	s := start(t)
	one, two := s.initiate(t), s.initiate(t)
	v := s.visitor(t)
	v.login(t, one, alice).shows(t, 200, "Proceed to Sign")
	v.get(t, two.SigningURL).shows(t, 200, "Log in")
	if a := v.get(t, "/sign/"+two.RequestID+"/document.pdf"); a.status != 403 {
		t.Errorf("the other document: %d", a.status)
	}
	// Not even when the browser is made to send the cookie.
	u, _ := url.Parse(one.SigningURL)
	var header []string
	for _, c := range v.client.Jar.Cookies(u) {
		header = append(header, c.Name+"="+c.Value, "signet_phone="+c.Value)
	}
	stolen := http.Header{"Cookie": {strings.Join(header, "; ")}}
	thief := s.visitor(t)
	// the header works
	thief.send(t, "GET", one.SigningURL, nil, stolen).shows(t, 200, "Proceed to Sign")
	thief.send(t, "GET", two.SigningURL, nil, stolen).shows(t, 200, "Log in")
	if a := thief.send(t, "POST", "/phone/api/enrol/start", nil, stolen); a.status != 401 {
		t.Errorf("as a phone's login: %d %s", a.status, a.body)
	}
	for _, act := range []string{"proceed", "leave-session", "sandbox/approve"} {
		if to := v.post(t, "/sign/"+two.RequestID+"/"+act, nil).follow(t); to != "/sign/"+two.RequestID {
			t.Errorf("%s leads to %s", act, to)
		}
	}
	if v := s.view(t, two.RequestID); v.State != "created" {
		t.Errorf("the other request is %s", v.State)
	}
	// A login ends.
	s.advance(t, "91m")
	v.get(t, one.SigningURL).shows(t, 200, "The time to sign has passed")
}

// TestCrossOrigin checks that no other site's page acts in a browser's name.
func TestCrossOrigin(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	v := s.visitor(t)
	v.login(t, in, alice)
	for name, header := range map[string]http.Header{
		"Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
		"same-site":      {"Sec-Fetch-Site": {"same-site"}},
		"Origin":         {"Origin": {"https://evil.example"}},
		"Origin null":    {"Origin": {"null"}},
	} {
		for _, path := range []string{"/proceed", "/leave", "/login"} {
			if a := v.send(t, "POST", "/sign/"+in.RequestID+path, nil, header); a.status != http.StatusForbidden {
				t.Errorf("%s: POST %s: %d", name, path, a.status)
			}
		}
		if a := v.send(t, "POST", s.control+"/clock", strings.NewReader(`{"advance":"1h"}`), header); a.status != http.StatusForbidden {
			t.Errorf("%s: the control listener: %d", name, a.status)
		}
	}
	if a := v.send(t, "POST", "/sign/"+in.RequestID+"/proceed", nil, http.Header{"Sec-Fetch-Site": {"same-origin"}, "Origin": {s.url}}); a.status != http.StatusSeeOther {
		t.Errorf("our own page: %d", a.status)
	}
	for name, want := range map[string]string{
		"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store",
		"Referrer-Policy": "same-origin",
	} {
		if got := v.get(t, in.SigningURL).header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
