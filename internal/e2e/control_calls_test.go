package e2e_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/token"
)

// get reads a JSON answer of the control listener.
func (s *sandbox) get(t testing.TB, path string, v any) {
	t.Helper()
	a := do(t, "GET", s.control+path, "", "", nil)
	if err := json.Unmarshal([]byte(a.body), v); err != nil || a.status != http.StatusOK {
		t.Fatalf("GET %s: %d %s", path, a.status, a.body)
	}
}

// TestControlExplains: GET / lists every call, and what it lists is there.
func TestControlExplains(t *testing.T) {
	s := start(t)
	var index struct {
		Calls []struct{ Call, Does string }
	}
	s.get(t, "/", &index)
	if len(index.Calls) < 15 {
		t.Errorf("%d calls", len(index.Calls))
	}
	for _, c := range index.Calls {
		method, path, _ := strings.Cut(c.Call, " ")
		a := do(
			t, method, s.control+strings.NewReplacer("{", "", "}", "").Replace(path), "",
			"application/json", strings.NewReader("{"),
		)
		if c.Does == "" || strings.Contains(a.body, "No such call") {
			t.Errorf("%s (%s): %d %s", c.Call, c.Does, a.status, a.body)
		}
	}
	do(t, "GET", s.control+"/dance", "", "", nil).refusedAs(t, "an unknown call", 404, "NOT_FOUND")
}

// TestControlLists checks that requests are listed by party and state, and a call waits for a
// state.
func TestControlLists(t *testing.T) {
	s, other := startTwo(t)
	theirs := &sandbox{url: s.url, control: s.control, party: other}
	mine, cancelled := s.initiate(t), s.initiate(t)
	theirs.initiate(t)
	s.cancel(t, cancelled.RequestID)
	for query, want := range map[string]int{
		"": 3, "?client_id=" + other.ClientID: 1, "?state=cancelled": 1, "?state=signed": 0,
		"?client_id=" + s.party.ClientID: 2, "?limit=1": 1, "?text=" + mine.RequestID: 1,
	} {
		var list struct{ Requests []control.RequestRow }
		s.get(t, "/requests"+query, &list)
		if len(list.Requests) != want {
			t.Errorf("%q: %d requests, want %d", query, len(list.Requests), want)
		}
	}
	for _, path := range []string{
		"/requests?state=gone", "/requests?limit=x", "/requests/" + mine.RequestID + "?wait=gone",
		"/requests/" + mine.RequestID + "?wait=signed&timeout=1h", "/webhooks/x?wait=-1",
	} {
		do(t, "GET", s.control+path, "", "", nil).refusedAs(t, path, 400, "CLIENT_SIDE_ERROR")
	}

	waited := make(chan string)
	go func() {
		var v view
		s.get(t, "/requests/"+mine.RequestID+"?wait=signed,expired&timeout=20s", &v)
		waited <- v.State
	}()
	select {
	case state := <-waited:
		t.Fatalf("the call did not wait: %s", state)
	case <-time.After(100 * time.Millisecond):
	}
	s.must(t, mine.RequestID, alice, "open", "proceed", "approve")
	if state := <-waited; state != "signed" {
		t.Errorf("waited for signed: %s", state)
	}
	var v view
	begin := time.Now()
	s.get(t, "/requests/"+cancelled.RequestID+"?wait=signed&timeout=200ms", &v)
	if v.State != "cancelled" || time.Since(begin) < 200*time.Millisecond {
		t.Errorf("after the timeout: %s, %s", v.State, time.Since(begin))
	}
	do(t, "GET", s.control+"/requests/x?wait=signed", "", "", nil).refusedAs(
		t, "an unknown request", 404, "NOT_FOUND",
	)
}

