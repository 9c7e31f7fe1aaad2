package pades

import (
	"bytes"
	"cmp"
	"compress/zlib"
	"encoding/binary"
	"fmt"
	"image"
	"image/jpeg"
	"maps"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// hideText is the content of the signed page: an hiddenAmount, a line to sign on, white text on a dark
// bar, text that was white on white, the text of a scan below its image, red text, an image, a
// seal drawn with a curve, a code of squares, and a panel with a frame.
var hideText = "BT /F1 12 Tf 72 700 Td (Total: SGD 1,000) Tj ET\n" +
	"BT /F1 12 Tf 72 500 Td (______________________) Tj ET\n" +
	"0 g 60 600 300 40 re f 1 g BT /F1 12 Tf 72 615 Td (Void) Tj ET 0 g\n" +
	"1 g BT /F1 12 Tf 72 400 Td (\\\\sn1\\\\) Tj ET 0 g\n" +
	"q 200 0 0 40 60 300 cm /Im1 Do Q BT 3 Tr /F1 12 Tf 72 315 Td (Scanned) Tj ET 0 Tr\n" +
	"0 g 60 200 300 40 re f\n" +
	"1 0 0 rg BT /F1 12 Tf 72 760 Td (Overdue) Tj ET 0 g\n" +
	"q 200 0 0 40 60 100 cm /Im2 Do Q q 40 0 0 40 300 100 cm /Im3 Do Q\n" +
	"q 1 0 0 1 310 690 cm 0 0 1 rg 0 15 m 0 45 40 45 40 15 c 40 -10 20 0 0 15 c f Q\n" +
	hideCode +
	"0.9 g 60 40 200 40 re f 0 G 60 40 200 40 re S 80 50 m 240 50 l S\n"

// hideCode is a code of squares.
var hideCode = func() (code string) {
	for i := range 40 {
		code += fmt.Sprintf("%d %d 3 3 re f ", 400+i*7%8*4, 100+i*5%9*4)
	}
	return code + "\n"
}()

// The numbers of objects: of the document, and of later revisions.
const (
	hideImage  = pdftest.FirstFree
	hideRaster = hideImage + 50
	hidePhoto  = hideImage + 51
	hideLook   = 9000 + iota
	hideMore
	hideMost
)

// plainImage has one sample.
const plainImage = "/Type /XObject /Subtype /Image /Width 1 /Height 1 /ColorSpace /DeviceGray /BitsPerComponent 8"

// hideDocument is a document that a first signer signs.
func hideDocument(more ...pdftest.Option) []byte {
	return pdftest.New(append([]pdftest.Option{
		pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", hideText)),
		pdftest.Object(hideImage, pdftest.Stream(plainImage, "\xff")),
		pdftest.Object(hideRaster, pdftest.Stream(
			"/Type /XObject /Subtype /Image /Width 8 /Height 2 /ColorSpace /DeviceGray /BitsPerComponent 1", "\x55\xaa",
		)),
		pdftest.Object(hidePhoto, photo),
		pdftest.Object(pdftest.PageNum(1), fmt.Sprintf(
			"<< /Type /Page /Parent %d 0 R /MediaBox [0 0 595 842] /Contents %d 0 R /Annots []"+
				" /Resources << /Font << /F1 %d 0 R >> /XObject << /Im1 %d 0 R /Im2 %d 0 R /Im3 %d 0 R >> >> >>",
			pdftest.PagesNum, pdftest.ContentNum(1), pdftest.FontNum, hideImage, hideRaster, hidePhoto,
		)),
	}, more...)...)
}

// photo is a JPEG image that is black in one half.
var photo = jpegImage(512, "")

// jpegImage is an image whose last samples are black. filter is another one around it.
func jpegImage(black int, filter string) string {
	img := image.NewGray(image.Rect(0, 0, 32, 32))
	for i := range img.Pix[black:] {
		img.Pix[i] = 0xff
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		panic(err)
	}
	data := b.String()
	if filter != "" {
		data = deflated(data)
	}
	return pdftest.Stream("/Type /XObject /Subtype /Image /Width 32 /Height 32 /ColorSpace /DeviceGray"+
		" /BitsPerComponent 8 /Filter ["+filter+" /DCTDecode]", data)
}

// deflated returns data as FlateDecode undoes it.
func deflated(data string) string {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	z.Write([]byte(data))
	z.Close()
	return b.String()
}

// blockFont is a TrueType font in which each glyph from 1 on is a rectangle, in thousandths of an em.
func blockFont(glyphs ...[4]int16) string {
	var glyf, loca, hmtx []byte
	put := func(b *[]byte, values ...int16) {
		for _, v := range values {
			*b = binary.BigEndian.AppendUint16(*b, uint16(v))
		}
	}
	put(&loca, 0)
	for _, g := range append([][4]int16{{}}, glyphs...) {
		if g != [4]int16{} {
			put(&glyf, 1, g[0], g[1], g[2], g[3], 3, 0)
			glyf = append(glyf, 1, 1, 1, 1)
			put(&glyf, g[0], 0, g[2]-g[0], 0, g[1], g[3]-g[1], 0, g[1]-g[3])
		}
		put(&loca, int16(len(glyf)/2))
		put(&hmtx, 1000, 0)
	}
	head, hhea, maxp := make([]byte, 54), make([]byte, 36), make([]byte, 32)
	copy(head, "\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x5f\x0f\x3c\xf5\x00\x00\x03\xe8")
	copy(hhea, "\x00\x01\x00\x00\x03\xe8\xff\x38")
	copy(maxp, "\x00\x01\x00\x00")
	hhea[35], maxp[5] = byte(len(glyphs)+1), byte(len(glyphs)+1)
	cmap := []byte("\x00\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x0c\x00\x00\x01\x06\x00\x00")
	codes := make([]byte, 256)
	for i := range glyphs {
		codes['a'+i] = byte(i + 1)
	}
	return string(assemble(map[string][]byte{
		"head": head, "hhea": hhea, "maxp": maxp, "loca": loca, "glyf": glyf, "hmtx": hmtx,
		"cmap": append(cmap, codes...),
		"post": append([]byte{0, 3, 0, 0}, make([]byte, 28)...),
	}))
}

// blockCFF is a CFF font in which each glyph from 1 on is a rectangle, in units of its matrix.
func blockCFF(matrix string, glyphs ...[4]int) string {
	shapes := []string{"endchar"}
	for _, g := range glyphs {
		shapes = append(shapes, fmt.Sprintf("%d %d rmoveto %d hlineto %d vlineto %d hlineto endchar",
			g[0], g[1], g[2]-g[0], g[3]-g[1], g[0]-g[2]))
	}
	return testCFF{matrix: matrix, chars: shapes}.String()
}

// One thousandth and one tenth, as the matrix of a CFF font.
const (
	milliMatrix = "\x1e\xa0\x01\xff\x8b\x8b\x1e\xa0\x01\xff\x8b\x8b\x0c\x07"
	deciMatrix  = "\x1e\xa1\xff\x8b\x8b\x1e\xa1\xff\x8b\x8b\x0c\x07"
)

// simpleFont and wideFont are resources with an embedded font, by codes of one and two bytes.
var (
	simpleFont = fmt.Sprintf("/Font << /T << /Type /Font /Subtype /TrueType /BaseFont /Helvetica"+
		" /FirstChar 97 /LastChar 99 /Widths [600 600 600] /Encoding /WinAnsiEncoding /FontDescriptor"+
		" << /Type /FontDescriptor /FontName /Helvetica /Flags 32 /FontFile2 %d 0 R >> >> >>", hideMore)
	wideFont = fmt.Sprintf("/Font << /T << /Type /Font /Subtype /Type0 /BaseFont /X /Encoding /Identity-H"+
		" /DescendantFonts [<< /Type /Font /Subtype /CIDFontType2 /BaseFont /X /CIDToGIDMap /Identity /DW 600"+
		" /CIDSystemInfo << /Registry (Adobe) /Ordering (Identity) /Supplement 0 >>"+
		" /FontDescriptor << /Type /FontDescriptor /FontName /X /Flags 4 /FontFile2 %d 0 R >> >>] >> >>", hideMore)
	blocks = map[int]string{hideMore: pdftest.Stream("", blockFont(
		[4]int16{0, -200, 1000, 900}, [4]int16{100, 0, 200, 700},
	))}
	mappedFont = strings.Replace(wideFont, "/CIDToGIDMap /Identity", fmt.Sprintf("/CIDToGIDMap %d 0 R", hideMost), 1)
	cffFont    = strings.Replace(simpleFont, "/FontFile2", "/FontFile3", 1)
	type1Font  = strings.NewReplacer("/FontFile2", "/FontFile", "/TrueType", "/Type1").Replace(simpleFont)
	cidFont    = strings.NewReplacer("/FontFile2", "/FontFile3", "CIDFontType2", "CIDFontType0").Replace(wideFont)
	stems      = map[int]string{hideMore: pdftest.Stream("", blockFont(
		[4]int16{100, 0, 200, 700}, [4]int16{300, 0, 380, 500},
	))}
)

// laterBox is the box of a later signature.
type laterBox struct {
	rect      string // of the amount if empty
	bbox      string
	look      string // its content
	resources string
	entries   string // of the appearance
	field     string // instead of the appearance
	objects   map[int]string
	hides     string
	name      string // of the field
}

const hiddenAmount = "Total: SGD 1,000"

var laterBoxes = map[string]laterBox{
	"a white area":     {look: "1 g 0 0 200 30 re f", hides: hiddenAmount},
	"an area of paths": {look: "1 g 0 0 m 200 0 l 200 30 l 0 30 l h f", hides: hiddenAmount},
	"curves":           {look: "1 g 0 0 m 0 60 200 60 200 0 c f", bbox: "[0 0 200 60]", hides: "tal: SGD 1,000"},
	"an area with a hole": {
		look: "1 g 0 0 200 30 re 60 0 140 30 re f*", hides: "Total: SG",
	},
	"a black area": {look: "0 g 0 0 200 30 re f", hides: hiddenAmount},
	"an area and other words": {
		look: "1 g 0 0 200 30 re f 0 g BT /F1 12 Tf 2 10 Td (Total: SGD 9,000) Tj ET", hides: hiddenAmount,
	},
	"a thick line": {look: "1 G 30 w 0 15 m 200 15 l S", hides: hiddenAmount},
	"a shading": {
		look: "/S sh", hides: hiddenAmount,
		resources: "/Shading << /S << /ShadingType 2 /ColorSpace /DeviceGray /Coords [0 0 1 0]" +
			" /Function << /FunctionType 2 /Domain [0 1] /N 1 /C0 [1] /C1 [1] >> >> >>",
	},
	"a pattern": {
		look: "/Pattern cs /P scn 0 0 200 30 re f", hides: hiddenAmount,
		resources: fmt.Sprintf("/Pattern << /P %d 0 R >>", hideMore),
		objects: map[int]string{hideMore: pdftest.Stream(
			"/PatternType 1 /PaintType 1 /TilingType 1 /BBox [0 0 9 9] /XStep 9 /YStep 9 /Resources << >>",
			"1 g 0 0 9 9 re f",
		)},
	},
	"an image": {
		look: "200 0 0 30 0 0 cm /I Do", hides: hiddenAmount,
		resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideImage),
	},
	"an inline image": {
		look: "200 0 0 30 0 0 cm BI /W 1 /H 1 /BPC 8 /CS /G ID \xff EI", hides: hiddenAmount,
	},
	"a stencil": {
		look: "1 g 200 0 0 30 0 0 cm /I Do", hides: hiddenAmount,
		resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideMore),
		objects: map[int]string{hideMore: pdftest.Stream(
			"/Subtype /Image /ImageMask true /Width 8 /Height 1 /BitsPerComponent 1", "\x00",
		)},
	},
	"an image with an opaque mask": {
		look: "200 0 0 30 0 0 cm /I Do", hides: hiddenAmount,
		resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideMore),
		objects: map[int]string{
			hideMore: pdftest.Stream(plainImage+fmt.Sprintf(" /SMask %d 0 R", hideMost), "\xff"),
			hideMost: pdftest.Stream(plainImage, "\xff"),
		},
	},
	"an image whose mask cannot be read": {
		look: "200 0 0 30 0 0 cm /I Do", hides: hiddenAmount,
		resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideMore),
		objects: map[int]string{
			hideMore: pdftest.Stream(plainImage+fmt.Sprintf(" /SMask %d 0 R", hideMost), "\xff"),
			hideMost: pdftest.Stream(plainImage+" /Filter /JPXDecode", "\x00"),
		},
	},
	"a form in the form": {
		look: "/Fm Do", hides: hiddenAmount,
		resources: fmt.Sprintf("/XObject << /Fm %d 0 R >>", hideMore),
		objects: map[int]string{hideMore: pdftest.Stream(
			"/Subtype /Form /BBox [0 0 20 3] /Matrix [10 0 0 10 0 0]", "1 g 0 0 20 3 re f",
		)},
	},
	"a glyph of Type 3": {
		look: "1 g BT /T 1 Tf (a) Tj ET", hides: hiddenAmount,
		resources: fmt.Sprintf("/Font << /T %d 0 R >>", hideMore),
		objects: map[int]string{
			hideMore: fmt.Sprintf("<< /Type /Font /Subtype /Type3 /FontBBox [0 0 200 30]"+
				" /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 97 /Widths [200]"+
				" /Encoding << /Differences [97 /a] >> /CharProcs << /a %d 0 R >> >>", hideMost),
			hideMost: pdftest.Stream("", "200 0 d0 0 0 200 30 re f"),
		},
	},
	"white letters": {
		look:  "1 g BT /F1 60 Tf 0 0 Td (nnnnn) Tj ET",
		hides: "ot l GD 1,000",
	},
	"multiplied black": {
		look: "/M gs 0 g 0 0 200 30 re f", hides: hiddenAmount,
		resources: "/ExtGState << /M << /BM /Multiply >> >>",
	},
	"an area in another filter": {
		look: "31206720302030203230302033302072652066>", entries: "/Filter /ASCIIHexDecode",
		hides: hiddenAmount,
	},
	"an area that cannot be read": {
		look: "1 g", entries: "/Filter /JBIG2Decode", hides: hiddenAmount,
	},
	"one digit":          {rect: "[134 695 142 712]", look: "1 g 0 0 200 30 re f", hides: "1"},
	"white on black":     {rect: "[60 600 260 640]", look: "0 g 0 0 200 30 re f", hides: "Void"},
	"the text of a scan": {rect: "[60 300 260 340]", look: "1 g 0 0 200 30 re f", hides: "Scanned"},

	// Glyphs.
	"pictures of a font": {
		look: "0 g BT /Z 60 Tf 0 -10 Td (nnnn) Tj ET", hides: hiddenAmount,
		resources: "/Font << /Z << /Type /Font /Subtype /Type1 /BaseFont /ZapfDingbats >> >>",
	},
	"a glyph that the font names": {
		look: "0 g BT /Z 60 Tf 0 -10 Td (aaaa) Tj ET", hides: hiddenAmount,
		resources: "/Font << /Z << /Type /Font /Subtype /TrueType /BaseFont /Arial" +
			" /Encoding << /Differences [97 /block] >> >> >>",
	},
	"blocks of an embedded font": {
		look: "0 g BT /T 60 Tf 0 0 Td <000100010001> Tj ET", hides: hiddenAmount,
		resources: wideFont, objects: blocks,
	},
	"blocks of a font by characters": {
		look: "0 g BT /T 60 Tf 0 0 Td (aaaa) Tj ET", hides: hiddenAmount,
		resources: simpleFont, objects: blocks,
	},
	"an embedded font that is unknown": {
		look: "0 g BT /T 9 Tf 0 0 Td (a) Tj ET", hides: hiddenAmount,
		resources: strings.Replace(simpleFont, "/FontFile2", "/FontFile3", 1), objects: blocks,
	},
	"blocks of a CFF font": {
		look: "0 g BT /T 60 Tf 0 0 Td (aaaa) Tj ET", hides: hiddenAmount, resources: cffFont,
		objects: map[int]string{hideMore: pdftest.Stream("/Subtype /Type1C", blockCFF("", [4]int{0, -200, 1000, 900}))},
	},
	"blocks of a CFF font by numbers": {
		look: "0 g BT /T 60 Tf 0 0 Td <0001000100010001> Tj ET", hides: hiddenAmount, resources: cidFont,
		objects: map[int]string{hideMore: pdftest.Stream(
			"/Subtype /CIDFontType0C", blockCFF("", [4]int{0, -200, 1000, 900}),
		)},
	},
	"blocks of a Type 1 font": {
		look: "0 g BT /T 60 Tf 0 0 Td (aaaa) Tj ET", hides: hiddenAmount, resources: type1Font,
		objects: map[int]string{hideMore: pdftest.Stream("", testType1{chars: []string{
			"a", "0 600 hsbw -200 vmoveto 1000 hlineto 1100 vlineto -1000 hlineto closepath endchar",
		}}.String())},
	},
	"a glyph of a Type 1 font that readers may draw in different ways": {
		look: "0 g BT /T 12 Tf 2 2 Td (a) Tj ET", hides: hiddenAmount, resources: type1Font,
		objects: map[int]string{hideMore: pdftest.Stream("", testType1{chars: []string{
			"a", "0 600 hsbw 100 0 rmoveto 100 hlineto 700 vlineto -100 hlineto closepath",
		}}.String())},
	},
	"a glyph that calls subroutines without an end": {
		look: "0 g BT /T 12 Tf 2 2 Td (a) Tj ET", hides: hiddenAmount, resources: cffFont,
		objects: map[int]string{hideMore: pdftest.Stream("/Subtype /Type1C", callingCFF.String())},
	},
	"a glyph of more parts than fit into memory": {
		look: "0 g BT /T 12 Tf 2 2 Td <0000> Tj ET", hides: hiddenAmount, resources: wideFont,
		objects: map[int]string{hideMore: pdftest.Stream("", partsFont())},
	},
	"a large CFF font": {
		look: "0 g BT /T 12 Tf 2 2 Td (ababababab) Tj ET", hides: hiddenAmount, resources: cffFont,
		objects: map[int]string{hideMore: pdftest.Stream(
			"/Subtype /Type1C", blockCFF(deciMatrix, [4]int{100, 0, 200, 700}),
		)},
	},
	"a CFF font with strokes": {
		look: "0 g BT /T 12 Tf 2 2 Td (ababababab) Tj ET", hides: hiddenAmount, resources: cffFont,
		objects: map[int]string{hideMore: pdftest.Stream(
			"/Subtype /Type1C", blockCFF("\x8d\x0c\x05", [4]int{100, 0, 200, 700}),
		)},
	},
	"thin lines of another ink": {
		look: "/S CS 0 SCN 1.5 w " + rows(0, 30, 1.4), hides: hiddenAmount,
		resources: "/ColorSpace << /S [/Separation /X /DeviceGray << /FunctionType 2 /Domain [0 1]" +
			" /N 1 /C0 [1] /C1 [0] >>] >>",
	},
	"blocks of a font with a map of glyphs": {
		look: "0 g BT /T 60 Tf 0 0 Td <000200020002> Tj ET", resources: mappedFont, hides: hiddenAmount,
		objects: map[int]string{hideMore: blocks[hideMore], hideMost: pdftest.Stream("", "\x00\x00\x00\x02\x00\x01")},
	},
	"a code that is not in a map of glyphs": {
		look: "0 g BT /T 9 Tf 0 0 Td <0003> Tj ET", resources: mappedFont, hides: hiddenAmount,
		objects: map[int]string{hideMore: stems[hideMore], hideMost: pdftest.Stream("", "\x00\x00\x00\x02\x00\x01")},
	},
	"two embedded fonts": {
		look: "0 g BT /T 9 Tf 0 0 Td (b) Tj ET", hides: hiddenAmount,
		resources: strings.Replace(
			simpleFont, "/FontFile2", fmt.Sprintf("/FontFile %d 0 R /FontFile2", hideMost), 1,
		), objects: blocks,
	},
	"glyphs from top to bottom": {
		look: "0 g BT /T 60 Tf 30 80 Td <00010001> Tj ET", hides: hiddenAmount,
		resources: strings.Replace(wideFont, "Identity-H", "Identity-V", 1), objects: blocks,
	},
	"thick outlines of glyphs": {
		look:  "1 Tr 30 w BT /F1 12 Tf 0 10 Td (...........................................) Tj ET",
		hides: hiddenAmount,
	},
	"letters over letters": {
		look: strings.Repeat("BT /F1 13 Tf 10 9 Td (HHHHHHHHHHHHHHH) Tj"+
			" 4 2 Td (HHHHHHHHHHHHHHH) Tj -2 1 Td (HHHHHHHHHHHHHHH) Tj ET ", 2) +
			"BT /F1 13 Tf 8 12 Td (HHHHHHHHHHHHHHH) Tj 2 -4 Td (HHHHHHHHHHHHHHH) Tj 5 0 Td (HHHHHHHHHHHHHHH) Tj ET ",
		hides: "Total: SGD 1,000",
	},
	"an invisible glyph of Type 3": {
		look: "BT 3 Tr /T 1 Tf (a) Tj ET", hides: hiddenAmount, resources: type3("/Differences [97 /a]"),
		objects: blockProc,
	},
	"a glyph of Type 3 without a name": {
		look: "BT /T 1 Tf (a) Tj ET", hides: hiddenAmount, resources: type3("/BaseEncoding /WinAnsiEncoding"),
		objects: blockProc,
	},
	// Paint.
	"two light backgrounds": {
		look: "/L gs 1 g 0 0 200 30 re f 0 0 200 30 re f", hides: hiddenAmount,
		resources: "/ExtGState << /L << /ca 0.7 >> >>",
	},
	"many multiplied grays": {
		look: "/M gs 0.6 g " + strings.Repeat("0 0 200 30 re f ", 4), hides: hiddenAmount,
		resources: "/ExtGState << /M << /BM /Multiply >> >>",
	},
	"multiplied red over red": {
		rect: "[60 750 260 780]", look: "/M gs 1 0 0 rg 0 0 200 30 re f", hides: "Overdue",
		resources: "/ExtGState << /M << /BM /Multiply >> >>",
	},
	"thin lines":            {look: "1 G 1.5 w " + rows(0, 30, 1.4), hides: hiddenAmount},
	"the upper half":        {look: "1 g 0 14 200 16 re f", hides: hiddenAmount},
	"a comma":               {rect: "[141 696 146 702]", look: "1 g 0 0 200 30 re f", hides: ","},
	"a part of a letter":    {rect: "[72 705 76 711]", look: "1 g 0 0 200 30 re f", hides: "T"},
	"a bar over the feet":   {rect: "[60 699 260 702]", look: "1 g 0 0 200 30 re f", hides: hiddenAmount},
	"white dots":            {look: "1 g BT /F1 30 Tf 11 16 Td (.) Tj ET", hides: "T"},
	"a clip without a path": {look: "W n 1 g 0 0 200 30 re f", hides: hiddenAmount},
	// What readers draw in different ways.
	"too many operands":     {look: "1 g -900 -900 1 1 0 0 200 30 re f", hides: hiddenAmount},
	"a fault in the middle": {look: "] 1 g 0 0 200 30 re f", hides: hiddenAmount},
	"an unknown operator":   {look: "0 0 200 30 rex 1 g 0 0 200 30 re f", hides: hiddenAmount},
	"data of an inline image": {
		look: "q BI /W 13 /H 1 /BPC 8 /CS /G ID  EI 0 0 m W n  EI Q 1 g 0 0 200 30 re f", hides: hiddenAmount,
	},
	"a state that is not chosen": {
		look: "1 g 0 0 200 30 re f", field: fmt.Sprintf("/AP << /N << /On %d 0 R >> >>", hideLook), hides: hiddenAmount,
	},
	"a background without an appearance": {field: "/MK << /BG [1] >>", hides: hiddenAmount},
	// Pictures and drawings.
	"an image is hidden":  {rect: "[60 100 100 140]", look: "1 g 0 0 200 30 re f", hides: unknownText},
	"a photo is hidden":   {rect: "[290 100 350 150]", look: "1 g 0 0 200 30 re f", hides: unknownText},
	"a drawing is hidden": {rect: "[300 680 360 730]", look: "1 g 0 0 200 30 re f", hides: unknownText},
	"a code is hidden":    {rect: "[395 95 440 150]", look: "1 g 0 0 200 30 re f", hides: unknownText},

	"nothing":                 {look: ""},
	"a panel with a frame":    {rect: "[58 38 262 82]", look: "1 g 0 0 200 30 re f"},
	"a blank part of a photo": {rect: "[300 124 340 138]", look: "1 g 0 0 200 30 re f"},
	"a seal beside words": {
		rect: "[60 690 300 726]", bbox: "[0 0 240 36]",
		look: "q 36 0 0 36 204 0 cm /I Do Q BT /F1 9 Tf 10 24 Td (Digitally signed by Ann) Tj" +
			" 0 -11 Td (Date: 2026.11.29 12:00) Tj ET",
		resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideImage),
	},
	"handwriting": {look: "0 0 1 RG 1.2 w 5 10 m 20 30 40 -10 60 20 c 80 40 90 -10 110 15 c" +
		" 130 35 150 0 190 12 c S"},
	"letters of an embedded font": {
		look: "0 g BT /T 12 Tf 2 2 Td <00010002000100020001> Tj ET", resources: wideFont, objects: stems,
	},
	"letters of a CFF font": {
		look: "0 g BT /T 12 Tf 2 2 Td (ababababab) Tj ET", resources: cffFont,
		objects: map[int]string{hideMore: pdftest.Stream("/Subtype /Type1C", blockCFF(
			milliMatrix, [4]int{100, 0, 200, 700}, [4]int{300, 0, 380, 500},
		))},
	},
	"letters of a Type 1 font": {
		look: "0 g BT /T 12 Tf 2 2 Td (ababababab) Tj ET", resources: type1Font,
		objects: map[int]string{hideMore: pdftest.Stream("", testType1{chars: []string{
			"a", "0 600 hsbw 100 0 rmoveto 100 hlineto 700 vlineto -100 hlineto closepath endchar",
			"b", "0 600 hsbw 300 hmoveto 80 hlineto 500 vlineto -80 hlineto closepath endchar",
		}}.String())},
	},
	"letters of a CFF font by numbers": {
		look: "0 g BT /T 12 Tf 2 2 Td <00010002000100020001> Tj ET", resources: cidFont,
		objects: map[int]string{hideMore: pdftest.Stream("/Subtype /CIDFontType0C", blockCFF(
			"", [4]int{100, 0, 200, 700}, [4]int{300, 0, 380, 500},
		))},
	},
	"letters of a font with a map of glyphs": {
		look: "0 g BT /T 12 Tf 2 2 Td <00020001000200010002> Tj ET", resources: mappedFont,
		objects: map[int]string{hideMore: stems[hideMore], hideMost: pdftest.Stream("", "\x00\x00\x00\x02\x00\x01")},
	},
	"letters of a font by characters": {
		look: "0 g BT /T 12 Tf 2 2 Td (ababababab) Tj ET", resources: simpleFont, objects: stems,
	},
	"a frame":             {look: "0 G 1 w 1 1 198 28 re S"},
	"words over the text": {look: "BT /F1 8 Tf 2 2 Td (Signed by Ann) Tj ET"},
	"a light background": {
		look: "/L gs 1 g 0 0 200 30 re f", resources: "/ExtGState << /L << /ca 0.7 >> >>",
	},
	"a highlighter": {
		look: "/M gs 1 1 0 rg 0 0 200 30 re f", resources: "/ExtGState << /M << /BM /Multiply >> >>",
	},
	"an area beside it":    {look: "1 g 0 0 200 4 re f"},
	"an area outside":      {look: "1 g 0 0 2 30 re n 300 0 200 30 re f"},
	"an area that is cut":  {look: "0 0 200 4 re W n 1 g 0 0 200 30 re f"},
	"white space":          {rect: "[300 50 500 80]", look: "1 g 0 0 200 30 re f"},
	"a line to sign on":    {rect: "[60 490 260 520]", look: "1 g 0 0 200 30 re f"},
	"a mark for a program": {rect: "[60 390 260 420]", look: "1 g 0 0 200 30 re f"},
	"a transparent image": {
		look: "200 0 0 30 0 0 cm /I Do", resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideMore),
		objects: map[int]string{
			hideMore: pdftest.Stream(plainImage+fmt.Sprintf(" /SMask %d 0 R", hideMost), "\xff"),
			hideMost: pdftest.Stream(plainImage, "\x00"),
		},
	},
	"an image without one colour": {
		look: "200 0 0 30 0 0 cm /I Do", resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideMore),
		objects: map[int]string{hideMore: pdftest.Stream(plainImage+" /Mask [255 255]", "\xff")},
	},
	"a stencil without ink": {
		look: "1 g 200 0 0 30 0 0 cm /I Do", resources: fmt.Sprintf("/XObject << /I %d 0 R >>", hideMore),
		objects: map[int]string{hideMore: pdftest.Stream(
			"/Subtype /Image /ImageMask true /Width 8 /Height 1 /BitsPerComponent 1", "\xff",
		)},
	},
}

