package e2e_test

import (
	"encoding/json"
	"html"
	"io/fs"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/control"
)

// changes is what the control listener says that was done to the sandbox.
func (s *sandbox) changes(t testing.TB) []string {
	t.Helper()
	var v struct{ Changes []string }
	s.get(t, "/changes", &v)
	return v.Changes
}

// rules are the faults of the sandbox.
func (s *sandbox) rules(t testing.TB) []fault.Status {
	t.Helper()
	var v control.FaultsView
	s.get(t, "/faults", &v)
	return v.Rules
}

// TestAfterRestart does everything to a sandbox that can be done to one, and starts it again on the
// same data: what docs/sandbox.md lists as kept is kept, the first pages say so, and the rest is as
// in a new sandbox.
func TestAfterRestart(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	c.Data = t.TempDir()
	c.PhoneLimit = new(1)
	configured := fault.Rule{Kind: fault.Error, ClientID: "another"}
	c.Faults = config.FaultList{configured}
	log := slog.New(slog.DiscardHandler)
	s := runAt(t, rp, c, time.Now, nil, log)
	restart := func() {
		t.Helper()
		s.stop()
		s = runAt(t, rp, c, time.Now, nil, log)
	}
	if got := s.changes(t); len(got) != 0 {
		t.Errorf("a new sandbox with a fault in its configuration: %q", got)
	}

	// One of two rules is spent, the session of another hangs, and a webhook has the further key.
	s.inject(t, `{"kind":"slow","call":"cancel","count":2,"delay":"1ms"}`)
	s.inject(t, `{"kind":"webhook-new-key","count":1}`)
	s.inject(t, `{"kind":"session-hangs","count":1}`)
	hangs, signed := s.initiate(t), s.initiate(t)
	s.must(t, hangs.RequestID, alice, "open", "proceed")
	s.must(t, signed.RequestID, alice, "open", "proceed", "approve")
	s.settled(t, signed.RequestID, "signed")
	s.cancel(t, s.initiate(t).RequestID)
	keys := do(t, "GET", s.url+"/.well-known/keys.json", "", "", nil).body
	s.signers(t, "POST", `{"do":"reject"}`)
	s.signers(t, "POST", `{"do":"wait"}`)
	at, _ := s.moved(t, `{"advance":"48h"}`)
	s.moved(t, `{"freeze":true}`)
	s.moved(t, `{"advance":"1m","client_id":"`+rp.ClientID+`"}`)
	before, rules := s.changes(t), s.rules(t)
	if len(before) != 4 {
		t.Errorf("changes %q", before)
	}

	restart()
	after := s.changes(t)
	if len(after) != 4 || strings.Join(after[1:], "") != strings.Join(before[1:], "") ||
		!strings.Contains(after[0], at.UTC().Format("2006-01-02")) ||
		!strings.Contains(after[0], "is stopped") {
		t.Errorf("after a restart the changes are\n%q, not\n%q", after, before)
	}
	for _, page := range []string{s.url + "/", s.control + "/", s.control + "/console/"} {
		text := html.UnescapeString(openPage(t, page))
		for _, change := range after[1:] {
			if !strings.Contains(text, change) {
				t.Errorf("%s does not say %q", page, change)
			}
		}
	}
	got := s.rules(t)
	if len(got) != len(rules) {
		t.Fatalf("faults %+v, not %+v", got, rules)
	}
	for i, r := range got {
		if r.Rule != rules[i].Rule || r.Injected != rules[i].Injected {
			t.Errorf("a fault is %+v, not %+v", r, rules[i])
		}
	}
	if now := do(t, "GET", s.url+"/.well-known/keys.json", "", "", nil).body; now != keys ||
		!strings.Contains(now, "new-key") {
		t.Errorf("keys %s, not %s", now, keys)
	}
	if a := s.act(t, hangs.RequestID, alice, "approve"); a.status == http.StatusOK {
		t.Error("a phone answers in a session that hangs")
	}
	v, _ := s.signers(t, "GET", "")
	if len(v.Queue) != 2 || v.Queue[0].Do != control.Reject || v.Queue[1].Do != control.Wait {
		t.Errorf("queue %+v", v.Queue)
	}

	// The persona has the phone of before, and no further one, which the limit would refuse.
	if a := do(t, "POST", s.control+"/reset", "", "", nil); a.status != http.StatusNoContent {
		t.Fatalf("reset: %d %s", a.status, a.body)
	}
	again := s.initiate(t)
	s.must(t, again.RequestID, alice, "open", "proceed", "approve")

	// A reset lasts too; it leaves the faults of the configuration, which were never spent.
	for _, when := range []string{"reset", "restart after it"} {
		if got := s.changes(t); len(got) != 0 {
			t.Errorf("%s: %q", when, got)
		}
		if got := s.rules(t); len(got) != 1 || got[0].Kind != fault.Error ||
			got[0].ClientID != "another" {
			t.Errorf("%s: faults %+v", when, got)
		}
		if when == "reset" {
			restart()
		}
	}

	// A file that cannot be read is named, and not overwritten.
	s.stop()
	for _, name := range []string{"clocks.json", "faults.json", "signers.json", "phones.json"} {
		file := filepath.Join(c.Data, name)
		kept, err := os.ReadFile(file)
		if err != nil || !json.Valid(kept) {
			t.Errorf("%s: %q, %v", name, kept, err)
			continue
		}
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != fs.FileMode(0o600) {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
		if err := os.WriteFile(file, []byte("{"), 0o600); err != nil {
			t.Fatal(err)
		}
		none := func(string) string { return "" }
		a, err := app.OpenSandbox(t.Context(), c, time.Now, none, log)
		if err == nil {
			_ = a.Close()
		}
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("a damaged %s: %v", name, err)
		}
		if err := os.WriteFile(file, kept, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