// TestControlCalls checks that calls are listed by party, kind and outcome, page by page, also
// those that name no request.
func TestControlCalls(t *testing.T) {
	s, other := startTwo(t)
	theirs := &sandbox{url: s.url, control: s.control, party: other}
	in := s.initiate(t)
	s.upload(t, s.party.Token(token.Initiate), []byte("no PDF"))
	s.cancel(t, in.RequestID)
	theirs.initiate(t)
	mine := "?client_id=" + s.party.ClientID
	list := func(query string) (calls []calllog.Record) {
		t.Helper()
		var page struct{ Calls []calllog.Record }
		s.get(t, "/calls"+query, &page)
		return page.Calls
	}
	all := list(mine)
	if len(all) != 3 || all[0].Kind != calllog.Cancel || all[1].RequestID != "" ||
		!all[1].Refused() || all[1].Token == nil || all[2].RequestID != in.RequestID {
		t.Fatalf("calls: %+v", all)
	}
	for query, want := range map[string]int{
		"": 4, mine + "&call=initiate": 2, mine + "&refused": 1, mine + "&limit=2": 2,
		mine + "&refused=0": 3,
		mine + "&before=" + strconv.FormatInt(all[0].ID, 10): 2, "?call=webhook": 0,
	} {
		if got := list(query); len(got) != want {
			t.Errorf("%s: %d calls, want %d", query, len(got), want)
		}
	}
	for _, query := range []string{"?limit=0", "?limit=1001", "?before=yesterday"} {
		do(t, "GET", s.control+"/calls"+query, "", "", nil).refusedAs(
			t, query, 400, api.CodeClientSide,
		)
	}
}

// TestInbox checks that a party without a server has its webhooks received by the control listener.
func TestInbox(t *testing.T) {
	s := start(t)
	hook := "/webhooks/script"
	rp := partytest.Start(t)
	c := configOf(rp)
	c.Parties[0].WebhookURL = s.control + hook
	s2 := run(t, rp, c, nil, slog.New(slog.DiscardHandler))
	in := s2.sign(t)
	var got struct{ Webhooks []control.Received }
	s.get(t, hook+"?wait=1&timeout=20s", &got)
	if len(got.Webhooks) != 1 || strings.Count(got.Webhooks[0].Token, ".") != 2 {
		t.Fatalf("webhooks %+v", got)
	}
	a := do(t, "POST", s2.control+"/requests/"+in.RequestID+"/resend", "", "application/json", nil)
	if a.status != http.StatusOK {
		t.Errorf("resend: %d %s", a.status, a.body)
	}
	s.get(t, hook, &got)
	if len(got.Webhooks) != 2 {
		t.Errorf("%d webhooks after a second delivery", len(got.Webhooks))
	}
	do(
		t, "POST", s2.control+"/requests/"+s2.initiate(t).RequestID+"/resend", "", "", nil,
	).refusedAs(t, "no webhook yet", 409, "NO_WEBHOOK")
	do(t, "DELETE", s.control+hook, "", "", nil)
	s.get(t, hook, &got)
	if len(got.Webhooks) != 0 {
		t.Errorf("%d webhooks after they were forgotten", len(got.Webhooks))
	}
}

// TestReset checks that a reset restores everything but requests; and that a party's problem is
// reported.
func TestReset(t *testing.T) {
	s := start(t, func(c *config.Config) {
		bad := c.Parties[0]
		bad.ClientID, bad.RedirectURL = "bad", bad.RedirectURL+"#fragment"
		c.Parties = append(c.Parties, bad)
	})
	in := s.initiate(t)
	s.advance(t, "1h")
	s.inject(t, `{"kind":"error"}`)
	s.signers(t, "POST", `{"do":"reject"}`)
	if a := do(t, "POST", s.control+"/reset", "", "", nil); a.status != http.StatusNoContent {
		t.Fatalf("reset: %d %s", a.status, a.body)
	}
	if d := time.Until(s.now()); d > time.Minute {
		t.Errorf("the clock is %s ahead", d)
	}
	if v, _ := s.signers(t, "GET", ""); len(v.Queue) != 0 {
		t.Errorf("queue %+v", v.Queue)
	}
	if got := s.view(t, in.RequestID).State; got != "expired" {
		t.Errorf("the request is %s", got)
	}
	s.initiate(t) // no fault

	var list struct{ Parties []control.PartyView }
	s.get(t, "/parties", &list)
	problems := map[string]string{}
	for _, p := range list.Parties {
		problems[p.ClientID] = p.Problem
		if p.ClientID == s.party.ClientID && !strings.Contains(p.Keys, "fetched") {
			t.Errorf("the keys of the party: %q", p.Keys)
		}
	}
	if len(problems) < 4 || problems[s.party.ClientID] != "" ||
		!strings.Contains(problems["bad"], "fragment") {
		t.Errorf("problems %v", problems)
	}
}

