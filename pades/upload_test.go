package pades

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestUploadCases signs small files at the edge of what can be signed. A reference to an object
// that does not exist is null (ISO 32000-2, 7.3.10) and no reason to refuse; a /Size at the
// limit of object numbers is one.
func TestUploadCases(t *testing.T) {
	w := newWorld(t)
	for name, want := range map[string]pdf.Reason{
		"c02b_annots_ref_missing.pdf": "", "d01_null_inline.pdf": "",
		"c24_size_8388608.pdf": pdf.TooManyObjects,
	} {
		t.Run(name, func(t *testing.T) {
			doc, err := os.ReadFile("testdata/upload/" + name)
			must(t, err)
			loc := Location{1, 0.1, 0.1}
			_, err = Inspect(
				t.Context(), bytes.NewReader(doc), int64(len(doc)), []Location{loc}, pdf.Limits{},
			)
			if got := pdf.ReasonOf(err); got != want || err != nil && got == "" {
				t.Fatalf("%v, want reason %q", err, want)
			}
			if want != "" {
				return
			}
			out, p := w.extended(t, doc, w.options(loc), true)
			r := w.verify(t, out)
			must(t, r.Err())
			must(t, r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
			// Verifiers that compare revisions want nothing but references in /Annots.
			d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
			must(t, err)
			page, err := d.Page(1)
			must(t, err)
			annots, err := d.Annotations(page)
			must(t, err)
			for _, a := range annots {
				if _, ok := a.Ref(); !ok {
					t.Errorf("%s in /Annots", a.Raw())
				}
			}
			if len(annots) != 2 {
				t.Errorf("%d annotations", len(annots))
			}
		})
	}
}

// TestSizeLimits tries each /Size around the largest object number. All answers are signatures
// or refusals.
func TestSizeLimits(t *testing.T) {
	doc, err := os.ReadFile("testdata/upload/c24_size_8388608.pdf")
	must(t, err)
	for _, size := range []string{"8387000", "8388000", "8388590", "8388605", "8388606", "8388607", "8388608", "8388609", "8388999", "9999999"} {
		doc := bytes.Replace(doc, []byte("/Size 8388608"), []byte("/Size "+size), 1)
		_, err := Inspect(
			t.Context(), bytes.NewReader(doc), int64(len(doc)), []Location{{1, 0.1, 0.1}},
			pdf.Limits{},
		)
		if err != nil && pdf.ReasonOf(err) == "" {
			t.Errorf("/Size %s: %v is not a refusal", size, err)
		}
	}
}

// TestAgreement holds the rules of docs/signatures.md, "What readers agree on": what pdf.js,
// poppler and mupdf read in the same way is signed, and stays what it was for the verifier.
func TestAgreement(t *testing.T) {
	w := newWorld(t)
	pages := func(kids string, count int) pdftest.Option {
		return pdftest.Object(
			pdftest.PagesNum, fmt.Sprintf("<< /Type /Pages /Count %d /Kids [%s] >>", count, kids),
		)
	}
	twice := []pdftest.Option{pdftest.Pages(2), pages("12 0 R 14 0 R 14 0 R", 3)}
	for name, c := range map[string]struct {
		doc  []byte
		page int
		want pdf.Reason
	}{
		"leading bytes":             {pdftest.New(pdftest.Prefix("\n")), 1, pdf.LeadingBytes},
		"a page of the server":      {pdftest.New(pdftest.Suffix("\r\n<html></html>\r\n")), 1, ""},
		"too much of it":            {pdftest.New(pdftest.Suffix(strings.Repeat("x", 1024))), 1, pdf.TrailingData},
		"a cross-reference":         {pdftest.New(pdftest.Suffix("startxref 0")), 1, pdf.TrailingData},
		"an object":                 {pdftest.New(pdftest.Suffix("3 0 obj")), 1, pdf.TrailingData},
		"another page twice":        {pdftest.New(twice...), 1, ""},
		"the page twice":            {pdftest.New(twice...), 3, pdf.PageTreeLoop},
		"the same mode twice":       {pdftest.New(pdftest.Catalog("/PageMode /UseNone /PageMode /UseNone")), 1, ""},
		"two modes":                 {pdftest.New(pdftest.Catalog("/PageMode /UseNone /PageMode /UseOutlines")), 1, pdf.DuplicateKey},
		"signed, and then appended": {nil, 1, pdf.TrailingData},
	} {
		t.Run(name, func(t *testing.T) {
			loc := Location{c.page, 0.1, 0.1}
			if c.doc == nil {
				signed, _ := w.extended(
					t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.5}), true,
				)
				c.doc = append(signed, "<html></html>"...)
			}
			_, err := Inspect(
				t.Context(), bytes.NewReader(c.doc), int64(len(c.doc)), []Location{loc},
				pdf.Limits{},
			)
			if got := pdf.ReasonOf(err); got != c.want || err != nil && got == "" {
				t.Fatalf("%v, want reason %q", err, c.want)
			}
			if err != nil {
				return
			}
			out, p := w.extended(t, c.doc, w.options(loc), true)
			r := w.verify(t, out)
			must(t, r.Err())
			must(t, r.Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
			if r := w.verify(t, append(out, "<html></html>"...)); r.Err() == nil {
				t.Error("bytes after the signed document are not seen")
			}
		})
	}
}
