package pades

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// subset collects the glyphs that are used of one face. Every piece of text that is drawn as a
// unit, usually one character, gets its own glyph, in order of appearance. So ToUnicode can name
// each, also if a font draws two alike or if several outlines make one syllable.
type subset struct {
	face   *Face
	cids   map[string]uint16 // by the whole contents of a glyph
	glyphs []glyph           // by CID-1; CID 0 is .notdef
}

// glyph is a unit of text with its drawing: one outline of the face, or several, placed beside and
// over each other. Numbers are in font units.
type glyph struct {
	text    string
	parts   []part
	advance uint16
}

type part struct {
	gid    uint16
	dx, dy int16
}

// simple reports whether the glyph is a single, unmoved glyph of the face.
func (g glyph) simple() bool {
	return len(g.parts) == 1 && g.parts[0].dx == 0 && g.parts[0].dy == 0
}

func newSubset(f *Face) *subset { return &subset{face: f, cids: make(map[string]uint16)} }

// cid returns the number of a glyph in the subset.
func (s *subset) cid(g glyph) uint16 {
	key := fmt.Sprint(g)
	if c, ok := s.cids[key]; ok {
		return c
	}
	s.glyphs = append(s.glyphs, g)
	c := uint16(len(s.glyphs))
	s.cids[key] = c
	return c
}

// single returns the glyph of one character that the face has.
func (f *Face) single(r rune) glyph {
	gid, _ := f.glyph(r)
	advance, _ := f.metric(gid)
	return glyph{text: string(r), parts: []part{{gid: gid}}, advance: advance}
}

// Flags of a component of a composite glyph (OpenType, glyf).
const (
	argsAreWords    = 0x0001
	argsAreXY       = 0x0002
	haveScale       = 0x0008
	moreComponents  = 0x0020
	haveXYScale     = 0x0040
	haveTwoByTwo    = 0x0080
	haveInstruction = 0x0100
)

// componentSize returns the number of bytes of a component, by its flags.
func componentSize(flags uint16) int {
	size := 6
	if flags&argsAreWords != 0 {
		size += 2
	}
	switch {
	case flags&haveScale != 0:
		size += 2
	case flags&haveXYScale != 0:
		size += 4
	case flags&haveTwoByTwo != 0:
		size += 8
	}
	return size
}

// font returns the subset as a TrueType file, and the widths of all its glyphs in thousandths of an
// em. It omits hinting, which viewers do not need at these sizes and which is half of a font.
func (s *subset) font() (ttf []byte, widths []float64, err error) {
	const made = 0xffff // not a glyph of the face: it has fewer
	old := []uint16{0}
	elements, depth := 0, 0
	for _, g := range s.glyphs {
		if g.simple() {
			old = append(old, g.parts[0].gid)
			continue
		}
		old = append(old, made)
		elements, depth = max(elements, len(g.parts)), 1
	}
	var outlines [][]byte
	for i := 0; i < len(old); i++ { // compositions append their components
		var g []byte
		if old[i] == made {
			g = s.compose(s.glyphs[i-1], &old)
		} else if g, err = s.strip(old[i], &old); err != nil {
			return nil, nil, err
		}
		outlines = append(outlines, g)
	}
	var glyf, loca, hmtx []byte
	for i, g := range outlines {
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = append(glyf, g...)
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
		var advance uint16
		var bearing [2]byte
		if old[i] == made {
			copy(bearing[:], g[min(2, len(g)):]) // xMin
		} else {
			advance, bearing = s.face.metric(old[i])
		}
		if i > 0 && i <= len(s.glyphs) {
			advance = s.glyphs[i-1].advance
		}
		hmtx = binary.BigEndian.AppendUint16(hmtx, advance)
		hmtx = append(hmtx, bearing[:]...)
		widths = append(widths, float64(advance)*1000/float64(s.face.em))
	}
	loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
	if len(glyf) == 0 {
		glyf = make([]byte, 4) // some readers refuse an empty table
	}

	head := bytes.Clone(s.face.tables["head"])
	binary.BigEndian.PutUint32(head[8:], 0)  // checkSumAdjustment, below
	binary.BigEndian.PutUint16(head[50:], 1) // long loca
	hhea := bytes.Clone(s.face.tables["hhea"])
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(outlines)))
	maxp := bytes.Clone(s.face.tables["maxp"])
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(outlines)))
	if elements > 0 {
		// What a rasterizer reserves for one composite: points, contours, parts, nesting.
		get := func(at int) int { return int(binary.BigEndian.Uint16(maxp[at:])) }
		set := func(at, v int) {
			v = min(max(v, get(at)), math.MaxUint16)
			binary.BigEndian.PutUint16(maxp[at:], uint16(v))
		}
		set(10, elements*max(get(6), get(10)))
		set(12, elements*max(get(8), get(12)))
		set(28, elements)
		set(30, depth+get(30))
	}
	return assemble(
		map[string][]byte{
			"glyf": glyf, "head": head, "hhea": hhea, "hmtx": hmtx, "loca": loca, "maxp": maxp,
		},
	), widths, nil
}

