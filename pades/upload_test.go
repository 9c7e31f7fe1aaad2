package pades

import (
	"bytes"
	"os"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
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
