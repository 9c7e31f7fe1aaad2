package pades

import (
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestKeysAreProtected sets one key of the catalog, of the page, and of a form field in a document
// that is certified for form filling.
func TestKeysAreProtected(t *testing.T) {
	w := newWorld(t)
	signed := w.signedWith(t, former(), "first", certify(2), "")
	v := newVictim(t, w, signed)
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
