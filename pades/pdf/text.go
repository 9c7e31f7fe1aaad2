package pdf

import (
	"math"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

func unhex(c byte) int {
	switch {
	case c >= '0' && c <= '9':
		return int(c - '0')
	case c >= 'a' && c <= 'f':
		return int(c-'a') + 10
	case c >= 'A' && c <= 'F':
		return int(c-'A') + 10
	}
	return -1
}

// decodeName decodes the #xx sequences of a name (ISO 32000-2, 7.3.5). A # that starts no sequence
// is literal, as in PDF 1.1.
func decodeName(s string) string {
	if strings.IndexByte(s, '#') < 0 {
		return s
	}
	b := make([]byte, 0, len(s))
	for i := 0; i < len(s); i++ {
		if s[i] == '#' && i+2 < len(s) && unhex(s[i+1]) >= 0 && unhex(s[i+2]) >= 0 {
			b = append(b, byte(unhex(s[i+1])<<4|unhex(s[i+2])))
			i += 2
			continue
		}
		b = append(b, s[i])
	}
	return string(b)
}

// decodeString decodes a (literal) or <hexadecimal> string that the lexer has
// delimited (ISO 32000-2, 7.3.4).
func decodeString(raw string) []byte {
	body := raw[1 : len(raw)-1]
	if raw[0] == '<' {
		return decodeHex(body)
	}
	b := make([]byte, 0, len(body))
	for i := 0; i < len(body); i++ {
		c := body[i]
		switch {
		case c == '\r': // an end of line within a string is one line feed
			if i+1 < len(body) && body[i+1] == '\n' {
				i++
			}
			b = append(b, '\n')
		case c != '\\':
			b = append(b, c)
		case i+1 < len(body):
			i++
			switch e := body[i]; e {
			case 'n':
				b = append(b, '\n')
			case 'r':
				b = append(b, '\r')
			case 't':
				b = append(b, '\t')
			case 'b':
				b = append(b, '\b')
			case 'f':
				b = append(b, '\f')
			case '\n': // continuation line
			case '\r':
				if i+1 < len(body) && body[i+1] == '\n' {
					i++
				}
			case '0', '1', '2', '3', '4', '5', '6', '7':
				v := 0
				n := 0
				for ; n < 3 && i+n < len(body) && body[i+n] >= '0' && body[i+n] <= '7'; n++ {
					v = v<<3 | int(body[i+n]-'0')
				}
				i += n - 1
				b = append(b, byte(v))
			default:
				b = append(b, e)
			}
		}
	}
	return b
}

func decodeHex(body string) []byte {
	b := make([]byte, 0, len(body)/2+1)
	high := -1
	for i := range len(body) {
		h := unhex(body[i])
		switch {
		case h < 0: // white space
		case high < 0:
			high = h
		default:
			b = append(b, byte(high<<4|h))
			high = -1
		}
	}
	if high >= 0 {
		b = append(b, byte(high<<4))
	}
	return b
}

// decodeText turns the bytes of a text string into UTF-8.
func decodeText(b []byte) string {
	switch {
	case len(b) >= 2 && b[0] == 0xfe && b[1] == 0xff:
		u := make([]uint16, 0, len(b)/2)
		for i := 2; i+1 < len(b); i += 2 {
			u = append(u, uint16(b[i])<<8|uint16(b[i+1]))
		}
		return string(utf16.Decode(u))
	case len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf:
		return strings.ToValidUTF8(string(b[3:]), string(utf8.RuneError))
	}
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(docEncodingRune(c))
	}
	return s.String()
}

// The codes of PDFDocEncoding that differ from Latin-1 (ISO 32000-2, Table D.2).
const (
	docEncodingLow  = "\u02d8\u02c7\u02c6\u02d9\u02dd\u02db\u02da\u02dc"   // 0x18 to 0x1f
	docEncodingHigh = "\u2022\u2020\u2021\u2026\u2014\u2013\u0192\u2044" + // 0x80 to 0xa0
		"\u2039\u203a\u2212\u2030\u201e\u201c\u201d\u2018" +
		"\u2019\u201a\u2122\ufb01\ufb02\u0141\u0152\u0160" +
		"\u0178\u017d\u0131\u0142\u0153\u0161\u017e\ufffd\u20ac"
)

