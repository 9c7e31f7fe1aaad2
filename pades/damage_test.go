package pades

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestInspectRefusesDamage checks that an object that readers have to guess at shows one
// thing to the signer and another to others, if the document uses it.
func TestInspectRefusesDamage(t *testing.T) {
	const text = "BT /F1 9 Tf 9 9 Td (Pay 5) Tj ET % (Pay 500) Tj ET"
	content := func(body string) []byte { return pdftest.New(pdftest.Object(pdftest.ContentNum(1), body)) }
	sound := content(fmt.Sprintf("<< /Length %d >>\nstream\n%s\nendstream", len(text), text))
	replace := func(old, with string) []byte {
		i := bytes.LastIndex(sound, []byte(old))
		if i < 0 || len(old) != len(with) {
			t.Fatalf("%q cannot become %q", old, with)
		}
		out := bytes.Clone(sound)
		copy(out[i:], with)
		return out
	}
	const font = "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /BaseFont /Symbol >>"
	for _, tc := range []struct {
		name string
		doc  []byte
		want pdf.Reason
	}{
		{"sound", sound, ""},
		{"length too small", content("<< /Length 30 >>\nstream\n" + text + "\nendstream"), pdf.BadStream},
		{"length too large", content("<< /Length 90 >>\nstream\n" + text + "\nendstream"), pdf.BadStream},
		{"no length", content("<< >>\nstream\n" + text + "\nendstream"), pdf.BadStream},
		{"length of itself", content(fmt.Sprintf("<< /Length %d 0 R >>\nstream\n%s\nendstream", pdftest.ContentNum(1), text)), pdf.BadStream},
		{"two lengths", content(fmt.Sprintf("<< /Length %d /Length 30 >>\nstream\n%s\nendstream", len(text), text)), pdf.DuplicateKey},
		{"one length twice", content(fmt.Sprintf("<< /Length %d /Length %[1]d >>\nstream\n%s\nendstream", len(text), text)), ""},
		{"endstream is longer", replace("endstream\nendobj", "endstreamXendobj"), pdf.BadStream},
		{"endobj behind a stream is a comment", replace("endstream\nendobj", "endstream\n%ndobj"), pdf.BadStream},
		{"end of line before the data is CR", replace("stream\nBT", "stream\rBT"), ""},
		{"no end of line before the data", replace("stream\nBT", "stream BT"), pdf.BadObject},
		{"two names of a font", pdftest.New(pdftest.Object(pdftest.FontNum, font)), pdf.DuplicateKey},
		{"two names of a font, one escaped", pdftest.New(pdftest.Object(pdftest.FontNum, strings.Replace(font, "/BaseFont", "/Base#46ont", 1))), pdf.DuplicateKey},
		{"two entries in a large dictionary", pdftest.New(pdftest.PageEntries(1, "/A << /K 1 "+strings.Repeat("/L 1 ", 40)+" /K 2 >>")), pdf.DuplicateKey},
		{"a font that nothing uses", pdftest.New(pdftest.Object(5000, font)), ""},
		{"a stream that nothing uses", pdftest.New(pdftest.Object(5000, "<< /Length 3 >>\nstream\n"+text+"\nendstream")), ""},
	} {
		r := bytes.NewReader(tc.doc)
		_, err := Inspect(t.Context(), r, r.Size(), []Location{{1, 0, 0}}, pdf.Limits{})
		if got := pdf.ReasonOf(err); got != tc.want || got == "" && err != nil {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}
