package ui_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
)

func newKit(t *testing.T) *ui.Kit {
	t.Helper()
	k, err := ui.New(ui.Options{
		Now: GalleryTime, Location: request.Singapore(), Sandbox: true,
		LoginURLs: []string{"https://login.example/authorize"},
		Templates: []ui.Templates{
			portal.Templates(), phone.Templates(), console.Templates(), sandbox.Templates(),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func render(
	t *testing.T, k *ui.Kit, s Sample, query string, header http.Header,
) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest("GET", "/gallery/"+s.Name+query, nil)
	for name, values := range header {
		r.Header[name] = values
	}
	w := httptest.NewRecorder()
	if err := k.Render(w, r, s.Status, s.Page); err != nil {
		t.Fatalf("%s: %v", s.Name, err)
	}
	return w
}

var (
	idAttr  = regexp.MustCompile(`\sid="([^"]*)"`)
	refAttr = regexp.MustCompile(
		`\s(?:for|aria-labelledby|aria-describedby|aria-controls)="([^"]*)"`,
	)
	fragment   = regexp.MustCompile(`href="#([^"]+)"`)
	scriptTag  = regexp.MustCompile(`<script\b[^>]*>`)
	startTag   = regexp.MustCompile(`<[a-z][^>]*>`)
	inlineAttr = regexp.MustCompile(`\s(?:style|on[a-z]+)=`)
	fieldTag   = regexp.MustCompile(`<(?:input|select|textarea)\b[^>]*>`)
	anyTag     = regexp.MustCompile(`<(/?)([a-z][a-z0-9]*)\b[^>]*?(/?)>`)
	dataAttr   = regexp.MustCompile(`\sdata-[a-z-]+="[^"]*"`)
)

// lost is a connection whose client has gone.
type lost struct{ http.ResponseWriter }

func (lost) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// TestClientGone checks that a client which goes away before it has the page writes no line of the
// log.
func TestClientGone(t *testing.T) {
	k, s := newKit(t), Gallery()[0]
	var log bytes.Buffer
	w, r := lost{httptest.NewRecorder()}, httptest.NewRequest("GET", "/gallery/"+s.Name, nil)
	k.Show(w, r, slog.New(slog.NewTextHandler(&log, nil)), s.Status, s.Page)
	if log.Len() > 0 {
		t.Errorf("the log has %s", log.String())
	}
}

// TestGalleryPages holds every page to what the policy and assistive technology
// need: unique ids, references that resolve, labelled fields, balanced tags, no
// inline script or style, nothing from another origin.
func TestGalleryPages(t *testing.T) {
	k := newKit(t)
	seen := map[string]bool{}
	for _, s := range Gallery() {
		if seen[s.Name] {
			t.Errorf("two samples are named %s", s.Name)
		}
		seen[s.Name] = true
		t.Run(s.Name, func(t *testing.T) {
			for _, tag := range k.Tags() {
				w := render(t, k, s, "?lang="+tag, nil)
				if w.Code != s.Status {
					t.Errorf("status %d, want %d", w.Code, s.Status)
				}
				checkPage(t, w.Body.String())
				for _, ref := range regexp.MustCompile(`"(/static/[^"]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
					for url := range strings.FieldsSeq(ref[1]) {
						checkAsset(t, k, url)
					}
				}
			}
		})
	}
}

func checkPage(t *testing.T, page string) {
	t.Helper()
	ids := map[string]bool{}
	for _, m := range idAttr.FindAllStringSubmatch(page, -1) {
		if ids[m[1]] {
			t.Errorf("id %q appears twice", m[1])
		}
		ids[m[1]] = true
	}
	for _, m := range refAttr.FindAllStringSubmatch(page, -1) {
		for id := range strings.FieldsSeq(m[1]) {
			if !ids[id] {
				t.Errorf("%s: no element has this id", m[0])
			}
		}
	}
	for _, m := range fragment.FindAllStringSubmatch(page, -1) {
		if !ids[m[1]] {
			t.Errorf("%s leads nowhere", m[0])
		}
	}
	for _, tag := range scriptTag.FindAllString(page, -1) {
		if !strings.Contains(tag, ` src="/static/`) || !strings.Contains(tag, `type="module"`) {
			t.Errorf("inline or foreign script: %s", tag)
		}
	}
	for _, tag := range startTag.FindAllString(page, -1) {
		if m := inlineAttr.FindString(dataAttr.ReplaceAllString(tag, "")); m != "" {
			t.Errorf("inline%sin %s", m, tag)
		}
	}
	for _, tag := range fieldTag.FindAllString(page, -1) {
		if strings.Contains(tag, `type="hidden"`) ||
			strings.Contains(page, `<label class="check">`+tag) {
			continue
		}
		id := idAttr.FindStringSubmatch(tag)
		if id == nil || !strings.Contains(page, `for="`+id[1]+`"`) {
			t.Errorf("field without a label: %s", tag)
		}
	}
	if strings.Contains(page, "<style") || strings.Contains(page, "ZgotmplZ") {
		t.Error("inline style, or a value that the template engine refused")
	}
	if visible := dataAttr.ReplaceAllString(page, ""); strings.Contains(visible, "{0}") ||
		strings.Contains(visible, "{1}") {
		t.Error("a message was shown without its argument")
	}
	if strings.Count(page, "<h1") < 1 || !strings.Contains(page, `<html lang="`) ||
		!strings.Contains(page, "<title>") {
		t.Error("no heading, language or title")
	}
	checkBalance(t, page)
}

// checkBalance finds a tag that is closed in the wrong place, which a browser
// repairs in silence.
func checkBalance(t *testing.T, page string) {
	t.Helper()
	void := map[string]bool{"meta": true, "link": true, "input": true, "img": true, "br": true}
	var open []string
	for _, m := range anyTag.FindAllStringSubmatch(page, -1) {
		name := m[2]
		switch {
		case void[name] || m[3] == "/":
		case m[1] == "":
			if name == "p" && len(open) > 0 && open[len(open)-1] == "p" {
				t.Error("a paragraph in a paragraph")
			}
			open = append(open, name)
		case len(open) == 0 || open[len(open)-1] != name:
			t.Errorf("</%s> closes %v", name, open)
			return
		default:
			open = open[:len(open)-1]
		}
	}
	if len(open) > 0 {
		t.Errorf("never closed: %v", open)
	}
}

func checkAsset(t *testing.T, k *ui.Kit, url string) {
	t.Helper()
	if strings.HasSuffix(url, "/") {
		return
	}
	w := httptest.NewRecorder()
	k.Static().ServeHTTP(w, httptest.NewRequest("HEAD", url, nil))
	if w.Code != http.StatusOK {
		t.Errorf("%s: status %d", url, w.Code)
	}
}

func TestPageHeaders(t *testing.T) {
	k := newKit(t)
	get := func(p ui.Page) string {
		return render(t, k, Sample{"x", 200, p}, "", nil).Header().Get("Content-Security-Policy")
	}
	plain := get(portal.LinkInvalid{})
	if !strings.HasPrefix(plain, "default-src 'none'; script-src 'self'; style-src 'self';") ||
		!strings.Contains(plain, "form-action 'self';") ||
		!strings.Contains(plain, "frame-ancestors 'none'") ||
		strings.Contains(plain, "unsafe") || strings.Contains(plain, "data:") {
		t.Errorf("policy: %s", plain)
	}
	for name, test := range map[string]struct {
		page ui.Page
		want string
	}{
		"login leads to the provider":     {portal.LoginFailed{Summary: ui.Summary{ID: "x"}}, "form-action 'self' https:;"},
		"a page without such a form":      {phone.Scan{}, "form-action 'self';"},
		"return to an http relying party": {portal.Cancelled{Summary: ui.Summary{ReturnURL: "http://127.0.0.1:3000/x"}}, "form-action 'self' http:;"},
		"not a web address":               {portal.Cancelled{Summary: ui.Summary{ReturnURL: "javascript:alert(1)"}}, "form-action 'self';"},
	} {
		if got := get(test.page); !strings.Contains(got, test.want) {
			t.Errorf("%s: %s lacks %s", name, got, test.want)
		}
	}
	h := render(t, k, Gallery()[0], "", nil).Header()
	for name, want := range map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Cross-Origin-Opener-Policy": "same-origin", "Referrer-Policy": "same-origin",
		"Content-Type": "text/html; charset=utf-8", "Content-Language": "en",
	} {
		if got := h.Get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
}

// TestHostileNames shows that what a relying party or a person chose cannot
// leave its place on the page.
func TestHostileNames(t *testing.T) {
	k := newKit(t)
	const evil = `"><script>alert(1)</script><img src=x onerror=alert(1)>{0}`
	p := portal.Document{
		Summary: ui.Summary{
			ID:       `../x"><script>`,
			Party:    ui.Party{Name: evil, LogoURL: "javascript:alert(1)"},
			Document: evil,
		},
		Signer: ui.Person{Name: evil}, Places: []portal.Place{{Page: 1}},
	}
	body := render(t, k, Sample{"x", 200, p}, "", nil).Body.String()
	for _, tag := range scriptTag.FindAllString(body, -1) {
		if !strings.Contains(tag, ` src="/static/`) {
			t.Errorf("a name became markup: %s", tag)
		}
	}
	if strings.Contains(body, "<img src=x") || strings.Contains(body, "javascript:") {
		t.Error("a name became markup")
	}
	if strings.Contains(body, `action="/sign/../x`) {
		t.Error("a request id left its path segment")
	}
}

func TestNextPath(t *testing.T) {
	for next, want := range map[string]string{
		"":                         "/phone/",
		"/phone/sign/a/b":          "/phone/sign/a/b",
		"/phone/sign/a/b?x=1":      "/phone/sign/a/b?x=1",
		"https://evil.example/":    "/phone/",
		"//evil.example/phone/":    "/phone/",
		"/sign/a":                  "/phone/",
		"javascript:alert(1)":      "/phone/",
		"/phone/../sign/a":         "/phone/",
		"\\\\evil.example\\phone/": "/phone/",
	} {
		if got := (phone.Enrol{Next: next}).NextPath(); got != want {
			t.Errorf("%q: %q, want %q", next, got, want)
		}
	}
}

// TestRetry checks that after an error that may pass there is a way on, to a page and on our own
// origin.
func TestRetry(t *testing.T) {
	k := newKit(t)
	for _, test := range []struct {
		method, target, referer string
		status                  int
		want                    string
	}{
		{"GET", "/sign/x?review", "", 500, `href="/sign/x?review"`},
		{"GET", "/sign/x", "", 503, `href="/sign/x"`},
		{"POST", "/sign/x/proceed", "http://example.com/sign/x", 500, `href="/sign/x"`},
		{"POST", "/sign/x/proceed", "http://evil.example/sign/x", 500, ""},
		{"POST", "/sign/x/proceed", "http://example.com//evil.example/", 500, ""},
		{"POST", "/sign/x/proceed", "", 500, ""},
		{"GET", "/sign/x", "", 404, ""},
		{"GET", "/sign/x", "", 403, ""},
	} {
		r := httptest.NewRequest(test.method, test.target, nil)
		r.Header.Set("Referer", test.referer)
		w := httptest.NewRecorder()
		k.Error(w, r, test.status, "")
		if body := w.Body.String(); strings.Contains(body, "Try again</a>") != (test.want != "") ||
			!strings.Contains(body, test.want) {
			t.Errorf("%+v: %s", test, body[strings.Index(body, "<main"):])
		}
	}
}