// TestControlToken checks that a control listener with a token may be reachable, and answers only
// those who have it.
func TestControlToken(t *testing.T) {
	const secret = "0123456789abcdef"
	s := start(t, func(c *config.Config) { c.Control, c.ControlToken = "0.0.0.0:0", secret })
	for _, c := range []struct {
		path   string
		edit   func(*http.Request)
		status int
	}{
		{"/clock", func(*http.Request) {}, 401},
		{"/console/", func(*http.Request) {}, 401},
		{"/metrics", func(*http.Request) {}, 401},
		{"/clock", func(r *http.Request) { r.Header.Set("Authorization", "Bearer wrong") }, 401},
		{"/clock", func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) }, 200},
		{
			"/clock",
			func(r *http.Request) { r.Host = "sandbox:5157"; r.Header.Set("Authorization", "Bearer "+secret) },
			200,
		},
		{"/console/", func(r *http.Request) { r.SetBasicAuth("any", secret) }, 200},
		{"/console/", func(r *http.Request) { r.SetBasicAuth(secret, "any") }, 401},
		{"/isalive", func(*http.Request) {}, 200},
	} {
		if a := browse(t, "GET", s.control+c.path, c.edit); a.status != c.status {
			t.Errorf("%s: %d, want %d", c.path, a.status, c.status)
		}
	}
	for _, edit := range []func(*config.Config){
		func(c *config.Config) { c.Control = "0.0.0.0:0" },
		func(c *config.Config) { c.Control, c.ControlToken = "0.0.0.0:0", "short" },
	} {
		c := configOf(s.party)
		edit(&c)
		if _, err := app.OpenSandbox(t.Context(), c, time.Now, func(string) string { return "" }, nil); err == nil ||
			!strings.Contains(err.Error(), "control") {
			t.Errorf("control %q, token %q: %v", c.Control, c.ControlToken, err)
		}
	}
}

