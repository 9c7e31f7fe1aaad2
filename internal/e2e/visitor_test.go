package e2e_test

import (
	"cmp"
	"html"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
)

// visitor is a browser without scripts: it keeps cookies and shows redirects instead of following
// them.
type visitor struct {
	s      *sandbox
	client *http.Client
}

func (s *sandbox) visitor(t testing.TB) *visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := checked(t)
	c.Jar = jar
	return &visitor{s, c}
}

// copy is a browser with the cookies that v sends to a URL, which changes of v do not reach.
func (v *visitor) copy(t testing.TB, to string) *visitor {
	t.Helper()
	at, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	c := v.s.visitor(t)
	for _, cookie := range v.client.Jar.Cookies(at) {
		cookie.Path = at.Path
		c.client.Jar.SetCookies(at, []*http.Cookie{cookie})
	}
	return c
}

// get opens a page; a path is one of the sandbox.
func (v *visitor) get(t testing.TB, to string) answer {
	t.Helper()
	return v.send(t, "GET", to, nil, nil)
}

// post sends a form.
func (v *visitor) post(t testing.TB, to string, form url.Values) answer {
	t.Helper()
	return v.send(
		t, "POST", to, strings.NewReader(form.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}},
	)
}

func (v *visitor) send(t testing.TB, method, to string, body io.Reader, header http.Header) answer {
	t.Helper()
	if strings.HasPrefix(to, "/") {
		to = v.s.url + to
	}
	req, err := http.NewRequest(method, to, body)
	if err != nil {
		t.Fatal(err)
	}
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := v.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, to, err)
	}
	defer resp.Body.Close()
	return answer{resp.StatusCode, resp.Header, readAll(t, resp)}
}

// follow is where a redirect leads; anything else fails the test.
func (a answer) follow(t testing.TB) string {
	t.Helper()
	to := a.header.Get("Location")
	if a.status != http.StatusSeeOther || to == "" {
		t.Fatalf("no redirect but %d %s", a.status, a.text())
	}
	return to
}

var (
	tags   = regexp.MustCompile(`(?s)<(script|style)[^>]*>.*?</(script|style)>|<[^>]*>`)
	blanks = regexp.MustCompile(`\s+`)
	hidden = regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)"`)
)

// text is what a page says, without markup.
func (a answer) text() string {
	return blanks.ReplaceAllString(html.UnescapeString(tags.ReplaceAllString(a.body, " ")), " ")
}

// shows checks status and a text of the page.
func (a answer) shows(t testing.TB, status int, text string) {
	t.Helper()
	if a.status != status || !strings.Contains(a.text(), text) {
		t.Errorf("%d, want %d, with %q:\n%s", a.status, status, text, a.text())
	}
}

// chooser follows a login to the provider's page and returns the form of it.
func (v *visitor) chooser(t testing.TB, begin answer) url.Values {
	t.Helper()
	page := v.get(t, begin.follow(t))
	page.shows(t, 200, "TAN XIAO HUI")
	form := url.Values{}
	for _, m := range hidden.FindAllStringSubmatch(page.body, -1) {
		form.Set(html.UnescapeString(m[1]), html.UnescapeString(m[2]))
	}
	return form
}

// choose answers the provider's page as a persona and returns the way back.
func (v *visitor) choose(t testing.TB, form url.Values, persona string) (callback string) {
	t.Helper()
	form.Set("persona", persona)
	return v.post(t, cmp.Or(v.s.issuer, "/idp")+"/authorize", form).follow(t)
}

// login logs in for a request's portal and returns the page behind it.
func (v *visitor) login(t testing.TB, in api.Initiated, persona string) answer {
	t.Helper()
	form := v.chooser(t, v.post(t, "/sign/"+in.RequestID+"/login", nil))
	back := v.get(t, v.choose(t, form, persona)).follow(t)
	if back != "/sign/"+in.RequestID {
		t.Errorf("the login leads to %s", back)
	}
	return v.get(t, back)
}

// phoneLogin logs in for the phone's pages.
func (v *visitor) phoneLogin(t testing.TB, persona string) {
	t.Helper()
	form := v.chooser(t, v.get(t, "/phone/login"))
	if back := v.get(t, v.choose(t, form, persona)).follow(t); back != "/phone/" {
		t.Errorf("the login leads to %s", back)
	}
}
