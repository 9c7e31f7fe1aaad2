package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestSharedResources signs forms whose resources are also those of the page, and adds to these
// what the box of a further signature uses, as iText does. It may not give a meaning to a name that
// a content has used before.
func TestSharedResources(t *testing.T) {
	w, stranger := newWorld(t), newWorld(t)
	const kind, look, fonts = 560, 561, 562 // objects of the documents
	content := func(text string) pdftest.Option {
		return pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", text))
	}
	page := func(entries string) pdftest.Option {
		return pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] %s >>", pdftest.PagesNum, entries,
		))
	}
	shared := fmt.Sprintf(
		"/Contents %d 0 R /Annots [] /Resources %d 0 R", pdftest.ContentNum(1), resources,
	)
	const form = "/Type /XObject /Subtype /Form /BBox [0 0 100 20] "
	const entries = "/Font << /F1 %d 0 R %s >> /XObject << /Logo %d 0 R %s >>"
	names := func(more string) string {
		return fmt.Sprintf("<< "+entries+more+" >>", pdftest.FontNum, "/Helv 610 0 R", logo, "/FRM 611 0 R")
	}
	stamped := fmt.Sprintf(
		"<< /Type /Annot /Subtype /Widget /FT /Tx /T (stamp) /Rect [50 90 150 110] /F 4"+
			" /AP << /N %d 0 R >> >>", logo,
	)
	own := fmt.Sprintf(
		"/Contents %d 0 R /Annots [] /Resources << /Font << /F1 %d 0 R >> >>",
		pdftest.ContentNum(1), pdftest.FontNum,
	)
	again := fmt.Sprintf("<< "+entries+" >>", pdftest.FontNum, "", 611, "/FRM 611 0 R")
	for name, tc := range map[string]struct {
		objects []pdftest.Option
		update  string         // of the resources, instead of names("")
		more    map[int]string // what else changes
		changed bool
	}{
		"iText": {},
		"inherited": {
			objects: []pdftest.Option{
				page(fmt.Sprintf("/Contents %d 0 R /Annots []", pdftest.ContentNum(1))),
				pdftest.Object(pdftest.PagesNum, fmt.Sprintf(
					"<< /Type /Pages /Kids [%d 0 R] /Count 1 /Resources %d 0 R >>",
					pdftest.PageNum(1), resources,
				)),
			},
		},
		"further kinds": {
			update: names(" /Encoding << /PDFDocEncoding 612 0 R >> /ColorSpace << /CS 613 0 R >>"),
		},
		"defined before": {
			objects: []pdftest.Option{
				pdftest.Object(look, pdftest.Stream(form+"/Resources << /XObject << /FRM 540 0 R >> >>", "/FRM Do")),
			},
		},
		"a name elsewhere": {objects: []pdftest.Option{content("BT /F1 12 Tf (/FRM Do) Tj ET % /FRM Do")}},

		"the form's own": {objects: []pdftest.Option{page(own)}},
		"the form's own, defined again": {
			objects: []pdftest.Option{page(own)}, update: again, changed: true,
		},
		"the page uses it": {objects: []pdftest.Option{content("/FRM Do")}, changed: true},
		"the page uses it as a font": {
			objects: []pdftest.Option{content("BT /Helv 12 Tf (A) Tj ET")},
			changed: true,
		},
		"in another spelling": {objects: []pdftest.Option{content("/F#52M Do")}, changed: true},
		"in two streams": {
			objects: []pdftest.Option{
				page(fmt.Sprintf(
					"/Contents [%d 0 R %d 0 R] /Annots [] /Resources %d 0 R",
					pdftest.ContentNum(1), look, resources,
				)),
				content("/F"),
				pdftest.Object(look, pdftest.Stream("", "RM Do")),
			},
			changed: true,
		},
		"an inline image": {
			objects: []pdftest.Option{content("q BI /W 1 /H 1 /BPC 8 /CS /CS ID x EI Q")},
			update:  names(" /ColorSpace << /CS 613 0 R >>"),
			changed: true,
		},
		"a fault in the content":     {objects: []pdftest.Option{content("/FRM Do (")}, changed: true},
		"a fault before the content": {objects: []pdftest.Option{content(") /FRM Do")}, changed: true},
		"a form without resources": {
			objects: []pdftest.Option{pdftest.Object(logo, pdftest.Stream(form, "/FRM Do"))},
			changed: true,
		},
		"a form with them": {
			objects: []pdftest.Option{
				pdftest.Object(logo, pdftest.Stream(form+fmt.Sprintf("/Resources %d 0 R", resources), "/FRM Do")),
			},
			changed: true,
		},
		"a form with others": {
			objects: []pdftest.Option{
				pdftest.Object(logo, pdftest.Stream(
					form+fmt.Sprintf("/Resources << /XObject %d 0 R >>", kind), "/FRM Do",
				)),
				pdftest.Object(kind, "<< >>"),
			},
			changed: true,
		},
		"an appearance": {
			objects: []pdftest.Option{pdftest.Object(amountLook, pdftest.Stream("/Filter []", "/FRM Do"))},
			changed: true,
		},
		"a glyph": {
			objects: []pdftest.Option{
				pdftest.Object(pdftest.FontNum, fmt.Sprintf(
					"<< /Type /Font /Subtype /Type3 /FontBBox [0 0 1 1] /FontMatrix [1 0 0 1 0 0]"+
						" /CharProcs << /a %d 0 R >> /Encoding << /Differences [65 /a] >>"+
						" /FirstChar 65 /LastChar 65 /Widths [1] >>", look,
				)),
				pdftest.Object(look, pdftest.Stream("", "1 0 d0 /FRM Do")),
			},
			changed: true,
		},
		"a pattern": {
			objects: []pdftest.Option{
				pdftest.Object(look, pdftest.Stream("/Type /Pattern /PatternType 1", "/FRM Do")),
			},
			changed: true,
		},
		"a default space": {
			update:  names(" /ColorSpace << /DefaultGray 613 0 R >>"),
			changed: true,
		},
		"another kind":            {update: names(" /Metadata << /X 611 0 R >>"), changed: true},
		"a name is defined again": {update: again, changed: true},
		"a name is removed": {
			update:  fmt.Sprintf("<< /Font << /F1 %d 0 R >> /XObject << >> >>", pdftest.FontNum),
			changed: true,
		},
		"the page gets it too": {
			more:    map[int]string{pdftest.ContentNum(1): pdftest.Stream("", "/FRM Do")},
			changed: true,
		},
		"what the page shows changes": {
			update:  names(""),
			more:    map[int]string{logo: pdftest.Stream(form, fake)},
			changed: true,
		},
		"what it defines is the logo": {
			update: fmt.Sprintf("<< "+entries+" >>", pdftest.FontNum, "", logo, fmt.Sprintf("/FRM %d 0 R", logo)),
			more: map[int]string{
				logo:  pdftest.Stream(form, fake),
				stamp: strings.Replace(stamped, "/T (stamp)", "/T (stamp) /V (x)", 1),
			},
			changed: true,
		},
		"they are the note too": {
			objects: []pdftest.Option{
				page(fmt.Sprintf(
					"/Contents %d 0 R /Annots [%d 0 R] /Resources %d 0 R",
					pdftest.ContentNum(1), resources, resources,
				)),
			},
			changed: true,
		},
		"they are a form's piece info": {
			objects: []pdftest.Option{
				pdftest.Object(look, fmt.Sprintf("<< /X %d 0 R >>", resources)),
				page(shared + fmt.Sprintf(" /PieceInfo %d 0 R", look)),
			},
			changed: true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := pdftest.New(append([]pdftest.Option{
				pdftest.Catalog(fmt.Sprintf(
					"/AcroForm << /Fields [%d 0 R %d 0 R] /DR %d 0 R >>", amount, stamp, resources,
				)),
				page(shared), content("BT /F1 12 Tf 72 700 Td (Text) Tj ET /Logo Do"),
				pdftest.Object(resources, fmt.Sprintf("<< "+entries+" >>", pdftest.FontNum, "", logo, "")),
				pdftest.Object(logo, pdftest.Stream(form, "0 0 100 20 re f")),
				pdftest.Object(amount, fmt.Sprintf(
					"<< /Type /Annot /Subtype /Widget /FT /Tx /T (amount) /V (1)"+
						" /Rect [50 50 150 70] /F 4 /AP << /N << /On %d 0 R >> >> >>", amountLook,
				)),
				pdftest.Object(amountLook, pdftest.Stream(form, "")),
				pdftest.Object(stamp, stamped),
			}, tc.objects...)...)
			signed := w.signedWith(t, doc, "first", "", "")
			must(t, w.verify(t, signed).Err())
			v := newVictim(t, w, signed)
			update := tc.update
			if update == "" {
				update = names("")
			}
			objects := merged(tc.more, map[int]string{
				resources: update,
				610:       "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding 612 0 R >>",
				611:       pdftest.Stream(form+"/Resources << /Font << /F1 610 0 R >> >>", fake),
				612:       "<< /Type /Encoding /Differences [65 /B] >>",
				613:       "[/Indexed /DeviceRGB 1 <000000ffffff>]",
			})
			later := v.update(objects)
			for _, doc := range [][]byte{later, stranger.signedWith(t, later, "second", "", "")} {
				s := w.verify(t, doc).Signatures[0]
				if changed := !s.Intact(); changed != tc.changed {
					t.Errorf("changed %v: %v", changed, s.Changes)
				}
			}
		})
	}
}

// TestContentsAreWork looks for names in a content. To parse one that may have them takes from the
// budget of work much more than to inflate it.
func TestContentsAreWork(t *testing.T) {
	for text, want := range map[string]pdf.Reason{"(/FRM Do) Tj ": pdf.TooMuchWork, "(/Logo Do) Tj ": ""} {
		doc := pdftest.New(pdftest.Object(
			pdftest.ContentNum(1), pdftest.Stream("", strings.Repeat(text, 10_000)),
		))
		d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{Work: 1 << 20})
		must(t, err)
		content, err := d.Load(pdf.Ref{Num: pdftest.ContentNum(1)})
		must(t, err)
		c := &differ{old: d}
		_, err = c.names(map[string][]string{"FRM": {"XObject"}}, pdf.Object{}, content)
		if got := pdf.ReasonOf(err); got != want {
			t.Errorf("%s: %q, want %q: %v", text, got, want, err)
		}
	}
}