// TestControlMistakes checks that a call of the control listener that cannot mean what its author
// thinks is refused with a reason, and changes nothing.
func TestControlMistakes(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	for _, c := range []struct {
		method, path, body string
		status             int
		reason             string
	}{
		{"POST", "/clock", `{"advance": "31m", "requestid": "` + in.RequestID + `"}`, 400, `unknown field "requestid"`},
		{"POST", "/clock", `{"advance": 31}`, 400, `"advance" is a number and must be a string`},
		{"POST", "/clock", `{"advance": "31m", "request_id": ""}`, 400, "an id is empty"},
		{"POST", "/clock", `{"set": "tomorrow"}`, 400, `such as "2027-03-02T09:30:00Z"`},
		{"POST", "/faults", `{"kind": "error", "request_id": ""}`, 400, "an id is empty"},
		{"POST", "/faults", `{"kind": "slow", "delay": 3}`, 400, `"delay" is a number and must be a string`},
		{"POST", "/signers", `{"do": "reject", "client_id": ""}`, 400, "an id is empty"},
		{"POST", "/clock", `advance=31m`, 400, "invalid character"},
		{"POST", "/clock", ``, 400, "there is no body"},
		{"POST", "/clock", `{"advance": "31m", "client_id": "nope"}`, 404, "No relying party has this client_id"},
		{"GET", "/clock?request_id=nope", "", 404, "No request has this id"},
		{"POST", "/faults", `{"kind": "error", "requestId": "x"}`, 400, `unknown field "requestId"`},
		{"POST", "/faults", `{"kind": "error", "client_id": "nope"}`, 404, "No relying party has this client_id"},
		{"POST", "/faults", `{"kind": "error", "request_id": "nope"}`, 404, "No request has this id"},
		{
			"POST", "/faults", `{"kind": "webhook-lost", "call": "cancel"}`, 400,
			"webhook-lost: the call cancel cannot have this fault",
		},
		{
			"POST", "/faults", `{"kind": "download-expired", "call": "result"}`, 400,
			"download-expired: the call result cannot have this fault",
		},
		{"POST", "/signers", `{"do": "reject", "client": "x"}`, 400, `unknown field "client"`},
		{"POST", "/signers", `{"do": "reject", "client_id": "nope"}`, 404, "No relying party has this client_id"},
		{
			"POST", "/requests/" + in.RequestID + "/act",
			`{"as": "S8979373D", "do": "open", "x": 1}`, 400, `unknown field "x"`,
		},
		{"GET", "/calls?call=initate", "", 400, "initiate"},
		{"GET", "/calls?refused=maybe", "", 400, `"refused" is 1 or 0`},
		{
			"GET", "/calls?client-id=" + s.party.ClientID, "", 400,
			`No parameter "client-id": the call takes client_id, call, refused, before, limit`,
		},
		{
			"GET", "/requests?status=signed", "", 400,
			`No parameter "status": the call takes client_id, state, text, limit`,
		},
		{"GET", "/requests?client_id=nope", "", 404, "No relying party has this client_id"},
		{"GET", "/calls?client_id=nope", "", 404, "No relying party has this client_id"},
		{
			"GET", "/requests/" + in.RequestID + "?waitfor=signed", "", 400,
			`No parameter "waitfor": the call takes wait, timeout`,
		},
		{"GET", "/clock?client_id=nope", "", 404, "No relying party has this client_id"},
		{"GET", "/clock?requestid=" + in.RequestID, "", 400, `No parameter "requestid"`},
		{"GET", "/clock?request_id=", "", 400, `"request_id" is empty`},
		{"POST", "/clock?request_id=" + in.RequestID, `{"advance": "31m"}`, 400, "the call takes no parameters"},
		{"DELETE", "/faults?client_id=" + s.party.ClientID, "", 400, "the call takes no parameters"},
		{"DELETE", "/webhooks/x?wait=1", "", 400, "the call takes no parameters"},
		{"PUT", "/clock", "{}", 405, "The call takes GET and POST"},
		{"GET", "/reset", "", 405, "The call takes POST"},
		{"DELETE", "/requests/" + in.RequestID, "", 405, "The call takes GET"},
		{"GET", "/clocks", "", 404, "No such call; GET / lists them"},
	} {
		a := do(t, c.method, s.control+c.path, "", "application/json", strings.NewReader(c.body))
		var refusal struct {
			Description string `json:"error_description"`
		}
		if err := json.Unmarshal([]byte(a.body), &refusal); err != nil || a.status != c.status ||
			!strings.Contains(refusal.Description, c.reason) {
			t.Errorf("%s %s %s: %d %s, want %d %s", c.method, c.path, c.body, a.status, a.body, c.status, c.reason)
		}
		if got := a.header.Get("Allow"); (a.status == 405) != (got != "") {
			t.Errorf("%s %s: Allow %q", c.method, c.path, got)
		}
	}
	if now := s.clockOf(t, ""); time.Until(now).Abs() > time.Minute {
		t.Errorf("the sandbox's clock shows %v", now)
	}
	for path, member := range map[string]string{"/faults": "rules", "/signers": "queue"} {
		var v map[string]json.RawMessage
		a := do(t, "GET", s.control+path, "", "", nil)
		if err := json.Unmarshal([]byte(a.body), &v); err != nil || string(v[member]) != "[]" {
			t.Errorf("%s: %s", path, a.body)
		}
	}
	if v := s.view(t, in.RequestID); v.State != "created" {
		t.Errorf("the request is %s", v.State)
	}
}

// TestManyDiagnostics checks that each refused call of a developer who makes many has a diagnosis,
// also while the sandbox's clock is stopped.
func TestManyDiagnostics(t *testing.T) {
	s := start(t)
	s.moved(t, `{"freeze": true}`)
	for i := range 150 {
		a := do(
			t, "POST", s.url+"/api/v3/sign-requests/cancel",
			s.party.Token(token.Cancel, partytest.NoClaim("exp")), "", nil,
		)
		id := a.header.Get("Signet-Diagnostics")
		if d := do(t, "GET", s.control+"/diagnostics/"+id, "", "", nil); d.status != http.StatusOK {
			t.Fatalf("refused call %d: %d %s", i+1, d.status, d.body)
		}
	}
}
