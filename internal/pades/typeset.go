package pades

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/signet-sign/signet/internal/pdf"
)

// typesetter turns text into glyphs and remembers which glyphs it needed.
type typesetter struct {
	subsets []*subset
}

// run is a piece of text in one face.
type run struct {
	font int // index in typesetter.subsets
	cids []uint16
}

// line is text that was set; width is in ems.
type line struct {
	runs  []run
	width float64
}

// set chooses a face for every character. Text is composed first (NFC), because
// faces have é more often than they can place an accent on e. Characters that
// show nothing are left out.
//
// There is no shaping: each character stands alone, from left to right. Scripts
// that need more bring a shaper along with their face.
func (t *typesetter) set(faces []*Face, text string) line {
	var l line
	for _, r := range norm.NFC.String(text) {
		if unicode.In(r, unicode.Cc, unicode.Cf) {
			continue
		}
		if unicode.IsSpace(r) {
			r = ' '
		}
		face := faces[0]
		for _, f := range faces {
			if _, ok := f.glyph(r); ok {
				face = f
				break
			}
		}
		i := t.subset(face)
		cid := t.subsets[i].cid(r)
		if n := len(l.runs); n == 0 || l.runs[n-1].font != i {
			l.runs = append(l.runs, run{font: i})
		}
		last := &l.runs[len(l.runs)-1]
		last.cids = append(last.cids, cid)
		l.width += face.width(t.subsets[i].old[cid-1]) / 1000
	}
	return l
}

func (t *typesetter) subset(f *Face) int {
	for i, s := range t.subsets {
		if s.face == f {
			return i
		}
	}
	t.subsets = append(t.subsets, newSubset(f))
	return len(t.subsets) - 1
}

// show writes the operators that paint the line at a point.
func (l line) show(b *strings.Builder, x, y, size float64) {
	fmt.Fprintf(b, "BT 1 0 0 1 %s %s Tm\n", pdf.Number(x), pdf.Number(y))
	for _, r := range l.runs {
		fmt.Fprintf(b, "/F%d %s Tf <", r.font, pdf.Number(size))
		for _, c := range r.cids {
			fmt.Fprintf(b, "%04X", c)
		}
		b.WriteString("> Tj\n")
	}
	b.WriteString("ET\n")
}

// fit returns the largest size up to most at which the line is no wider than width.
func (l line) fit(width, most float64) float64 {
	if l.width*most <= width {
		return most
	}
	return width / l.width
}
