package e2e_test

import (
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// onBoth runs a test on SQLite, whose URL is empty, and on PostgreSQL.
func onBoth(t *testing.T, test func(t *testing.T, database string)) {
	t.Run("SQLite", func(t *testing.T) { test(t, "") })
	t.Run("PostgreSQL", func(t *testing.T) {
		test(t, cluster.Database(t))
	})
}

// TestFourEyes checks that with console_four_eyes a change of a party's URLs is in force after
// another admin has approved it in the console, and the party's trail names both.
func TestFourEyes(t *testing.T) { onBoth(t, testFourEyes) }

func testFourEyes(t *testing.T, database string) {
	provider := newOperatorProvider(t)
	c := provider.config(t, partytest.Start(t), "it=admin", "desk=operator")
	c.ConsoleFourEyes, c.Database = true, database
	running(t, c)
	login := func(sub, name, group string) *operator {
		t.Helper()
		provider.claims = map[string]any{"sub": sub, "email": name, "groups": group}
		o := newOperator(t, c)
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
			page, "<del>http://127.0.0.1:1/old</del> <ins>http://127.0.0.1:1/new</ins>",
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
	// A removal needs both too, and the client id is not given again.
	must := func(got answer, text string) answer {
		t.Helper()
		if !strings.Contains(got.body, text) {
			t.Fatalf("%d without %q: %s", got.status, text, got.body)
		}
		return got
	}
	must(ann.do("POST", "/console/party/pair/disable", url.Values{"version": {"2"}}), "isabled")
	got = must(
		ann.do("POST", "/console/party/pair/remove", url.Values{"version": {"3"}}), "Proposed removal",
	)
	id = regexp.MustCompile(`name="proposal" value="(\d+)"`).FindStringSubmatch(got.body)
	removal := url.Values{"proposal": {id[1]}}
	must(ann.do("POST", "/console/party/pair/approve", removal), own)
	must(bob.do("POST", "/console/party/pair/approve", removal), "The relying party is removed")
	form.Set("jwks_url", "http://127.0.0.1:1/again")
	must(ann.do("POST", "/console/parties", form), "The client id was a relying party")

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
	shop := partytest.Start(t)
	c := provider.config(t, shop, "it=admin", "audit=viewer")
	c.ConsoleFourEyes, c.Database = true, database
	running(t, c)
	token := func(name, group string) string {
		t.Helper()
		provider.claims = map[string]any{"sub": name, "email": name, "groups": group}
		o := newOperator(t, c)
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
			t, method, c.ConsoleURL+"/console/api/parties"+path, "Bearer "+token,
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
		about, 200, `"proposed_by":"ann@example.test"`,
		`"by":"ann@example.test","kind":"registered"`, `"version":1`,
	)
	if strings.Contains(about.body, "s3cret") || strings.Contains(about.body, "0ther") ||
		strings.Count(about.body, `"kind":"proposed"`) != 1 {
		t.Errorf("a query is shown, or the same proposal is stored twice: %s", about.body)
	}
	hidden := strings.ReplaceAll(body(jwks, "Twin", "1"), "key=s3cret", "…")
	expect(call(ann, "PUT", "/pair", hidden), 200, `"edited"`, "Twin")
	expect(call(ann, "PUT", "/pair", call(ann, "GET", "/pair", "").body), 200, `"unchanged"`)
	expect(call(ann, "PUT", "/pair", `{"webhook": "https://a.example/"}`), 400, `unknown field`)
	expect(call(ann, "POST", "/pair/disable", `{"version": 2}`), 200, `"disabled"`)
	expect(call(ann, "POST", "/pair/enable", `{"version": 2}`), 409, `"PARTY_CHANGED"`)
	expect(call(ann, "POST", "/pair/keys", ""), 200, `"kid":`)
	expect(call(ann, "GET", "/pair/none", ""), 400, "No such call")
}
