package pades

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unicode"

	"github.com/go-text/typesetting/di"
	otfont "github.com/go-text/typesetting/font"
	"github.com/go-text/typesetting/font/opentype"
	"github.com/go-text/typesetting/language"
	"github.com/go-text/typesetting/shaping"
	"golang.org/x/image/math/fixed"
	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"

	"github.com/signet-sign/signet/pades/pdf"
)

// typesetter writes glyphs and collects those that it used.
type typesetter struct {
	subsets []*subset
}

// piece is a glyph and its face.
type piece struct {
	face *Face
	glyph
}

// line is a line of glyphs from left to right. Lengths are in ems.
type line struct {
	pieces       []piece
	width        float64
	above, below float64 // extent of the glyphs from the baseline
}

// paragraph is shaped text that can be broken into lines.
type paragraph struct {
	faces     []*Face
	text      []rune
	runs      []shaping.Output
	direction di.Direction
}

// unit is the em in which text is shaped.
const unit = 1000

// visible returns the characters of a text that are drawn. It composes the text (NFC), because
// faces often have é but cannot place an accent on e. It omits control and format characters,
// except the two joiners, which select the form of their neighbours.
func visible(text string) (runes []rune) {
	for _, r := range norm.NFC.String(text) {
		switch {
		case unicode.IsSpace(r):
			runes = append(runes, ' ')
		case r == '\u200c' || r == '\u200d' || !unicode.In(r, unicode.Cc, unicode.Cf):
			runes = append(runes, r)
		}
	}
	return runes
}

// newParagraph splits a text by direction (UAX 9), script and face, and shapes
// the parts.
func newParagraph(faces []*Face, text string) *paragraph {
	p := &paragraph{faces: faces, text: visible(text)}
	for _, r := range p.text {
		class, _ := bidi.LookupRune(r)
		if c := class.Class(); c == bidi.R || c == bidi.AL {
			p.direction = di.DirectionRTL
		}
		if c := class.Class(); c == bidi.R || c == bidi.AL || c == bidi.L {
			break
		}
	}
	if len(p.text) == 0 {
		return p
	}
	var segmenter shaping.Segmenter
	var shaper shaping.HarfbuzzShaper
	whole := shaping.Input{
		Text: p.text, RunEnd: len(p.text), Direction: p.direction, Size: fixed.I(unit),
		Language: language.NewLanguage("en"),
		FontFeatures: []shaping.FontFeature{
			// one width per glyph keeps the subset small
			{Tag: opentype.MustNewTag("kern"), Value: 0},
		},
	}
	for _, in := range segmenter.Split(whole, p) {
		out := shape(&shaper, in)
		p.replaceMissing(&out)
		p.runs = append(p.runs, out)
	}
	return p
}

// ResolveFace chooses the face of a character for the segmenter.
func (p *paragraph) ResolveFace(r rune) *otfont.Face {
	for _, f := range p.faces {
		if _, ok := f.glyph(r); ok {
			return f.shaper
		}
	}
	return p.faces[0].shaper
}

// shape places the glyphs of a run.
func shape(shaper *shaping.HarfbuzzShaper, in shaping.Input) (out shaping.Output) {
	defer func() {
		// The shaper panics on some sequences that no language uses (FuzzName found them). Their
		// characters are then drawn one by one.
		if recover() != nil {
			out = shaping.Output{Face: in.Face, Direction: in.Direction, Size: in.Size}
			out.Runes = shaping.Range{Offset: in.RunStart, Count: in.RunEnd - in.RunStart}
			for i := in.RunStart; i < in.RunEnd; i++ {
				//lint:ignore SA1019 these fields have methods to read them, and none to set them
				one := shaping.Glyph{ClusterIndex: i, RuneCount: 1, GlyphCount: 1}
				out.Glyphs = append(out.Glyphs, one)
			}
			if in.Direction == di.DirectionRTL {
				slices.Reverse(out.Glyphs)
			}
		}
	}()
	return shaper.ShapeNoExtents(in)
}

// replaceMissing gives spaces, and clusters for which the face lacks a glyph, the width of their
// replacement in pieces.
func (p *paragraph) replaceMissing(out *shaping.Output) {
	for cluster := range clusters(out.Glyphs) {
		if !slices.ContainsFunc(cluster, isMissing) && p.text[cluster[0].TextIndex()] != ' ' {
			continue
		}
		width := 0.0
		for _, piece := range p.pieces(*out, cluster) {
			width += piece.width()
		}
		for i := range cluster {
			cluster[i].Advance = 0
		}
		cluster[0].Advance = fixed.Int26_6(math.Round(width * unit * 64))
	}
	out.RecomputeAdvance()
}

func isMissing(g shaping.Glyph) bool { return g.GlyphID == 0 }

// clusters yields the glyphs that belong to the same characters.
func clusters(glyphs []shaping.Glyph) func(yield func([]shaping.Glyph) bool) {
	return func(yield func([]shaping.Glyph) bool) {
		for start := 0; start < len(glyphs); {
			end := start + 1
			for end < len(glyphs) && glyphs[end].TextIndex() == glyphs[start].TextIndex() {
				end++
			}
			if !yield(glyphs[start:end]) {
				return
			}
			start = end
		}
	}
}

