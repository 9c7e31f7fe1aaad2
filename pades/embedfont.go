package pades

import (
	"bytes"
	"compress/zlib"
	"crypto/sha256"
	"fmt"
	"math"
	"strings"
	"unicode/utf16"

	"github.com/signet-sign/signet/pades/pdf"
)

// deflater compresses streams, one after the other. The standard library's
// compressor takes most of a megabyte, so one serves a whole update.
type deflater struct {
	buf bytes.Buffer
	zip *zlib.Writer
}

// put writes a compressed stream as a new object.
func (z *deflater) put(u *pdf.Update, data []byte, entries ...pdf.Pair) (pdf.Ref, error) {
	z.buf.Reset()
	if z.zip == nil {
		zip, err := zlib.NewWriterLevel(&z.buf, zlib.BestCompression)
		if err != nil {
			return pdf.Ref{}, err
		}
		z.zip = zip
	} else {
		z.zip.Reset(&z.buf)
	}
	if _, err := z.zip.Write(data); err != nil {
		return pdf.Ref{}, err
	}
	if err := z.zip.Close(); err != nil {
		return pdf.Ref{}, err
	}
	ref := u.Alloc()
	_, err := u.PutStream(
		ref, append(entries, pdf.Pair{Key: "Filter", Value: "/FlateDecode"}), z.buf.Bytes(),
	)
	return ref, err
}

// put writes a dictionary as a new object.
func put(u *pdf.Update, pairs ...pdf.Pair) (pdf.Ref, error) {
	ref := u.Alloc()
	_, err := u.Put(ref, []byte(pdf.DictString(pairs...)))
	return ref, err
}

// embed writes the font as Type0 with Identity-H (ISO 32000-2, 9.7), whole
// enough for PDF/A-1: subset tag, CIDSet, widths equal to those in the font.
func (s *subset) embed(u *pdf.Update, z *deflater) (pdf.Ref, error) {
	ttf, widths, err := s.font()
	if err != nil {
		return pdf.Ref{}, err
	}
	file, err := z.put(u, ttf, pdf.Pair{Key: "Length1", Value: fmt.Sprint(len(ttf))})
	if err != nil {
		return pdf.Ref{}, err
	}
	set := make([]byte, (len(widths)+7)/8)
	for i := range widths {
		set[i/8] |= 0x80 >> (i % 8)
	}
	cidSet, err := z.put(u, set)
	if err != nil {
		return pdf.Ref{}, err
	}
	unicode, err := z.put(u, s.toUnicode())
	if err != nil {
		return pdf.Ref{}, err
	}
	name := pdf.NameToken(subsetTag(ttf) + "+" + s.face.name)
	box, ascent, descent, capHeight, err := s.face.descriptor()
	if err != nil {
		return pdf.Ref{}, err
	}
	descriptor, err := put(
		u,
		pdf.Pair{Key: "Type", Value: "/FontDescriptor"},
		pdf.Pair{Key: "FontName", Value: name},
		pdf.Pair{Key: "Flags", Value: "4"}, // symbolic: glyphs are chosen by number
		pdf.Pair{
			Key: "FontBBox", Value: fmt.Sprintf("[%d %d %d %d]", box[0], box[1], box[2], box[3]),
		},
		pdf.Pair{Key: "ItalicAngle", Value: "0"},
		pdf.Pair{Key: "Ascent", Value: fmt.Sprint(ascent)},
		pdf.Pair{Key: "Descent", Value: fmt.Sprint(descent)},
		pdf.Pair{Key: "CapHeight", Value: fmt.Sprint(capHeight)},
		pdf.Pair{Key: "StemV", Value: "80"},
		pdf.Pair{Key: "FontFile2", Value: file.String()},
		pdf.Pair{Key: "CIDSet", Value: cidSet.String()},
	)
	if err != nil {
		return pdf.Ref{}, err
	}
	w := make([]string, len(widths))
	for i, v := range widths {
		w[i] = fmt.Sprint(int(math.Round(v)))
	}
	cidFont, err := put(
		u,
		pdf.Pair{Key: "Type", Value: "/Font"},
		pdf.Pair{Key: "Subtype", Value: "/CIDFontType2"},
		pdf.Pair{Key: "BaseFont", Value: name},
		pdf.Pair{
			Key:   "CIDSystemInfo",
			Value: "<< /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>",
		},
		pdf.Pair{Key: "CIDToGIDMap", Value: "/Identity"},
		pdf.Pair{Key: "DW", Value: "1000"},
		pdf.Pair{Key: "W", Value: "[0 [" + strings.Join(w, " ") + "]]"},
		pdf.Pair{Key: "FontDescriptor", Value: descriptor.String()},
	)
	if err != nil {
		return pdf.Ref{}, err
	}
	return put(u,
		pdf.Pair{Key: "Type", Value: "/Font"}, pdf.Pair{Key: "Subtype", Value: "/Type0"},
		pdf.Pair{Key: "BaseFont", Value: name},
		pdf.Pair{Key: "Encoding", Value: "/Identity-H"},
		pdf.Pair{Key: "DescendantFonts", Value: "[" + cidFont.String() + "]"},
		pdf.Pair{Key: "ToUnicode", Value: unicode.String()})
}

// subsetTag returns six capital letters that differ between subsets
// (ISO 32000-2, 9.9.2) and are the same for the same one.
func subsetTag(ttf []byte) string {
	sum := sha256.Sum256(ttf)
	tag := make([]byte, 6)
	for i := range tag {
		tag[i] = 'A' + sum[i]%26
	}
	return string(tag)
}

// toUnicode returns the CMap that turns glyph numbers back into text.
func (s *subset) toUnicode() []byte {
	var b strings.Builder
	b.WriteString("/CIDInit /ProcSet findresource begin\n12 dict begin\nbegincmap\n" +
		"/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def\n" +
		"/CMapName /Adobe-Identity-UCS def\n/CMapType 2 def\n1 begincodespacerange\n<0000> <FFFF>\nendcodespacerange\n")
	const block = 100 // more in one block is an error (Adobe technical note 5014)
	for start := 0; start < len(s.glyphs); start += block {
		part := s.glyphs[start:min(start+block, len(s.glyphs))]
		fmt.Fprintf(&b, "%d beginbfchar\n", len(part))
		for i, g := range part {
			fmt.Fprintf(&b, "<%04X> <", start+i+1)
			for _, unit := range utf16.Encode([]rune(g.text)) {
				fmt.Fprintf(&b, "%04X", unit)
			}
			b.WriteString(">\n")
		}
		b.WriteString("endbfchar\n")
	}
	b.WriteString("endcmap\nCMapName currentdict /CMap defineresource pop\nend\nend\n")
	return []byte(b.String())
}
