package pades

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"

	otfont "github.com/go-text/typesetting/font"

	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
)

// Face is a TrueType font that can be subset and embedded.
type Face struct {
	name   string // PostScript name
	font   *sfnt.Font
	tables map[string][]byte
	em     int // units per em
	loca   []uint32
	hmtx   int // number of full horizontal metrics
	shaper *otfont.Face
}

// ParseFace reads a TrueType font with glyf outlines. name is its PostScript
// name. The bytes are kept and must not change.
func ParseFace(name string, ttf []byte) (*Face, error) {
	font, err := sfnt.Parse(ttf)
	if err != nil {
		return nil, fmt.Errorf("pades: font %s: %w", name, err)
	}
	f := &Face{name: name, font: font, em: int(font.UnitsPerEm())}
	bad := fmt.Errorf("pades: font %s is damaged or has no TrueType outlines", name)
	if f.tables = tablesOf(ttf); f.tables == nil {
		return nil, bad
	}
	for table, least := range map[string]int{
		"head": 54, "hhea": 36, "maxp": 32, "hmtx": 4, "loca": 4, "glyf": 1,
	} {
		if len(f.tables[table]) < least {
			return nil, bad
		}
	}
	glyphs := int(binary.BigEndian.Uint16(f.tables["maxp"][4:]))
	f.hmtx = int(binary.BigEndian.Uint16(f.tables["hhea"][34:]))
	if f.hmtx == 0 || len(f.tables["hmtx"]) < 4*f.hmtx+2*(glyphs-f.hmtx) {
		return nil, bad
	}
	loca, long := f.tables["loca"], binary.BigEndian.Uint16(f.tables["head"][50:]) == 1
	for i := range glyphs + 1 {
		var at uint32
		switch {
		case long && len(loca) >= 4*i+4:
			at = binary.BigEndian.Uint32(loca[4*i:])
		case !long && len(loca) >= 2*i+2:
			at = 2 * uint32(binary.BigEndian.Uint16(loca[2*i:]))
		default:
			return nil, bad
		}
		if at > uint32(len(f.tables["glyf"])) || i > 0 && at < f.loca[i-1] {
			return nil, bad
		}
		f.loca = append(f.loca, at)
	}
	// The shaper works with numbers of glyphs and needs no outlines.
	rest := maps.Clone(f.tables)
	delete(rest, "glyf")
	delete(rest, "loca")
	if f.shaper, err = otfont.ParseTTF(bytes.NewReader(assemble(rest))); err != nil {
		return nil, fmt.Errorf("pades: font %s: %w", name, err)
	}
	return f, nil
}

// glyph returns the glyph of a character; ok is false if the face has none.
func (f *Face) glyph(r rune) (gid uint16, ok bool) {
	var buf sfnt.Buffer
	g, err := f.font.GlyphIndex(&buf, r)
	return uint16(g), err == nil && g != 0
}

// metric returns advance and left side bearing in font units.
func (f *Face) metric(gid uint16) (advance uint16, bearing [2]byte) {
	h := f.tables["hmtx"]
	i := int(gid)
	if i < f.hmtx {
		return binary.BigEndian.Uint16(h[4*i:]), [2]byte(h[4*i+2:])
	}
	return binary.BigEndian.Uint16(h[4*(f.hmtx-1):]), [2]byte(h[4*f.hmtx+2*(i-f.hmtx):])
}

// extent returns the lowest and highest y of a glyph in font units, 0 and 0 for a space.
func (f *Face) extent(gid uint16) (low, high int) {
	g := f.outline(gid)
	if len(g) < 10 {
		return 0, 0
	}
	return int(int16(binary.BigEndian.Uint16(g[4:]))), int(int16(binary.BigEndian.Uint16(g[8:])))
}

// outline returns the glyph's data in the glyf table, empty for a space.
func (f *Face) outline(gid uint16) []byte {
	if int(gid)+1 >= len(f.loca) {
		return nil
	}
	return f.tables["glyf"][f.loca[gid]:f.loca[gid+1]]
}

// descriptor returns the metrics of a PDF font descriptor, in thousandths of an em.
func (f *Face) descriptor() (box [4]int, ascent, descent, capHeight int, err error) {
	var buf sfnt.Buffer
	m, err := f.font.Metrics(&buf, fixed.I(1000), 0)
	if err != nil {
		return box, 0, 0, 0, err
	}
	b, err := f.font.Bounds(&buf, fixed.I(1000), 0)
	if err != nil {
		return box, 0, 0, 0, err
	}
	// sfnt's y axis points down.
	box = [4]int{b.Min.X.Floor(), -b.Max.Y.Ceil(), b.Max.X.Ceil(), -b.Min.Y.Floor()}
	return box, m.Ascent.Round(), -m.Descent.Round(), m.CapHeight.Round(), nil
}

var errOutline = errors.New("pades: damaged glyph")
