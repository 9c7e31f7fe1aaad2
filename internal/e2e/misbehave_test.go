package e2e_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/token"
)

func (s *sandbox) inject(t testing.TB, rule string) {
	t.Helper()
	a := do(t, "POST", s.control+"/faults", "", "application/json", strings.NewReader(rule))
	if a.status != http.StatusOK {
		t.Fatalf("fault %s: %d %s", rule, a.status, a.body)
	}
}

// tryCancel cancels with a client of the sandbox's own, because the answer may not arrive.
func (s *sandbox) tryCancel(t testing.TB, id string) (status int, header http.Header, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(
		t.Context(), "POST", s.url+"/api/v3/sign-requests/cancel", nil,
	)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", s.party.Token(token.Cancel, partytest.Claim("request_id", id)))
	// without keep-alive, so that the client does not send the call twice by itself
	resp, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return 0, nil, err
	}
	resp.Body.Close()
	return resp.StatusCode, resp.Header, nil
}

// TestFaultsOfCalls checks that each fault of a call is seen by the client, and leaves the state
// that it says.
func TestFaultsOfCalls(t *testing.T) {
	s, other := startTwo(t)
	theirs := &sandbox{url: s.url, control: s.control, party: other}
	for _, c := range []struct {
		rule   string
		status int // 0: no answer
		state  string
	}{
		{`{"kind":"error","count":1,"call":"cancel"}`, 500, "created"},
		{`{"kind":"reset","count":1}`, 0, "created"},
		{`{"kind":"slow","count":1,"delay":"300ms"}`, 200, "cancelled"},
		{`{"kind":"answer-lost","count":1}`, 0, "cancelled"},
		{`{"kind":"unavailable","count":1,"delay":"1500ms"}`, 503, "created"},
	} {
		in, unharmed := s.initiate(t), theirs.initiate(t)
		s.inject(t, strings.Replace(c.rule, "{", `{"client_id":"`+s.party.ClientID+`",`, 1))
		if a := theirs.cancel(t, unharmed.RequestID); a.status != http.StatusOK {
			t.Errorf("%s: the other party: %d %s", c.rule, a.status, a.body)
		}
		begin := time.Now()
		status, header, err := s.tryCancel(t, in.RequestID)
		if status != c.status || (err != nil) != (c.status == 0) {
			t.Errorf("%s: %d, %v", c.rule, status, err)
		}
		if kind := header.Get("Signet-Fault"); err == nil &&
			(kind == "" || !strings.Contains(c.rule, kind)) {
			t.Errorf("%s: the header says %q", c.rule, kind)
		}
		if why := header.Get("Signet-Explanation"); c.status >= 500 &&
			!strings.Contains(why, "the fault "+header.Get("Signet-Fault")+" was injected") {
			t.Errorf("%s: the explanation is %q", c.rule, why)
		}
		if wait := header.Get("Retry-After"); (wait == "2") != (c.status == 503) {
			t.Errorf("%s: Retry-After: %s", c.rule, wait)
		}
		if strings.Contains(c.rule, "slow") && time.Since(begin) < 300*time.Millisecond {
			t.Errorf("slow took %s", time.Since(begin))
		}
		if got := s.view(t, in.RequestID).State; got != c.state {
			t.Errorf("%s: it is %s, want %s", c.rule, got, c.state)
		}
		// The next call is as usual.
		want := http.StatusOK
		if c.state == "cancelled" {
			want = http.StatusBadRequest
		}
		if a := s.cancel(t, in.RequestID); a.status != want {
			t.Errorf("%s, and then: %d %s", c.rule, a.status, a.body)
		}
		if c.state == "created" { // the call that was not executed is recorded
			calls := s.calls(t, in.RequestID)
			if got := calls[1].Reason; !strings.HasPrefix(got, "injected fault: ") {
				t.Errorf("%s: the record says %q", c.rule, got)
			}
		}
	}
	s.inject(t, `{"kind":"error","count":1,"call":"keys"}`)
	for i, want := range []int{500, 200} {
		if got := status(t, s.url+"/.well-known/keys.json"); got != want {
			t.Errorf("keys, time %d: %d", i+1, got)
		}
	}
	signed := s.sign(t)
	s.inject(t, `{"kind":"download-expired","count":1,"request_id":"`+signed.RequestID+`"}`)
	link := s.signedResult(t, signed).SignedDocURL
	for i, want := range []int{403, 403, 200} {
		if i == 2 { // a link that is over stays over; another one is not
			link = s.signedResult(t, signed).SignedDocURL
		}
		if a := do(t, "GET", link, "", "", nil); a.status != want {
			t.Errorf("download, time %d: %d", i+1, a.status)
		}
	}
	s.inject(t, `{"kind":"result-failed","count":1,"request_id":"`+signed.RequestID+`"}`)
	if status, got := s.resultOutsideTheDescription(t, signed); status != http.StatusBadRequest ||
		got["error"] != "REQUEST_FAILED" {
		t.Errorf("result: %d %v", status, got)
	}
	s.inject(t, `{"kind":"answer-extended","count":1,"request_id":"`+signed.RequestID+`"}`)
	for i, want := range []int{4, 3} {
		status, got := s.resultOutsideTheDescription(t, signed)
		if status != http.StatusOK || len(got) != want || got["signed_doc_url"] == nil {
			t.Errorf("result, extended, time %d: %d %v", i+1, status, got)
		}
	}
	if a := s.result(t, signed); a.status != http.StatusOK {
		t.Errorf("result, the second time: %d %s", a.status, a.body)
	}
	whole := do(t, "GET", link, "", "", nil).body
	s.inject(t, `{"kind":"download-damaged","count":1,"request_id":"`+signed.RequestID+`"}`)
	for i, want := range []int{1, 0} {
		got, differences := do(t, "GET", link, "", "", nil).body, 0
		for j := range min(len(got), len(whole)) {
			if got[j] != whole[j] {
				differences++
			}
		}
		if len(got) != len(whole) || differences != want {
			t.Errorf("download, time %d: %d bytes of %d differ", i+1, differences, len(got))
		}
	}
	s.inject(t, `{"kind":"download-cut","count":1,"request_id":"`+signed.RequestID+`"}`)
	cut, err := http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	part, err := io.ReadAll(cut.Body)
	cut.Body.Close()
	if err == nil || len(part) == 0 || !strings.HasPrefix(whole, string(part)) {
		t.Errorf("a download that is cut: %d bytes of %d, %v", len(part), len(whole), err)
	}
	for _, body := range []string{`{"kind":"flood"}`, `{"kind":"slow","delay":"soon"}`, `{`} {
		do(
			t, "POST", s.control+"/faults", "", "application/json", strings.NewReader(body),
		).refusedAs(t, body, 400, api.CodeClientSide)
	}
	var v control.FaultsView
	a := do(t, "DELETE", s.control+"/faults", "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Rules) != 0 ||
		len(v.Kinds) != 27 {
		t.Errorf("cleared: %s", a.body)
	}
}

// TestFaultsOfWebhooks checks that a careful receiver refuses what is not genuine and gets the true
// webhook at the next attempt.
func TestFaultsOfWebhooks(t *testing.T) {
	s := start(t)
	private := s.party.Key("ES256").Private
	settings := client.Config{
		BaseURL: s.url + "/api/v3", ClientID: s.party.ClientID, Key: private,
		KeyID: "k", KeysURL: s.url + api.PathKeys,
	}
	rp, err := client.New(settings)
	if err != nil {
		t.Fatal(err)
	}
	genuine := func(hook partytest.Webhook) bool {
		r, _ := http.NewRequest("POST", "/", strings.NewReader(string(hook.Body)))
		r.Header.Set("Content-Type", "application/json")
		_, err := rp.VerifyWebhook(t.Context(), r)
		return err == nil
	}
	for _, c := range []struct {
		kind    string
		genuine []bool // of each webhook that arrives
	}{
		{"webhook-forged", []bool{false, true}},
		{"webhook-wrong-key", []bool{false, true}},
		{"webhook-expired", []bool{false, true}},
		{"webhook-unsigned", []bool{false, true}},
		{"webhook-hmac", []bool{false, true}},
		{"webhook-own-key", []bool{false, true}},
		{"webhook-other-audience", []bool{false, true}},
		{"webhook-other-request", []bool{true}},
		{"webhook-extended", []bool{true}},
		{"webhook-doubled", []bool{true, true}},
		{"webhook-late", []bool{true}},
	} {
		before := len(s.party.Webhooks())
		s.party.AnswerWebhooks(func(n int) int {
			if n == before && !c.genuine[0] {
				return http.StatusBadRequest
			}
			return http.StatusOK
		})
		s.inject(t, `{"kind":"`+c.kind+`","count":1,"delay":"1s"}`)
		begin := time.Now()
		s.sign(t)
		for i, want := range c.genuine {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			hook, err := s.party.WaitWebhook(ctx, before+i)
			cancel()
			if err != nil {
				t.Fatalf("%s: webhook %d: %v", c.kind, i+1, err)
			}
			if got := hook.Header.Get("Signet-Fault"); i == 0 && got != c.kind {
				t.Errorf("%s: the header of the webhook names %q", c.kind, got)
			}
			if got := genuine(hook); got != want {
				t.Errorf("%s: webhook %d is genuine: %v", c.kind, i+1, got)
			}
		}
		if c.kind == "webhook-late" && time.Since(begin) < time.Second {
			t.Errorf("late after %s", time.Since(begin))
		}
	}
	before := len(s.party.Webhooks())
	s.inject(t, `{"kind":"webhook-reordered","count":1,"delay":"1m"}`)
	first, second := s.sign(t).RequestID, s.sign(t).RequestID
	for i, want := range []string{second, first} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		hook, err := s.party.WaitWebhook(ctx, before+i)
		cancel()
		if err != nil {
			t.Fatalf("webhook-reordered: webhook %d: %v", i+1, err)
		}
		if id := requestOf(hook); id != want || !genuine(hook) {
			t.Errorf("webhook-reordered: webhook %d is for %s, not %s", i+1, id, want)
		}
	}
	before += 2
	s.inject(t, `{"kind":"webhook-reordered","count":1,"delay":"100ms"}`)
	alone := s.sign(t).RequestID
	if hook, err := s.party.WaitWebhook(t.Context(), before); err != nil ||
		requestOf(hook) != alone {
		t.Errorf("webhook-reordered, alone: %v", err)
	}
	before++
	s.inject(t, `{"kind":"webhook-new-key","count":1}`)
	s.sign(t)
	hook, err := s.party.WaitWebhook(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	if genuine(hook) { // its keys are less than a minute old
		t.Error("a webhook verifies with a key that the client has not fetched")
	}
	if rp, err = client.New(settings); err != nil {
		t.Fatal(err)
	}
	if !genuine(hook) {
		t.Error("the new key is not published")
	}
	before = len(s.party.Webhooks())
	s.inject(t, `{"kind":"webhook-lost","count":1}`)
	lost := s.sign(t)
	s.advance(t, "1s") // returns when the webhook was handled
	if n := len(s.party.Webhooks()); n != before {
		t.Errorf("%d webhooks arrived", n-before)
	}
	if a := s.result(t, lost); a.status != http.StatusOK {
		t.Errorf("result: %d", a.status)
	}
}

// requestOf is the request that a webhook's token names.
func requestOf(hook partytest.Webhook) string {
	parts := strings.Split(hook.Token, ".")
	var claims api.WebhookClaims
	text, err := base64.RawURLEncoding.DecodeString(parts[len(parts)/2])
	if err != nil || json.Unmarshal(text, &claims) != nil {
		return ""
	}
	return claims.RequestID
}

// TestFaultOfSession checks that a session hangs, and a cancel is refused, until its delay is over,
// and that the phone's answer does not arrive unless the faults are removed.
func TestFaultOfSession(t *testing.T) {
	s := start(t)
	s.party.Now = time.Now
	in, other := s.initiate(t), s.initiate(t)
	s.inject(t, `{"kind":"session-hangs","count":1,"delay":"20m","request_id":"`+in.RequestID+`"}`)
	for _, in := range []api.Initiated{other, in} {
		s.must(t, in.RequestID, alice, "open", "proceed")
	}
	s.must(t, other.RequestID, alice, "approve")
	for _, do := range []string{"approve", "reject"} {
		s.act(t, in.RequestID, alice, do).refusedAs(t, do, 503, api.CodeUnavailable)
	}
	age := func(d string) {
		t.Helper()
		s.moved(t, fmt.Sprintf(`{"advance":%q,"request_id":%q}`, d, in.RequestID))
	}
	age("19m")
	if a := s.cancel(t, in.RequestID); !a.is(
		400, api.CodeActiveSession, api.ErrActiveSession.Description,
	) {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}
	age("1m")
	if got := s.view(t, in.RequestID).State; got != "locked" {
		t.Errorf("after the delay it is %s", got)
	}
	s.must(t, in.RequestID, alice, "proceed", "reject")

	s.inject(t, `{"kind":"session-hangs"}`)
	s.must(t, in.RequestID, alice, "proceed")
	s.act(t, in.RequestID, alice, "approve").refusedAs(t, "approve", 503, api.CodeUnavailable)
	var v control.FaultsView
	a := do(t, "DELETE", s.control+"/faults", "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Recent) != 2 ||
		v.Recent[0].Kind != "session-hangs" || v.Recent[0].RequestID != in.RequestID ||
		v.Recent[0].ClientID != s.party.ClientID {
		t.Errorf("injected faults: %s", a.body)
	}
	s.must(t, in.RequestID, alice, "approve")
	s.settled(t, in.RequestID, "signed")
}

// TestFaultsOfSealing checks that faults of the timestamp authority are for the party or request
// that they name.
func TestFaultsOfSealing(t *testing.T) {
	s := start(t)
	s.party.Now = time.Now
	in, other := s.initiate(t), s.initiate(t)
	s.inject(t, `{"kind":"tsa-down","request_id":"`+in.RequestID+`"}`)
	v := s.visitor(t)
	v.login(t, in, alice)
	for _, in := range []api.Initiated{in, other} {
		s.must(t, in.RequestID, alice, "open", "proceed", "approve")
	}
	s.settled(t, other.RequestID, "signed")
	seen := "" // by the signer, between two attempts
	for begin := time.Now(); !strings.Contains(seen, "Next attempt at"); time.Sleep(50 * time.Millisecond) {
		if time.Since(begin) > time.Minute {
			t.Fatalf("the signer's page names no further attempt:\n%s", seen)
		}
		seen = v.get(t, "/sign/"+in.RequestID).text()
	}
	if live := v.get(t, "/sign/"+in.RequestID+"/state").body; !regexp.MustCompile(
		`"seal_tries":[1-9]`,
	).MatchString(live) {
		t.Errorf("the state has no failed attempt: %s", live)
	}
	if got := s.view(t, in.RequestID).State; got != "sealing" {
		t.Errorf("without a timestamp authority it is %s", got)
	}
	if a := s.cancel(t, in.RequestID); !a.is(
		400, api.CodeActiveSession, api.ErrActiveSession.Description,
	) {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}
	do(t, "DELETE", s.control+"/faults", "", "", nil)
	s.moved(t, fmt.Sprintf(`{"advance":"1m","request_id":%q}`, in.RequestID))
	s.settled(t, in.RequestID, "signed")
}

// TestFaultOfSlowSealing checks that a client sees the document of the request that the fault names
// being sealed for its delay, and can neither cancel nor get it; that of another request is not
// delayed.
func TestFaultOfSlowSealing(t *testing.T) {
	s := start(t)
	s.party.Now = time.Now
	in, other := s.initiate(t), s.initiate(t)
	const delay = 3 * time.Second
	s.inject(t, fmt.Sprintf(
		`{"kind":"sealing-slow","delay":%q,"request_id":%q}`, delay, in.RequestID,
	))
	s.must(t, other.RequestID, alice, "open", "proceed", "approve")
	s.settled(t, other.RequestID, "signed")
	s.must(t, in.RequestID, alice, "open", "proceed", "approve")
	approved := time.Now()
	if a := s.cancel(t, in.RequestID); !a.is(
		400, api.CodeActiveSession, api.ErrActiveSession.Description,
	) {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}
	if a := s.result(t, in); !a.is(400, api.CodeNotSigned, api.ErrNotSigned.Description) {
		t.Errorf("result: %d %s", a.status, a.body)
	}
	s.settled(t, in.RequestID, "signed")
	if took := time.Since(approved); took < delay-time.Second/2 {
		t.Errorf("it was signed after %s, the delay is %s", took, delay)
	}
	if a := s.result(t, in); a.status != http.StatusOK {
		t.Errorf("result: %d %s", a.status, a.body)
	}
}

// TestRehearsal checks that with a low rate of every fault, a client that tries again gets its
// document signed.
func TestRehearsal(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Rehearsal, c.FaultSeed = true, 5
		c.Faults, _ = config.ParseFaults(
			`[{kind: error, call: initiate, count: 1}, {kind: tsa-down, count: 1}]`,
		)
	})
	var v control.FaultsView
	a := do(t, "GET", s.control+"/faults", "", "", nil)
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || len(v.Rules) != 28 {
		t.Fatalf("faults: %s", a.body)
	}
	if _, err := config.ParseFaults(`[{kind: error, chance: 1}]`); err == nil {
		t.Error("an unknown key is accepted")
	}
	if _, err := config.ParseFaults(`[{kind: flood}]`); err == nil {
		t.Error("an unknown fault is accepted")
	}
	c := configOf(s.party)
	c.Faults = config.FaultList{{Kind: "flood"}}
	if _, err := app.OpenSandbox(
		t.Context(), c, time.Now, func(string) string { return "" }, slog.New(slog.DiscardHandler),
	); err == nil || !strings.Contains(err.Error(), "flood") {
		t.Errorf("an unknown fault: %v", err)
	}
	if a := s.upload(t, s.party.Token(token.Initiate), []byte("")); a.status != 500 {
		t.Errorf("the first call: %d", a.status)
	}
}

// resultOutsideTheDescription is the status and members of a result call whose answer the API's
// description does not have.
func (s *sandbox) resultOutsideTheDescription(
	t *testing.T, in api.Initiated,
) (status int, members map[string]any) {
	t.Helper()
	path := strings.Replace(api.PathResult, "{request_id}", in.RequestID, 1)
	r, err := http.NewRequest(http.MethodGet, s.url+api.BasePath+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", s.party.Token(
		token.Result, partytest.Claim("exchange_code", in.ExchangeCode),
	))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&members); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, members
}

// TestEachFaultIsSeen checks that the tests of this file inject each kind of fault.
func TestEachFaultIsSeen(t *testing.T) {
	text, err := os.ReadFile("misbehave_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range fault.Kinds() {
		if !strings.Contains(string(text), `"`+string(kind)+`"`) {
			t.Errorf("no client sees %s", kind)
		}
	}
}

// status is that of a GET whose answer the API's description does not have.
func status(t testing.TB, url string) int {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
