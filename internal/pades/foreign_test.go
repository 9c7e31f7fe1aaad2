package pades

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"testing"

	"github.com/signet-sign/signet/internal/pdf"
	"github.com/signet-sign/signet/internal/pdf/pdftest"
)

// TestForeignSecondSignature verifies a signature of ours after another program
// has added its own, with what such programs write beside it.
func TestForeignSecondSignature(t *testing.T) {
	w := newWorld(t)
	first, _ := w.extended(t, pdftest.Minimal(), w.options(Location{1, 0.1, 0.1}), true)
	ours := "/Producer (pdftest)" // what the generator writes
	for _, tc := range []struct {
		name, field, info, catalog string
		changed                    bool
	}{
		{name: "plain"},
		{name: "keys of the field", field: "/H /N /Ff 1 /DA (/Helv 0 Tf 0 g) /DR << >> /StructParent 7"},
		{name: "time of change", info: ours + " /ModDate (D:20300101000000Z)"},
		{name: "another producer", info: "/Producer (Another)"},
		{name: "extensions", catalog: "<< /ESIC << /BaseVersion /1.7 /ExtensionLevel 5 >> >>"},
		{name: "an action", field: "/A << /S /JavaScript /JS (app.alert(1)) >>", changed: true},
		{name: "a title", info: ours + " /Title (Another document)", changed: true},
		{name: "a producer that is no string", info: "/Producer 5 0 R", changed: true},
		{name: "extensions elsewhere", catalog: "5 0 R", changed: true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d, err := pdf.Open(bytes.NewReader(first), int64(len(first)), pdf.Limits{})
			must(t, err)
			u := pdf.NewUpdate(d)
			sig, field := u.Alloc(), u.Alloc()
			h, err := putSignature(u, sig, Reserved, []pdf.Pair{
				{Key: "Type", Value: "/Sig"}, {Key: "Filter", Value: "/Adobe.PPKLite"}, {Key: "SubFilter", Value: "/" + subFilterCAdES}, {Key: "M", Value: "(D:20261125120000Z)"},
			})
			must(t, err)
			page, err := d.Page(1)
			must(t, err)
			_, err = u.Put(field, fmt.Appendf(nil, "<< /Type /Annot /Subtype /Widget /FT /Sig /T (other) /V %s /P %s /Rect [300 300 400 340] /F 132 %s >>", sig, page.Ref, tc.field))
			must(t, err)
			must(t, u.AddFields(field))
			must(t, u.AddAnnotations(1, field))
			if tc.info != "" {
				_, err := u.Put(pdf.Ref{Num: pdftest.InfoNum}, []byte("<< "+tc.info+" >>"))
				must(t, err)
			}
			if tc.catalog != "" {
				must(t, u.SetCatalog("Extensions", tc.catalog))
			}
			must(t, u.Finish(rand.Reader))
			p, err := h.close(u, bytes.NewReader(first), int64(len(first)), nil)
			must(t, err)
			var out bytes.Buffer
			must(t, Embed(t.Context(), bytes.NewReader(first), p, w.chain(), w.sign(t, p.SignedAttributes(w.cert)), w.tsa, &out))
			report := w.verify(t, out.Bytes())
			if changed := report.Err() != nil; changed != tc.changed || len(report.Signatures) != 3 {
				t.Errorf("%d signatures, %v", len(report.Signatures), report.Err())
			}
		})
	}
}
