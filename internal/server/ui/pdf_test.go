package ui_test

import (
	"bytes"
	"fmt"
)

// testPDF makes a document of at least three pages: plain A4, rotated by 90 degrees, cropped with
// an origin that is not 0,0, and plain ones. Each has text at known places. The outline leads to
// pages 1 and 3.
func testPDF(n int) []byte {
	boxes := []string{
		"/MediaBox[0 0 595.28 841.89]", "/MediaBox[0 0 595.28 841.89]/Rotate 90",
		"/MediaBox[0 0 900 900]/CropBox[100 50 600 700]",
	}
	for len(boxes) < n {
		boxes = append(boxes, boxes[0])
	}
	return testPages(boxes)
}

// testPages makes the document with pages that have these boxes and turns.
func testPages(boxes []string) []byte {
	var b, kids bytes.Buffer
	for i := range boxes {
		fmt.Fprintf(&kids, "%d 0 R ", 4+2*i)
	}
	var offsets []int
	object := func(format string, args ...any) {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n", len(offsets))
		fmt.Fprintf(&b, format, args...)
		b.WriteString("\nendobj\n")
	}
	b.WriteString("%PDF-1.7\n")
	last := 3 + 2*len(boxes) // object numbers of the outline follow the pages
	object("<</Type/Catalog/Pages 2 0 R/Outlines %d 0 R>>", last+1)
	object("<</Type/Pages/Kids[%s]/Count %d>>", kids.Bytes(), len(boxes))
	object("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
	for i, box := range boxes {
		object(
			"<</Type/Page/Parent 2 0 R%s/Resources<</Font<</F 3 0 R>>>>/Contents %d 0 R>>", box,
			len(offsets)+2,
		)
		var c bytes.Buffer
		fmt.Fprintf(
			&c, "BT /F 20 Tf 150 640 Td (Agreement, page %d) Tj /F 11 Tf 0 -30 Td 15 TL", i+1,
		)
		for n := range 16 {
			fmt.Fprintf(
				&c,
				" (Clause %d. The parties agree to what is written in this clause of the sample.) Tj T*",
				n+1,
			)
		}
		c.WriteString(" ET")
		object("<</Length %d>>stream\n%s\nendstream", c.Len(), c.Bytes())
	}
	object("<</Type/Outlines/First %d 0 R/Last %[1]d 0 R/Count 1>>", last+2)
	object(
		"<</Title(Agreement)/Parent %d 0 R/First %d 0 R/Last %[2]d 0 R/Count 1/Dest[4 0 R/Fit]>>",
		last+1, last+3,
	)
	// page 3, 300 of its 650 pt below its top
	object("<</Title(Schedule)/Parent %d 0 R/Dest[8 0 R/XYZ 100 400 null]>>", last+2)
	xref := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(offsets)+1)
	for _, o := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(
		&b, "trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(offsets)+1, xref,
	)
	return b.Bytes()
}

// brotliPDF is a document whose text is compressed with the filter BrotliDecode. It has no table of
// objects, which pdf.js then finds itself.
const brotliPDF = `%PDF-1.7
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 842 842]/Resources<</Font<</F 4 0 R>>>>/Contents 5 0 R>>endobj
4 0 obj<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>endobj
5 0 obj<</Length 111/Filter[/ASCIIHexDecode/BrotliDecode]>>stream
1b5c00c804bef796ea8bff27c7b06e23a40bd104b00127e801f53438de26d98ee7be4c3934e1471d6276e14ba420b280d8633166e2cf36>
endstream endobj
trailer<</Size 6/Root 1 0 R>>
%%EOF
`