// type3 is a font of Type 3 with one glyph, which blockProc draws.
func type3(encoding string) string {
	return fmt.Sprintf("/Font << /T << /Type /Font /Subtype /Type3 /FontBBox [0 0 200 30]"+
		" /FontMatrix [1 0 0 1 0 0] /FirstChar 97 /LastChar 97 /Widths [200]"+
		" /Encoding << /Type /Encoding %s >> /CharProcs << /a %d 0 R >> >> >>", encoding, hideMost)
}

var blockProc = map[int]string{hideMost: pdftest.Stream("", "200 0 d0 0 0 200 30 re f")}

// rows draws lines.
func rows(from, until, step float64) (ops string) {
	for y := from; y < until; y += step {
		ops += fmt.Sprintf("0 %.1f m 200 %.1f l ", y, y)
	}
	return ops + "S"
}

// cosigned adds the signature of a second signer with a box.
func (b laterBox) cosigned(t *testing.T, w *world, doc []byte) []byte {
	t.Helper()
	if b.rect == "" {
		b.rect = "[60 690 260 720]"
	}
	if b.bbox == "" {
		b.bbox = "[0 0 200 30]"
	}
	objects := map[int]string{hideLook: pdftest.Stream(fmt.Sprintf(
		"/Type /XObject /Subtype /Form /BBox %s /Resources << /Font << /F1 %d 0 R >> %s >> %s",
		b.bbox, pdftest.FontNum, b.resources, b.entries,
	), b.look)}
	if strings.Contains(b.resources, "/Font") {
		objects[hideLook] = strings.Replace(
			objects[hideLook], fmt.Sprintf("/Font << /F1 %d 0 R >> ", pdftest.FontNum), "", 1,
		)
	}
	maps.Copy(objects, b.objects)
	doc = newVictim(t, w, doc).update(objects)
	if b.field == "" {
		b.field = fmt.Sprintf("/AP << /N %d 0 R >>", hideLook)
	}
	return w.embed(
		t, doc, prepareOther(t, doc, putField(t, cmp.Or(b.name, "second"), "/Rect "+b.rect+" "+b.field)),
	)
}
