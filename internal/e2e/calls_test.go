package e2e_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// calls is what the control listener shows of a request's calls, oldest first.
func (s *sandbox) calls(t testing.TB, id string) []calllog.Record {
	t.Helper()
	a := do(t, "GET", s.control+"/requests/"+id, "", "", nil)
	var v struct {
		Calls []calllog.Record `json:"calls"`
	}
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("request: %d %s", a.status, a.body)
	}
	return v.Calls
}

// TestCallsOfARequest checks that each call of a journey is recorded at once, with its token and
// the reason that its caller is not told.
func TestCallsOfARequest(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	s.must(t, in.RequestID, alice, "open", "proceed")
	s.cancel(t, in.RequestID)
	do(
		t,
		"POST",
		s.url+"/api/v3/sign-requests/cancel",
		s.party.Token(
			token.Cancel, partytest.Claim("request_id", in.RequestID),
			partytest.Claim("exp", s.now().Unix()+121),
		),
		"application/json",
		nil,
	)
	s.result(t, in)
	do(
		t,
		"GET",
		s.url+"/api/v3/sign-requests/"+in.RequestID+"/signed-doc",
		s.party.Token(
			token.Result, partytest.Claim("exchange_code", "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"),
		),
		"",
		nil,
	)
	s.must(t, in.RequestID, alice, "approve")
	s.settled(t, in.RequestID, "signed")
	s.advance(t, "1s") // returns when the webhook is out
	link := s.signedResult(t, in).SignedDocURL
	do(t, "GET", link, "", "", nil)
	do(t, "GET", strings.Replace(link, "signature=", "signature=A", 1), "", "", nil)
	s.cancel(t, in.RequestID)

	got := s.calls(t, in.RequestID)
	want := []struct {
		kind      calllog.Kind
		status    int
		err       string
		reason    string
		authentic bool
		claim     string
	}{
		{calllog.Initiate, 200, "", "", true, `"doc_name":"`},
		{
			calllog.Cancel,
			400,
			"ACTIVE_SESSION_ONGOING",
			"Retry-After: ",
			true,
			`"request_id":"` + in.RequestID + `"`,
		},
		{
			calllog.Cancel,
			400,
			"UNAUTHORIZED",
			"cancel: claim exp: 121 s after iat, the most is 120 s",
			false,
			`"exp":`,
		},
		{
			calllog.Result,
			400,
			"DOCUMENT_NOT_SIGNED",
			"",
			true,
			`"exchange_code":"••• (36 characters)"`,
		},
		{
			calllog.Result,
			400,
			"UNAUTHORIZED",
			"the exchange code is not this request's",
			true,
			`"exchange_code":"••• (36 characters)"`,
		},
		{
			calllog.Webhook,
			200,
			"",
			"",
			true,
			`"signed_doc_url":"` + s.url + "/documents/" + in.RequestID + `?…"`,
		},
		{calllog.Result, 200, "", "", true, `"jti":"`},
		{calllog.Download, 200, "", "", true, ""},
		{calllog.Download, 403, "UNAUTHORIZED", "not a link of ours", false, ""},
		{
			calllog.Cancel,
			400,
			"DOCUMENT_ALREADY_SIGNED",
			"",
			true,
			`"client_id":"` + s.party.ClientID + `"`,
		},
	}
	if len(got) != len(want) {
		t.Fatalf("%d calls, want %d: %+v", len(got), len(want), got)
	}
	for i, w := range want {
		c := got[i]
		if c.Kind != w.kind || c.Status != w.status || c.Error != w.err || !strings.HasPrefix(c.Reason, w.reason) || w.reason == "" && c.Reason != "" ||
			c.Authentic != w.authentic ||
			c.Took <= 0 ||
			c.RequestID != in.RequestID ||
			w.authentic && c.Party != s.party.ClientID {
			t.Errorf("call %d: %+v, want %+v", i+1, c, w)
		}
		switch {
		case (w.claim == "") != (c.Token == nil):
			t.Errorf("call %d: token %+v", i+1, c.Token)
		case c.Token != nil && (!strings.Contains(string(c.Token.Claims), w.claim) || !strings.Contains(string(c.Token.Header), `"alg":"ES256"`)):
			t.Errorf("call %d: token %s %s, want %s", i+1, c.Token.Header, c.Token.Claims, w.claim)
		}
	}
	page := browse(t, "GET", s.control+"/console/requests/"+in.RequestID)
	for _, text := range []string{
		"Cancel refused", "ACTIVE_SESSION_ONGOING",
		"&#34;request_id&#34;: &#34;" + in.RequestID + "&#34;",
		"121 s after iat, the most is 120 s",
		"&#34;exchange_code&#34;: &#34;••• (36 characters)&#34;",
	} {
		if page.status != 200 || !strings.Contains(page.body, text) {
			t.Errorf("the request's page (%d) lacks %q", page.status, text)
		}
	}
	if strings.Contains(page.body, in.ExchangeCode) {
		t.Error("the request's page shows the exchange code")
	}
	if err := got[1].Description; err != "Request cannot be cancelled due to an active sign session" {
		t.Errorf("the refusal's text is %q", err)
	}
}

