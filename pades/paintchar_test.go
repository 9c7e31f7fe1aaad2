package pades

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"image"
	_ "image/png"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// charOperators are the names of operators of Type 1 and Type 2 charstrings.
var charOperators = map[string]string{
	"hstem": "\x01", "vstem": "\x03", "vmoveto": "\x04", "rlineto": "\x05", "hlineto": "\x06",
	"vlineto": "\x07", "rrcurveto": "\x08", "closepath": "\x09", "callsubr": "\x0a",
	"return": "\x0b", "hsbw": "\x0d", "endchar": "\x0e", "hstemhm": "\x12", "hintmask": "\x13",
	"rmoveto": "\x15", "hmoveto": "\x16", "vstemhm": "\x17", "rcurveline": "\x18", "rlinecurve": "\x19",
	"vvcurveto": "\x1a", "hhcurveto": "\x1b", "callgsubr": "\x1d", "vhcurveto": "\x1e",
	"hvcurveto": "\x1f", "dotsection": "\x0c\x00", "seac": "\x0c\x06", "sbw": "\x0c\x07",
	"div": "\x0c\x0c", "callothersubr": "\x0c\x10", "pop": "\x0c\x11", "setcurrentpoint": "\x0c\x21",
	"hflex": "\x0c\x22", "flex": "\x0c\x23", "hflex1": "\x0c\x24", "flex1": "\x0c\x25",
	"sqrt": "\x0c\x1a",
}

// charstringOf assembles a charstring. The letter x begins bytes in hexadecimal.
func charstringOf(text string, number func(int) string) (b string) {
	for word := range strings.FieldsSeq(text) {
		if op, ok := charOperators[word]; ok {
			b += op
		} else if raw, ok := strings.CutPrefix(word, "x"); ok {
			data, err := hex.DecodeString(raw)
			if err != nil {
				panic(err)
			}
			b += string(data)
		} else {
			n, err := strconv.Atoi(word)
			if err != nil {
				panic(err)
			}
			b += number(n)
		}
	}
	return b
}

// testCFF is a CFF font by its charstrings. names are the numbers of the glyphs' names.
type testCFF struct {
	matrix        string
	chars         []string
	global, local []string
	names         []int
}

func (f testCFF) String() string {
	num := func(values ...int) (b string) {
		for _, v := range values {
			b += string([]byte{28, byte(v >> 8), byte(v)})
		}
		return b
	}
	index := func(items ...string) string {
		b := string([]byte{byte(len(items) >> 8), byte(len(items))})
		if len(items) == 0 {
			return b
		}
		b += "\x02"
		at := 1
		for i := range len(items) + 1 {
			b += string([]byte{byte(at >> 8), byte(at)})
			if i < len(items) {
				at += len(items[i])
			}
		}
		return b + strings.Join(items, "")
	}
	codes := func(texts []string) (list []string) {
		for _, text := range texts {
			list = append(list, charstringOf(text, func(n int) string { return num(n) }))
		}
		return list
	}
	head := "\x01\x00\x04\x02" + index("X")
	charset := ""
	if f.names != nil {
		charset = "\x00"
		for _, n := range f.names {
			charset += string([]byte{byte(n >> 8), byte(n)})
		}
	}
	chars, private := index(codes(f.chars)...), num(4)+"\x13"
	size := 0
	if f.local != nil {
		size = len(private)
	}
	top := func(at int) string {
		b := f.matrix + num(at) + "\x11" + num(size, at+len(chars)) + "\x12"
		if f.names != nil {
			b += num(at-len(charset)) + "\x0f"
		}
		return b
	}
	rest := index() + index(codes(f.global)...) + charset
	before := head + index(top(0)) + rest
	return head + index(top(len(before))) + rest + chars + private + index(codes(f.local)...)
}

// testType1 is a Type 1 font by its charstrings, of which chars are those of names.
type testType1 struct {
	chars, subrs  []string
	clear, more   string // further entries, and what follows the glyphs
	matrix        string
	hexadecimal   bool
	encryptedFrom int // lenIV, if it is not 4
}

