package pades

import (
	"fmt"
	"math"
	"strings"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"github.com/signet-sign/signet/pades/pdf"
)

// Sketch is how the box shows a name, for a page that previews the signature. Lengths are in
// points, from the upper left corner of the box.
type Sketch struct {
	// Path is the outlines of the name: the value of an SVG path's d.
	Path string
	// HeadY and TimeY are the baselines of the first and the last line.
	HeadY, TimeY float64
}

// SketchName lays out a name as [Prepare] does with the same HanForms.
func SketchName(name string, preferred HanForms) (Sketch, error) {
	fonts, err := FontsFor(name, preferred)
	if err != nil {
		return Sketch{}, err
	}
	block, at := layOut(newParagraph(fonts.Bold, name))
	var b strings.Builder
	var buf sfnt.Buffer
	for _, l := range block.lines {
		x := l.x
		for _, p := range l.pieces {
			scale := block.size / float64(p.face.em)
			for _, part := range p.parts {
				outline, err := p.face.font.LoadGlyph(
					&buf, sfnt.GlyphIndex(part.gid), fixed.I(p.face.em), nil,
				)
				if err != nil {
					return Sketch{}, fmt.Errorf("pades: font %s: %w", p.face.name, err)
				}
				writePath(
					&b, outline, x+float64(part.dx)*scale,
					BoxHeight-l.y-float64(part.dy)*scale, scale,
				)
			}
			x += p.width() * block.size
		}
	}
	return Sketch{b.String(), BoxHeight - at.headY, BoxHeight - at.timeY}, nil
}

// writePath writes an outline that starts at a point, scaled from font units.
func writePath(b *strings.Builder, outline sfnt.Segments, x, y, scale float64) {
	round := func(v float64) string { return pdf.Number(math.Round(v*100) / 100) }
	for i, s := range outline {
		if s.Op == sfnt.SegmentOpMoveTo && i > 0 {
			b.WriteByte('Z')
		}
		// TrueType has no cubic curves.
		b.WriteByte(map[sfnt.SegmentOp]byte{
			sfnt.SegmentOpMoveTo: 'M', sfnt.SegmentOpLineTo: 'L', sfnt.SegmentOpQuadTo: 'Q',
		}[s.Op])
		points := s.Args[:1]
		if s.Op == sfnt.SegmentOpQuadTo {
			points = s.Args[:2]
		}
		for j, p := range points {
			if j > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(round(x+float64(p.X)/64*scale) + " " + round(y+float64(p.Y)/64*scale))
		}
	}
	if len(outline) > 0 {
		b.WriteByte('Z')
	}
}
