package e2e_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	phoneapi "github.com/signet-sign/signet/internal/server/phone"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// securityEvent is the group of a security event in the log.
type securityEvent struct {
	Action, Outcome, Reason, Actor, Person, Method, Address, Route string
	UserAgent                                                      string `json:"user_agent"`
	RequestID                                                      string `json:"request_id"`
	Count                                                          int
}

// securityEvents reads the security events of a log in JSON.
func securityEvents(t *testing.T, log string) (events []securityEvent) {
	t.Helper()
	for line := range strings.Lines(log) {
		var record struct {
			Time, Msg string
			Security  securityEvent
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil {
			t.Fatal(err)
		}
		if record.Msg == "security" && record.Time != "" {
			events = append(events, record.Security)
		}
	}
	return events
}

// TestSecurityEvents checks that logins, enrolments, approvals, removals and refused tokens are in
// the log with who, how and from where; 200 failures of one client are two lines.
func TestSecurityEvents(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	c.TrustedProxies = []string{"127.0.0.0/8", "::1"}
	guarded(&c)
	log := new(lockedLog)
	s := run(t, rp, c, nil, slog.New(slog.NewJSONHandler(log, nil)))

	in := s.initiate(t)
	p, desk := enrolled(t, s, alice), s.visitor(t)
	form := desk.chooser(t, desk.post(t, "/sign/"+in.RequestID+"/login", nil))
	desk.get(t, desk.choose(t, form, alice))
	desk.get(t, in.SigningURL)
	desk.proceed(t, in)
	session := p.scan(t, desk, in)
	var ch phoneapi.SignChallenge
	p.call(t, session+"/challenge", nil, &ch)
	p.call(t, session+"/approve", phoneapi.Approval{Signature: "!junk"}, nil)
	p.call(t, session+"/approve", p.approval(t, ch), nil)
	s.settled(t, in.RequestID, "signed")
	// A phone that waits stops none, because a thief may have set it up.
	thief := furtherPhone(t, s, alice)
	thief.post(t, "/phone/switch", nil)
	thief.post(t, "/phone/stop", url.Values{"phone_id": {thief.id}})
	p.post(t, "/phone/revoke", url.Values{"phone_id": {p.id}})
	stop := "/sign/" + in.RequestID + "/stop-phone"
	desk.post(t, stop, url.Values{"phone_id": {p.id}})
	// What a client says, and is not true, is not in the log: it may be any text.
	const number = "S8116474F"
	p.post(t, "/phone/revoke", url.Values{"phone_id": {number}})
	p.post(t, "/phone/stop", url.Values{"phone_id": {number}})
	desk.post(t, stop, url.Values{"phone_id": {number}})
	p.call(t, "api/remove-phone", phoneapi.Confirmation{
		ConfirmationStart: phoneapi.ConfirmationStart{PhoneID: number, By: number},
	}, nil)
	s.result(t, api.Initiated{RequestID: number})
	for _, address := range []string{"198.51.100.7", "198.51.100.8"} {
		for range 200 {
			from(t, "GET", s.url+"/login/callback?state=secret-of-a-login", "", address)
		}
		for range 3 {
			from(
				t, "POST", s.url+"/api/v3/sign-requests/cancel",
				s.party.Token(token.Initiate)+"AAAA", address,
			)
		}
	}
	s.stop()

	events := securityEvents(t, log.String())
	one := func(want securityEvent) {
		t.Helper()
		n := 0
		for _, e := range events {
			if e.Action == want.Action && e.Outcome == want.Outcome && e.Reason == want.Reason &&
				e.Method == want.Method && (e.Actor != "") == (want.Actor != "") &&
				(e.Person != "") == (want.Person != "") && e.Route == want.Route &&
				(want.Address == "" || e.Address == want.Address) && e.Count == want.Count {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%d events as %+v in\n%s", n, want, log.String())
		}
	}
	const callback = "GET /login/callback"
	approve := "POST /phone/sign/{request_id}/approve"
	logins, enrolments := 0, 0
	for _, e := range events {
		if e.Action == "login" && e.Outcome == "success" && e.Person != "" && e.Method == "oidc" {
			logins++
		}
		if e.Action == "enrolment" && e.Outcome == "success" && e.Actor != "" && e.Person != "" &&
			e.Method == "oidc" && e.Route == "POST /phone/api/enrol" {
			enrolments++
		}
		if e.Action == "approval" && e.RequestID != in.RequestID {
			t.Errorf("an approval of request %q", e.RequestID)
		}
	}
	if logins != 3 || enrolments != 2 {
		t.Errorf(
			"%d good logins, %d enrolments, want those of two phones, and the login of the desk",
			logins, enrolments,
		)
	}
	one(securityEvent{
		Action: "approval", Outcome: "success", Actor: "x", Person: "x", Method: "phone",
		Route: approve,
	})
	one(securityEvent{
		Action: "approval", Outcome: "failure", Actor: "x", Person: "x", Method: "phone",
		Route: approve, Reason: "SIGNATURE_INVALID",
	})
	one(securityEvent{
		Action: "removal", Outcome: "success", Actor: "x", Person: "x", Method: "oidc",
		Route: "POST /phone/revoke",
	})
	one(securityEvent{
		Action: "removal", Outcome: "failure", Person: "x", Method: "oidc",
		Route: "POST /phone/revoke", Reason: "no phone of the person",
	})
	one(securityEvent{
		Action: "removal", Outcome: "success", Actor: "x", Person: "x", Method: "oidc",
		Route: "POST /sign/{request_id}/stop-phone",
	})
	one(securityEvent{
		Action: "removal", Outcome: "failure", Actor: "x", Person: "x", Method: "phone",
		Route: "POST /phone/stop", Reason: "no login",
	})
	one(securityEvent{ // those of /phone/stop and of the portal are counted
		Action: "removal", Outcome: "failure", Method: "oidc", Route: "POST /phone/revoke",
		Reason: "no phone of the person", Count: 2,
	})
	one(securityEvent{
		Action: "removal", Outcome: "failure", Person: "x", Method: "oidc",
		Route: "POST /phone/api/remove-phone", Reason: "PHONE_NOT_ENROLLED",
	})
	if strings.Contains(log.String(), number) {
		t.Errorf("the log has a person's number:\n%s", log.String())
	}
	for _, address := range []string{"198.51.100.7", "198.51.100.8"} {
		bad := securityEvent{
			Action: "login", Outcome: "failure", Method: "oidc", Route: callback,
			Reason: "no attempt of this browser", Address: address,
		}
		one(bad)
		bad.Count = 199
		one(bad)
		refused := securityEvent{
			Action: "token", Outcome: "failure", Method: "token", Address: address,
			Route: "POST /api/v3/sign-requests/cancel", Reason: "form of the signature",
		}
		one(refused)
		refused.Count = 2
		one(refused)
	}
	if i := slices.IndexFunc(events, func(e securityEvent) bool {
		return e.Address == "198.51.100.7" && e.UserAgent != "test/1"
	}); i >= 0 && events[i].Count == 0 {
		t.Errorf("user agent %q", events[i].UserAgent)
	}
	for _, secret := range []string{alice, "secret-of-a-login"} {
		if strings.Contains(log.String(), secret) {
			t.Errorf("the log holds %s", secret)
		}
	}
}

// TestConsoleSecurityEvents checks that what operators do, and refused passwords, are in the log.
func TestConsoleSecurityEvents(t *testing.T) {
	const password = "a password of some length"
	log := new(lockedLog)
	a := serveTo(t, partytest.Start(t), password, slog.New(slog.NewJSONHandler(log, nil)))
	base := "http://" + a.Control.String() + "/console/"
	as := func(user, password string) func(*http.Request) {
		return func(r *http.Request) { r.SetBasicAuth(user, password) }
	}
	browse(t, "GET", base, as("S8116474F", "a wrong password, guessed"))
	browse(t, "GET", base, as("mei.lin", password)) // a page that is read is no event
	browse(t, "POST", base+"requests/signv3-x/cancel", as("mei.lin", password))
	var got []string
	for _, e := range securityEvents(t, log.String()) {
		got = append(got, strings.Join([]string{
			e.Action, e.Outcome, e.Reason, e.Actor, e.Method, e.Address, e.Route,
		}, ","))
	}
	want := []string{
		"console_login,failure,wrong name or password,•••••474F,password,127.0.0.1,/console/",
		"console,failure,,mei.lin,password,127.0.0.1,POST /console/requests/{request_id}/cancel",
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

// from makes a call through a proxy in the name of an address.
func from(t *testing.T, method, url, authorization, address string) {
	t.Helper()
	req, err := http.NewRequest(method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", address)
	req.Header.Set("User-Agent", "test/1")
	if authorization != "" {
		req.Header.Set("Authorization", authorization)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
}