func (f testType1) String() string {
	encrypt := func(plain string, key uint16, random int) string {
		plain = strings.Repeat("\x00", random) + plain
		b := []byte(plain)
		for i := range b {
			b[i] ^= byte(key >> 8)
			key = (uint16(b[i])+key)*52845 + 22719
		}
		return string(b)
	}
	random, iv := 4, ""
	if f.encryptedFrom > 0 {
		random, iv = f.encryptedFrom, fmt.Sprintf("/lenIV %d def\n", f.encryptedFrom)
	}
	code := func(text string) string {
		return encrypt(charstringOf(text, func(n int) string {
			return "\xff" + string(binary.BigEndian.AppendUint32(nil, uint32(n)))
		}), 4330, random)
	}
	private := "dup /Private 8 dict dup begin\n/RD {string currentfile exch readstring pop} executeonly def\n" +
		"/ND {noaccess def} executeonly def\n/NP {noaccess put} executeonly def\n/BlueValues [] def\n" +
		"/MinFeature {16 16} def\n/password 5839 def\n" + iv
	if f.subrs != nil {
		private += fmt.Sprintf("/Subrs %d array\n", len(f.subrs))
		for i, text := range f.subrs {
			b := code(text)
			private += fmt.Sprintf("dup %d %d RD %s NP\n", i, len(b), b)
		}
		private += "ND\n"
	}
	private += fmt.Sprintf("2 index /CharStrings %d dict dup begin\n", 1+len(f.chars)/2)
	for i, list := 0, append([]string{".notdef", "0 600 hsbw endchar"}, f.chars...); i < len(list); i += 2 {
		b := code(list[i+1])
		private += fmt.Sprintf("/%s %d RD %s ND\n", list[i], len(b), b)
	}
	private += f.more + "end\nend\nreadonly put\nnoaccess put\n" +
		"dup /FontName get exch definefont pop\nmark currentfile closefile\n"
	matrix := f.matrix
	if matrix == "" {
		matrix = "0.001 0 0 0.001 0 0"
	}
	cipher := encrypt(private, 55665, 4)
	if f.hexadecimal {
		cipher = fmt.Sprintf("%x", cipher)
		for i := 64; i < len(cipher); i += 65 {
			cipher = cipher[:i] + "\n" + cipher[i:]
		}
	}
	return "%!PS-AdobeFont-1.0: X\n8 dict begin\n/FontType 1 def\n/FontMatrix [" + matrix + "] readonly def\n" +
		"/FontName /X def\n/FontBBox {0 -300 1000 1000} readonly def\n/PaintType 0 def\n" + f.clear +
		"/Encoding StandardEncoding def\ncurrentdict end\ncurrentfile eexec\n" + cipher + "\n" +
		strings.Repeat(strings.Repeat("0", 64)+"\n", 8) + "cleartomark\n"
}

// callingCFF has a glyph whose subroutines call the next ones so often that it does not come to an end.
var callingCFF = func() (f testCFF) {
	f.chars = []string{"endchar", "-107 callgsubr endchar"}
	for i := range 9 {
		f.global = append(f.global, strings.Repeat(fmt.Sprintf("%d callgsubr ", i+1-107), 200)+"return")
	}
	f.global = append(f.global, "return")
	return f
}()

