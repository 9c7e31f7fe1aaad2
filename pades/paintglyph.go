package pades

import (
	"encoding/binary"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"

	"github.com/signet-sign/signet/pades/pdf"
)

// shapes are the outlines of a font's glyphs, as far as they can be known: exactly those of
// embedded TrueType fonts whose codes are the numbers of glyphs, or are mapped to them; for other
// codes of such fonts, and for CFF fonts, the glyph that covers most, because readers differ in
// which they choose; for text fonts that are not embedded those of a font of ours. Where nothing is
// known, a glyph covers everything.
type shapes struct {
	font *sfnt.Font
	buf  sfnt.Buffer
	// glyph returns the number of the glyph for a code, or ok is false if it covers its whole box.
	glyph func(code []byte) (gid sfnt.GlyphIndex, ok bool)
	box   pdf.Rect // of such glyphs, in ems; empty if they may be of any size
	paths map[sfnt.GlyphIndex][][]point
	// points of all glyphs that were compared
	points int
}

// outline returns what a glyph covers, in ems.
func (f *paintFont) outline(d *pdf.Document, code []byte) ([][]point, error) {
	if f.shapes == nil {
		s, err := f.readShapes(d)
		if pdf.ReasonOf(err) != "" {
			s, err = &shapes{}, nil
		}
		if err != nil {
			return nil, err
		}
		f.shapes = s
	}
	s := f.shapes
	if s.glyph != nil {
		if gid, ok := s.glyph(code); ok {
			return s.path(gid), nil
		}
	}
	if s.box.Empty() {
		return everywhere(), nil
	}
	box := s.box
	box.X2 = max(box.X2, f.advance(code))
	return [][]point{corners(box, identity)}, nil
}

// readShapes finds where the outlines of a font are.
func (f *paintFont) readShapes(d *pdf.Document) (*shapes, error) {
	font := f.dict
	if !font.IsDict() {
		return f.standIn("Helvetica") // as in readers
	}
	if f.width == 2 {
		below, err := d.Get(f.dict, "DescendantFonts")
		if err != nil || len(below.Elements()) == 0 {
			return &shapes{}, err
		}
		if font, err = d.Resolve(below.Elements()[0]); err != nil {
			return nil, err
		}
	}
	descriptor, err := d.Get(font, "FontDescriptor")
	if err != nil {
		return nil, err
	}
	encoding, err := d.Get(f.dict, "Encoding")
	if err != nil {
		return nil, err
	}
	horizontal := f.width == 1 || strings.HasSuffix(encoding.Name(), "-H") &&
		(f.unicode || encoding.Name() == "Identity-H")
	var programs []pdf.Object
	for _, key := range []string{"FontFile2", "FontFile3", "FontFile"} {
		if program := descriptor.Get(key); !program.IsNull() {
			programs = append(programs, program)
		}
	}
	switch {
	case len(programs) > 1, !horizontal:
		return &shapes{}, nil
	case len(programs) == 0:
		return f.standIn(font.Get("BaseFont").Name())
	}
	program, err := d.Resolve(programs[0])
	if err != nil {
		return nil, err
	}
	data, err := d.Decode(program)
	if err != nil {
		return nil, err
	}
	s := &shapes{}
	if descriptor.Get("FontFile2").IsNull() {
		if s.font = cffGlyphs(data); s.font != nil {
			s.chooseDensest()
		}
		return s, nil
	}
	if s.font = glyphsOf(data); s.font == nil {
		return s, nil
	}
	toGID, err := d.Get(font, "CIDToGIDMap")
	if err != nil {
		return nil, err
	}
	if f.width == 2 && !f.unicode && font.Get("Subtype").Name() == "CIDFontType2" &&
		(toGID.IsNull() || toGID.Name() == "Identity") {
		s.glyph = func(code []byte) (sfnt.GlyphIndex, bool) {
			return sfnt.GlyphIndex(number(code)), len(code) == 2
		}
		return s, nil
	}
	if f.width == 2 && !f.unicode && toGID.Kind() == pdf.Stream {
		list, err := d.Decode(toGID)
		if err != nil {
			return nil, err
		}
		s.glyph = func(code []byte) (sfnt.GlyphIndex, bool) {
			n := 2 * number(code)
			if len(code) != 2 || n+2 > len(list) {
				return 0, false
			}
			return sfnt.GlyphIndex(number(list[n : n+2])), true
		}
		return s, nil
	}
	s.chooseDensest()
	return s, nil
}

// chooseDensest lets the densest glyph stand for all.
func (s *shapes) chooseDensest() {
	if gid, ok := s.densest(); ok {
		s.glyph = func([]byte) (sfnt.GlyphIndex, bool) { return gid, true }
	}
}

// textFonts are the beginnings of names of fonts that readers replace by a font for text.
var textFonts = strings.Fields(`Helvetica Arial Times Courier Verdana Tahoma Calibri Cambria Georgia
	Segoe Myriad Minion Liberation DejaVu Noto Adobe STSong MSung MHei HeiseiMin HeiseiKakuGo KozMin
	KozGo HYSMyeongJo HYGoThic SimSun`)

