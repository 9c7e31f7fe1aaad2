package e2e_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestDiagnostics checks that a refusal names its diagnosis, which lists the checks and says what
// to do, on the control listener and in the console.
func TestDiagnostics(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	initiate := func(contentType string, edits ...partytest.Edit) answer {
		return do(
			t, "POST", s.url+"/api/v3/sign-requests", s.party.Token(token.Initiate, edits...),
			contentType, strings.NewReader(string(pdftest.Minimal())),
		)
	}
	const octets = "application/octet-stream"
	used := s.party.Token(token.Initiate)
	s.upload(t, used, pdftest.Minimal())
	s.must(t, in.RequestID, alice, "open", "proceed")
	for _, c := range []struct {
		name   string
		answer answer
		kind   calllog.Kind
		check  token.Check
		got    string // a part of it
		remedy string // a part of it
	}{
		{
			"a claim in camel case",
			initiate(octets, partytest.NoClaim("doc_name"), partytest.Claim("docName", "a.pdf")),
			calllog.Initiate, token.CheckArguments, "doc_name is missing",
			"Write the claim as doc_name",
		},
		{
			"milliseconds", initiate(octets, partytest.Claim("exp", s.now().UnixMilli())),
			calllog.Initiate, token.CheckClaims, "initiate: claim exp: ", "Divide by 1000",
		},
		{
			"s before r", s.upload(t, swapped(s.party.Token(token.Initiate)), pdftest.Minimal()),
			calllog.Initiate, token.CheckSignature, "it verifies with r and s swapped", "Send r first",
		},
		{
			"a form", initiate("application/x-www-form-urlencoded"),
			calllog.Initiate, calllog.CheckContent, "application/octet-stream", "bytes of the PDF",
		},
		{
			"no PDF", s.upload(t, s.party.Token(token.Initiate), []byte("hello")),
			calllog.Initiate, calllog.CheckDocument, "PDF", "not its path",
		},
		{
			"no bytes", s.upload(t, s.party.Token(token.Initiate), nil),
			calllog.Initiate, calllog.CheckDocument, "empty", "--data-binary @FILE",
		},
		{
			"a page too far", initiate(octets, partytest.Claim("sign_locations", []any{
				map[string]any{"page": 9, "x": 0, "y": 0},
			})),
			calllog.Initiate, calllog.CheckDocument, "page 9 of 1", "signet locate",
		},
		{
			"a PDF without line ends", s.upload(
				t, s.party.Token(token.Initiate),
				bytes.ReplaceAll(pdftest.Minimal(), []byte("\n"), nil),
			),
			calllog.Initiate, calllog.CheckDocument, "startxref", "--data-binary",
		},
		{
			"a token that was used", s.upload(t, used, pdftest.Minimal()),
			calllog.Initiate, token.CheckJTI, "used before", "new UUID",
		},
		{
			"a session", s.cancel(t, in.RequestID),
			calllog.Cancel, calllog.CheckState, "Retry-After", "Try again",
		},
		{
			"not signed", s.result(t, in),
			calllog.Result, calllog.CheckState, "has not been signed", "Wait for the webhook",
		},
		{
			"another exchange code", do(
				t, "GET", s.url+"/api/v3/sign-requests/"+in.RequestID+"/signed-doc",
				s.party.Token(token.Result), "", nil,
			),
			calllog.Result, calllog.CheckState, "exchange code", "Take exchange_code",
		},
		{
			"an unknown request", do(
				t, "GET", s.url+"/api/v3/sign-requests/x/signed-doc", s.party.Token(token.Result),
				"", nil,
			),
			calllog.Result, calllog.CheckRequest, "unknown", "Take request_id",
		},
		{
			"another audience",
			initiate(octets, partytest.Claim("aud", "https://elsewhere.example/api/v3")),
			calllog.Initiate, token.CheckAudience, "another service than " + s.url, "Leave aud out",
		},
	} {
		if c.answer.status < 400 {
			t.Errorf("%s: %d", c.name, c.answer.status)
			continue
		}
		id := c.answer.header.Get("Signet-Diagnostics")
		explanation := c.answer.header.Get("Signet-Explanation")
		if id == "" || !strings.Contains(explanation, c.remedy) {
			t.Errorf("%s: id %q, explanation %q", c.name, id, explanation)
		}
		a := do(t, "GET", s.control+"/diagnostics/"+id, "", "", nil)
		var v control.DiagnosticsView
		if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
			t.Errorf("%s: diagnostics: %d %s", c.name, a.status, a.body)
			continue
		}
		if v.Kind != c.kind || v.Diagnosis.Check != c.check ||
			!strings.Contains(v.Diagnosis.Remedy, c.remedy) {
			t.Errorf("%s: %+v", c.name, v.Diagnosis)
		}
		want := calllog.Passed
		for _, check := range v.Checks {
			if check.Check == c.check {
				if check.Result != calllog.Failed || !strings.Contains(check.Got, c.got) {
					t.Errorf("%s: %+v", c.name, check)
				}
				want = calllog.NotReached
				continue
			}
			if check.Result != want || check.Expected == "" {
				t.Errorf("%s: %+v, want %s", c.name, check, want)
			}
		}
		if want != calllog.NotReached {
			t.Errorf("%s: no check failed: %+v", c.name, v.Checks)
		}
	}
	do(t, "GET", s.control+"/diagnostics/x", "", "", nil).refusedAs(
		t, "an unknown id", 404, "NOT_FOUND",
	)
	list := browse(t, "GET", s.control+"/console/calls?call=initiate&refused=1")
	_, link, _ := strings.Cut(list.body, `href="/console/calls/`)
	link, _, _ = strings.Cut(link, `"`)
	page := browse(t, "GET", s.control+"/console/calls/"+link)
	for _, text := range []string{"To fix it:", "Checks, in their order", "not reached", "form of the signature"} {
		if page.status != http.StatusOK || !strings.Contains(page.body, text) {
			t.Errorf("the call's page (%d) lacks %q", page.status, text)
		}
	}
}

// swapped swaps the halves of a token's signature.
func swapped(compact string) string {
	at := strings.LastIndexByte(compact, '.') + 1
	signature, _ := base64.RawURLEncoding.DecodeString(compact[at:])
	half := len(signature) / 2
	return compact[:at] + base64.RawURLEncoding.EncodeToString(
		slices.Concat(signature[half:], signature[:half]),
	)
}
