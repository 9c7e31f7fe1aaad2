package pades

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// Objects of the document that other programs edit.
const (
	sum       = 700
	sumLook   = 701
	agree     = 702
	agreeLook = 703
)

// fillable is a document with a text field and a check box, with appearances.
func fillable(o ...pdftest.Option) []byte {
	box := func(size int) string {
		return fmt.Sprintf("/Type /XObject /Subtype /Form /BBox [0 0 %d 20]", size)
	}
	widget := fmt.Sprintf("/Type /Annot /Subtype /Widget /F 4 /P %d 0 R", pdftest.PageNum(1))
	return pdftest.New(append([]pdftest.Option{
		pdftest.Catalog(fmt.Sprintf(
			"/AcroForm << /Fields [%d 0 R %d 0 R] /DA (/Helv 0 Tf 0 g) /DR << /Font << /Helv %d 0 R >> >> >>",
			sum, agree, pdftest.FontNum,
		)),
		shadowPage("", contents+fmt.Sprintf(" /Annots [%d 0 R %d 0 R]", sum, agree)),
		pdftest.Object(sum, fmt.Sprintf(
			"<< %s /FT /Tx /T (sum) /V (100) /DA (/Helv 12 Tf 0 g) /Rect [50 700 250 720] /AP << /N %d 0 R >> >>",
			widget, sumLook,
		)),
		pdftest.Object(sumLook, pdftest.Stream(box(200), "/Tx BMC EMC")),
		pdftest.Object(agree, fmt.Sprintf(
			"<< %s /FT /Btn /T (agree) /V /Off /AS /Off /Rect [50 660 70 680] /MK << /CA (4) >> /DA (/ZaDb 0 Tf 0 g) /AP << /N << /Yes %d 0 R >> >> >>",
			widget, agreeLook,
		)),
		pdftest.Object(agreeLook, pdftest.Stream(box(20), "0 0 m 20 20 l S")),
	}, o...)...)
}

// TestEditedByPDFBox has PDFBox append revisions to signed documents, as people do who fill in,
// annotate and sign them elsewhere.
func TestEditedByPDFBox(t *testing.T) {
	w := newWorld(t)
	dir := t.TempDir()
	signed := make(map[string]int) // name: DocMDP
	var names []string
	for layout, doc := range map[string][]byte{
		"table": fillable(), "objects": fillable(pdftest.ObjectStreams()),
	} {
		for p := range 4 {
			reference := ""
			if p > 0 {
				reference = certify(p)
			}
			name := filepath.Join(dir, fmt.Sprintf("%s%d.pdf", layout, p))
			must(t, os.WriteFile(name, w.signedWith(t, doc, "first", reference, ""), 0o600))
			names = append(names, name)
			signed[name] = p
		}
		ours, _ := w.extended(t, doc, w.options(Location{1, 0.3, 0.1}), true)
		name := filepath.Join(dir, layout+".pdf")
		must(t, os.WriteFile(name, ours, 0o600))
		names = append(names, name)
		signed[name] = 0
	}
	pdfBox(t, "PDFBoxEditor", names)
	for kind, want := range map[string]struct {
		later ChangeKind
		least int  // the least DocMDP that allows it; 0 if none is needed
		signs bool // which DocMDP 1 forbids
	}{
		"sign": {ChangeArchive, 0, true}, "show": {ChangeArchive, 0, true},
		"older": {ChangeArchive, 0, true},
		"fill":  {ChangeFormFilling, 2, false}, "check": {ChangeFormFilling, 2, false},
		"annotate": {ChangeAnnotation, 3, false}, "rewrite": {"", 0, false},
		"info": {ChangeArchive, 0, false}, "metadata": {ChangeArchive, 0, false},
	} {
		for _, name := range slices.Sorted(maps.Keys(signed)) {
			p := signed[name]
			allowed := p >= want.least && !(want.signs && p == 1)
			file := strings.Replace(name, ".pdf", "-"+kind+".pdf", 1)
			t.Run(filepath.Base(file), func(t *testing.T) {
				doc, err := os.ReadFile(file)
				must(t, err)
				r := w.verify(t, doc)
				s := r.Signatures[0]
				later := want.later
				if later == "" && len(r.Signatures) > 1 {
					later = ChangeArchive // our own document timestamp
				}
				if got := s.Later(); got != later {
					t.Errorf("later %q, want %q: %v", got, later, s.Changes)
				}
				if (s.Err() == nil) != allowed {
					t.Errorf("allowed %v: %v", allowed, s.Err())
				}
				if want.signs {
					last := r.Signatures[len(r.Signatures)-1]
					if _, sub := last.Indication(); sub != SigConstraintsFailure {
						t.Errorf("PDFBox's signature: %s: %v", sub, last.Err())
					}
				}
			})
		}
	}
}

// TestFilledByOthers fills in a text field with the keys that MuPDF and pdf-lib write besides.
func TestFilledByOthers(t *testing.T) {
	w := newWorld(t)
	v := newVictim(t, w, w.signedWith(t, fillable(), "first", certify(2), ""))
	for program, tc := range map[string]struct {
		more   string
		filled bool
	}{
		"MuPDF":           {"/TU () /BS << /S /S /W 1 >> /Ff 0", true},
		"pdf-lib":         {"/Ff 0", true},
		"another border":  {"/BS << /S /S /W 9 >>", false},
		"another style":   {"/BS << /S /D /W 1 >>", false},
		"it is read-only": {"/Ff 1", false}, "another name to us": {"/TU (total)", false},
	} {
		body := v.set(
			sum, pdf.Pair{Key: "V", Value: "(250)"},
			pdf.Pair{Key: "AP", Value: fmt.Sprintf("<< /N %d 0 R >>", needle)},
		)
		doc := v.update(map[int]string{
			sum: strings.TrimSuffix(body, ">>") + tc.more + " >>",
			needle: pdftest.Stream(
				"/Type /XObject /Subtype /Form /BBox [0 0 200 20]", "BT /Helv 12 Tf (250) Tj ET",
			),
		})
		r := w.verify(t, doc)
		if filled := r.Err() == nil && r.Signatures[0].Later() == ChangeFormFilling; filled != tc.filled {
			t.Errorf("%s: %v", program, r.Signatures[0].Changes)
		}
	}
}
