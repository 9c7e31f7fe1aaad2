package control

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/token"
)

// TestRefusals checks that a terminal shows the call, the reason and the remedy; what is not a
// terminal gets no colours.
func TestRefusals(t *testing.T) {
	r := calllog.Record{
		At: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), Kind: calllog.Cancel, Party: "shop",
		Status: 400, Error: "UNAUTHORIZED", Description: "Unauthorized.",
		Reason:    "cancel: claim exp: missing",
		Diagnosis: &calllog.Diagnosis{ID: "ABC", Check: token.CheckClaims, Remedy: "Set exp."},
	}
	for _, colour := range []bool{false, true} {
		var b strings.Builder
		NewRefusals(&b, "http://127.0.0.1:5157", colour, time.Now).Show(r)
		for _, want := range []string{
			"cancel", "400 UNAUTHORIZED", "shop\n    cancel: claim exp: missing\n", "Set exp.",
			"http://127.0.0.1:5157/diagnostics/ABC",
		} {
			if !strings.Contains(b.String(), want) {
				t.Errorf("%q lacks %q", b.String(), want)
			}
		}
		if got := strings.Contains(b.String(), "\x1b["); got != colour {
			t.Errorf("colour %v: %q", colour, b.String())
		}
	}
	r.Diagnosis, r.Reason = nil, ""
	var b strings.Builder
	NewRefusals(&b, "", false, time.Now).Show(r)
	if !strings.HasSuffix(b.String(), "\n    Unauthorized.\n") {
		t.Errorf("without a diagnosis: %q", b.String())
	}
}

// TestRefusalsOfAFlood checks that calls without a valid token write a bounded number of lines, which
// say how many are missing, and that they hide no call of a relying party.
func TestRefusalsOfAFlood(t *testing.T) {
	var b strings.Builder
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	s := NewRefusals(&b, "http://127.0.0.1:5157", false, func() time.Time { return now })
	junk := calllog.Record{At: now, Kind: calllog.Cancel, Status: 400, Error: "UNAUTHORIZED", Reason: "junk"}
	for range 10000 {
		s.Show(junk)
	}
	const note = "Many calls have no valid token; not all are shown. http://127.0.0.1:5157/calls has them.\n"
	if n := strings.Count(b.String(), "junk"); n != shownAtOnce || strings.Count(b.String(), note) != 1 {
		t.Errorf("%d of the calls are shown: %s", n, b.String())
	}
	b.Reset()
	real := junk
	real.Authentic, real.Reason = true, "no record"
	for range 3 {
		s.Show(real)
	}
	const missing = "9950 calls without a valid token were not shown.\n"
	if got := b.String(); strings.Count(got, "no record") != 3 || strings.Count(got, missing) != 1 {
		t.Errorf("a relying party's: %s", got)
	}
	b.Reset()
	now = now.Add(time.Minute)
	for range 10000 {
		s.Show(junk)
	}
	if n := strings.Count(b.String(), "junk"); n != int(time.Minute/showEvery) {
		t.Errorf("%d are shown a minute later", n)
	}
}
