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
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// operatorProvider is an OpenID Connect provider that logs in, without a question, the operator
// whose claims are set.
type operatorProvider struct {
	*httptest.Server
	claims map[string]any
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
	p, nonce := &operatorProvider{}, ""
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
			"iat": time.Now().Unix(), "exp": time.Now().Unix() + 60,
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

// operator is a browser that an operator has logged in with.
type operator struct {
	t       *testing.T
	control string
	client  http.Client
}

func (o *operator) do(method, path string, form url.Values) answer {
	o.t.Helper()
	r, err := http.NewRequestWithContext(
		o.t.Context(), method, o.control+path, strings.NewReader(form.Encode()),
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

// TestOperators checks that operators log in by OpenID Connect, and their claims give them roles.
// Sessions are listed and can be ended. The console's login or a token opens the metrics.
func TestOperators(t *testing.T) {
	const metricsToken = "uW4pX8qLz0RsTf6Y"
	provider := newOperatorProvider(t)
	control := freeAddr(t)
	c := config(partytest.Start(t))
	c.Control, c.PublicURL, c.Data, c.AllowPrivate = control, "https://sign.test", t.TempDir(), true
	c.ConsoleOIDCIssuer, c.ConsoleOIDCClientID = provider.URL, "console"
	c.ConsoleURL, c.MetricsToken, c.ConsoleRoleClaim = "http://"+control, metricsToken, "groups"
	c.ConsoleRoles = app.List{"audit=viewer", "desk=operator", "cn=root, ou=it=admin"}
	running(t, c)
	login := func(name string, groups any) (*operator, answer) {
		t.Helper()
		provider.claims = map[string]any{"sub": "id of " + name, "email": name, "groups": groups}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		o := &operator{t, "http://" + control, http.Client{Jar: jar}}
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
		{"POST", "/console/api/parties/x/disable", 403, 403, allowed},
		{"POST", "/console/api/parties/x/enable", 403, 403, allowed},
		{"POST", "/console/api/parties/x/keys", 403, 403, allowed},
		{"POST", "/console/sessions/end", 403, 403, allowed},
	} {
		for o, want := range map[*operator]int{viewer: test.viewer, desk: test.desk, admin: test.adminIs} {
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
		"Something does not work", "console login", "To mend it:",
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
	u, _ := url.Parse(desk.control)
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
		r, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+control+"/metrics", nil)
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

// TestOperatorSessionsSurvive checks that a session holds after a restart, and what ended before it
// does not.
func TestOperatorSessionsSurvive(t *testing.T) {
	provider := newOperatorProvider(t)
	control := freeAddr(t)
	c := config(partytest.Start(t))
	c.Control, c.PublicURL, c.Data, c.AllowPrivate = control, "https://sign.test", t.TempDir(), true
	c.ConsoleOIDCIssuer, c.ConsoleOIDCClientID = provider.URL, "console"
	c.ConsoleURL, c.ConsoleRoleClaim = "http://"+control, "groups"
	c.ConsoleRoles = app.List{"audit=viewer"}
	stop := running(t, c)
	login := func(name string) *operator {
		t.Helper()
		provider.claims = map[string]any{"sub": name, "email": name, "groups": "audit"}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		o := &operator{t, "http://" + control, http.Client{Jar: jar}}
		if got := o.do("GET", "/console/", nil); got.status != http.StatusOK {
			t.Fatalf("login: %d", got.status)
		}
		o.client.CheckRedirect = func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		}
		return o
	}
	stays, leaves := login("ann"), login("bob")
	u, _ := url.Parse(stays.control)
	cookies := leaves.client.Jar.Cookies(u)
	leaves.do("POST", "/console/logout", nil)
	leaves.client.Jar.SetCookies(u, cookies)
	stop()
	running(t, c)
	page := stays.do("GET", "/console/sessions", nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, "ann") ||
		strings.Contains(page.body, "bob") {
		t.Errorf("after the restart: %d %s", page.status, page.body)
	}
	if got := leaves.do("GET", "/console/sessions", nil); got.status != http.StatusSeeOther {
		t.Errorf("a session that was ended before the restart: %d", got.status)
	}
}

// onBoth runs a test on SQLite, whose URL is empty, and on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, database string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) {
		var cluster pgtest.Cluster
		t.Cleanup(cluster.Stop)
		test(t, cluster.Database(t))
	})
}

// TestFourEyes checks that with console_four_eyes a change of a party's URLs is in force after
// another admin has approved it in the console, and the party's trail names both.
func TestFourEyes(t *testing.T) { onBoth(t, testFourEyes) }

func testFourEyes(t *testing.T, database string) {
	provider := newOperatorProvider(t)
	control := freeAddr(t)
	c := config(partytest.Start(t))
	c.Control, c.PublicURL, c.Data, c.AllowPrivate = control, "https://sign.test", t.TempDir(), true
	c.ConsoleOIDCIssuer, c.ConsoleOIDCClientID = provider.URL, "console"
	c.ConsoleURL, c.ConsoleRoleClaim, c.ConsoleFourEyes = "http://"+control, "groups", true
	c.ConsoleRoles = app.List{"it=admin", "desk=operator"}
	c.Database = database
	running(t, c)
	login := func(sub, name, group string) *operator {
		t.Helper()
		provider.claims = map[string]any{"sub": sub, "email": name, "groups": group}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		o := &operator{t, "http://" + control, http.Client{Jar: jar}}
		if got := o.do("GET", "/console/", nil); got.status != http.StatusOK {
			t.Fatalf("login: %d", got.status)
		}
		return o
	}
	ann, bob := login("1", "ann@example.test", "it"), login("2", "bob@example.test", "it")
	renamed := login("1", "ann under another name", "it")
	desk := login("3", "desk@example.test", "desk")
	form := url.Values{
		"client_id": {"pair"}, "name": {"Pair"}, "jwks_url": {"http://127.0.0.1:1/old"},
		"redirect_url": {"http://127.0.0.1:1/back"}, "anyway": {"1"},
	}
	if got := ann.do("POST", "/console/parties", form); got.status != http.StatusOK {
		t.Fatalf("registering: %d %s", got.status, got.body)
	}
	form.Set("version", "1")
	form.Set("jwks_url", "http://127.0.0.1:1/new")
	proposed := ann.do("POST", "/console/party/pair/edit", form)
	id := regexp.MustCompile(`name="proposal" value="(\d+)"`).FindStringSubmatch(proposed.body)
	if id == nil || !strings.Contains(proposed.body, "Another admin has to approve it") ||
		strings.Contains(proposed.body, "/approve") {
		t.Fatalf("proposing: %d %s", proposed.status, proposed.body)
	}
	const own = "Another admin has to approve the change that you have proposed"
	for name, test := range map[string]struct {
		by     *operator
		id     string
		status int
		text   string
	}{
		"the same admin":             {ann, id[1], http.StatusConflict, own},
		"the same under other names": {renamed, id[1], http.StatusConflict, own},
		"an operator":                {desk, id[1], http.StatusForbidden, ""},
		"another proposal":           {bob, "1", http.StatusConflict, "was replaced, decided or withdrawn"},
	} {
		got := test.by.do("POST", "/console/party/pair/approve", url.Values{"proposal": {test.id}})
		if got.status != test.status || !strings.Contains(got.body, test.text) {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
	}
	page := bob.do("GET", "/console/party/pair", nil).body
	if !strings.Contains(page, "It takes effect when you approve it") ||
		!strings.Contains(
			page,
			"<del>http://127.0.0.1:1/old</del> <ins>http://127.0.0.1:1/new</ins>",
		) {
		t.Errorf("the other admin sees %s", page)
	}
	got := bob.do("POST", "/console/party/pair/approve", url.Values{"proposal": {id[1]}})
	_, trail, _ := strings.Cut(got.body, "changes-title")
	approved := strings.Index(
		trail, "Proposed change approved</strong> <span class=\"quiet breakable\">bob@",
	)
	asked := strings.Index(trail, "Change proposed</strong> <span class=\"quiet breakable\">ann@")
	if got.status != http.StatusOK || approved < 0 || asked < approved ||
		strings.Contains(got.body, "proposal-title") {
		t.Errorf("approving: %d %s", got.status, got.body)
	}
	if edit := bob.do("GET", "/console/party/pair/edit", nil).body; !strings.Contains(
		edit, `value="http://127.0.0.1:1/new"`,
	) {
		t.Error("the approved change is not in force")
	}
	// So does what an admin does for a person.
	person := url.Values{"uin": {"S8979373D"}, "reason": {"ticket 12"}}
	const path = "/console/people"
	if got := desk.do("POST", path+"/forget", person); got.status != http.StatusForbidden {
		t.Errorf("an operator forgets a person: %d", got.status)
	}
	if got := desk.do("GET", path, nil); strings.Contains(got.body, "<input") {
		t.Errorf("an operator may ask for a person: %s", got.body)
	}
	got = ann.do("POST", path+"/forget", person)
	id = regexp.MustCompile(`name="proposal" value="([-0-9a-f]+)"`).FindStringSubmatch(got.body)
	if id == nil || !strings.Contains(got.body, "Another admin has to approve it within seven") ||
		strings.Contains(got.body, path+"/approve") || strings.Contains(got.body, "S8979373D") {
		t.Fatalf("proposing to forget: %d %s", got.status, got.body)
	}
	decide := func(o *operator, what string) answer {
		return o.do("POST", path+"/"+what, url.Values{"proposal": {id[1]}})
	}
	for _, o := range []*operator{ann, renamed} {
		if got := decide(o, "approve"); got.status != http.StatusForbidden ||
			!strings.Contains(got.body, "Another admin has to approve") {
			t.Errorf("approving one's own: %d %s", got.status, got.body)
		}
	}
	if got := decide(desk, "approve"); got.status != http.StatusForbidden {
		t.Errorf("an operator approves: %d", got.status)
	}
	if got := bob.do("GET", path, nil); !strings.Contains(got.body, "Forget •••••373D") ||
		!strings.Contains(got.body, "ann@example.test") ||
		!strings.Contains(got.body, "ticket 12") {
		t.Errorf("the other admin sees %s", got.body)
	}
	got = decide(bob, "approve")
	if !strings.Contains(got.body, "The person is forgotten") ||
		strings.Contains(got.body, "ticket 12") {
		t.Errorf("approving: %d %s", got.status, got.body)
	}
	if got := decide(bob, "approve"); got.status != http.StatusNotFound {
		t.Errorf("approving twice: %d", got.status)
	}
	got = ann.do("POST", path+"/forget", person)
	id = regexp.MustCompile(`name="proposal" value="([-0-9a-f]+)"`).FindStringSubmatch(got.body)
	if got := decide(ann, "reject"); !strings.Contains(got.body, "The proposal is deleted") {
		t.Errorf("withdrawing: %d %s", got.status, got.body)
	}

	c.ConsolePassword = "correct horse battery staple 7"
	if a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler)); err == nil {
		_ = a.Close()
		t.Error("console_four_eyes is accepted with a password that all admins share")
	}
}

