package pades

import (
	"bytes"
	"encoding/binary"
	"testing"
	"unicode/utf16"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// claim is XMP whose description has the given attributes and content.
func claim(attributes, content string) string {
	return `<?xpacket begin="` + "\ufeff" + `" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">` +
		`<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" ` + attributes + `>` + content +
		`</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>`
}

// encodings are those that XMP may have.
var encodings = map[string]func(string) []byte{
	"UTF-8":    func(s string) []byte { return []byte(s) },
	"UTF-16BE": func(s string) []byte { return wide(s, binary.BigEndian, 2) },
	"UTF-16LE": func(s string) []byte { return wide(s, binary.LittleEndian, 2) },
	"UTF-32BE": func(s string) []byte { return wide(s, binary.BigEndian, 4) },
	"UTF-32LE": func(s string) []byte { return wide(s, binary.LittleEndian, 4) },
}

func wide(s string, order binary.AppendByteOrder, width int) (b []byte) {
	if width == 2 {
		for _, u := range utf16.Encode([]rune(s)) {
			b = order.AppendUint16(b, u)
		}
		return b
	}
	for _, r := range s {
		b = order.AppendUint32(b, uint32(r))
	}
	return b
}

func TestConformance(t *testing.T) {
	const ns = `="http://www.aiim.org/pdfa/ns/id/"`
	for _, c := range []struct{ xmp, want string }{
		{claim("xmlns:pdfaid"+ns, "<pdfaid:part>1</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>"), "1"},
		{claim("xmlns:pdfaid"+ns+" pdfaid:part='1' pdfaid:conformance='A'", ""), "1"},
		{claim("xmlns:x1"+ns, "<x1:part>\n 2 \n</x1:part>"), "2"},
		{claim("xmlns:pdfaid"+ns+` pdfaid:part="4"`, ""), "4"},
		{claim(`xmlns:pdfaid="http://example.test/"`, "<pdfaid:part>1</pdfaid:part>"), ""},
		{claim("xmlns:pdfaid"+ns, "<pdfaid:amd>1</pdfaid:amd><!-- <pdfaid:part>1</pdfaid:part> -->"), ""},
		{"not XML", ""},
		{"", ""},
	} {
		for name, encode := range encodings {
			for _, mark := range []string{"", "\ufeff"} {
				if got := conformance(encode(mark + c.xmp)); got != c.want {
					t.Errorf("%s: %q claims part %q, want %q", name, c.xmp, got, c.want)
				}
			}
		}
	}
}

// PDF/A-1 demands an appearance of every field, whatever the encoding of the
// metadata that claims it; no other caller gets one.
func TestTimestampFieldInPDFA1(t *testing.T) {
	w := newWorld(t)
	for part, want := range map[string]bool{"1": true, "2": false} {
		for name, encode := range encodings {
			xmp := encode(
				claim(`xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/" pdfaid:part="`+part+`"`, ""),
			)
			doc := pdftest.New(
				pdftest.Catalog("/Metadata 5000 0 R"),
				pdftest.Object(5000, pdftest.Stream("/Type /Metadata /Subtype /XML", string(xmp))),
			)
			out, _ := w.extended(t, doc, w.options(Location{1, 0.1, 0.1}), true)
			d, err := pdf.Open(bytes.NewReader(out), int64(len(out)), pdf.Limits{})
			must(t, err)
			fields, err := d.SignatureFields()
			must(t, err)
			stamp, err := d.Load(fields[len(fields)-1].Ref)
			must(t, err)
			if got := stamp.Get("AP").IsDict(); got != want {
				t.Errorf("PDF/A-%s in %s: an appearance: %v, want %v", part, name, got, want)
			}
		}
	}
}