// compose returns a composite glyph of several outlines. Components are
// renumbered; new ones are appended to old.
func (s *subset) compose(g glyph, old *[]uint16) []byte {
	var body []byte
	first := true
	var box [4]int // xMin, yMin, xMax, yMax
	drawn := slices.DeleteFunc(
		slices.Clone(g.parts), func(p part) bool { return len(s.face.outline(p.gid)) < 10 },
	)
	for n, p := range drawn {
		outline := s.face.outline(p.gid)
		for i, d := range [4]int16{p.dx, p.dy, p.dx, p.dy} {
			v := int(int16(binary.BigEndian.Uint16(outline[2+2*i:]))) + int(d)
			if first || i < 2 && v < box[i] || i >= 2 && v > box[i] {
				box[i] = v
			}
		}
		first = false
		i := slices.Index(*old, p.gid)
		if i < 0 {
			i = len(*old)
			*old = append(*old, p.gid)
		}
		flags := uint16(argsAreWords | argsAreXY)
		if n < len(drawn)-1 {
			flags |= moreComponents
		}
		for _, v := range []uint16{flags, uint16(i), uint16(p.dx), uint16(p.dy)} {
			body = binary.BigEndian.AppendUint16(body, v)
		}
	}
	if len(body) == 0 {
		return nil
	}
	head := []byte{0xff, 0xff} // -1: composite
	for _, v := range box {
		head = binary.BigEndian.AppendUint16(head, uint16(int16(v)))
	}
	return append(head, body...)
}

// strip returns a glyph without instructions. Components are renumbered; new
// ones are appended to old.
func (s *subset) strip(gid uint16, old *[]uint16) ([]byte, error) {
	g := s.face.outline(gid)
	if len(g) == 0 {
		return nil, nil
	}
	if len(g) < 12 {
		return nil, errOutline
	}
	contours := int(int16(binary.BigEndian.Uint16(g)))
	if contours >= 0 {
		at := 10 + 2*contours
		if len(g) < at+2 {
			return nil, errOutline
		}
		n := int(binary.BigEndian.Uint16(g[at:]))
		if len(g) < at+2+n {
			return nil, errOutline
		}
		return append(append(bytes.Clone(g[:at]), 0, 0), g[at+2+n:]...), nil
	}
	out := bytes.Clone(g[:10])
	for at := 10; ; {
		if len(g) < at+4 {
			return nil, errOutline
		}
		flags, part := binary.BigEndian.Uint16(g[at:]), binary.BigEndian.Uint16(g[at+2:])
		size := componentSize(flags)
		if len(g) < at+size {
			return nil, errOutline
		}
		i := slices.Index(*old, part)
		if i < 0 {
			i = len(*old)
			*old = append(*old, part)
		}
		out = binary.BigEndian.AppendUint16(out, flags&^haveInstruction)
		out = binary.BigEndian.AppendUint16(out, uint16(i))
		out = append(out, g[at+4:at+size]...)
		at += size
		if flags&moreComponents == 0 {
			return out, nil
		}
	}
}

// assemble writes a TrueType file: table directory with checksums, then the
// tables in the order of their tags.
func assemble(tables map[string][]byte) []byte {
	tags := make([]string, 0, len(tables))
	for t := range tables {
		tags = append(tags, t)
	}
	slices.Sort(tags)
	power := 1
	log := 0
	for power*2 <= len(tags) {
		power, log = power*2, log+1
	}
	out := []byte{0, 1, 0, 0}
	for _, v := range []int{len(tags), power * 16, log, len(tags)*16 - power*16} {
		out = binary.BigEndian.AppendUint16(out, uint16(v))
	}
	var body []byte
	base := 12 + 16*len(tags)
	headAt := 0
	for _, t := range tags {
		data := tables[t]
		if t == "head" {
			headAt = base + len(body)
		}
		out = append(out, t...)
		out = binary.BigEndian.AppendUint32(out, checksum(data))
		out = binary.BigEndian.AppendUint32(out, uint32(base+len(body)))
		out = binary.BigEndian.AppendUint32(out, uint32(len(data)))
		body = append(body, data...)
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
	}
	out = append(out, body...)
	binary.BigEndian.PutUint32(out[headAt+8:], 0xb1b0afba-checksum(out))
	return out
}

func checksum(b []byte) (sum uint32) {
	for ; len(b) >= 4; b = b[4:] {
		sum += binary.BigEndian.Uint32(b)
	}
	if len(b) > 0 {
		var last [4]byte
		copy(last[:], b)
		sum += binary.BigEndian.Uint32(last[:])
	}
	return sum
}
