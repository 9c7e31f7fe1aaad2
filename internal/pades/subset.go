package pades

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// subset collects the characters that one face has to show. Every character
// gets a glyph number of its own, in order of appearance, so that ToUnicode can
// name each, also where a font draws two alike and where it has none.
type subset struct {
	face  *Face
	cids  map[rune]uint16
	runes []rune   // by CID-1; CID 0 is .notdef
	old   []uint16 // glyph in the face, by CID-1
}

func newSubset(f *Face) *subset { return &subset{face: f, cids: make(map[rune]uint16)} }

// cid returns the glyph number of r in the subset. A character that the face
// lacks is drawn like .notdef, the hollow box, but is not .notdef, which PDF/A
// forbids to show; and a reader that copies the text gets the character.
func (s *subset) cid(r rune) uint16 {
	if c, ok := s.cids[r]; ok {
		return c
	}
	gid, ok := s.face.glyph(r)
	if !ok {
		gid = 0
	}
	s.runes = append(s.runes, r)
	s.old = append(s.old, gid)
	c := uint16(len(s.runes))
	s.cids[r] = c
	return c
}

// Flags of a component of a composite glyph (OpenType, glyf).
const (
	argsAreWords    = 0x0001
	haveScale       = 0x0008
	moreComponents  = 0x0020
	haveXYScale     = 0x0040
	haveTwoByTwo    = 0x0080
	haveInstruction = 0x0100
)

// font returns the subset as a TrueType file and the widths of its glyphs, all
// of them, in thousandths of an em. Hinting is left out: no viewer needs it at
// these sizes, and its programs are half of the font.
func (s *subset) font() (ttf []byte, widths []float64, err error) {
	old := append([]uint16{0}, s.old...)
	var glyphs [][]byte
	for i := 0; i < len(old); i++ { // grows by the components of composites
		g, err := s.strip(old[i], &old)
		if err != nil {
			return nil, nil, err
		}
		glyphs = append(glyphs, g)
	}
	var glyf, loca, hmtx []byte
	for i, g := range glyphs {
		loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
		glyf = append(glyf, g...)
		for len(glyf)%4 != 0 {
			glyf = append(glyf, 0)
		}
		advance, bearing := s.face.metric(old[i])
		hmtx = binary.BigEndian.AppendUint16(hmtx, advance)
		hmtx = append(hmtx, bearing[:]...)
		widths = append(widths, s.face.width(old[i]))
	}
	loca = binary.BigEndian.AppendUint32(loca, uint32(len(glyf)))
	if len(glyf) == 0 {
		glyf = make([]byte, 4) // an empty table is refused by some readers
	}

	head := bytes.Clone(s.face.tables["head"])
	binary.BigEndian.PutUint32(head[8:], 0)  // checkSumAdjustment, below
	binary.BigEndian.PutUint16(head[50:], 1) // long loca
	hhea := bytes.Clone(s.face.tables["hhea"])
	binary.BigEndian.PutUint16(hhea[34:], uint16(len(glyphs)))
	maxp := bytes.Clone(s.face.tables["maxp"])
	binary.BigEndian.PutUint16(maxp[4:], uint16(len(glyphs)))
	return assemble(map[string][]byte{"glyf": glyf, "head": head, "hhea": hhea, "hmtx": hmtx, "loca": loca, "maxp": maxp}), widths, nil
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
