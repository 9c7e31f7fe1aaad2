package conform

import (
	"bytes"
	"fmt"
	"strings"
)

// document is a PDF of one page; the zero document is an ordinary one.
type document struct {
	width, height int    // of the page in points; 0 means A4
	catalog, page string // further entries of the catalog, of the page
	trailer       string // further entries of the trailer
	size          int    // to which a comment makes it up; 0: as it comes
	hybrid        bool   // a cross-reference stream beside the table
}

func (d document) bytes() []byte {
	if d.width == 0 {
		d.width, d.height = 595, 842
	}
	content := "BT /F1 24 Tf 72 720 Td (A document to sign) Tj ET"
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R " + d.catalog + " >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		fmt.Sprintf(
			"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R "+
				"/Resources << /Font << /F1 5 0 R >> >> %s >>", d.width, d.height, d.page,
		),
		fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
	}
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
	at := make([]int, len(objects))
	for i, object := range objects {
		at[i] = b.Len()
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, object)
	}
	if d.hybrid {
		stream := b.Len()
		entry := []byte{1, byte(stream >> 8), byte(stream), 0}
		fmt.Fprintf(
			&b,
			"6 0 obj\n<< /Type /XRef /Size 7 /W [1 2 1] /Index [6 1] /Root 1 0 R /Length 4 >>\n"+
				"stream\n%s\nendstream\nendobj\n",
			entry,
		)
		d.trailer += fmt.Sprintf(" /XRefStm %d", stream)
	}
	end := func(table int) string {
		var e strings.Builder
		fmt.Fprintf(&e, "xref\n0 %d\n0000000000 65535 f \n", len(at)+1)
		for _, offset := range at {
			fmt.Fprintf(&e, "%010d 00000 n \n", offset)
		}
		fmt.Fprintf(
			&e, "trailer\n<< /Size %d /Root 1 0 R %s >>\nstartxref\n%d\n%%%%EOF\n", len(at)+1,
			d.trailer, table,
		)
		return e.String()
	}
	if d.size > 0 { // the offset's digits count
		rest := d.size - b.Len() - len(end(d.size))
		fmt.Fprintf(&b, "%%%s\n", strings.Repeat("-", rest-2))
	}
	b.WriteString(end(b.Len()))
	return b.Bytes()
}

// encryption is the trailer's entry of a document that is encrypted with a password.
var encryption = fmt.Sprintf(
	"/ID [<%[1]s> <%[1]s>] /Encrypt << /Filter /Standard /V 1 /R 2 /P -4 /O <%[2]s> /U <%[2]s> >>",
	strings.Repeat("0f", 16), strings.Repeat("a5", 32),
)
