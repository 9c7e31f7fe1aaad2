package pades

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"io"
	"strings"
	"unicode/utf16"
)

// conformance returns the part of PDF/A that XMP metadata claims ("1" to "4"),
// empty for none. The claim is an element or an attribute, under any prefix
// (ISO 16684-1, 7); what is not XML claims nothing.
func conformance(xmp []byte) string {
	const namespace = "http://www.aiim.org/pdfa/ns/id/"
	dec := xml.NewDecoder(bytes.NewReader(utf8Text(xmp)))
	dec.Strict = false
	// it is UTF-8 by now
	dec.CharsetReader = func(_ string, in io.Reader) (io.Reader, error) { return in, nil }
	for inside := false; ; {
		token, err := dec.Token()
		if err != nil {
			return ""
		}
		switch t := token.(type) {
		case xml.StartElement:
			inside = t.Name == xml.Name{Space: namespace, Local: "part"}
			for _, a := range t.Attr {
				if a.Name == (xml.Name{Space: namespace, Local: "part"}) {
					return strings.TrimSpace(a.Value)
				}
			}
		case xml.CharData:
			if inside {
				return strings.TrimSpace(string(t))
			}
		case xml.EndElement:
			inside = false
		}
	}
}

// utf8Text turns XMP, which may be in UTF-8, UTF-16 or UTF-32 with or without a
// byte order mark (ISO 16684-1, 7.3.1), into UTF-8. It goes by the first
// character, which is '<' or the mark.
func utf8Text(b []byte) []byte {
	var order binary.ByteOrder
	width := 0
	for _, try := range []struct {
		start string
		order binary.ByteOrder
		width int
	}{
		{"\x00\x00\x00<", binary.BigEndian, 4},
		{"\x00\x00\xfe\xff", binary.BigEndian, 4},
		{"<\x00\x00\x00", binary.LittleEndian, 4},
		{"\xff\xfe\x00\x00", binary.LittleEndian, 4},
		{"\x00<", binary.BigEndian, 2},
		{"\xfe\xff", binary.BigEndian, 2},
		{"<\x00", binary.LittleEndian, 2},
		{"\xff\xfe", binary.LittleEndian, 2},
	} {
		if bytes.HasPrefix(b, []byte(try.start)) {
			order, width = try.order, try.width
			break
		}
	}
	var text string
	switch width {
	case 4:
		var runes []rune
		for ; len(b) >= 4; b = b[4:] {
			runes = append(runes, rune(order.Uint32(b)))
		}
		text = string(runes)
	case 2:
		var units []uint16
		for ; len(b) >= 2; b = b[2:] {
			units = append(units, order.Uint16(b))
		}
		text = string(utf16.Decode(units))
	default:
		return bytes.TrimPrefix(b, []byte("\ufeff"))
	}
	return []byte(strings.TrimPrefix(text, "\ufeff"))
}
