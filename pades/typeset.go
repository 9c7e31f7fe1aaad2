package pades

import (
	"fmt"
	"strings"
	"unicode"

	"github.com/go-text/typesetting/harfbuzz"
	"golang.org/x/text/unicode/norm"

	"github.com/signet-sign/signet/pades/pdf"
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
	tall  bool // with marks far above and below
}

// set chooses a face for every character. Text is composed first (NFC), because
// faces have é more often than they can place an accent on e. Characters that
// show nothing are left out.
//
// Characters stand from left to right; neighbours in a face that shapes are
// shaped together. Scripts from right to left are not supported.
func (t *typesetter) set(faces []*Face, text string) line {
	var l line
	var pending []rune // of a face that shapes
	var shaping *Face
	flush := func() {
		if len(pending) > 0 {
			t.add(&l, shaping, shaping.shape(pending)...)
		}
		pending = pending[:0]
	}
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
		if face != shaping {
			flush()
		}
		if face.shaping != nil {
			shaping, l.tall = face, true
			pending = append(pending, r)
			continue
		}
		t.add(&l, face, face.single(r))
	}
	flush()
	return l
}

// add appends glyphs of one face to a line.
func (t *typesetter) add(l *line, face *Face, glyphs ...glyph) {
	i := t.subset(face)
	for _, g := range glyphs {
		if n := len(l.runs); n == 0 || l.runs[n-1].font != i {
			l.runs = append(l.runs, run{font: i})
		}
		last := &l.runs[len(l.runs)-1]
		last.cids = append(last.cids, t.subsets[i].cid(g))
		l.width += float64(g.advance) / float64(face.em)
	}
}

// shape returns the glyphs of text whose characters join, reorder or attach to
// each other, one for each cluster: what can only be selected as a whole.
func (f *Face) shape(text []rune) (out []glyph) {
	defer func() {
		// The shaper panics on some sequences that no language has (FuzzName found
		// them); these are then set character by character.
		if recover() != nil {
			out = nil
			for _, r := range text {
				out = append(out, f.single(r))
			}
		}
	}()
	buf := harfbuzz.NewBuffer()
	buf.AddRunes(text, 0, len(text))
	buf.GuessSegmentProperties()
	buf.Props.Direction = harfbuzz.LeftToRight
	buf.Shape(harfbuzz.NewFont(f.shaping), nil)
	for i := 0; i < len(buf.Info); {
		start := buf.Info[i].Cluster
		var g glyph
		x := 0
		for ; i < len(buf.Info) && buf.Info[i].Cluster == start; i++ {
			pos := buf.Pos[i]
			g.parts = append(
				g.parts,
				part{
					gid: uint16(buf.Info[i].Glyph), dx: int16(x + int(pos.XOffset)),
					dy: int16(pos.YOffset),
				},
			)
			x += int(pos.XAdvance)
		}
		end := len(text)
		if i < len(buf.Info) {
			end = buf.Info[i].Cluster
		}
		g.text, g.advance = string(text[start:end]), uint16(max(x, 0))
		out = append(out, g)
	}
	return out
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