// TestOperatorToken checks that an operator's session gives a token for the API, which has the
// session's role and end, and that a change by the API waits for a second operator too.
func TestOperatorToken(t *testing.T) { onBoth(t, testOperatorToken) }

func testOperatorToken(t *testing.T, database string) {
	provider := newOperatorProvider(t)
	control := freeAddr(t)
	shop := partytest.Start(t)
	c := config(shop)
	c.Control, c.PublicURL, c.Data, c.AllowPrivate = control, "https://sign.test", t.TempDir(), true
	c.ConsoleOIDCIssuer, c.ConsoleOIDCClientID = provider.URL, "console"
	c.ConsoleURL, c.ConsoleRoleClaim, c.ConsoleFourEyes = "http://"+control, "groups", true
	c.ConsoleRoles = app.List{"it=admin", "audit=viewer"}
	c.Database = database
	running(t, c)
	token := func(name, group string) string {
		t.Helper()
		provider.claims = map[string]any{"sub": name, "email": name, "groups": group}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		o := &operator{t, "http://" + control, http.Client{Jar: jar}}
		o.do("GET", "/console/", nil)
		page := o.do("POST", "/console/sessions/token", nil)
		found := regexp.MustCompile(`<code>([A-Z2-7]{26})</code>`).FindStringSubmatch(page.body)
		if found == nil || page.header.Get("Cache-Control") != "no-store" {
			t.Fatalf("the token's page: %d %s", page.status, page.body)
		}
		return found[1]
	}
	call := func(token, method, path, body string) answer {
		t.Helper()
		return do(
			t, method, "http://"+control+"/console/api/parties"+path, "Bearer "+token,
			"application/json", strings.NewReader(body),
		)
	}
	expect := func(a answer, status int, texts ...string) {
		t.Helper()
		for _, text := range texts {
			if a.status != status || !strings.Contains(a.body, text) {
				t.Errorf("%d %s, want %d %s", a.status, a.body, status, text)
			}
		}
	}
	ann, viewer := token("ann@example.test", "it"), token("vic@example.test", "audit")
	jwks := shop.URL() + "/jwks.json"
	body := func(jwks, name, version string) string {
		return `{"client_id": "pair", "name": "` + name + `", "jwks_url": "` + jwks +
			`", "redirect_url": "http://127.0.0.1:1/?key=s3cret", "version": ` + version + `}`
	}
	expect(call("wrong", "GET", "", ""), 401, `"error":"LOGIN_REQUIRED"`)
	expect(call(viewer, "GET", "", ""), 200, shop.ClientID)
	expect(call(viewer, "POST", "", body(jwks, "Pair", "0")), 403, `"error":"ROLE_TOO_LOW"`)
	expect(call(ann, "POST", "", body(jwks, "Pair", "0")), 201, `"registered"`)
	expect(call(ann, "PUT", "/pair", body(jwks, "Pair", "7")), 409, `"error":"PARTY_CHANGED"`)

	// A new query of a URL is a change of the URL.
	other := strings.ReplaceAll(body(jwks, "Pair", "1"), "s3cret", "0ther")
	expect(call(ann, "PUT", "/pair?dry_run", other), 200, `"proposed"`, "another query")
	if a := call(ann, "GET", "/pair", ""); strings.Contains(a.body, "proposed_by") {
		t.Error("a dry run proposes the change")
	}
	expect(call(ann, "PUT", "/pair", other), 202, `"proposed"`)
	expect(call(ann, "PUT", "/pair", other), 202, `"proposed"`)
	about := call(viewer, "GET", "/pair", "")
	expect(
		about,
		200,
		`"proposed_by":"ann@example.test"`,
		`"by":"ann@example.test","kind":"registered"`,
		`"version":1`,
	)
	if strings.Contains(about.body, "s3cret") || strings.Contains(about.body, "0ther") ||
		strings.Count(about.body, `"kind":"proposed"`) != 1 {
		t.Errorf("a query is shown, or the same proposal is stored twice: %s", about.body)
	}
	hidden := strings.ReplaceAll(body(jwks, "Twin", "1"), "key=s3cret", "…")
	expect(call(ann, "PUT", "/pair", hidden), 200, `"edited"`, "Twin")
	expect(call(ann, "POST", "/pair/disable", `{"version": 2}`), 200, `"disabled"`)
	expect(call(ann, "POST", "/pair/enable", `{"version": 2}`), 409, `"PARTY_CHANGED"`)
	expect(call(ann, "POST", "/pair/keys", ""), 200, `"kid":`)
	expect(call(ann, "GET", "/pair/none", ""), 400, "No such call")
}

// running runs the service until the test ends.
func running(t *testing.T, c app.Config) (stop func()) {
	t.Helper()
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return runApp(t, a)
}
