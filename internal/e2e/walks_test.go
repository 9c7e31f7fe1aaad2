package e2e_test

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// public are the answers that browsers and proxies may keep: they are the same for all who ask.
var public = regexp.MustCompile(
	`^/(static/.+|logos/.+|pki/.+|favicon\.ico|phone/worker\.js|sign-v3/jwks|api/v3/openapi\.yaml` +
		`|\.well-known/keys\.json|login/keys\.json|openapi\.yaml)$`,
)

// TestNothingPrivateIsKept visits every route of both listeners as the signer, with the phone and
// as an operator, in each state of a request: browsers and proxies may keep only what is public.
func TestNothingPrivateIsKept(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	own := enrolled(t, s, alice)
	demo := own.post(t, "/demo/requests", url.Values{
		"source": {"sample"}, "places": {"one"},
	}).follow(t)
	calls := browse(t, "GET", s.control+"/console/calls").body
	call := regexp.MustCompile(`/console/calls/(\d+)`).FindStringSubmatch(calls)
	if call == nil {
		t.Fatal("the console shows no call")
	}
	own.client.Transport = nil // the calls are not as documented
	values := strings.NewReplacer(
		"{$}", "", "/demo/requests/{id}", demo, "/calls/{id}", "/calls/"+call[1],
		"{request_id}", in.RequestID, "{client_id}", s.party.Registration().ClientID,
		"{id}", in.RequestID,
	)
	kept, private := 0, map[string]bool{}
	visit := func(state string) {
		t.Helper()
		for _, route := range routes(t) {
			path := values.Replace(route)
			for _, base := range []string{s.url, s.control} {
				r, err := http.NewRequestWithContext(t.Context(), "GET", base+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := own.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close() // an event stream does not end
				control := resp.Header.Values("Cache-Control")
				stored := len(control) != 1 || !strings.Contains(control[0], "no-store")
				switch {
				case stored && (!public.MatchString(path) || len(control) != 1):
					t.Errorf(
						"%s: %s of %s: %d with Cache-Control %q", state, path, base, resp.StatusCode,
						control,
					)
				case stored:
					kept++
				case resp.StatusCode == http.StatusOK:
					private[route] = true
				}
			}
		}
	}
	own.login(t, in, alice)
	own.proceed(t, in)
	session := own.scan(t, own.visitor, in)
	var c phoneapi.SignChallenge
	if a := own.call(t, session+"/challenge", nil, &c); a.status != 200 {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	visit("session")
	own.call(t, session+"/approve", own.approval(t, c), nil)
	s.settled(t, in.RequestID, "signed")
	visit("signed")
	for _, route := range []string{
		"/sign/{request_id}", "/sign/{request_id}/document.pdf", "/sign/{request_id}/signed.pdf",
		"/sign/{request_id}/events", "/sign/{request_id}/code", "/phone/{$}", "/phone/enrol",
		"/phone/sign/{request_id}", "/phone/sign/{request_id}/prepared",
		"/phone/sign/{request_id}/events", "/console/requests/{request_id}",
		"/console/requests/{request_id}/evidence.zip", "/console/requests.csv",
		"/console/audit.jsonl", "/console/calls/{id}", "/console/people", "/metrics",
		"/demo/requests/{id}", "/requests/{request_id}", "/verify",
	} {
		if !private[route] {
			t.Errorf("%s was not answered", route)
		}
	}
	if kept == 0 {
		t.Error("nothing was public")
	}
	for _, link := range []string{s.signedResult(t, in).SignedDocURL, "/documents/x?expires=1"} {
		if a := own.get(t, link); !strings.Contains(a.header.Get("Cache-Control"), "no-store") {
			t.Errorf("%.40s: Cache-Control %q", link, a.header.Values("Cache-Control"))
		}
	}
}

// TestNoOtherSiteActs sends what a page of another site can make a browser send to every path of
// both listeners, with the cookies of a person who is logged in: all is refused. The calls of
// programs need a token, which no browser sends by itself.
func TestNoOtherSiteActs(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	own := enrolled(t, s, alice)
	own.login(t, in, alice)
	own.client.Transport = nil // the calls are not as documented
	asked := 0
	for _, path := range paths(t, in.RequestID) {
		for _, base := range []string{s.url, s.control} {
			for name, header := range map[string][2]string{
				"another site":           {"Sec-Fetch-Site", "cross-site"},
				"another host":           {"Sec-Fetch-Site", "same-site"},
				"an old browser":         {"Origin", "https://evil.test"},
				"no origin":              {"Origin", "null"},
				"another port or TLS":    {"Origin", strings.Replace(base, "http:", "https:", 1) + "1"},
				"an origin that ends so": {"Origin", "http://evil." + strings.TrimPrefix(base, "http://")},
			} {
				r, err := http.NewRequestWithContext(
					t.Context(), "POST", base+path, strings.NewReader("phone_id="+own.id),
				)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
				r.Header.Set(header[0], header[1])
				resp, err := own.client.Do(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				asked++
				token := base == s.url && strings.HasPrefix(path, "/api/v3/") ||
					strings.HasPrefix(path, "/sign-v3/")
				if resp.StatusCode != http.StatusForbidden &&
					resp.StatusCode != http.StatusMethodNotAllowed &&
					!(token && resp.StatusCode >= 400) {
					t.Errorf("%s: POST %s%s: %d", name, base, path, resp.StatusCode)
				}
			}
		}
	}
	if v := s.view(t, in.RequestID); v.State != "locked" || asked < 1000 {
		t.Errorf("the request is %s after %d attempts", v.State, asked)
	}
	own.get(t, "/phone/").shows(t, 200, "Test phone")
}

// TestHostIsNotBelieved asks every path by another host's name, and names it in the headers of
// proxies: no answer has that name, so no cache and no mail can carry a link to it.
func TestHostIsNotBelieved(t *testing.T) {
	const password = "a password of some length"
	rp := partytest.Start(t)
	service := serve(t, rp, password)
	evil := func(r *http.Request) {
		r.Host = "evil.test"
		for _, name := range []string{
			"X-Forwarded-Host", "X-Host", "X-Forwarded-Server", "X-Original-Host",
		} {
			r.Header.Set(name, "evil.test")
		}
		r.Header.Set("Forwarded", "host=evil.test;proto=https")
		r.Header.Set("X-Forwarded-Proto", "https")
		r.Header.Set("X-Forwarded-Prefix", "https://evil.test")
		r.Header.Set("X-Original-URL", "https://evil.test/console/")
		r.Header.Set("X-Rewrite-URL", "https://evil.test/console/")
		r.SetBasicAuth("operator", password)
	}
	for _, path := range paths(t, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332") {
		for _, base := range []string{
			"http://" + service.Addr.String(), "http://" + service.Control.String(),
		} {
			for _, method := range []string{"GET", "POST"} {
				if method == "GET" && strings.HasSuffix(path, "/events") {
					continue // does not end
				}
				got := browse(t, method, base+path, evil)
				if all := fmt.Sprint(got.header) + got.body; strings.Contains(all, "evil.test") {
					t.Errorf("%s %s%s: %d %v", method, base, path, got.status, got.header)
				}
			}
		}
	}
	r, err := http.NewRequestWithContext(
		t.Context(), "POST", "http://"+service.Addr.String()+"/api/v3/sign-requests",
		strings.NewReader(string(pdftest.Minimal())),
	)
	if err != nil {
		t.Fatal(err)
	}
	evil(r)
	r.Header.Set("Authorization", rp.Token(token.Initiate))
	r.Header.Set("Content-Type", "application/octet-stream")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body := readAll(t, resp)
	if resp.StatusCode != 200 || !strings.Contains(body, "https://sign.test/sign/") {
		t.Errorf("initiate: %d %s", resp.StatusCode, body)
	}
}

// TestCookiesOpenOneThing sends each cookie of a signer and of the signer's phone under the names of
// all: a cookie opens what it was set for, under its own name and for its own request.
func TestCookiesOpenOneThing(t *testing.T) {
	s := start(t)
	in, other := s.initiate(t), s.initiate(t)
	own := enrolled(t, s, alice)
	for _, one := range []api.Initiated{in, other} {
		own.login(t, one, alice)
		own.proceed(t, one)
		session := own.scan(t, own.visitor, one)
		if a := own.call(t, session+"/challenge", nil, new(phoneapi.SignChallenge)); a.status != 200 {
			t.Fatalf("challenge: %d %s", a.status, a.body)
		}
	}
	cookies := map[string]string{}
	for _, path := range []string{"/sign/" + in.RequestID, "/phone/sign/" + in.RequestID} {
		for _, c := range own.client.Jar.Cookies(urlOf(t, s.url+path)) {
			cookies[c.Name] = c.Value
		}
	}
	phone := "; signet_phone_id=" + cookies["signet_phone_id"]
	var opened []string
	for from, value := range cookies {
		for name := range cookies {
			for what, ask := range map[string]struct{ path, beside string }{
				"document":       {"/sign/" + in.RequestID + "/document.pdf", ""},
				"other document": {"/sign/" + other.RequestID + "/document.pdf", ""},
				"enrolment":      {"/phone/enrol", ""},
				"state":          {"/phone/sign/" + in.RequestID + "/state", ""},
				"session":        {"/phone/sign/" + in.RequestID + "/prepared", phone},
				"other session":  {"/phone/sign/" + other.RequestID + "/prepared", phone},
			} {
				r, err := http.NewRequestWithContext(t.Context(), "GET", s.url+ask.path, nil)
				if err != nil {
					t.Fatal(err)
				}
				r.Header.Set("Cookie", name+"="+value+ask.beside)
				resp, err := http.DefaultTransport.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					opened = append(opened, from+" as "+name+": "+what)
				}
			}
		}
	}
	slices.Sort(opened)
	want := []string{
		"signet_phone as signet_phone: enrolment", "signet_phone_id as signet_phone_id: state",
		"signet_session as signet_session: session", "signet_sign as signet_sign: document",
	}
	if !slices.Equal(opened, want) {
		t.Errorf("opened are %q, want %q", opened, want)
	}
}

// elsewhere are targets that some browsers take for another site.
var elsewhere = []string{
	"https://evil.test/", "//evil.test/", `/\evil.test/`, `\\evil.test/`, `\/evil.test`,
	"https:evil.test", "https:/evil.test", "/\t/evil.test", "\r\n//evil.test", "///evil.test",
	"/phone/..//evil.test", `/phone/\..\..\\evil.test`, "/phone/%2e%2e//evil.test",
	"http://127.0.0.1@evil.test/phone/", "/phone/@evil.test", "javascript:alert(1)//evil.test",
	"/console/..//evil.test", `/console/\evil.test`, "/console/%5cevil.test", "data:text/html,evil.test",
	"evil.test", ".evil.test", "@evil.test/", "/sign/..//evil.test", "/phone//evil.test",
}

// leadsTo is the host that a browser goes to: it removes tabs and line ends, and takes a backslash
// for a slash (WHATWG URL, sections 4.1 and 4.4).
func leadsTo(t *testing.T, base, location string) string {
	t.Helper()
	plain := strings.NewReplacer("\t", "", "\r", "", "\n", "", `\`, "/").Replace(location)
	from, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	to, err := from.Parse(strings.TrimSpace(plain))
	if err != nil {
		return "unreadable: " + location
	}
	if to.Scheme != "http" && to.Scheme != "https" {
		return to.Scheme + ":"
	}
	return to.Host
}

// TestNoOpenRedirect gives every path parameters and forms that name another site, and asks for
// paths that do: no redirect leads there.
func TestNoOpenRedirect(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	own := enrolled(t, s, alice)
	own.login(t, in, alice)
	own.client.Transport = nil // the calls are not as documented
	host := func(raw string) string {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		return u.Host
	}
	allowed := []string{host(s.url), host(s.control), host(s.party.Registration().RedirectURL)}
	redirects := 0
	judge := func(base, what string, status int, h http.Header) {
		t.Helper()
		if to := h.Get("Location"); to != "" {
			redirects++
			if !slices.Contains(allowed, leadsTo(t, base, to)) {
				t.Errorf("%s of %s: %d leads to %q", what, base, status, to)
			}
		}
		if refresh := h.Get("Refresh"); refresh != "" {
			t.Errorf("%s: Refresh %q", what, refresh)
		}
	}
	for _, path := range paths(t, in.RequestID) {
		if strings.HasSuffix(path, "/events") {
			continue
		}
		for _, target := range elsewhere[:3] {
			form := url.Values{}
			for _, name := range []string{
				"next", "return", "return_to", "returnTo", "url", "to", "back", "redirect",
				"redirect_uri", "from", "lang", "state", "status", "request_id", "phone_id", "name",
				"party", "client_id", "iss", "error", "page", "do", "c",
			} {
				form.Set(name, target)
			}
			for _, base := range []string{s.url, s.control} {
				a := own.send(t, "GET", base+path+"?"+form.Encode(), nil, nil)
				judge(base, "GET "+path+" with "+target, a.status, a.header)
			}
		}
		for _, base := range []string{s.url, s.control} {
			a := own.post(t, base+path, url.Values{"next": {elsewhere[0]}, "lang": {elsewhere[1]}})
			judge(base, "POST "+path, a.status, a.header)
		}
	}
	for _, target := range elsewhere {
		for _, page := range []string{"login", "enrol"} {
			v := s.visitor(t)
			form := v.chooser(t, v.get(t, "/phone/"+page+"?next="+url.QueryEscape(target)))
			a := v.get(t, v.choose(t, form, alice))
			judge(s.url, page+" with "+target, a.status, a.header)
		}
	}
	if redirects < 100 {
		t.Errorf("only %d redirects", redirects)
	}
	for _, base := range []string{s.url, s.control} {
		for _, target := range append(
			[]string{
				"//evil.test", "//evil.test/..", "//evil.test/%2e%2e", "//evil.test/phone",
				"/%2f/evil.test", "/%5cevil.test/..", "//evil.test/console", "//evil.test/demo",
				"/demo//evil.test/..", "x:.evil.test/", "http://evil.test/phone/enrol",
				"http://evil.test//evil.test/", "/.//evil.test/../", "/phone/.//evil.test",
			}, elsewhere...,
		) {
			if strings.ContainsAny(target, "\t\r\n") {
				continue
			}
			resp := raw(t, host(base), "GET "+target+" HTTP/1.1\r\nHost: "+host(base)+"\r\nConnection: close\r\n\r\n")
			judge(base, "GET "+target, resp.StatusCode, resp.Header)
		}
	}
}

// raw sends bytes to a host and reads the head of the answer.
func raw(t *testing.T, host, request string) *http.Response {
	t.Helper()
	conn, err := net.Dial("tcp", host)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte(request)); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	resp.Body.Close()
	return resp
}
