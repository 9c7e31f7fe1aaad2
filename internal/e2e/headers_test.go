package e2e_test

import (
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/pki"
	demo "github.com/signet-sign/signet/internal/server/sandbox"
)

// routes are the paths of all routes that the edges mount, as their sources have them. A pattern is
// a text, or a text and constants.
func routes(t *testing.T) (paths []string) {
	t.Helper()
	constants := map[string]string{
		"Base": pki.Base, "base": api.BasePath, "l.c.Callback": "/login/callback",
		"ca.PathRootCert": ca.PathRootCert, "ca.PathIssuing": ca.PathIssuing,
		"ca.PathRootCRL": ca.PathRootCRL, "ca.PathIssuingCRL": ca.PathIssuingCRL,
		"ca.PathOCSP":      ca.PathOCSP,
		"DemoRedirectPath": demo.DemoRedirectPath, "DemoJWKSPath": demo.DemoJWKSPath,
		"DemoWebhookPath": demo.DemoWebhookPath, "DemoRequestsPath": demo.DemoRequestsPath,
		"console.Base":   console.Base,
		"api.PathCancel": api.PathCancel, "api.PathRequest": api.PathRequest,
		"api.PathResult": api.PathResult, "api.PathResult0": api.PathResult0,
		"api.PathKeys": api.PathKeys, "api.PathOpenAPI": api.PathOpenAPI,
		"a.KeysAlias": "/sign-v3/jwks", "evidenceFile": "evidence.zip", "auditFile": "audit.jsonl",
		"documentFile": "document.pdf", "localRootPath": "/sandbox-root.crt",
		"doctorPath": "doctor", "ReferencePath": demo.ReferencePath,
	}
	constant := regexp.MustCompile(`(?m)^(?:const|\t)\s*(\w*Path) += "(/[^"]*)"`)
	literal := regexp.MustCompile(`"(?:GET|POST|PUT) (/[^"]*)"`)
	mounted := regexp.MustCompile(`(?:\.|\b)(?:[hH]andle|HandleFunc)\(\s*([^,()]+),\s*([^,\n]*)`)
	for _, dir := range []string{"../parts", "../server", "../app"} {
		err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") ||
				strings.HasSuffix(path, "_test.go") {
				return err
			}
			source, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for _, m := range constant.FindAllSubmatch(source, -1) {
				constants[string(m[1])] = string(m[2])
			}
			for _, m := range literal.FindAllSubmatch(source, -1) {
				paths = append(paths, string(m[1]))
			}
			for _, m := range mounted.FindAllSubmatch(source, -1) {
				pattern := string(m[1])
				if pattern == `"GET"` || pattern == `"POST"` { // rpapi's own function
					pattern = strings.TrimSpace(string(m[2]))
				}
				if strings.Contains(pattern, " string") || pattern == `method+" "+path` ||
					pattern == "r.Call" || pattern == "pattern" {
					continue // the function itself, and the routes of tables
				}
				var route strings.Builder
				for part := range strings.SplitSeq(pattern, "+") {
					part = strings.TrimSpace(part)
					switch text, ok := constants[strings.TrimPrefix(part, "parts.")]; {
					case ok:
						route.WriteString(text)
					case strings.HasPrefix(part, `"`):
						route.WriteString(strings.Trim(part, `"`))
					default:
						t.Fatalf("%s: the test does not know %s of %s", path, part, pattern)
					}
				}
				_, after, ok := strings.Cut(route.String(), " ")
				if !ok {
					after = route.String()
				}
				paths = append(paths, after)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(paths) < 80 {
		t.Fatalf("only %d routes: %v", len(paths), paths)
	}
	return paths
}

// paths are the paths of all routes with an id in the place of each parameter, and some that are
// no route's.
func paths(t *testing.T, id string) (list []string) {
	t.Helper()
	placeholder := regexp.MustCompile(`\{[^}]*\}`)
	for _, path := range append(
		routes(t), "/nothing", "/api/v3/nothing", "/static/nothing", "/%2e%2e/",
	) {
		path = strings.ReplaceAll(path, "{$}", "")
		list = append(list, placeholder.ReplaceAllLiteralString(path, id))
	}
	return list
}

// TestHeaders asks every route of every listener, with every method and for what exists and does
// not: each answer has the headers that restrict what browsers do with it. With an https public URL
// they tell browsers to use nothing else.
func TestHeaders(t *testing.T) {
	const password = "a password of some length"
	s := start(t)
	service := serve(t, partytest.Start(t), password) // its public URL is https
	in := s.initiate(t)
	want := map[string]*regexp.Regexp{
		"X-Content-Type-Options": regexp.MustCompile(`^nosniff$`),
		"Content-Security-Policy": regexp.MustCompile(
			`^default-src 'none'|^frame-ancestors 'none'$`,
		),
		"X-Frame-Options":              regexp.MustCompile(`^DENY$`),
		"Referrer-Policy":              regexp.MustCompile(`^(same-origin|no-referrer)$`),
		"Cross-Origin-Opener-Policy":   regexp.MustCompile(`^same-origin$`),
		"Cross-Origin-Resource-Policy": regexp.MustCompile(`^same-origin$`),
	}
	client := http.Client{
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	statuses := map[int]int{}
	for _, id := range []string{in.RequestID, "nothing"} {
		for _, path := range paths(t, id) {
			for _, method := range []string{"GET", "HEAD", "POST", "PUT", "OPTIONS"} {
				for base, https := range map[string]bool{
					s.url: false, s.control: false,
					"http://" + service.Addr.String():    true,
					"http://" + service.Control.String(): true,
				} {
					r, err := http.NewRequestWithContext(t.Context(), method, base+path, nil)
					if err != nil {
						t.Fatal(err)
					}
					r.SetBasicAuth("operator", password)
					resp, err := client.Do(r)
					if err != nil {
						t.Fatal(err)
					}
					resp.Body.Close()
					statuses[resp.StatusCode]++
					for name, value := range want {
						if got := resp.Header.Values(name); len(got) != 1 ||
							!value.MatchString(got[0]) {
							t.Errorf(
								"%s %s: %d with %s: %q", method, path, resp.StatusCode, name, got,
							)
						}
					}
					hsts := resp.Header.Get("Strict-Transport-Security")
					if https != (hsts == "max-age=63072000") {
						t.Errorf(
							"%s %s of %s: Strict-Transport-Security: %q", method, path, base, hsts,
						)
					}
				}
			}
		}
	}
	for _, status := range []int{200, 303, 400, 403, 404, 405} {
		if statuses[status] == 0 {
			t.Errorf("no answer had status %d: %v", status, statuses)
		}
	}
	// what the listeners refuse before any route
	for _, refused := range []func(*http.Request){
		func(r *http.Request) { r.Host = "evil.test" },
		func(r *http.Request) { r.Method = "POST"; r.Header.Set("Sec-Fetch-Site", "cross-site") },
	} {
		got := browse(t, "GET", s.control+"/console/", refused)
		if got.status != 421 && got.status != 403 {
			t.Errorf("status %d", got.status)
		}
		for name, value := range want {
			if !value.MatchString(got.header.Get(name)) {
				t.Errorf("%d with %s: %q", got.status, name, got.header.Get(name))
			}
		}
	}
}

// TestSecureCookies checks that with an https public URL the cookies have the prefix that binds
// them to it.
func TestSecureCookies(t *testing.T) {
	s := start(t, func(c *config.Config) { c.PublicURL = "https://127.0.0.1" })
	for path, prefix := range map[string]string{
		"/phone/login":   "__Host-signet_login_", // the attempt
		"/demo/?lang=ms": "__Host-signet_lang=ms; Path=/;",
	} {
		got := browse(t, "GET", "http://"+s.app.Addr.String()+path)
		set := got.header.Get("Set-Cookie")
		if !strings.HasPrefix(set, prefix) || !strings.Contains(set, "; Secure") ||
			!strings.Contains(set, "; HttpOnly") || strings.Contains(set, "Domain") {
			t.Errorf("%s: %d, cookie %q", path, got.status, set)
		}
	}
}

// TestEnrolledBeforePrefix checks that a phone whose cookie has the name of version 0.1.0, without
// a prefix, is still enrolled.
func TestEnrolledBeforePrefix(t *testing.T) {
	old := start(t)
	value := enrolled(t, old, alice).cookie(t)
	old.stop()
	c := old.app.Config
	c.PublicURL = "https://127.0.0.1"
	s := runAt(t, old.party, c, time.Now, nil, slog.New(slog.DiscardHandler))
	for cookie, code := range map[string]string{
		"signet_phone_id=" + value:          api.ErrNoActiveSession.Code,
		"__Secure-signet_phone_id=" + value: api.ErrNoActiveSession.Code,
		"signet_phone_id=x":                 api.ErrPhoneNotEnrolled.Code,
	} {
		got := browse(
			t, "POST", "http://"+s.app.Addr.String()+"/phone/sign/x/challenge",
			func(r *http.Request) { r.Header.Set("Cookie", cookie) },
		)
		if !strings.Contains(got.body, code) {
			t.Errorf("%.30s: %d %s, want %s", cookie, got.status, got.body, code)
		}
	}
}
