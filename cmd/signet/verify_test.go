package main

import (
	"bytes"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/signet-sign/signet/pades"
)

const cases = "../../pades/testdata/verify"

// runVerify runs the command at a time at which all certificates of the cases are valid.
func runVerify(t *testing.T, args ...string) (status int, out string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	args = append([]string{"verify", "--at", "2026-12-01T00:00:00Z"}, args...)
	status = run(t.Context(), args, func(string) string { return "" }, &stdout, &stderr)
	return status, stdout.String() + stderr.String()
}

// TestVerifyExitStatus checks each exit status with and without a root.
func TestVerifyExitStatus(t *testing.T) {
	root := filepath.Join(cases, "root.pem")
	intact := filepath.Join(cases, "intact", "product_lta.pdf")
	failed := filepath.Join(cases, "refuse", "lock_all.pdf")
	dir := t.TempDir()
	unsigned := filepath.Join(dir, "unsigned.pdf")
	write(
		t,
		unsigned,
		"%PDF-1.4\n1 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n2 0 obj\n<< /Type /Pages /Kids [3 0 R] /Count 1 >>\nendobj\n"+
			"3 0 obj\n<< /Type /Page /Parent 2 0 R /MediaBox [0 0 9 9] >>\nendobj\nxref\n0 4\n0000000000 65535 f \n0000000009 00000 n \n0000000058 00000 n \n0000000115 00000 n \n"+
			"trailer\n<< /Size 4 /Root 1 0 R >>\nstartxref\n182\n%%EOF\n",
	)
	text := filepath.Join(dir, "letter.pdf")
	write(t, text, "a letter")
	for _, tc := range []struct {
		name   string
		args   []string
		status int
		want   string
	}{
		{"trusted", []string{"--root", root, intact}, 0, "TOTAL-PASSED"},
		{"no root", []string{intact}, 2, "intact:  yes"},
		{"changed", []string{"--root", root, failed}, 1, "TOTAL-FAILED (FORMAT_FAILURE)"},
		{"unsigned", []string{"--root", root, unsigned}, 3, "has no signature"},
		{"not a PDF", []string{"--root", root, text}, 4, "cannot be read"},
		{"several", []string{"--root", root, intact, unsigned, text, failed}, 1, "TOTAL-PASSED"},
		{"several without a failure", []string{"--root", root, unsigned, text}, 4, "has no signature"},
		{"absent root", []string{"--root", filepath.Join(dir, "absent"), intact}, 64, "no such file"},
		{"root that is none", []string{"--tsa-root", text, intact}, 64, "letter.pdf"},
		{"unknown flag", []string{"--rot", root, intact}, 64, "--rot"},
		{"no file", []string{"--root", root}, 64, "file"},
		{"no time", []string{"--at", "yesterday", intact}, 64, "yesterday"},
		{"absent", []string{"--root", root, filepath.Join(dir, "absent"), intact}, 4, "TOTAL-PASSED"},
		{"a folder", []string{"--root", root, dir, intact}, 4, "TOTAL-PASSED"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			status, out := runVerify(t, tc.args...)
			if status != tc.status || !strings.Contains(out, tc.want) {
				t.Errorf("status %d, want %d and %q:\n%s", status, tc.status, tc.want, out)
			}
		})
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	go func() {
		doc, err := os.ReadFile(intact)
		if err == nil {
			err = os.WriteFile(pipe, doc, 0o600)
		}
		if err != nil {
			t.Error(err)
		}
	}()
	if status, out := runVerify(t, "--root", root, pipe); status != 0 {
		t.Errorf("from a pipe: status %d:\n%s", status, out)
	}
	if _, out := runVerify(t, "--json", text); !strings.Contains(out, `"reason": "not-a-pdf"`) {
		t.Errorf("no reason:\n%s", out)
	}
	if _, out := runVerify(t, intact); strings.Contains(out, "changed") ||
		!strings.Contains(out, "--root") {
		t.Errorf("without a root:\n%s", out)
	}
}

// TestVerifyRoots gives the same root in each form that is accepted.
func TestVerifyRoots(t *testing.T) {
	intact := filepath.Join(cases, "intact", "product_lta.pdf")
	text, err := os.ReadFile(filepath.Join(cases, "root.pem"))
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(text)
	dir := t.TempDir()
	der, folder, notes := filepath.Join(dir, "root.der"), filepath.Join(
		dir, "folder",
	), filepath.Join(dir, "notes.pem")
	write(t, der, string(block.Bytes))
	write(t, filepath.Join(folder, "sub", "root.crt"), "Root of the cases\n"+string(text))
	write(t, notes, "no certificate")
	for path, want := range map[string]int{der: 0, folder: 0, notes: 64, filepath.Join(cases, "root.pem"): 0} {
		if status, out := runVerify(t, "--root", path, intact); status != want {
			t.Errorf("%s: status %d, want %d:\n%s", path, status, want, out)
		}
	}
	// A root for timestamps alone does not make signers trusted.
	if status, out := runVerify(t, "--tsa-root", der, intact); status != 2 ||
		!strings.Contains(out, "Document timestamp by Signet") {
		t.Errorf("status %d:\n%s", status, out)
	}
}

