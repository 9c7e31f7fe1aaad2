package e2e_test

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party/partytest"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
)

// TestLimitsOfAPerson checks that a person logs in, enrols and begins sign sessions so often in a
// minute, and then gets a page or an answer with 429; another person does not notice.
func TestLimitsOfAPerson(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	c.RatePerPerson = new(2)
	s := run(t, rp, c, nil, slog.New(slog.DiscardHandler))
	in, other := s.initiate(t), s.initiate(t)
	desk := s.visitor(t)
	login := func(v *visitor, id, persona string) answer {
		form := v.chooser(t, v.post(t, "/sign/"+id+"/login", nil))
		return v.get(t, v.choose(t, form, persona))
	}
	tooMany := func(what string, a answer) {
		t.Helper()
		if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "30" {
			t.Errorf("%s: %d, Retry-After %q", what, a.status, a.header.Get("Retry-After"))
		}
	}
	for range 2 {
		if a := login(desk, in.RequestID, alice); a.status != http.StatusSeeOther {
			t.Fatalf("login: %d", a.status)
		}
	}
	a := login(desk, in.RequestID, alice)
	tooMany("a third login", a)
	a.shows(t, 429, "Too many attempts")
	if a := login(s.visitor(t), other.RequestID, bob); a.status != http.StatusSeeOther {
		t.Errorf("another person's login: %d", a.status)
	}

	desk.get(t, in.SigningURL)
	for range 2 {
		desk.proceed(t, in)
		desk.post(t, "/sign/"+in.RequestID+"/leave-session", nil)
	}
	a = desk.post(t, "/sign/"+in.RequestID+"/proceed", nil)
	tooMany("a third session", a)
	a.shows(t, 429, "Too many attempts")

	p := newPhone(t, s, bob)
	enrol := func() answer {
		challenge := p.challenge(t)
		return p.call(t, "api/enrol", phoneapi.EnrolRequest{
			Challenge: challenge, PublicKey: p.jwk(), Name: "x", Proof: p.proof(t, challenge),
		}, nil)
	}
	for range 2 {
		if a := enrol(); a.status != 200 {
			t.Errorf("enrol: %d %s", a.status, a.body)
		}
	}
	a = enrol()
	tooMany("a third enrolment", a)
	a.refusedAs(t, "a third enrolment", 429, "TOO_MANY_REQUESTS")
}

// TestLimitOfStreams checks that a client has so many event streams. Closing one makes room.
func TestLimitOfStreams(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	c.StreamsPerAddress = 2
	c.TrustedProxies = []string{"127.0.0.0/8"}
	s := run(t, rp, c, nil, slog.New(slog.DiscardHandler))
	url := s.url + "/sign/" + s.initiate(t).RequestID + "/events"
	open := func(address string) *http.Response {
		t.Helper()
		req, err := http.NewRequest("GET", url, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", address)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { resp.Body.Close() })
		return resp
	}
	first := open("198.51.100.7")
	open("198.51.100.7")
	if r := open("198.51.100.7"); r.StatusCode != 429 || r.Header.Get("Retry-After") == "" {
		t.Errorf("a third stream: %d, Retry-After %q", r.StatusCode, r.Header.Get("Retry-After"))
	}
	if r := open("198.51.100.8"); r.StatusCode != 200 {
		t.Errorf("another client: %d", r.StatusCode)
	}
	first.Body.Close()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		r := open("198.51.100.7")
		if r.StatusCode == 200 {
			return
		}
		r.Body.Close()
		if time.Now().After(deadline) {
			t.Fatalf("after a stream was closed: %d", r.StatusCode)
		}
	}
}
