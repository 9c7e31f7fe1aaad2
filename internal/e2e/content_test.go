package e2e_test

import (
	"archive/zip"
	"encoding/json"
	"io"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestWarnings checks that the signer sees what the document contains that a viewer may show or
// not, before Proceed and on the phone, in each language; the evidence has it too.
func TestWarnings(t *testing.T) {
	s := start(t)
	initiate := func(s *sandbox, pdf []byte) (in api.Initiated) {
		t.Helper()
		a := s.upload(t, s.party.Token(token.Initiate), pdf)
		if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != 200 {
			t.Fatalf("initiate: %d %s", a.status, a.body)
		}
		return in
	}
	portfolio := pdftest.New(pdftest.Catalog("/Collection << >>"))
	titles := map[string]string{
		"en": "It is a collection of files", "ms": "Ia ialah koleksi fail",
		"zh": "这是一个文件集", "ta": "இது கோப்புகளின் தொகுப்பு",
	}
	pages := func(t *testing.T, s *sandbox, in api.Initiated, want bool) {
		t.Helper()
		desk := s.visitor(t)
		desk.login(t, in, alice)
		p := enrolled(t, s, alice)
		check := func(page string) {
			t.Helper()
			for tag, title := range titles {
				if got := p.get(t, page+"?lang="+tag); strings.HasPrefix(page, "/phone") &&
					strings.Contains(got.text(), title) != want {
					t.Errorf(
						"%s in %s: %t is wrong: %d %s", page, tag, !want, got.status, got.text(),
					)
				}
				if got := desk.get(t, page+"?lang="+tag); strings.HasPrefix(page, "/sign") &&
					strings.Contains(got.text(), title) != want {
					t.Errorf(
						"%s in %s: %t is wrong: %d %s", page, tag, !want, got.status, got.text(),
					)
				}
			}
		}
		check("/sign/" + in.RequestID)
		desk.proceed(t, in)
		p.scan(t, desk, in)
		check("/phone/sign/" + in.RequestID)
	}
	warned := initiate(s, portfolio)
	pages(t, s, warned, true)
	pages(t, s, initiate(s, pdftest.Minimal()), false)
	quiet := start(t, func(c *config.Config) { c.WarnContent = "none" })
	pages(t, quiet, initiate(quiet, portfolio), false)

	evidence := browse(t, "GET", s.control+"/console/requests/"+warned.RequestID+"/evidence.zip")
	z, err := zip.NewReader(strings.NewReader(evidence.body), int64(len(evidence.body)))
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		found = found || strings.Contains(string(text), `"warned_of": "portfolio"`)
	}
	if !found {
		t.Error("the evidence does not say of what the signer was warned")
	}
}