// TestVerifyJSON holds the output to the names and codes that docs/signatures.md promises.
func TestVerifyJSON(t *testing.T) {
	_, out := runVerify(
		t, "--json", "--root", filepath.Join(cases, "root.pem"),
		filepath.Join(cases, "intact", "e_cosign_foreign_lta.pdf"),
	)
	var got []struct {
		File          string           `json:"file"`
		Indication    pades.Indication `json:"indication"`
		SubIndication string           `json:"sub_indication"`
		Signatures    []struct {
			Kind, Indication, Level, Later string
			Intact, Trusted                bool
			Signer, Issuer                 *struct{ Name, Serial, SHA256 string }
			Coverage                       struct {
				WholeFile bool `json:"whole_file"`
			}
			Changes []struct {
				Kind    string
				Allowed bool
				Page    int
			} `json:"later_changes"`
		} `json:"signatures"`
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	v := got[0]
	if v.Indication != pades.Indeterminate ||
		v.SubIndication != string(pades.NoCertificateChainFound) ||
		len(v.Signatures) != 4 {
		t.Fatalf("%s", out)
	}
	ours, theirs, last := v.Signatures[0], v.Signatures[2], v.Signatures[3]
	if ours.Indication != "TOTAL-PASSED" || ours.Level != "B-LTA" || ours.Later != "archive" || !ours.Intact || !ours.Trusted ||
		ours.Issuer == nil || ours.Issuer.Name == "" ||
		len(ours.Signer.SHA256) != 64 ||
		len(ours.Signer.Serial) == 0 ||
		ours.Coverage.WholeFile ||
		len(ours.Changes) == 0 {
		t.Errorf("ours: %+v", ours)
	}
	if theirs.Indication != "INDETERMINATE" || theirs.Level != "none" || !theirs.Intact ||
		theirs.Trusted ||
		theirs.Issuer != nil {
		t.Errorf("theirs: %+v", theirs)
	}
	if last.Kind != "document-timestamp" || last.Level != "" {
		t.Errorf("last: %+v", last)
	}
}

// TestVerifyHostileNames prints names that would write lines of their own, or over others.
func TestVerifyHostileNames(t *testing.T) {
	const hostile = "A\n  1. Signature by B: TOTAL-PASSED\x1b[2K\r\u009b1A\u202egpj\u2028\xff"
	v := verdict{File: hostile, status: exitFailed, Summary: pades.Summary{
		Indication: pades.TotalFailed, Problems: []pades.ProblemSummary{{Text: hostile}},
		Signatures: []pades.SignatureSummary{{
			Kind: "signature", Signer: &pades.CertificateSummary{Name: hostile},
			Issuer: &pades.CertificateSummary{Name: hostile}, Fields: []string{hostile},
			Changes:  []pades.ChangeSummary{{Text: hostile}},
			Problems: []pades.ProblemSummary{{Text: hostile}},
		}},
	}}
	unreadable := verdict{File: hostile, Error: hostile, status: exitUnreadable}
	unsigned := verdict{File: hostile, status: exitUnsigned}
	var out strings.Builder
	v.print(&out)
	unreadable.print(&out)
	unsigned.print(&out)
	fmt.Fprintln(&out, newRenewal(hostile, false, errors.New(hostile)))
	fmt.Fprintln(&out, newRenewal(hostile, true, nil))
	if n := strings.Count(out.String(), "\n"); n != 14 {
		t.Errorf("%d lines", n)
	}
	for _, r := range out.String() {
		if r != '\n' && !unicode.IsGraphic(r) {
			t.Errorf("%U is printed", r)
		}
	}
	if !strings.Contains(out.String(), `A\n  1. Signature`) {
		t.Error("a line break is not shown")
	}
	if got := printable("முத்து 陈翔 O’Neil (Ää)"); got != "முத்து 陈翔 O’Neil (Ää)" {
		t.Errorf("an ordinary name became %q", got)
	}
}

// TestVerifyTrusted prints why a certificate does not count.
func TestVerifyTrusted(t *testing.T) {
	for sub, want := range map[pades.SubIndication]string{
		"":                            "trusted: NO\n",
		pades.Revoked:                 "trusted: NO, a certificate was revoked",
		pades.RevokedNoPOE:            "trusted: NO, a certificate was revoked",
		pades.RevokedCANoPOE:          "trusted: NO, a certificate was revoked",
		pades.Expired:                 "trusted: NO, a certificate was not valid at the time",
		pades.NotYetValid:             "trusted: NO, a certificate was not valid at the time",
		pades.OutOfBoundsNoPOE:        "trusted: NO, a certificate was not valid at the time",
		pades.NoCertificateChainFound: "trusted: no root that is given leads to this certificate",
	} {
		v := verdict{Summary: pades.Summary{Signatures: []pades.SignatureSummary{{
			Kind: "signature", Intact: true,
			Problems: []pades.ProblemSummary{{SubIndication: sub}},
		}}}}
		var out strings.Builder
		v.print(&out)
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s:\n%s", sub, out.String())
		}
		hint := strings.Contains(out.String(), "--root")
		if hint != (sub == pades.NoCertificateChainFound) {
			t.Errorf("%s: asks for a root: %t", sub, hint)
		}
	}
}

func write(t *testing.T, file, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