// partsFont has a glyph of nine glyphs, each of which has nine parts, and so on, seven times.
func partsFont() string {
	ttf := []byte(blockFont(slices.Repeat([][4]int16{{0, 0, 1, 1}}, 7)...))
	tables := tablesOf(ttf)
	var glyf, loca []byte
	for level := range 8 {
		loca = binary.BigEndian.AppendUint16(loca, uint16(len(glyf)/2))
		if level == 7 {
			from := int(binary.BigEndian.Uint16(tables["loca"][2:])) * 2
			until := int(binary.BigEndian.Uint16(tables["loca"][4:])) * 2
			glyf = append(glyf, tables["glyf"][from:until]...)
			break
		}
		glyf = append(glyf, "\xff\xff\x00\x00\x00\x00\x00\x01\x00\x01"...)
		for part := range 9 {
			flags := uint16(0x22) // more parts, moved by
			if part == 8 {
				flags = 2
			}
			glyf = binary.BigEndian.AppendUint16(glyf, flags)
			glyf = binary.BigEndian.AppendUint16(glyf, uint16(level+1))
			glyf = append(glyf, 0, 0)
		}
	}
	loca = binary.BigEndian.AppendUint16(loca, uint16(len(glyf)/2))
	tables["glyf"], tables["loca"] = glyf, loca
	return string(assemble(tables))
}

// TestPartsAreCounted counts the points of composed glyphs before they are read.
func TestPartsAreCounted(t *testing.T) {
	font := glyphsOf([]byte(partsFont()))
	if font == nil {
		t.Fatal("the font is not read")
	}
	for gid, want := range []bool{false, false, false, true, true, true, true, true} {
		work := maxGlyphWork
		if path, ok := font.outline(gid, &work); ok != want || ok && len(path) != int(math.Pow(9, float64(7-gid))) {
			t.Errorf("glyph %d: %t, %d paths", gid, ok, len(path))
		}
	}
	loop := tablesOf([]byte(partsFont()))
	binary.BigEndian.PutUint16(loop["glyf"][12:], 0) // the first part is the glyph itself
	work := maxGlyphWork
	if _, ok := glyphsOf(assemble(loop)).outline(0, &work); ok {
		t.Error("a glyph that is a part of itself has an outline")
	}
}

// outlineOf returns the outline of a glyph.
func outlineOf(f outlines, gid int) ([][]point, bool) {
	work := maxGlyphWork
	path, ok := f.outline(gid, &work)
	return path, ok && work >= 0
}

// same reports whether two outlines have the same points.
func same(a, b [][]point) bool {
	return slices.EqualFunc(a, b, func(s, t []point) bool {
		close := func(p, q point) bool { return math.Hypot(p.x-q.x, p.y-q.y) < 1e-6 }
		for len(s) > 1 && close(s[0], s[len(s)-1]) {
			s = s[:len(s)-1]
		}
		for len(t) > 1 && close(t[0], t[len(t)-1]) {
			t = t[:len(t)-1]
		}
		return slices.EqualFunc(s, t, close)
	})
}

