package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"unicode"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/conform/report"
	"github.com/signet-sign/signet/internal/doctor"
)

// hostile has what a terminal acts on: an escape sequence, one as a C1 control, a carriage return,
// a change of direction.
const hostile = "x\x1b[2J\u009b2J\rok\u202eko"

// TestTerminal checks that no answer of another program reaches the terminal as it is, in which it
// could show another result over the true one.
func TestTerminal(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(api.Error{Code: hostile, Description: hostile})
	}))
	defer server.Close()
	key := filepath.Join(t.TempDir(), "key.json")
	getenv := func(string) string { return "" }
	if status := run(t.Context(), []string{"keys", "new", "-o", key}, getenv, io.Discard, io.Discard); status != 0 {
		t.Fatal(status)
	}
	var out strings.Builder
	caller := []string{"--base-url", server.URL, "--client-id", "shop", "--key", key}
	const id = "signv3-01959a3c-0000-7000-8000-000000000001"
	for _, args := range [][]string{
		{"request", "cancel", id},
		{"request", "status", id, "--exchange-code", "x"},
		{"conform", "--redirect-url", "https://shop.test/"},
	} {
		if args[0] == "conform" {
			args = append(args, "--rule", "2.5.1")
		}
		before := out.Len()
		run(t.Context(), append(args, caller...), getenv, &out, &out)
		if out.Len() == before {
			t.Errorf("%v printed nothing", args)
		}
	}
	_ = printFindings(&out, []doctor.Finding{
		{Check: "login", Level: doctor.Fault, Text: hostile + "\n" + hostile, Remedy: hostile},
	})
	out.WriteString(auditVerdict{File: hostile, Problem: hostile}.text(true) + "\n")
	out.WriteString(auditVerdict{File: hostile, Valid: true, Key: hostile}.text(true) + "\n")
	out.WriteString(issued{Subject: hostile}.String() + "\n")
	_ = (&reportOutput{}).write(&environment{out: &out}, &report.Report{
		Verdicts: []report.Verdict{{Outcome: report.Fail, Reason: hostile, Title: hostile}},
	})
	if n := strings.Count(out.String(), `\x1b[2J`); n < 11 {
		t.Errorf("%d texts are escaped", n)
	}
	for _, r := range out.String() {
		if r != '\n' && r != '\t' && !unicode.IsGraphic(r) {
			t.Errorf("%q in %q", r, out.String())
		}
	}
}
