package control

import (
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/token"
)

// TestPrintRefusal checks that a terminal shows the call, the reason and the remedy; what is not a
// terminal gets no colours.
func TestPrintRefusal(t *testing.T) {
	r := calllog.Record{
		At: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC), Kind: calllog.Cancel, Party: "shop",
		Status: 400, Error: "UNAUTHORIZED", Description: "Unauthorized.",
		Reason:    "cancel: claim exp: missing",
		Diagnosis: &calllog.Diagnosis{ID: "ABC", Check: token.CheckClaims, Remedy: "Set exp."},
	}
	for _, colour := range []bool{false, true} {
		var b strings.Builder
		PrintRefusal(&b, r, "http://127.0.0.1:5157", colour)
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
	PrintRefusal(&b, r, "", false)
	if !strings.HasSuffix(b.String(), "\n    Unauthorized.\n") {
		t.Errorf("without a diagnosis: %q", b.String())
	}
}