// TestCFFOutlines compares glyphs with the same ones in fewer kinds of operators, and refuses those
// that readers may draw in different ways.
func TestCFFOutlines(t *testing.T) {
	const (
		base   = "100 200 rmoveto "
		end    = " 300 hlineto endchar"
		accent = " 10 20 rmoveto 30 hlineto 40 vlineto endchar"
	)
	subrs := []string{"300 hlineto return", "100 hlineto -107 callgsubr endchar", "300 hlineto"}
	for name, tc := range map[string]struct{ got, want string }{
		"hflex": {base + "1 2 3 4 5 6 7 hflex" + end, base + "1 0 2 3 4 0 5 0 6 -3 7 0 rrcurveto" + end},
		"flex": {
			base + "1 2 3 4 5 6 7 8 9 10 11 12 50 flex" + end,
			base + "1 2 3 4 5 6 7 8 9 10 11 12 rrcurveto" + end,
		},
		"hflex1": {base + "1 2 3 4 5 6 7 8 9 hflex1" + end, base + "1 2 3 4 5 0 6 0 7 8 9 -14 rrcurveto" + end},
		"flex1 across": {
			base + "10 2 30 4 50 6 70 8 90 10 11 flex1" + end,
			base + "10 2 30 4 50 6 70 8 90 10 11 -30 rrcurveto" + end,
		},
		"flex1 up": {
			base + "1 20 3 40 5 60 7 80 9 10 11 flex1" + end,
			base + "1 20 3 40 5 60 7 80 9 10 -25 11 rrcurveto" + end,
		},
		"a width":                {"55 " + base + end, base + end},
		"a width before hints":   {"55 10 20 hstem 1 2 vstem " + base + end, base + end},
		"hints and a mask":       {"10 20 hstemhm 1 2 hintmask x80 " + base + end, base + end},
		"a hint of older fonts":  {base + "dotsection" + end, base + end},
		"a global subroutine":    {base + "-107 callgsubr endchar", base + end},
		"a local subroutine":     {base + "-107 callsubr endchar", base + end},
		"an end in a subroutine": {base + "-106 callsubr", base + "100 hlineto 300 hlineto endchar"},
		"curves": {
			base + "1 2 3 4 hhcurveto 5 6 7 8 vvcurveto" + end,
			base + "1 0 2 3 4 0 rrcurveto 0 5 6 7 0 8 rrcurveto" + end,
		},
		"curves and a line": {
			base + "1 2 3 4 5 6 7 8 rcurveline 7 8 1 2 3 4 5 6 rlinecurve" + end,
			base + "1 2 3 4 5 6 rrcurveto 7 8 rlineto 7 8 rlineto 1 2 3 4 5 6 rrcurveto" + end,
		},
		"an accent": {
			"5 6 65 193 endchar",
			base + "300 0 rlineto -385 -174 rmoveto 30 hlineto 40 vlineto endchar",
		},
		"an accent after a width": {
			"99 5 6 65 193 endchar",
			base + "300 0 rlineto -385 -174 rmoveto 30 hlineto 40 vlineto endchar",
		},

		"no end":                        {base + "300 hlineto", ""},
		"a line from nowhere":           {"300 hlineto endchar", ""},
		"a flex from nowhere":           {"1 2 3 4 5 6 7 hflex endchar", ""},
		"too few operands":              {base + "1 2 3 rlineto" + end, ""},
		"too many operands":             {base + "1 2 3 4 5 6 7 rrcurveto" + end, ""},
		"two widths":                    {"55 " + base + "55 1 2 rmoveto" + end, ""},
		"too many for a flex":           {base + "0 1 2 3 4 5 6 7 hflex" + end, ""},
		"an operator that computes":     {base + "300 sqrt hlineto endchar", ""},
		"a subroutine that is not":      {base + "7 callgsubr endchar", ""},
		"a subroutine without a return": {base + "-105 callsubr endchar", ""},
		"operands at the end":           {base + "300 hlineto 1 2 endchar", ""},
		"an accent that is not":         {"5 6 65 194 endchar", ""},
		"an accent of an accent":        {"5 6 65 195 endchar", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := testCFF{
				chars:  []string{tc.got, base + end, accent, "5 6 65 193 endchar", cmp.Or(tc.want, "endchar")},
				names:  []int{34, 124, 126, 7}, // A, grave, circumflex
				global: subrs, local: subrs,
			}
			font := cffGlyphs([]byte(f.String()))
			if font == nil {
				t.Fatal("the font is not read")
			}
			// The glyph of number 0 has no name, and the next ones those above.
			got, ok := outlineOf(font, 0)
			want, _ := outlineOf(font, 4)
			if ok != (tc.want != "") || ok && !same(got, want) {
				t.Errorf("%t\n%v\n%v", ok, got, want)
			}
		})
	}
}

