package e2e_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// operatorProvider is an OpenID Connect provider that logs in, without a question, the operator
// whose claims are set.
type operatorProvider struct {
	*httptest.Server
	claims map[string]any
	now    func() time.Time // of the ID tokens
}

func newOperatorProvider(t *testing.T) *operatorProvider {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	sign, err := jose.NewSigner(
		jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "1"}}, nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	p, nonce := &operatorProvider{now: time.Now}, ""
	write := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc(
		"GET /.well-known/openid-configuration",
		func(w http.ResponseWriter, r *http.Request) {
			write(w, map[string]any{
				"issuer": p.URL, "authorization_endpoint": p.URL + "/authorize",
				"token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
				"id_token_signing_alg_values_supported": []string{"ES256"},
			})
		},
	)
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, r *http.Request) {
		write(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: key.Public(), KeyID: "1", Algorithm: "ES256", Use: "sig"},
		}})
	})
	mux.HandleFunc("GET /authorize", func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		nonce = q.Get("nonce")
		back := q.Get("redirect_uri") + "?" + url.Values{
			"code": {"a code"}, "state": {q.Get("state")},
		}.Encode()
		http.Redirect(w, r, back, http.StatusSeeOther)
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		claims := map[string]any{
			"iss": p.URL, "aud": "console", "nonce": nonce,
			"iat": p.now().Unix(), "exp": p.now().Unix() + 60,
		}
		maps.Copy(claims, p.claims)
		body, err := json.Marshal(claims)
		if err != nil {
			t.Error(err)
		}
		jws, err := sign.Sign(body)
		if err != nil {
			t.Error(err)
		}
		token, err := jws.CompactSerialize()
		if err != nil {
			t.Error(err)
		}
		write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": token})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

// config is the configuration of a service whose operators log in at p, with roles by their groups.
func (p *operatorProvider) config(
	t *testing.T, party *partytest.Party, roles ...string,
) config.Config {
	t.Helper()
	c := configOf(party)
	c.Control, c.PublicURL = freeAddr(t), "https://sign.test"
	c.Data, c.AllowPrivate = t.TempDir(), true
	c.ConsoleOIDCIssuer, c.ConsoleOIDCClientID = p.URL, "console"
	c.ConsoleURL, c.ConsoleRoleClaim, c.ConsoleRoles = "http://"+c.Control, "groups", roles
	return c
}

// operator is a browser of an operator, whom the provider logs in when it opens the console.
type operator struct {
	t       *testing.T
	console string
	client  http.Client
}

// newOperator returns a browser that has not opened the console yet.
func newOperator(t *testing.T, c config.Config) *operator {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &operator{t, c.ConsoleURL, http.Client{Jar: jar}}
}

func (o *operator) do(method, path string, form url.Values) answer {
	o.t.Helper()
	r, err := http.NewRequestWithContext(
		o.t.Context(), method, o.console+path, strings.NewReader(form.Encode()),
	)
	if err != nil {
		o.t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := o.client.Do(r)
	if err != nil {
		o.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		o.t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// running runs the service until the test ends.
func running(t *testing.T, c config.Config) (stop func()) {
	t.Helper()
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return runApp(t, a)
}

// TestOperators checks that operators log in by OpenID Connect, and their claims give them roles.
// Sessions are listed and can be ended. The console's login or a token opens the metrics.
func TestOperators(t *testing.T) {
	const metricsToken = "uW4pX8qLz0RsTf6Y"
	provider := newOperatorProvider(t)
	c := provider.config(
		t, partytest.Start(t), "audit=viewer", "desk=operator", "cn=root, ou=it=admin",
	)
	c.MetricsToken = metricsToken
	running(t, c)
	login := func(name string, groups any) (*operator, answer) {
		t.Helper()
		provider.claims = map[string]any{"sub": "id of " + name, "email": name, "groups": groups}
		o := newOperator(t, c)
		return o, o.do("GET", "/console/requests?state=signed", nil)
	}

	viewer, page := login("ann@example.test", "audit")
	if page.status != http.StatusOK || !strings.Contains(page.body, "Relying parties") {
		t.Errorf("a viewer gets %d %.200s", page.status, page.body)
	}
	desk, _ := login("bob@example.test", []string{"staff", "desk", "audit"})
	admin, _ := login("eve@example.test", []string{"cn=root, ou=it"})
	for _, groups := range []any{nil, "staff", []string{}, map[string]any{"audit": true}, 7} {
		none, got := login("out@example.test", groups)
		if got.status != http.StatusForbidden {
			t.Errorf("without a role (%v): %d", groups, got.status)
		}
		if got := none.do("POST", "/console/parties", nil); got.status != http.StatusUnauthorized {
			t.Errorf("without a role (%v) a change gets %d", groups, got.status)
		}
	}

	// what each role may do: 404, 409 and 422 are answers of the page behind
	const allowed = 0
	for _, test := range []struct {
		method, path          string
		viewer, desk, adminIs int
	}{
		{"GET", "/console/", allowed, allowed, allowed},
		{"GET", "/console/calls", allowed, allowed, allowed},
		{"GET", "/console/sessions", allowed, allowed, allowed},
		{"GET", "/metrics", allowed, allowed, allowed},
		{"GET", "/console/requests/x/evidence.zip", 403, allowed, allowed},
		{"GET", "/console/requests/x/document.pdf", 403, allowed, allowed},
		{"GET", "/console/audit.jsonl", 403, allowed, allowed},
		{"POST", "/console/requests/x/cancel", 403, allowed, allowed},
		{"POST", "/console/requests/x/resend", 403, allowed, allowed},
		{"POST", "/console/webhooks/resend", 403, allowed, allowed},
		{"POST", "/console/requests/x/seal", 403, allowed, allowed},
		{"POST", "/console/requests/x/abort", 403, allowed, allowed},
		{"GET", "/console/doctor", allowed, allowed, allowed},
		{"POST", "/console/doctor", 403, allowed, allowed},
		{"POST", "/console/parties/test", 403, allowed, allowed},
		{"POST", "/console/party/x/test", 403, allowed, allowed},
		{"POST", "/console/parties", 403, 403, allowed},
		{"POST", "/console/party/x/edit", 403, 403, allowed},
		{"POST", "/console/party/x/keys", 403, 403, allowed},
		{"POST", "/console/party/x/logo", 403, 403, allowed},
		{"POST", "/console/party/x/logo-remove", 403, 403, allowed},
		{"POST", "/console/party/x/disable", 403, 403, allowed},
		{"POST", "/console/party/x/enable", 403, 403, allowed},
		{"POST", "/console/party/x/remove", 403, 403, allowed},
		{"POST", "/console/requests/../parties", 403, 403, allowed},
		{"GET", "/console/api/parties", allowed, allowed, allowed},
		{"POST", "/console/api/parties", 403, 403, allowed},
		{"PUT", "/console/api/parties/x", 403, 403, allowed},
		{"PUT", "/console/api/parties/test", 403, 403, allowed}, // client ids
		{"PUT", "/console/api/parties/doctor", 403, 403, allowed},
		{"POST", "/console/api/parties/x/disable", 403, 403, allowed},
		{"POST", "/console/api/parties/x/enable", 403, 403, allowed},
		{"POST", "/console/api/parties/x/keys", 403, 403, allowed},
		{"POST", "/console/sessions/end", 403, 403, allowed},
	} {
		for o, want := range map[*operator]int{
			viewer: test.viewer, desk: test.desk, admin: test.adminIs,
		} {
			got := o.do(test.method, test.path, nil).status
			if want == allowed && (got == 401 || got == 403) || want != allowed && got != want {
				t.Errorf("%s %s: %d, want %d", test.method, test.path, got, want)
			}
		}
	}

	if page := viewer.do("GET", "/console/doctor", nil).body; strings.Contains(
		page, "Run the checks",
	) {
		t.Error("a viewer is offered to run the checks")
	}
	found := desk.do("POST", "/console/doctor", nil)
	for _, want := range []string{
		"Run the checks again", "signed, timestamped and verified a test document of level B-LTA",
		"Something does not work", "console login", "To fix it:",
	} {
		if !strings.Contains(found.body, want) {
			t.Errorf("%d: the findings lack %q", found.status, want)
		}
	}

	// sessions
	list := admin.do("GET", "/console/sessions", nil).body
	row := regexp.MustCompile(`(?s)ann@example\.test.*?name="session" value="([0-9a-f]+)"`)
	ann := row.FindStringSubmatch(list)
	if ann == nil || !strings.Contains(list, "bob@example.test") {
		t.Fatalf("the sessions are %s", list)
	}
	if strings.Contains(viewer.do("GET", "/console/sessions", nil).body, "sessions/end") {
		t.Error("a viewer is offered to end sessions")
	}
	admin.do("POST", "/console/sessions/end", url.Values{"session": {ann[1]}})
	viewer.client.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	if got := viewer.do("GET", "/console/", nil); got.status != http.StatusSeeOther ||
		!strings.HasPrefix(got.header.Get("Location"), "/console/login") {
		t.Errorf("after the end of the session: %d", got.status)
	}
	u, _ := url.Parse(desk.console)
	stolen := desk.client.Jar.Cookies(u)
	if got := desk.do("POST", "/console/logout", nil); !strings.Contains(got.body, "Logged out") {
		t.Errorf("log-out: %d", got.status)
	}
	viewer.client.Jar.SetCookies(u, stolen)
	if got := viewer.do("GET", "/console/", nil); got.status != http.StatusSeeOther {
		t.Errorf("a copy of the cookie opens the console after the log-out: %d", got.status)
	}

	// metrics
	for header, want := range map[string]int{
		"": 401, "Bearer " + metricsToken: 200, "Bearer x": 401, "Basic " + metricsToken: 401,
	} {
		r, err := http.NewRequestWithContext(t.Context(), "GET", c.ConsoleURL+"/metrics", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", header)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("metrics with %q: %d, want %d", header, resp.StatusCode, want)
		}
	}
}
