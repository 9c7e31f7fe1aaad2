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
// codes of such fonts, and for CFF and Type 1 fonts, the glyph that covers most, because readers
// differ in which they choose; for text fonts that are not embedded those of a font of ours. Where
// nothing is known, a glyph covers everything.
type shapes struct {
	font outlines
	// glyph returns the number of the glyph for a code, or ok is false if it covers its whole box.
	glyph func(code []byte) (gid int, ok bool)
	box   pdf.Rect // of such glyphs, in ems; empty if they may be of any size
	paths map[int][][]point
	left  int // of maxGlyphWork
}

// outlines are a font program.
type outlines interface {
	glyphs() int
	// outline returns an outline in ems. ok is false if it is not known, or if it takes more work
	// than is left: operators, operands and points.
	outline(gid int, work *int) (path [][]point, ok bool)
}

// maxGlyphWork bounds the work for the outlines of a font.
const maxGlyphWork = 1 << 19

// outline returns what a glyph covers, in ems. Comparisons of glyphs count as tests.
func (f *paintFont) outline(d *pdf.Document, code []byte, tests *int) ([][]point, error) {
	if f.shapes == nil {
		s, err := f.readShapes(d, tests)
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
func (f *paintFont) readShapes(d *pdf.Document, tests *int) (*shapes, error) {
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
	s := &shapes{left: maxGlyphWork}
	if descriptor.Get("FontFile2").IsNull() {
		if cff := cffGlyphs(data); cff != nil {
			s.font = cff
		} else if type1 := type1Glyphs(data); type1 != nil {
			s.font = type1
		} else {
			return s, nil
		}
		s.chooseDensest(tests)
		return s, nil
	}
	truetype := glyphsOf(data)
	if truetype == nil {
		return s, nil
	}
	s.font = truetype
	toGID, err := d.Get(font, "CIDToGIDMap")
	if err != nil {
		return nil, err
	}
	if f.width == 2 && !f.unicode && font.Get("Subtype").Name() == "CIDFontType2" &&
		(toGID.IsNull() || toGID.Name() == "Identity") {
		s.glyph = func(code []byte) (int, bool) {
			return number(code), len(code) == 2
		}
		return s, nil
	}
	if f.width == 2 && !f.unicode && toGID.Kind() == pdf.Stream {
		list, err := d.Decode(toGID)
		if err != nil {
			return nil, err
		}
		s.glyph = func(code []byte) (int, bool) {
			n := 2 * number(code)
			if len(code) != 2 || n+2 > len(list) {
				return 0, false
			}
			return number(list[n : n+2]), true
		}
		return s, nil
	}
	s.chooseDensest(tests)
	return s, nil
}

// chooseDensest lets the densest glyph stand for all.
func (s *shapes) chooseDensest(tests *int) {
	if gid, ok := s.densest(tests); ok {
		s.glyph = func([]byte) (int, bool) { return gid, true }
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
	s.font, s.left = &trueType{font: face.font}, maxGlyphWork
	dense, _ := face.glyph('M')
	s.glyph = func(code []byte) (int, bool) {
		r := []rune(f.decode(code))[0]
		if r == unicode.ReplacementChar && len(code) == 1 && code[0] > '~' && !f.named[code[0]] {
			return int(dense), true // a letter or sign of the encoding
		}
		if gid, ok := face.glyph(r); ok && r < '\u2190' {
			return int(gid), true
		}
		letter := unicode.In(r, unicode.L, unicode.M, unicode.N, unicode.P, unicode.Z)
		return int(dense), letter
	}
	return s, nil
}

// trueType is a TrueType font.
type trueType struct {
	font       *sfnt.Font
	buf        sfnt.Buffer
	loca, glyf []byte      // nil in a font of ours
	long       bool        // offsets have four bytes
	sizes      map[int]int // of glyphs
}

// glyphsOf reads the outlines of an embedded TrueType font, nil if it cannot be read. Tables for
// text are often absent, and are not used here.
func glyphsOf(ttf []byte) *trueType {
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
	t := &trueType{loca: kept["loca"], glyf: kept["glyf"], sizes: make(map[int]int)}
	t.long = binary.BigEndian.Uint16(kept["head"][50:]) != 0
	kept["cmap"] = []byte{
		0, 0, 0, 1, 0, 3, 0, 1, 0, 0, 0, 12,
		0, 4, 0, 24, 0, 0, 0, 2, 0, 2, 0, 0, 0, 0, 255, 255, 0, 0, 255, 255, 0, 1, 0, 0,
	}
	kept["post"] = append([]byte{0, 3, 0, 0}, make([]byte, 28)...)
	file := assemble(kept)
	copy(file, "\x00\x01\x00\x00")
	font, err := sfnt.Parse(file)
	if err != nil {
		return nil
	}
	t.font = font
	return t
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

// path returns an outline in ems. It covers everything if it is not known.
func (s *shapes) path(gid int) (path [][]point) {
	if path, ok := s.paths[gid]; ok {
		return path
	}
	path, ok := s.font.outline(gid, &s.left)
	if !ok {
		path = everywhere()
	}
	if s.paths == nil {
		s.paths = make(map[int][][]point)
	}
	s.paths[gid] = path
	return path
}

func (t *trueType) glyphs() int { return t.font.NumGlyphs() }

func (t *trueType) outline(gid int, work *int) (path [][]point, ok bool) {
	if t.glyf != nil {
		if *work -= t.size(gid, 0); *work < 0 {
			return nil, false
		}
	}
	const em = 1000
	segments, err := t.font.LoadGlyph(&t.buf, sfnt.GlyphIndex(gid), fixed.I(em), nil)
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
		toward := func(p point) point { return point{(p.x + 2*b.x) / 3, (p.y + 2*b.y) / 3} }
		*sub = bend(*sub, toward(a), toward(c), c, glyphSteps)
	}
	return path, err == nil
}

// glyphSteps is the number of lines that a curve of a glyph becomes.
const glyphSteps = 4

// size returns the number of points and parts of a glyph, with those of its parts. Parts of parts
// can be so many that they do not fit into memory; more than maxGlyphWork do not count.
func (t *trueType) size(gid, depth int) (n int) {
	if n, ok := t.sizes[gid]; ok {
		return n
	}
	const (
		tooMany  = maxGlyphWork + 1
		maxDepth = 8
	)
	if depth == maxDepth {
		return tooMany
	}
	t.sizes[gid] = tooMany // if it is a part of itself
	data := t.data(gid)
	if len(data) < 12 {
		n = 1
	} else if contours := int(int16(binary.BigEndian.Uint16(data))); contours >= 0 {
		n = 1 + contours
		if last := 10 + 2*(contours-1); contours > 0 && last+2 <= len(data) {
			n += glyphSteps * (1 + int(binary.BigEndian.Uint16(data[last:])))
		}
	} else {
		data = data[10:]
		for more := true; more && len(data) >= 4 && n < tooMany; {
			flags := binary.BigEndian.Uint16(data)
			more = flags&moreComponents != 0
			n += 1 + t.size(int(binary.BigEndian.Uint16(data[2:])), depth+1)
			data = data[min(componentSize(flags), len(data)):]
		}
	}
	n = min(n, tooMany)
	t.sizes[gid] = n
	return n
}

// data returns the description of a glyph.
func (t *trueType) data(gid int) []byte {
	at := func(i int) int {
		if t.long {
			return number(t.loca[4*i : 4*i+4])
		}
		return 2 * number(t.loca[2*i:2*i+2])
	}
	width := 2
	if t.long {
		width = 4
	}
	if (gid+2)*width > len(t.loca) {
		return nil
	}
	from, until := at(gid), at(gid+1)
	if from > until || until > len(t.glyf) {
		return nil
	}
	return t.glyf[from:until]
}

// bend adds a cubic curve, as lines.
func bend(sub []point, b, c, d point, steps int) []point {
	a := sub[len(sub)-1]
	for i := 1; i <= steps; i++ {
		t := float64(i) / float64(steps)
		u := 1 - t
		k, l, m, n := u*u*u, 3*u*u*t, 3*u*t*t, t*t*t
		sub = append(sub, point{
			k*a.x + l*b.x + m*c.x + n*d.x, k*a.y + l*b.y + m*c.y + n*d.y,
		})
	}
	return sub
}

// maxGlyphs bounds the glyphs among which the densest is looked for.
const maxGlyphs = 2048

// densest returns the glyph that covers most. ok is false if there are too many, or if one is
// larger than letters are, or a block.
func (s *shapes) densest(tests *int) (gid int, ok bool) {
	n := s.font.glyphs()
	if n > maxGlyphs {
		return 0, false
	}
	most := -1
	for g := range n {
		covered, letter := density(s.path(g), tests)
		if !letter || *tests < 0 {
			return 0, false
		}
		if covered > most {
			most, gid = covered, g
		}
	}
	return gid, true
}

// density returns how many cells of a grid over a glyph it covers, and whether it may be a letter.
func density(path [][]point, tests *int) (covered int, letter bool) {
	if r := boundsOf(path, 0); r.X1 < -1 || r.Y1 < -1 || r.X2 > 2.5 || r.Y2 > 2 {
		return 0, false
	}
	const (
		cells = 16 // in a square of 1.4 ems
		block = 4
	)
	var runs [cells + 1][cells + 1]int // the side of the largest block that ends here
	for j := 1; j <= cells; j++ {
		y := -0.3 + 1.4*float64(j)/cells
		var winding [cells + 1]int
		for _, sub := range path {
			*tests -= 1 + len(sub)/runLength
			for i, p := range sub {
				q := sub[(i+1)%len(sub)]
				if (p.y <= y) == (q.y <= y) {
					continue
				}
				x := p.x + (y-p.y)/(q.y-p.y)*(q.x-p.x)
				turn := 1
				if p.y > y {
					turn = -1
				}
				for i := 1; i <= cells && -0.2+1.4*float64(i)/cells < x; i++ {
					winding[i] += turn
				}
			}
		}
		for i := 1; i <= cells; i++ {
			if winding[i] == 0 {
				continue
			}
			covered++
			runs[i][j] = 1 + min(runs[i-1][j], runs[i][j-1], runs[i-1][j-1])
			if runs[i][j] == block {
				return 0, false
			}
		}
	}
	return covered, true
}