// TestType1Outlines does the same for Type 1 fonts.
func TestType1Outlines(t *testing.T) {
	const (
		base  = "20 600 hsbw 80 200 rmoveto "
		end   = " 300 hlineto closepath endchar"
		plain = base + "10 -20 rlineto" + end
	)
	subrs := []string{
		"3 0 callothersubr pop pop setcurrentpoint return", "0 1 callothersubr return",
		"0 2 callothersubr return", "return", "1 3 callothersubr pop callsubr return",
		"10 20 hstem return", "10 -20 rlineto return",
	}
	flex := "1 callsubr 100 10 rmoveto 2 callsubr -90 -10 rmoveto 2 callsubr 20 5 rmoveto 2 callsubr" +
		" 70 hmoveto 2 callsubr 30 hmoveto 2 callsubr 15 0 rmoveto 2 callsubr 5 -5 rmoveto 2 callsubr" +
		" 50 250 200 0 callsubr"
	for name, tc := range map[string]struct{ got, want string }{
		"a flex":           {base + flex + end, base + "10 0 20 5 70 0 rrcurveto 30 0 15 0 5 -5 rrcurveto" + end},
		"other hints":      {base + "5 4 callsubr 10 -20 rlineto" + end, plain},
		"a subroutine":     {base + "6 callsubr" + end, plain},
		"hints":            {base + "1 2 hstem 3 4 vstem dotsection 10 -20 rlineto" + end, plain},
		"a quotient":       {"2000 100 div 600 hsbw 80 200 rmoveto 100 10 div -20 rlineto" + end, plain},
		"a bearing of two": {"20 200 600 0 sbw 80 hmoveto 10 -20 rlineto" + end, plain},
		"curves": {
			base + "1 2 3 4 hvcurveto 5 6 7 8 vhcurveto" + end,
			base + "1 0 2 3 0 4 rrcurveto 0 5 6 7 8 0 rrcurveto" + end,
		},
		"no closepath": {base + "10 -20 rlineto 300 hlineto endchar", plain},
		"a second part": {
			base + "9 hlineto 9 vlineto closepath 1 1 rmoveto" + end,
			"0 600 hsbw 100 200 rmoveto 9 hlineto 9 vlineto -9 -9 rlineto closepath 10 10 rmoveto" + end,
		},
		"an accent": {
			"20 600 hsbw 5 100 200 65 193 seac",
			"0 600 hsbw 100 200 rmoveto 10 -20 rlineto 300 hlineto closepath " +
				"-287 24 rmoveto 30 hlineto 40 vlineto closepath endchar",
		},
		"no end":                {base + "10 -20 rlineto 300 hlineto closepath", ""},
		"no bearing":            {"80 200 rmoveto" + end, ""},
		"a line from nowhere":   {"20 600 hsbw 300 hlineto endchar", ""},
		"a line after the end":  {base + "9 hlineto closepath 9 hlineto endchar", ""},
		"too many operands":     {base + "1 2 3 4 rlineto" + end, ""},
		"a flex of six":         {base + strings.Replace(flex, "30 hmoveto 2 callsubr", "", 1) + end, ""},
		"a line in a flex":      {base + "1 callsubr 30 hlineto 2 callsubr" + end, ""},
		"another subroutine":    {base + "1 2 2 14 callothersubr" + end, ""},
		"a result of nothing":   {base + "pop hlineto" + end, ""},
		"division by zero":      {base + "1 0 div hlineto" + end, ""},
		"an accent that is not": {"20 600 hsbw 5 100 200 65 194 seac", ""},
	} {
		t.Run(name, func(t *testing.T) {
			f := testType1{subrs: subrs, chars: []string{
				"X", tc.got, "A", plain, "grave", "5 100 hsbw 3 4 rmoveto 30 hlineto 40 vlineto closepath endchar",
				"want", cmp.Or(tc.want, "0 0 hsbw endchar"),
			}}
			font := type1Glyphs([]byte(f.String()))
			if font == nil {
				t.Fatal("the font is not read")
			}
			got, ok := outlineOf(font, slices.Index(font.names, "X"))
			want, _ := outlineOf(font, slices.Index(font.names, "want"))
			if ok != (tc.want != "") || ok && !same(got, want) {
				t.Errorf("%t\n%v\n%v", ok, got, want)
			}
		})
	}
}

