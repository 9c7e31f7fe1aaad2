package pades

import (
	"encoding/binary"
	"slices"
	"strconv"

	"golang.org/x/image/font/sfnt"
)

// cffGlyphs reads the outlines of a bare CFF font (Adobe Technical Note 5176), as PDF embeds them,
// nil if it cannot be read, or if readers may draw its glyphs in another size or way.
func cffGlyphs(cff []byte) *sfnt.Font {
	if len(cff) < 4 || cff[0] != 1 || int(cff[2]) > len(cff) {
		return nil
	}
	_, rest, ok := cffIndex(cff[cff[2]:])
	if !ok {
		return nil
	}
	tops, _, ok := cffIndex(rest)
	if !ok || len(tops) != 1 {
		return nil
	}
	top, ok := cffDict(tops[0])
	if !ok {
		return nil
	}
	at := func(op int) ([][]byte, bool) {
		n := top.offset(op)
		if n <= 0 || n > len(cff) {
			return nil, false
		}
		items, _, ok := cffIndex(cff[n:])
		return items, ok
	}
	glyphs, ok := at(cffCharStrings)
	if !ok || len(glyphs) == 0 || !top.plain() {
		return nil
	}
	matrices := [][]float64{top[cffFontMatrix]}
	if fonts, ok := at(cffFontDicts); ok {
		for _, raw := range fonts {
			dict, ok := cffDict(raw)
			if !ok || !dict.plain() {
				return nil
			}
			matrices = append(matrices, dict[cffFontMatrix])
		}
	}
	if !thousandths(matrices) {
		return nil
	}
	n := uint16(len(glyphs))
	font := map[string][]byte{"CFF ": cff, "hmtx": make([]byte, 4+2*(len(glyphs)-1))}
	font["head"], font["hhea"] = make([]byte, 54), make([]byte, 36)
	binary.BigEndian.PutUint32(font["head"], 0x10000)
	binary.BigEndian.PutUint16(font["head"][18:], 1000)
	binary.BigEndian.PutUint16(font["hhea"][34:], 1)
	font["maxp"] = binary.BigEndian.AppendUint16([]byte{0, 0, 0x50, 0}, n)
	return parseGlyphs("OTTO", font)
}

// thousandths reports whether the matrices of a font, and of the fonts of which it consists, make
// an em of thousand units.
func thousandths(matrices [][]float64) bool {
	milli, one := []float64{0.001, 0, 0, 0.001, 0, 0}, []float64{1, 0, 0, 1, 0, 0}
	is := func(m, n []float64) bool { return m == nil || slices.Equal(m, n) }
	top, below := matrices[0], matrices[1:]
	other := func(n []float64) bool {
		return slices.ContainsFunc(below, func(m []float64) bool { return !is(m, n) })
	}
	if is(top, milli) && !other(one) {
		return true
	}
	return is(top, one) && len(below) > 0 && !other(milli) &&
		!slices.ContainsFunc(below, func(m []float64) bool { return m == nil })
}

// cffIndex reads an INDEX.
func cffIndex(b []byte) (items [][]byte, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	if n == 0 {
		return nil, b[2:], true
	}
	if len(b) < 3 || b[2] < 1 || b[2] > 4 || len(b) < 3+(n+1)*int(b[2]) {
		return nil, nil, false
	}
	size := int(b[2])
	data := b[3+(n+1)*size-1:]
	at := func(i int) int { return number(b[3+i*size : 3+(i+1)*size]) }
	for i := range n {
		if at(i) < 1 || at(i) > at(i+1) || at(i+1) > len(data) {
			return nil, nil, false
		}
		items = append(items, data[at(i):at(i+1)])
	}
	return items, data[at(n):], true
}

// dict is a DICT: operands by operator, those of two bytes from 1200 on.
type dict map[int][]float64

// Operators of a Top DICT and of those that it consists of.
const (
	cffCharStrings    = 17
	cffPaintType      = 1205
	cffCharstringType = 1206
	cffFontMatrix     = 1207
	cffSynthetic      = 1220
	cffFontDicts      = 1236
)

func (d dict) offset(op int) int {
	if v := d[op]; len(v) == 1 {
		return int(v[0])
	}
	return 0
}

// plain reports whether glyphs are filled outlines of Type 2.
func (d dict) plain() bool {
	_, synthetic := d[cffSynthetic]
	_, kind := d[cffCharstringType]
	return !synthetic && d.offset(cffPaintType) == 0 && (!kind || d.offset(cffCharstringType) == 2)
}

// cffDict reads a DICT. One that has an operator twice is refused.
func cffDict(b []byte) (dict, bool) {
	d := make(dict)
	operands := []float64{}
	for len(b) > 0 {
		c, n := int(b[0]), 1
		switch {
		case c <= 21:
			if c == 12 {
				if len(b) < 2 {
					return nil, false
				}
				c, n = 1200+int(b[1]), 2
			}
			if _, twice := d[c]; twice {
				return nil, false
			}
			d[c], operands = operands, []float64{}
		case c == 28 && len(b) >= 3:
			operands, n = append(operands, float64(int16(binary.BigEndian.Uint16(b[1:])))), 3
		case c == 29 && len(b) >= 5:
			operands, n = append(operands, float64(int32(binary.BigEndian.Uint32(b[1:])))), 5
		case c == 30:
			v, size, ok := cffReal(b[1:])
			if !ok {
				return nil, false
			}
			operands, n = append(operands, v), 1+size
		case c >= 32 && c <= 246:
			operands = append(operands, float64(c-139))
		case c >= 247 && c <= 250 && len(b) >= 2:
			operands, n = append(operands, float64((c-247)*256+int(b[1])+108)), 2
		case c >= 251 && c <= 254 && len(b) >= 2:
			operands, n = append(operands, float64(-(c-251)*256-int(b[1])-108)), 2
		default:
			return nil, false
		}
		b = b[n:]
	}
	return d, len(operands) == 0
}

// cffReal reads a real number, in nibbles.
func cffReal(b []byte) (v float64, size int, ok bool) {
	text := ""
	for i, c := range b {
		for _, nibble := range []byte{c >> 4, c & 15} {
			if nibble == 15 {
				v, err := strconv.ParseFloat(text, 64)
				return v, i + 1, err == nil
			}
			text += []string{
				"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", ".", "E", "E-", "?", "-",
			}[nibble]
		}
	}
	return 0, 0, false
}
