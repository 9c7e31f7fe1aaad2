package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHostileFonts reads fonts whose maps and widths say the same many times.
func TestHostileFonts(t *testing.T) {
	ranges := strings.Repeat("0 65535 600 ", 3) + "70 70 900 "
	cmap := "begincmap 1 beginbfrange <0000> <ffff> <" + strings.Repeat("0041", 512) + "> endbfrange endcmap"
	doc := hideDocument(
		pdftest.Object(hideImage, fmt.Sprintf("<< /Type /Font /Subtype /Type0 /Encoding /Identity-H"+
			" /ToUnicode %d 0 R /DescendantFonts [<< /DW 500 /W [%s] >>] >>", hideImage+1, ranges)),
		pdftest.Object(hideImage+1, pdftest.Stream("", cmap)),
	)
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{})
	must(t, err)
	o, err := d.Load(pdf.Ref{Num: hideImage})
	must(t, err)
	f, err := paintFontOf(d, o)
	must(t, err)
	if w := f.wide[70]; w != 0.6 {
		t.Errorf("the width that comes after %d others is read: %g", 3<<16, w)
	}
	if f.size != 0 {
		t.Errorf("%d codes have a long text", f.size)
	}
}

// TestHostileFilters lays a box over a page whose filters make much more in between than in the end.
func TestHostileFilters(t *testing.T) {
	w := newWorld(t)
	nothing := strings.Repeat("\x00\x00\x00\xff\xff", maxContent/5+1<<16) // empty blocks
	last := "\x01\x00\x00\xff\xff\x00\x00\x00\x01"
	content := deflated(deflated("\x78\x9c" + nothing + last))
	doc := hideDocument(pdftest.Object(pdftest.ContentNum(1), pdftest.Stream(
		"/Filter [/FlateDecode /FlateDecode /FlateDecode]", content,
	)))
	signed := w.signedWith(t, doc, "first", "", "")
	box := laterBox{look: "1 g 0 0 200 30 re f"}
	expectHidden(t, w.verify(t, box.cosigned(t, w, signed)), unknownText)
	d, err := pdf.Open(bytes.NewReader(doc), int64(len(doc)), pdf.Limits{Work: maxContent})
	must(t, err)
	o, err := d.Load(pdf.Ref{Num: pdftest.ContentNum(1)})
	must(t, err)
	if _, err = contentOf(d, o); pdf.ReasonOf(err) != pdf.TooMuchWork {
		t.Errorf("what is made in between is no work: %v", err)
	}
}