// TestType1Programs reads Type 1 fonts as programs write them, and refuses those in which readers
// may find other outlines.
func TestType1Programs(t *testing.T) {
	chars := []string{"a", "20 600 hsbw 80 200 rmoveto 300 hlineto 100 vlineto closepath endchar"}
	font := func(f testType1) string {
		f.chars = append(slices.Clone(chars), f.chars...)
		return f.String()
	}
	want, _ := outlineOf(type1Glyphs([]byte(font(testType1{}))), 1)
	if len(want) != 1 || len(want[0]) < 3 {
		t.Fatalf("%v", want)
	}
	block := testType1{chars: []string{"b", "0 0 hsbw 9 hmoveto 900 hlineto 900 vlineto closepath endchar"}}.String()
	for name, tc := range map[string]struct {
		font string
		ok   bool
	}{
		"hexadecimal":       {font(testType1{hexadecimal: true}), true},
		"one random byte":   {font(testType1{encryptedFrom: 1}), true},
		"no subroutines":    {font(testType1{subrs: []string{}}), true},
		"another matrix":    {font(testType1{matrix: "0.1 0 0 0.1 0 0"}), false},
		"a turned matrix":   {font(testType1{matrix: "0 0.001 -0.001 0 0 0"}), false},
		"a short matrix":    {font(testType1{matrix: "0.001 0 0 0.001"}), false},
		"strokes":           {font(testType1{clear: "/PaintType 2 def\n"}), false},
		"metrics":           {font(testType1{clear: "/Metrics 1 dict def\n"}), false},
		"several masters":   {font(testType1{clear: "/WeightVector [1 0] def\n"}), false},
		"two matrices":      {font(testType1{clear: "/FontMatrix [1 0 0 1 0 0] def\n"}), false},
		"two sets":          {font(testType1{more: "end /CharStrings 1 dict dup begin\n"}), false},
		"a glyph twice":     {font(testType1{chars: chars}), false},
		"another operator":  {font(testType1{more: "/b 5 XX 12345 ND\n"}), false},
		"a second eexec":    {strings.Replace(font(testType1{}), "eexec", "eexec eexec", 1), false},
		"a comment with it": {strings.Replace(block, "8 dict", "% eexec\n8 dict", 1), false},
		"not PostScript":    {strings.Replace(font(testType1{}), "%!", "!!", 1), false},
		"cut":               {font(testType1{})[:500], false},
	} {
		t.Run(name, func(t *testing.T) {
			f := type1Glyphs([]byte(tc.font))
			if (f != nil) != tc.ok {
				t.Fatalf("read: %t", f != nil)
			}
			if f == nil {
				return
			}
			if got, ok := outlineOf(f, 1); !ok || !same(got, want) {
				t.Errorf("%t, %v", ok, got)
			}
		})
	}
}