func docEncodingRune(c byte) rune {
	nth := func(s string, n byte) rune {
		for _, r := range s {
			if n == 0 {
				return r
			}
			n--
		}
		return utf8.RuneError
	}
	switch {
	case c >= 0x18 && c <= 0x1f:
		return nth(docEncodingLow, c-0x18)
	case c >= 0x80 && c <= 0xa0:
		return nth(docEncodingHigh, c-0x80)
	case c == 0x7f, c == 0xad:
		return utf8.RuneError
	}
	return rune(c)
}

// docEncodingByte is the inverse of docEncodingRune for characters that may
// appear in text.
func docEncodingByte(r rune) (byte, bool) {
	if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r < 0x7f ||
		r > 0xa0 && r <= 0xff && r != 0xad {
		return byte(r), true
	}
	if r == utf8.RuneError {
		return 0, false
	}
	i := 0
	for _, x := range docEncodingLow {
		if x == r {
			return byte(0x18 + i), true
		}
		i++
	}
	i = 0
	for _, x := range docEncodingHigh {
		if x == r {
			return byte(0x80 + i), true
		}
		i++
	}
	return 0, false
}

// TextString returns text as a PDF text string, in PDFDocEncoding if that has all its characters,
// and otherwise in UTF-16BE. The result is ASCII.
func TextString(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		c, ok := docEncodingByte(r)
		if !ok {
			return utf16String(s)
		}
		b = append(b, c)
	}
	// These two would be taken for a byte order mark.
	if len(b) >= 2 && b[0] == 0xfe && b[1] == 0xff ||
		len(b) >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf {
		return utf16String(s)
	}
	return LiteralString(b)
}

func utf16String(s string) string {
	const digits = "0123456789ABCDEF"
	out := []byte("<FEFF")
	for _, u := range utf16.Encode([]rune(s)) {
		out = append(out, digits[u>>12], digits[u>>8&15], digits[u>>4&15], digits[u&15])
	}
	return string(append(out, '>'))
}

// LiteralString writes bytes as a PDF string in parentheses, in plain ASCII.
func LiteralString(b []byte) string {
	out := make([]byte, 0, len(b)+2)
	out = append(out, '(')
	for _, c := range b {
		switch {
		case c == '(' || c == ')' || c == '\\':
			out = append(out, '\\', c)
		case c < 0x20 || c >= 0x7f:
			out = append(out, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			out = append(out, c)
		}
	}
	return string(append(out, ')'))
}

// HexString writes bytes as a PDF string in angle brackets.
func HexString(b []byte) string {
	const digits = "0123456789abcdef"
	out := make([]byte, 0, 2*len(b)+2)
	out = append(out, '<')
	for _, c := range b {
		out = append(out, digits[c>>4], digits[c&15])
	}
	return string(append(out, '>'))
}

// NameToken writes a name with its slash, escaped where needed.
func NameToken(s string) string {
	const digits = "0123456789ABCDEF"
	out := make([]byte, 0, len(s)+1)
	out = append(out, '/')
	for i := range len(s) {
		c := s[i]
		if c <= ' ' || c >= 0x7f || c == '#' || isDelimiter(c) {
			out = append(out, '#', digits[c>>4], digits[c&15])
			continue
		}
		out = append(out, c)
	}
	return string(out)
}

// Number formats a number with at most six decimals, which is finer than any device. Infinities and
// NaN, which PDF cannot represent, become 0.
func Number(v float64) string {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return "0"
	}
	s := strconv.FormatFloat(v, 'f', 6, 64)
	s = strings.TrimRight(s, "0")
	s = strings.TrimSuffix(s, ".")
	if s == "-0" {
		return "0"
	}
	return s
}
