package pades

import (
	"bytes"
	"encoding/binary"
	"slices"
	"strconv"

	charstring "github.com/go-text/typesetting/font/cff/interpreter"
	"github.com/go-text/typesetting/font/opentype"
)

// cffProgram is a bare CFF font (Adobe Technical Note 5176), as PDF embeds them.
type cffProgram struct {
	chars   [][]byte
	global  [][]byte
	local   [][][]byte // of each font that it consists of
	fonts   []byte     // of each glyph, nil if there is one font
	charset []int      // the numbers of names of glyphs; nil if it has none, or those of experts
	scale   matrix
}

// cffGlyphs reads the outlines of a font, nil if it cannot be read, or if readers may draw its
// glyphs in another size or way.
func cffGlyphs(cff []byte) *cffProgram {
	if len(cff) < 4 || cff[0] != 1 || int(cff[2]) > len(cff) {
		return nil
	}
	_, rest, ok := cffIndex(cff[cff[2]:])
	if !ok {
		return nil
	}
	tops, rest, ok := cffIndex(rest)
	if !ok || len(tops) != 1 {
		return nil
	}
	top, ok := cffDict(tops[0])
	if !ok || !top.plain() {
		return nil
	}
	at := func(op int) ([][]byte, bool) { return cffIndexAt(cff, top.offset(op)) }
	f := &cffProgram{}
	if _, rest, ok = cffIndex(rest); ok { // names
		f.global, _, ok = cffIndex(rest)
	}
	if !ok {
		return nil
	}
	if f.chars, ok = at(cffCharStrings); !ok || len(f.chars) == 0 {
		return nil
	}
	f.scale = matrix{0.001, 0, 0, 0.001, 0, 0}
	matrices := [][]float64{top[cffFontMatrix]}
	dicts := []dict{top}
	if fonts, ok := at(cffFontDicts); ok {
		dicts = nil
		for _, raw := range fonts {
			dict, ok := cffDict(raw)
			if !ok || !dict.plain() {
				return nil
			}
			dicts = append(dicts, dict)
			matrices = append(matrices, dict[cffFontMatrix])
		}
		if f.fonts = cffSelect(cff, top.offset(cffFontSelect), len(f.chars)); f.fonts == nil {
			return nil
		}
		if !thousandths(matrices) {
			return nil
		}
	} else {
		if m := top[cffFontMatrix]; m != nil {
			if f.scale, ok = glyphMatrix(m); !ok {
				return nil
			}
		}
		f.charset = cffCharset(cff, top.offset(cffCharsetOffset), len(f.chars))
	}
	for _, d := range dicts {
		local, ok := cffSubrs(cff, d)
		if !ok {
			return nil
		}
		f.local = append(f.local, local)
	}
	return f
}

// cffIndexAt reads the INDEX at an offset.
func cffIndexAt(cff []byte, n int) ([][]byte, bool) {
	if n <= 0 || n > len(cff) {
		return nil, false
	}
	items, _, ok := cffIndex(cff[n:])
	return items, ok
}

// cffSubrs reads the subroutines of a font.
func cffSubrs(cff []byte, d dict) ([][]byte, bool) {
	place := d[cffPrivate]
	if place == nil {
		return nil, true
	}
	if len(place) != 2 {
		return nil, false
	}
	size, start := int(place[0]), int(place[1])
	if min(size, start) < 0 || start > len(cff) || size > len(cff)-start {
		return nil, false
	}
	private, ok := cffDict(cff[start : start+size])
	if !ok {
		return nil, false
	}
	if private[cffLocal] == nil {
		return nil, true
	}
	return cffIndexAt(cff[start:], private.offset(cffLocal))
}

// cffSelect reads which font each glyph is of, nil if it cannot be read.
func cffSelect(cff []byte, n, glyphs int) []byte {
	if n <= 0 || n >= len(cff) {
		return nil
	}
	b := cff[n+1:]
	switch cff[n] {
	case 0:
		if len(b) >= glyphs {
			return b[:glyphs]
		}
	case 3:
		if len(b) < 2 {
			return nil
		}
		ranges := int(binary.BigEndian.Uint16(b))
		if b = b[2:]; len(b) < 3*ranges+2 {
			return nil
		}
		fonts := make([]byte, 0, glyphs)
		for ; ranges > 0; ranges, b = ranges-1, b[3:] {
			from, until := int(binary.BigEndian.Uint16(b)), int(binary.BigEndian.Uint16(b[3:]))
			if from != len(fonts) || until <= from || until > glyphs {
				return nil
			}
			fonts = append(fonts, bytes.Repeat(b[2:3], until-from)...)
		}
		if len(fonts) == glyphs {
			return fonts
		}
	}
	return nil
}

// cffCharset reads the numbers of the names of glyphs, nil if it cannot be read.
func cffCharset(cff []byte, n, glyphs int) []int {
	if n == 0 { // ISOAdobe
		charset := make([]int, glyphs)
		for i := range charset {
			charset[i] = i
		}
		return charset
	}
	if n < 3 || n >= len(cff) {
		return nil
	}
	charset, format, b := make([]int, 1, glyphs), int(cff[n]), cff[n+1:]
	for len(charset) < glyphs {
		if format > 2 || len(b) < 2+format {
			return nil
		}
		first := int(binary.BigEndian.Uint16(b))
		more := number(b[2 : 2+format]) // none, one or two bytes
		for i := 0; i <= more && len(charset) < glyphs; i++ {
			charset = append(charset, first+i)
		}
		b = b[2+format:]
	}
	return charset
}

func (f *cffProgram) glyphs() int { return len(f.chars) }

func (f *cffProgram) outline(gid int, work *int) ([][]point, bool) {
	own, accent, ok := f.run(gid, work)
	if ok {
		own, ok = composed(own, accent, func(code int) ([]opentype.Segment, bool) {
			gid := slices.Index(f.charset, standardName(code))
			if *work -= len(f.charset); gid <= 0 {
				return nil, false
			}
			part, accent, ok := f.run(gid, work)
			return part, ok && accent == nil
		})
	}
	return flattened(own, f.scale), ok
}

// standardName returns the number of the name that a code of the standard encoding has: of letters
// and accents.
func standardName(code int) int {
	switch {
	case code >= 'A' && code <= 'Z', code >= 'a' && code <= 'z':
		return code - 31
	case code >= 193 && code <= 200:
		return code - 69
	case code >= 202 && code <= 203:
		return code - 70
	case code >= 205 && code <= 207:
		return code - 71
	case code == 245: // dotlessi
		return 145
	}
	return -1
}

// run runs the charstring of a glyph.
func (f *cffProgram) run(gid int, work *int) ([]opentype.Segment, []float64, bool) {
	font := 0
	if f.fonts != nil && gid < len(f.fonts) {
		font = int(f.fonts[gid])
	}
	if gid >= len(f.chars) || font >= len(f.local) {
		return nil, nil, false
	}
	var m charstring.Machine
	g := &type2{glyphReader: glyphReader{work: work}}
	segments, err := g.result(m.Run(f.chars[gid], f.local[font], f.global, g))
	return segments, g.accent, err == nil
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

// Operators of a Top DICT, of those that it consists of, and of a Private DICT.
const (
	cffCharsetOffset  = 15
	cffCharStrings    = 17
	cffPrivate        = 18
	cffLocal          = 19
	cffPaintType      = 1205
	cffCharstringType = 1206
	cffFontMatrix     = 1207
	cffSynthetic      = 1220
	cffFontDicts      = 1236
	cffFontSelect     = 1237
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