// TestOutlinesAreThoseOfReaders compares the outlines of fonts with what poppler draws.
func TestOutlinesAreThoseOfReaders(t *testing.T) {
	program(t, "pdftoppm", "poppler-utils")
	slanted := strings.Replace(
		milliMatrix, "\x1e\xa0\x01\xff\x8b\x8b\x1e", "\x1e\xa0\x01\xff\x8b\x1e\xa0\x00\x03\xff\x1e", 1,
	)
	type1 := testType1{
		subrs: []string{
			"3 0 callothersubr pop pop setcurrentpoint return", "0 1 callothersubr return", "0 2 callothersubr return",
		},
		chars: []string{
			"A", "50 700 hsbw 50 100 rmoveto 500 hlineto 400 vlineto -500 hlineto closepath" +
				" 100 -300 rmoveto 200 vlineto 300 hlineto -200 vlineto closepath endchar",
			"acute", "10 200 hsbw 600 vmoveto 150 hlineto 100 150 rlineto -80 hlineto closepath endchar",
			"a", "80 700 hsbw 10 150 -50 65 194 seac",
			"b", "50 700 hsbw 200 vmoveto 1 callsubr 300 30 rmoveto 2 callsubr -200 -30 rmoveto 2 callsubr" +
				" 100 80 rmoveto 2 callsubr 100 hmoveto 2 callsubr 100 hmoveto 2 callsubr 100 -60 rmoveto 2 callsubr" +
				" 100 -20 rmoveto 2 callsubr 50 600 200 0 callsubr 400 vlineto -600 hlineto closepath endchar",
		},
	}
	cff := testCFF{
		matrix: slanted,
		chars: []string{
			"endchar",
			"100 100 rmoveto 500 hlineto 400 vlineto -500 hlineto 100 -300 rmoveto 200 vlineto 300 hlineto -200 vlineto endchar",
			"10 600 rmoveto 150 hlineto 100 150 rlineto -80 hlineto endchar",
			"150 -50 65 194 endchar",
			"50 200 rmoveto 100 20 100 80 100 0 100 0 100 -60 100 -40 " + "50 flex 400 vlineto -600 hlineto endchar",
		},
		names: []int{34, 125, 66, 67}, // A, acute, a, b
	}
	for name, tc := range map[string]struct {
		program outlines
		entries string
		data    string
		font    string
		gids    [2]int
	}{
		"Type 1": {type1Glyphs([]byte(type1.String())), "", type1.String(), type1Font, [2]int{3, 4}},
		"CFF":    {cffGlyphs([]byte(cff.String())), "/Subtype /Type1C", cff.String(), cffFont, [2]int{3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			const size, left, bottom = 200, 40, 300
			doc := pdftest.New(
				pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", fmt.Sprintf(
					"BT /T %d Tf %d %d Td (a) Tj 200 0 Td (b) Tj ET", size, left, bottom))),
				pdftest.Object(hideMore, pdftest.Stream(tc.entries, tc.data)),
				pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
					"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Resources << %s >> >>",
					pdftest.PagesNum, pdftest.ContentNum(1), tc.font)),
			)
			path := filepath.Join(t.TempDir(), "x.pdf")
			must(t, os.WriteFile(path, doc, 0o600))
			out, err := exec.Command("pdftoppm", "-r", "72", "-gray", "-png", path).Output()
			must(t, err)
			picture, _, err := image.Decode(bytes.NewReader(out))
			must(t, err)
			dark := func(x, y int) bool {
				r, _, _, _ := picture.At(x, 841-y).RGBA()
				return r < 0x8000
			}
			inside := 0
			for i, gid := range tc.gids {
				outline, ok := outlineOf(tc.program, gid)
				if !ok {
					t.Fatalf("glyph %d is not read", gid)
				}
				a := patch{path: outline}
				at := func(x, y float64) bool {
					return a.contains(point{(x - left - 200*float64(i)) / size, (y - bottom) / size})
				}
				for x := left + 200*i - 10; x < left+200*i+190; x += 2 {
					for y := bottom - 60; y < bottom+190; y += 2 {
						want := at(float64(x)+0.5, float64(y)+0.5)
						edge := false
						for _, d := range []float64{-1.5, 1.5} {
							edge = edge || at(float64(x)+0.5+d, float64(y)+0.5) != want ||
								at(float64(x)+0.5, float64(y)+0.5+d) != want
						}
						if want {
							inside++
						}
						if !edge && dark(x, y) != want {
							t.Fatalf("glyph %d at %d, %d: %t", gid, x, y, want)
						}
					}
				}
			}
			if inside < 100 {
				t.Errorf("only %d points are inside", inside)
			}
		})
	}
}

// FuzzOutlines reads fonts. Nothing may panic, and the work is bounded.
func FuzzOutlines(f *testing.F) {
	f.Add([]byte(callingCFF.String()))
	f.Add([]byte(partsFont()))
	f.Add([]byte(testType1{chars: []string{"a", "0 600 hsbw 5 100 200 65 194 seac"}, subrs: []string{"return"}}.String()))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, s := range []*shapes{{}, {}, {}} {
			s.left = maxGlyphWork
			if c := cffGlyphs(data); c != nil {
				s.font = c
			} else if c := type1Glyphs(data); c != nil {
				s.font = c
			} else if c := glyphsOf(data); c != nil {
				s.font = c
			} else {
				return
			}
			tests := maxTests
			s.densest(&tests)
		}
	})
}
