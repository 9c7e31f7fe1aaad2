package e2e_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// TestControl is the sandbox's control listener: what tests of relying parties rely on.
func TestControl(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	body := func(text string) *strings.Reader { return strings.NewReader(text) }
	post := func(path, text string) answer {
		return do(t, "POST", s.control+path, "", "application/json", body(text))
	}

	if a := do(t, "GET", s.control+"/isalive", "", "", nil); a.status != 200 {
		t.Errorf("isalive: %d", a.status)
	}
	shown := func(text string) map[string]any {
		t.Helper()
		var v map[string]any
		if err := json.Unmarshal([]byte(text), &v); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		want := []string{
			"calls", "client_id", "clock", "events", "expires_at", "jobs", "request_id",
			"session_ends_at",
			"signer", "state",
		}
		if got := slices.Sorted(maps.Keys(v)); !slices.Equal(got, want) {
			t.Errorf("members %v, want %v", got, want)
		}
		return v
	}
	v := shown(do(t, "GET", s.control+"/requests/"+in.RequestID, "", "", nil).body)
	if v["state"] != "created" || v["request_id"] != in.RequestID ||
		v["client_id"] != s.party.ClientID ||
		v["signer"] != nil ||
		v["session_ends_at"] != nil {
		t.Errorf("at first: %v", v)
	}
	// Each step answers with what became of the request.
	for _, step := range []struct{ do, state string }{{"open", "locked"}, {"proceed", "session"}, {"reject", "locked"}, {"proceed", "session"}, {"leave", "locked"}, {"proceed", "session"}} {
		a := s.act(t, in.RequestID, strings.ToLower(alice), step.do)
		if v := shown(a.body); a.status != 200 || v["state"] != step.state ||
			v["signer"] != alice ||
			(v["session_ends_at"] != nil) != (step.state == "session") {
			t.Errorf("%s: %d %v", step.do, a.status, v)
		}
	}
	// Anyone with a right NRIC may try; only the signer may.
	s.act(t, in.RequestID, bob, "approve").refusedAs(
		t, "another person", http.StatusConflict, "NO_ACCESS",
	)
	s.act(t, in.RequestID, "T0000001E", "open").refusedAs(
		t, "a person made up for the test", http.StatusConflict, "NO_ACCESS",
	)
	s.act(t, in.RequestID, "S8979373A", "open").refusedAs(
		t, "a wrong check letter", 400, "CLIENT_SIDE_ERROR",
	)
	s.act(t, in.RequestID, alice, "dance").refusedAs(t, "an unknown step", 400, "CLIENT_SIDE_ERROR")
	s.act(t, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", alice, "open").refusedAs(
		t, "an unknown request", 404, "NOT_FOUND",
	)
	post("/requests/"+in.RequestID+"/act", "{").refusedAs(t, "no JSON", 400, "CLIENT_SIDE_ERROR")
	do(t, "GET", s.control+"/requests/x", "", "", nil).refusedAs(
		t, "an unknown request", 404, "NOT_FOUND",
	)
	if a := s.act(t, in.RequestID, alice, "approve"); a.status != 200 {
		t.Fatalf("approve: %d %s", a.status, a.body)
	}
	s.settled(t, in.RequestID, "signed")
	s.act(t, in.RequestID, alice, "open").refusedAs(
		t, "open afterwards", http.StatusConflict, "DOCUMENT_ALREADY_SIGNED",
	)

	// The clock goes forward only, and by what it is told.
	for _, text := range []string{`{"advance":"-1s"}`, `{"advance":"tomorrow"}`, `{"advance":31}`, `{}`, ``, `{"advance":"1000000h"}`} {
		post("/clock", text).refusedAs(t, "clock "+text, 400, "CLIENT_SIDE_ERROR")
	}
	before := s.now()
	s.advance(t, "90m")
	if d := s.now().Sub(before).Minutes(); d < 90 || d > 91 {
		t.Errorf("the clock went %f minutes", d)
	}
}

// TestForeignHost checks that no listener of a sandbox answers a page of the internet whose name
// was made to resolve to this machine.
func TestForeignHost(t *testing.T) {
	s := start(t)
	for _, url := range []string{
		s.url + "/demo/", s.url + "/.well-known/keys.json", s.url + "/api/v3/sign-requests",
		s.control + "/clock",
	} {
		for host, want := range map[string]bool{"evil.example:5156": false, "localhost:5156": true} {
			req, err := http.NewRequest("GET", url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Host = host
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if got := resp.StatusCode != http.StatusMisdirectedRequest; got != want {
				t.Errorf("%s as %s: %d", url, host, resp.StatusCode)
			}
		}
	}
}
