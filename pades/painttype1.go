package pades

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"

	charstring "github.com/go-text/typesetting/font/cff/interpreter"
	"github.com/go-text/typesetting/font/opentype"
)

// type1Program is a font program of Adobe Type 1 Font Format.
type type1Program struct {
	names []string
	chars map[string][]byte // decrypted
	subrs [][]byte
	scale matrix
}

var type1Matrix = regexp.MustCompile(`/FontMatrix\s*[\[{]([^\]}]*)[\]}]`)

// type1Char and type1Subr are what stands before the bytes of a charstring or subroutine, and
// type1End what follows them. type1Chars and type1Subrs begin the lists.
var (
	type1Chars = regexp.MustCompile(`^\s*\d{1,5}\s+dict\s+dup\s+begin`)
	type1Subrs = regexp.MustCompile(`^\s*(\d{1,5})\s+array`)
	type1Char  = regexp.MustCompile(`^\s*/([!-.0-9:-~]+)\s+(\d{1,5})\s+(?:RD|-\|) `)
	type1Subr  = regexp.MustCompile(`^\s*dup\s+(\d{1,5})\s+(\d{1,5})\s+(?:RD|-\|) `)
	type1End   = regexp.MustCompile(`^\s*(?:ND|NP|\|-?|noaccess\s+(?:def|put)|def|put)(?:\s|$)`)
)

// type1Glyphs reads the outlines of a Type 1 font, nil if it cannot be read, or has anything that
// could let readers find other outlines.
func type1Glyphs(data []byte) *type1Program {
	clear, cipher, ok := bytes.Cut(data, []byte("eexec"))
	matrices := type1Matrix.FindSubmatch(clear)
	if !ok || !bytes.HasPrefix(data, []byte("%!")) || matrices == nil {
		return nil
	}
	f := &type1Program{chars: make(map[string][]byte)}
	var numbers []float64
	for _, field := range strings.Fields(string(matrices[1])) {
		v, err := strconv.ParseFloat(field, 64)
		if err != nil {
			return nil
		}
		numbers = append(numbers, v)
	}
	if f.scale, ok = glyphMatrix(numbers); !ok {
		return nil
	}
	private := eexec(cipher)
	once := func(key string) bool {
		return bytes.Count(clear, []byte(key))+bytes.Count(private, []byte(key)) == 1
	}
	for _, key := range []string{"/WeightVector", "/Metrics", "/PaintType 1", "/PaintType 2"} {
		if bytes.Contains(clear, []byte(key)) || bytes.Contains(private, []byte(key)) {
			return nil
		}
	}
	_, chars, found := bytes.Cut(private, []byte("/CharStrings"))
	if !found || !once("/CharStrings") || !once("/FontMatrix") {
		return nil
	}
	skip := 4
	if before, after, ok := bytes.Cut(private, []byte("/lenIV")); ok {
		fields := bytes.Fields(after[:min(len(after), 16)])
		n, err := strconv.Atoi(string(slices.Concat(fields[:min(1, len(fields))]...)))
		if err != nil || n < 0 || n > 16 || bytes.Contains(before, []byte("/lenIV")) {
			return nil
		}
		skip = n
	}
	if _, subrs, ok := bytes.Cut(private, []byte("/Subrs")); ok {
		if !once("/Subrs") || !f.readSubrs(subrs, skip) {
			return nil
		}
	}
	if !f.readChars(chars, skip) {
		return nil
	}
	return f
}

// eexec decrypts the second part of a font.
func eexec(cipher []byte) []byte {
	cipher = bytes.TrimLeft(cipher, " \t\r\n")
	if len(cipher) < 4 {
		return nil
	}
	if _, err := hex.DecodeString(string(cipher[:4])); err == nil {
		var digits []byte
		for _, field := range bytes.Fields(cipher) {
			digits = append(digits, field...)
		}
		plain := make([]byte, len(digits)/2)
		n, _ := hex.Decode(plain, digits[:len(digits)&^1])
		cipher = plain[:n]
	}
	return decrypted(cipher, 55665, 4)
}