// standIn returns the shapes of a font that is not embedded.
func (f *paintFont) standIn(name string) (*shapes, error) {
	// Those of other fonts may be pictures.
	s := &shapes{box: pdf.Rect{X1: -0.2, Y1: -0.3, X2: 1.2, Y2: 1.1}}
	if !slices.ContainsFunc(textFonts, func(n string) bool { return strings.HasPrefix(name, n) }) {
		return s, nil
	}
	face, err := ParseFace("GoRegular", goregular.TTF)
	if err != nil {
		return nil, err
	}
	s.font = face.font
	dense, _ := face.glyph('M')
	s.glyph = func(code []byte) (sfnt.GlyphIndex, bool) {
		r := []rune(f.decode(code))[0]
		if r == unicode.ReplacementChar && len(code) == 1 && code[0] > '~' && !f.named[code[0]] {
			return sfnt.GlyphIndex(dense), true // a letter or sign of the encoding
		}
		if gid, ok := face.glyph(r); ok && r < '\u2190' {
			return sfnt.GlyphIndex(gid), true
		}
		letter := unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.Z)
		return sfnt.GlyphIndex(dense), letter
	}
	return s, nil
}

// glyphsOf reads the outlines of an embedded TrueType font, nil if it cannot be read.
func glyphsOf(ttf []byte) *sfnt.Font {
	tables := tablesOf(ttf)
	kept := make(map[string][]byte)
	for _, name := range []string{"head", "hhea", "hmtx", "maxp", "loca", "glyf"} {
		if kept[name] = tables[name]; len(kept[name]) == 0 {
			return nil
		}
	}
	if len(kept["head"]) < 54 {
		return nil
	}
	return parseGlyphs("\x00\x01\x00\x00", kept)
}

// parseGlyphs parses a font file that begins with kind and has these tables. Those for text are
// often absent, and are not used here.
func parseGlyphs(kind string, tables map[string][]byte) *sfnt.Font {
	tables["cmap"] = []byte{
		0, 0, 0, 1, 0, 3, 0, 1, 0, 0, 0, 12,
		0, 4, 0, 24, 0, 0, 0, 2, 0, 2, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 1, 0, 0,
	}
	tables["post"] = append([]byte{0, 3, 0, 0}, make([]byte, 28)...)
	file := assemble(tables)
	copy(file, kind)
	font, err := sfnt.Parse(file)
	if err != nil {
		return nil
	}
	return font
}

// tablesOf returns the tables of a TrueType file, nil if it is damaged.
func tablesOf(ttf []byte) map[string][]byte {
	if len(ttf) < 12 {
		return nil
	}
	n := int(binary.BigEndian.Uint16(ttf[4:]))
	if len(ttf) < 12+16*n {
		return nil
	}
	tables := make(map[string][]byte, n)
	for i := range n {
		rec := ttf[12+16*i:]
		off := uint64(binary.BigEndian.Uint32(rec[8:]))
		size := uint64(binary.BigEndian.Uint32(rec[12:]))
		if off+size > uint64(len(ttf)) {
			return nil
		}
		tables[string(rec[:4])] = ttf[off : off+size]
	}
	return tables
}

// path returns an outline in ems. Curves become lines.
func (s *shapes) path(gid sfnt.GlyphIndex) (path [][]point) {
	if path, ok := s.paths[gid]; ok {
		return path
	}
	const em = 1000
	segments, err := s.font.LoadGlyph(&s.buf, gid, fixed.I(em), nil)
	if err != nil {
		path = everywhere()
	}
	at := func(p fixed.Point26_6) point {
		return point{float64(p.X) / 64 / em, -float64(p.Y) / 64 / em}
	}
	for _, g := range segments {
		if g.Op == sfnt.SegmentOpMoveTo {
			path = append(path, []point{at(g.Args[0])})
			continue
		}
		if len(path) == 0 {
			continue
		}
		sub := &path[len(path)-1]
		if g.Op == sfnt.SegmentOpLineTo {
			*sub = append(*sub, at(g.Args[0]))
			continue
		}
		a, b, c := (*sub)[len(*sub)-1], at(g.Args[0]), at(g.Args[1])
		const steps = 4
		for i := 1; i <= steps; i++ {
			t := float64(i) / steps
			u := 1 - t
			k, l, m := u*u, 2*u*t, t*t
			*sub = append(*sub, point{k*a.x + l*b.x + m*c.x, k*a.y + l*b.y + m*c.y})
		}
	}
	if s.paths == nil {
		s.paths = make(map[sfnt.GlyphIndex][][]point)
	}
	s.paths[gid] = path
	return path
}

// maxGlyphs and maxPoints bound the glyphs among which the densest is looked for.
const maxGlyphs, maxPoints = 2048, 1 << 17

// densest returns the glyph that covers most. ok is false if there are too many, or if one is
// larger than letters are, or a block.
func (s *shapes) densest() (gid sfnt.GlyphIndex, ok bool) {
	n := s.font.NumGlyphs()
	if n > maxGlyphs {
		return 0, false
	}
	const (
		cells = 16 // in a square of 1.4 ems
		block = 4
	)
	most := -1
	for g := range n {
		a := patch{path: s.path(sfnt.GlyphIndex(g))}
		for _, sub := range a.path {
			s.points += len(sub)
		}
		if s.points > maxPoints {
			return 0, false
		}
		if r := boundsOf(a.path, 0); r.X1 < -1 || r.Y1 < -1 || r.X2 > 2.5 || r.Y2 > 2 {
			return 0, false
		}
		var runs [cells + 1][cells + 1]int // the side of the largest block that ends here
		covered := 0
		for i := 1; i <= cells; i++ {
			for j := 1; j <= cells; j++ {
				at := point{-0.2 + 1.4*float64(i)/cells, -0.3 + 1.4*float64(j)/cells}
				if !a.contains(at) {
					continue
				}
				covered++
				runs[i][j] = 1 + min(runs[i-1][j], runs[i][j-1], runs[i-1][j-1])
				if runs[i][j] == block {
					return 0, false
				}
			}
		}
		if covered > most {
			most, gid = covered, sfnt.GlyphIndex(g)
		}
	}
	return gid, true
}
