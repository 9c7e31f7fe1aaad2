package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestKeysAreProtected sets one key of the catalog, of the page, of a form field, and of the field
// of the signature in a document that is certified for form filling.
func TestKeysAreProtected(t *testing.T) {
	w := newWorld(t)
	signed := w.signedWith(t, former(), "first", certify(2), "")
	v := newVictim(t, w, signed)
	_, _, signature := v.sig()
	for where, entries := range map[int]string{
		v.root(): `
			Names << /EmbeddedFiles << /Names [(a) 900 0 R] >> >>
			PageLabels << /Nums [0 << /S /R >>] >>
			Outlines 900 0 R
			ViewerPreferences << /HideToolbar true >>
			URI << /Base (http://x/) >>
			Collection << >>
			AA << /WP << /S /JavaScript /JS (1) >> >>
			OpenAction << /S /Launch /F (x) >>
			Legal << >>
			Lang (xx)
			StructTreeRoot 900 0 R
			MarkInfo << /Marked true >>
			OutputIntents [900 0 R]
			PageMode /UseAttachments
			AF [900 0 R]
			Requirements [900 0 R]
			NeedsRendering true
			Threads 900 0 R
			Perms << /UR3 900 0 R >>
			OCProperties << /OCGs [] /D << /BaseState /OFF >> >>
			DPartRoot 900 0 R`,
		pdftest.PageNum(1): `
			Rotate 180
			CropBox [0 0 300 300]
			MediaBox [0 0 300 300]
			UserUnit 2
			Group << /S /Transparency /K true >>
			AA << /O << /S /JavaScript /JS (1) >> >>
			Contents 900 0 R
			Resources << >>
			Thumb 900 0 R
			Trans << /S /Wipe >>
			Dur 1
			Metadata 900 0 R
			PieceInfo << /X << /LastModified (D:2026) >> >>
			Tabs /R
			StructParents 3
			B [900 0 R]
			VP [900 0 R]`,
		amount: `
			Rect [0 0 595 842]
			F 2
			Ff 1
			MaxLen 3
			Q 2
			Opt [(a) (b)]
			TU (x)
			DV (x)
			A << /S /URI /URI (http://x) >>
			AA << /K << /S /JavaScript /JS (1) >> >>
			OC 900 0 R
			FT /Sig
			T (other)
			BS << /W 99 >>
			Contents (x)
			Kids []
			Subtype /Link`,
		signature: `
			AP << /N 900 0 R >>
			Rect [0 0 595 842]
			F 2
			Ff 1
			A << /S /URI /URI (http://x) >>
			AA << /E << /S /JavaScript /JS (1) >> >>
			OC 900 0 R
			MK << /CA (x) >>
			FT /Tx
			T (other)
			TU (x)
			Contents (x)
			Lock << /Action /All >>
			Kids []
			Subtype /Link`,
	} {
		for _, line := range strings.Split(strings.TrimSpace(entries), "\n") {
			key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
			doc := v.update(map[int]string{
				needle: "<< /X 1 >>", where: v.set(where, pdf.Pair{Key: key, Value: value}),
			})
			r := w.verify(t, doc)
			if i, _ := r.Indication(); i != TotalFailed {
				t.Errorf("/%s of object %d: %s", key, where, i)
			}
		}
	}
}

// TestSpellings writes values in a way that some readers take for others: integers as reals, and
// null for a value that is inherited. The pages differ in the program that is named.
func TestSpellings(t *testing.T) {
	w := newWorld(t)
	widths := "/FirstChar 32 /LastChar 126 /Widths [" + strings.Repeat("900 ", 95) + "]"
	font := func(entries string) pdftest.Option {
		return pdftest.Object(
			pdftest.FontNum, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica "+entries+" >>",
		)
	}
	for name, tc := range map[string]struct {
		document   []pdftest.Option
		object     int
		key, value string
		differs    string
	}{
		"rotation": {
			[]pdftest.Option{pdftest.Rotate(90)}, pdftest.PageNum(1), "Rotate", "90.0", "pdftoppm",
		},
		"inherited rotation": {
			[]pdftest.Option{pdftest.Rotate(90), pdftest.Inherited()},
			pdftest.PageNum(1), "Rotate", "null", "", // in pdf.js
		},
		"inherited rotation by a missing object": {
			[]pdftest.Option{pdftest.Rotate(90), pdftest.Inherited()},
			pdftest.PageNum(1), "Rotate", "9999 0 R", "mutool",
		},
		"widths": {[]pdftest.Option{font(widths)}, pdftest.FontNum, "FirstChar", "32.0", "pdftoppm"},
		"encoding": {
			[]pdftest.Option{font("/Encoding << /Differences [110 /e 111 /v 116 /e] >>")},
			pdftest.FontNum, "Encoding", "<< /Differences [110.0 /e 111.0 /v 116.0 /e] >>",
			"mutool",
		},
		"hidden annotation": {
			[]pdftest.Option{
				shadowPage("", contents+fmt.Sprintf(" /Annots [%d 0 R]", prepared)),
				pdftest.Object(prepared, fmt.Sprintf(
					"<< /Type /Annot /Subtype /Stamp /F 2 /Rect [0 0 595 842] /AP << /N %d 0 R >> >>",
					other,
				)),
				pdftest.Object(other, look(cover)),
			},
			prepared, "F", "2.0", "pdftoppm",
		},
	} {
		t.Run(name, func(t *testing.T) {
			doc := shadowed{objects: tc.document}.document()
			signed := w.signedWith(t, doc, "first", "", "")
			must(t, w.verify(t, signed).Err())
			v := newVictim(t, w, signed)
			body := v.raw(tc.object)
			if tc.value == "null" || tc.value == "9999 0 R" { // EditDict would leave it out
				body = strings.TrimSuffix(body, ">>") + fmt.Sprintf("/%s %s >>", tc.key, tc.value)
			} else {
				body = v.set(tc.object, pdf.Pair{Key: tc.key, Value: tc.value})
			}
			attacked := v.update(map[int]string{tc.object: body})
			if i, _ := w.verify(t, attacked).Indication(); i != TotalFailed {
				t.Errorf("%s", i)
			}
			if tc.differs != "" &&
				bytes.Equal(picture(t, tc.differs, signed), picture(t, tc.differs, attacked)) {
				t.Errorf("%s shows the same", tc.differs)
			}
		})
	}
}