// pieces returns the drawing of a cluster: one glyph that can only be selected as a whole or, if
// the face lacks a glyph, its characters one by one.
func (p *paragraph) pieces(run shaping.Output, cluster []shaping.Glyph) (out []piece) {
	face := p.faces[slices.IndexFunc(p.faces, func(f *Face) bool { return f.shaper == run.Face })]
	text := p.text[cluster[0].TextIndex():][:cluster[0].RunesCount()]
	if string(text) == " " {
		return []piece{{p.faces[0], p.faces[0].single(' ')}} // the same in all scripts
	}
	if slices.ContainsFunc(cluster, isMissing) {
		for _, r := range text {
			if unicode.In(r, unicode.Cf, unicode.Variation_Selector) {
				continue
			}
			if _, ok := face.glyph(r); ok {
				out = append(out, piece{face, face.single(r)})
			} else {
				out = append(out, piece{p.faces[0], p.faces[0].code(r)})
			}
		}
		if run.Direction == di.DirectionRTL {
			slices.Reverse(out)
		}
		return out
	}
	toFont := func(v fixed.Int26_6) int {
		return int(math.Round(float64(v) / 64 / unit * float64(face.em)))
	}
	if run.Direction == di.DirectionRTL {
		// Programs copy text from left to right and then reverse such words.
		text = slices.Clone(text)
		slices.Reverse(text)
	}
	g := glyph{text: string(text)}
	x := fixed.Int26_6(0)
	for _, s := range cluster {
		g.parts = append(
			g.parts,
			part{uint16(s.GlyphID), int16(toFont(x + s.XOffset)), int16(toFont(s.YOffset))},
		)
		x += s.Advance
	}
	g.advance = uint16(max(toFont(x), 0))
	return []piece{{face, g}}
}

// width returns the width in ems.
func (p piece) width() float64 { return float64(p.advance) / float64(p.face.em) }

// code returns a glyph for a character that no face has: its number, as in [U+13000]. A reader that
// copies the text gets the character.
func (f *Face) code(r rune) glyph {
	g := glyph{text: string(r)}
	for _, c := range fmt.Sprintf("[%U]", r) {
		gid, _ := f.glyph(c)
		advance, _ := f.metric(gid)
		g.parts = append(g.parts, part{gid: gid, dx: int16(g.advance)})
		g.advance += advance
	}
	return g
}

// line sets the whole text on one line.
func (p *paragraph) line() line {
	lines := p.lines(math.MaxInt32>>6, shaping.Never)
	if len(lines) == 0 {
		return line{}
	}
	return lines[0]
}

// lines breaks the text into lines of at most width thousandths of an em (UAX 14). Depending on the
// policy, a longer word exceeds the width or is broken.
func (p *paragraph) lines(width int, policy shaping.LineBreakPolicy) (lines []line) {
	var wrapper shaping.LineWrapper
	wrapped, _ := wrapper.WrapParagraph(shaping.WrapConfig{
		Direction: p.direction, BreakPolicy: policy, DisableTrailingWhitespaceTrim: true,
	}, width, p.text, shaping.NewSliceIterator(p.runs))
	for _, runs := range wrapped {
		end := 0
		for _, r := range runs {
			end = max(end, r.Runes.Offset+r.Runes.Count)
		}
		for end < len(p.text) && p.text[end-1] == ' ' {
			end-- // not drawn at the end of a line
		}
		slices.SortStableFunc(runs, func(a, b shaping.Output) int {
			return cmp.Compare(a.VisualIndex, b.VisualIndex)
		})
		var l line
		for _, r := range runs {
			for cluster := range clusters(r.Glyphs) {
				if cluster[0].TextIndex() < end {
					l.add(p.pieces(r, cluster)...)
				}
			}
		}
		lines = append(lines, l)
	}
	return lines
}

func (l *line) add(pieces ...piece) {
	for _, p := range pieces {
		l.pieces = append(l.pieces, p)
		l.width += p.width()
		for _, part := range p.parts {
			low, high := p.face.extent(part.gid)
			l.above = max(l.above, float64(high+int(part.dy))/float64(p.face.em))
			l.below = max(l.below, -float64(low+int(part.dy))/float64(p.face.em))
		}
	}
}

// set sets a text on one line.
func set(faces []*Face, text string) line { return newParagraph(faces, text).line() }

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
func (t *typesetter) show(b *strings.Builder, l line, x, y, size float64) {
	fmt.Fprintf(b, "BT 1 0 0 1 %s %s Tm", pdf.Number(x), pdf.Number(y))
	font := -1
	for _, p := range l.pieces {
		i := t.subset(p.face)
		switch {
		case font < 0:
			fmt.Fprintf(b, "\n/F%d %s Tf <", i, pdf.Number(size))
		case font != i:
			fmt.Fprintf(b, "> Tj\n/F%d %s Tf <", i, pdf.Number(size))
		}
		font = i
		fmt.Fprintf(b, "%04X", t.subsets[i].cid(p.glyph))
	}
	if font >= 0 {
		b.WriteString("> Tj")
	}
	b.WriteString("\nET\n")
}

// fit returns the largest size up to most at which the line is no wider than width.
func (l line) fit(width, most float64) float64 {
	if l.width*most <= width {
		return most
	}
	return width / l.width
}