// decrypted undoes the encryption of chapter 7, and drops the bytes that it begins with.
func decrypted(cipher []byte, key uint16, skip int) []byte {
	plain := make([]byte, len(cipher))
	for i, c := range cipher {
		plain[i] = c ^ byte(key>>8)
		key = (uint16(c)+key)*52845 + 22719
	}
	return plain[min(skip, len(plain)):]
}

// readSubrs reads "n array" and the entries that follow.
func (f *type1Program) readSubrs(b []byte, skip int) bool {
	head := type1Subrs.FindSubmatch(b)
	if head == nil {
		return false
	}
	n, _ := strconv.Atoi(string(head[1]))
	f.subrs = make([][]byte, n)
	b = b[len(head[0]):]
	for {
		m := type1Subr.FindSubmatch(b)
		if m == nil {
			return !bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("dup"))
		}
		i, _ := strconv.Atoi(string(m[1]))
		code, rest, ok := type1Data(b, m[0], m[2], skip)
		if !ok || i >= n || f.subrs[i] != nil {
			return false
		}
		f.subrs[i], b = code, rest
	}
}

// readChars reads "n dict dup begin" and the entries that follow up to "end".
func (f *type1Program) readChars(b []byte, skip int) bool {
	head := type1Chars.Find(b)
	if head == nil {
		return false
	}
	b = b[len(head):]
	for {
		m := type1Char.FindSubmatch(b)
		if m == nil {
			return len(f.names) > 0 && bytes.HasPrefix(bytes.TrimLeft(b, " \t\r\n"), []byte("end"))
		}
		code, rest, ok := type1Data(b, m[0], m[2], skip)
		name := string(m[1])
		if _, twice := f.chars[name]; twice || !ok {
			return false
		}
		f.names = append(f.names, name)
		f.chars[name], b = code, rest
	}
}

// type1Data returns the charstring of an entry, and what follows the entry.
func type1Data(b, head, size []byte, skip int) (code, rest []byte, ok bool) {
	n, _ := strconv.Atoi(string(size))
	if b = b[len(head):]; len(b) < n {
		return nil, nil, false
	}
	end := type1End.Find(b[n:])
	if end == nil {
		return nil, nil, false
	}
	return decrypted(b[:n], 4330, skip), b[n+len(end)-1:], true
}

func (f *type1Program) glyphs() int { return len(f.names) }

func (f *type1Program) outline(gid int, work *int) ([][]point, bool) {
	if gid >= len(f.names) {
		return nil, false
	}
	own, accent, ok := f.run(f.names[gid], work)
	if ok {
		own, ok = composed(own, accent, func(code int) ([]opentype.Segment, bool) {
			name := accents[code]
			if code >= 'A' && code <= 'Z' || code >= 'a' && code <= 'z' {
				name = string(rune(code))
			}
			part, accent, ok := f.run(name, work)
			return part, ok && accent == nil
		})
	}
	return flattened(own, f.scale), ok
}

// accents are names of the standard encoding of which glyphs are composed, beside letters.
var accents = map[int]string{
	193: "grave", 194: "acute", 195: "circumflex", 196: "tilde", 197: "macron", 198: "breve",
	199: "dotaccent", 200: "dieresis", 202: "ring", 203: "cedilla", 205: "hungarumlaut",
	206: "ogonek", 207: "caron", 245: "dotlessi",
}

// run runs the charstring of a glyph. A name that the font does not have has none.
func (f *type1Program) run(name string, work *int) ([]opentype.Segment, []float64, bool) {
	var m charstring.Machine
	g := &type1{glyphReader: glyphReader{work: work}}
	segments, err := g.result(m.Run(f.chars[name], f.subrs, nil, g))
	return segments, g.accent, err == nil
}