// TestCallsFlood checks that garbage of strangers, who even know a request's id and its party's,
// leaves little in a service, and takes no record away.
func TestCallsFlood(t *testing.T) {
	rp, other := partytest.Start(t), partytest.Start(t)
	c := configOf(rp)
	c.Parties = append(c.Parties, configOf(other).Parties...)
	c.Data, c.PublicURL, c.AllowPrivate, c.RecordCalls = t.TempDir(), "https://sign.test", true, "all"
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{url: "http://" + a.Addr.String(), party: rp, app: a, stop: runApp(t, a)}
	in := s.initiate(t)
	s.cancel(t, in.RequestID)
	forged := other.Token(
		token.Cancel, partytest.Claim("client_id", s.party.ClientID),
		partytest.Claim("request_id", in.RequestID),
	)
	var callers sync.WaitGroup
	for i := range 8 {
		callers.Go(func() {
			for j := range 150 {
				jws := forged
				if j%3 == 0 {
					jws = fmt.Sprintf("junk %d %d", i, j)
				}
				if a := do(t, "POST", s.url+"/api/v3/sign-requests/cancel", jws, "application/json", nil); !a.is(
					400, "UNAUTHORIZED", "Unauthorized.",
				) {
					t.Errorf("a forged call: %d %s", a.status, a.body)
				}
			}
		})
	}
	callers.Wait()
	s.cancel(t, in.RequestID)
	s.stop()
	var all []calllog.Record
	if err := json.Unmarshal([]byte(recorded(t, s)), &all); err != nil {
		t.Fatal(err)
	}
	authentic, garbage := 0, 0
	for _, c := range all {
		switch {
		case c.RequestID != in.RequestID:
		case c.Authentic:
			authentic++
		case c.Party != s.party.ClientID || c.Reason == "":
			t.Errorf("a forged call: %+v", c)
			fallthrough
		default:
			garbage++
		}
	}
	if authentic != 3 || garbage != calllog.DefaultLimits.RequestUnauthenticated {
		t.Errorf(
			"%d authentic calls, want 3; %d forged ones, want %d", authentic, garbage,
			calllog.DefaultLimits.RequestUnauthenticated,
		)
	}
	if len(all) > 250 { // of 1,200: what both books may hold at once, and a few seconds' more
		t.Errorf("%d records are left", len(all))
	}
}

// TestCallsOff checks that a service records refusals only, unless it is told to record all or
// nothing.
func TestCallsOff(t *testing.T) {
	for mode, want := range map[string]string{"none": "", "refused": "cancel ", "all": "initiate cancel cancel "} {
		s := start(t, func(c *config.Config) { c.RecordCalls = mode })
		in := s.initiate(t)
		s.cancel(t, in.RequestID)
		s.cancel(t, in.RequestID)
		got := ""
		for _, c := range s.calls(t, in.RequestID) {
			got += string(c.Kind) + " "
		}
		if got != want {
			t.Errorf("%s: %q, want %q", mode, got, want)
		}
		s.stop()
	}
}

// TestCallsOfNobody checks that calls without a known request are recorded, also when the program
// stops at once.
func TestCallsOfNobody(t *testing.T) {
	s := start(t)
	s.upload(t, "", pdftest.Minimal())
	s.upload(t, s.party.Token(token.Initiate, partytest.NoClaim("doc_name")), pdftest.Minimal())
	s.upload(
		t, s.party.Token(token.Initiate, partytest.Claim("client_id", "unknown-party")),
		pdftest.Minimal(),
	)
	s.upload(t, s.party.Token(token.Initiate), []byte("no PDF"))
	do(
		t, "GET", s.url+"/api/v3/sign-requests/signv3-unknown/signed-doc",
		s.party.Token(token.Result), "", nil,
	)
	s.stop()
	var all []calllog.Record
	if err := json.Unmarshal([]byte(recorded(t, s)), &all); err != nil {
		t.Fatal(err)
	}
	got := map[string]bool{}
	for _, c := range all {
		got[fmt.Sprintf("%s %v %s|%s|%s: %s", c.Kind, c.Authentic, strings.ReplaceAll(c.Party, s.party.ClientID, "us"), c.Claimed, c.RequestID, c.Description+c.Reason)] = true
	}
	for _, want := range []string{
		"initiate false |||: Unauthorized.initiate: the Authorization header is missing",
		"initiate true us||: doc_name is missing",
		"initiate false |unknown-party|: Unauthorized.initiate: party: no relying party has this client id",
		"result false |||signv3-unknown: Unauthorized.the request is unknown",
	} {
		if want = strings.Replace(want, "|||", "||", 1); !got[want] {
			t.Errorf("no record %q in %v", want, got)
		}
	}
	if len(all) != 5 {
		t.Errorf("%d records", len(all))
	}
}
