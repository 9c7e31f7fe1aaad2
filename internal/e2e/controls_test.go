package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// press posts a form of the console as a browser without script does. It returns the page that
// follows.
func (s *sandbox) press(t testing.TB, path string, form url.Values) (status int, page string) {
	t.Helper()
	a := s.submit(t, path, form)
	if a.status != http.StatusSeeOther {
		return a.status, a.body
	}
	a = do(t, "GET", s.control+a.header.Get("Location"), "", "", nil)
	return a.status, a.body
}

// TestControlPages checks that the console's pages show and change what the control calls do.
func TestControlPages(t *testing.T) {
	s := start(t)
	s.party.Now = time.Now
	in := s.initiate(t)
	submit := func(path string, status int, shows string, form url.Values) {
		t.Helper()
		got, page := s.press(t, path, form)
		if got != status || !strings.Contains(page, shows) {
			t.Errorf("%s %v: %d, without %q:\n%s", path, form, got, shows, page)
		}
	}
	id := url.Values{"request_id": {in.RequestID}}
	with := func(base url.Values, pairs ...string) url.Values {
		form := url.Values{}
		for name, values := range base {
			form[name] = values
		}
		for i := 0; i < len(pairs); i += 2 {
			form.Set(pairs[i], pairs[i+1])
		}
		return form
	}

	submit("/console/clock", 200, "stopped", with(id, "do", "freeze"))
	end := s.shown(t, in.RequestID).ExpiresAt.Format(time.RFC3339Nano)
	submit("/console/clock", 200, in.RequestID, with(id, "do", "set", "set", end))
	if v := s.shown(t, in.RequestID); v.State != "expired" || !v.Clock.Frozen {
		t.Errorf("after its clock was set to its end: %s, %+v", v.State, v.Clock)
	}
	submit("/console/clock", 200, "goes", with(id, "do", "run"))
	submit("/console/clock", 200, "goes", with(id, "do", "reset"))
	for form, shows := range map[*url.Values]string{
		{"do": {"advance"}, "advance": {"soon"}}:                   "must be a duration",
		{"do": {"set"}, "set": {"tomorrow"}}:                       "JSON",
		{"do": {"advance"}, "advance": {"1s"}, "client_id": {"x"}}: "No relying party has this client_id",
		{}: "must have one of",
	} {
		submit("/console/clock", 422, shows, *form)
	}
	submit("/console/clock", 200, "of a relying party", url.Values{
		"do": {"advance"}, "advance": {"1m"}, "client_id": {s.party.ClientID},
	})
	submit("/console/clock", 200, "The sandbox&#39;s clock", url.Values{
		"do": {"advance"}, "advance": {"1m"},
	})
	if now := s.clockOf(t, ""); time.Until(now) < 50*time.Second {
		t.Errorf("the sandbox's clock shows %s", now)
	}
	if a := do(t, "GET", s.control+"/console/clock?request_id=x", "", "", nil); a.status != 422 {
		t.Errorf("the clock of an unknown request: %d", a.status)
	}

	submit(
		"/console/personas", 200, "<code>reject</code>",
		url.Values{"as": {alice}, "do": {"reject"}},
	)
	rejected := s.initiate(t)
	waitFor(t, "the signer of the queue", func() bool {
		v := s.shown(t, rejected.RequestID)
		return v.State == "locked" && len(v.Events) == 4
	})
	submit("/console/personas", 422, "check letter", url.Values{"as": {"S1234567A"}})
	signed := s.initiate(t)
	submit("/console/personas", 200, "The queue is empty", url.Values{
		"do": {"approve"}, "request_id": {signed.RequestID},
	})
	s.settled(t, signed.RequestID, "signed")
	submit("/console/personas", 200, "<code>wait</code>", url.Values{"do": {"wait"}})
	submit("/console/personas/clear", 200, "The queue is empty", nil)

	submit("/console/faults", 200, "slow", url.Values{
		"kind": {"slow"}, "delay": {"1ms"}, "call": {"cancel"}, "client_id": {s.party.ClientID},
	})
	submit("/console/faults", 200, "100 %, 1×", url.Values{
		"kind": {"error"}, "count": {"1"}, "probability": {"1"}, "request_id": {in.RequestID},
	})
	for form, shows := range map[*url.Values]string{
		{"kind": {"flood"}}:                      "unknown fault",
		{"kind": {"slow"}, "delay": {"soon"}}:    "JSON",
		{"kind": {"slow"}, "count": {"many"}}:    "JSON",
		{"kind": {"slow"}, "probability": {"2"}}: "between 0 and 1",
	} {
		submit("/console/faults", 422, shows, *form)
	}
	submit("/console/faults/remove", 200, "error", url.Values{"id": {"1"}})
	submit("/console/faults/remove", 422, "No such fault", url.Values{"id": {"1"}})
	if status, header, err := s.tryCancel(t, in.RequestID); status != 500 ||
		header.Get("Signet-Fault") != "error" {
		t.Errorf("cancel: %d %v", status, err)
	}
	a := do(t, "GET", s.control+"/console/faults", "", "", nil)
	if strings.Count(a.body, in.RequestID) != 3 { // of the rule, and of the injection with its link
		t.Errorf("the page does not show the injected fault:\n%s", a.body)
	}
	submit("/console/faults/remove", 200, "Nothing goes wrong", nil)
}
