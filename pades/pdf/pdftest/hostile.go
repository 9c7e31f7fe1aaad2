package pdftest

import (
	"bytes"
	"fmt"
	"strings"
)

// Hostile returns files that are made to cost time or memory, up to the size that the service
// accepts.
func Hostile() []Case {
	const big = 9 << 20 // a little less than the service accepts
	var out []Case
	add := func(name string, file []byte) { out = append(out, Case{Name: name, PDF: file}) }

	// Sections that all begin in the white space before the same table.
	var b bytes.Buffer
	b.WriteString(
		"%PDF-1.7\n" + strings.Repeat(" ", 400) + "xref\n0 400000\n" + strings.Repeat(
			"0000000000 65535 f \n", 400_000,
		),
	)
	b.WriteString("trailer\n<< /Size 400000 /Root 1 0 R /Prev 10 >>\nstartxref\n200\n%%EOF\n")
	add("large-table", b.Bytes())

	revisions := Minimal()
	prev := bytes.LastIndex(revisions, []byte("xref\n0 1"))
	for range 1_200 {
		at := len(revisions)
		revisions = fmt.Appendf(
			revisions,
			"xref\n0 0\ntrailer\n<< /Size 14 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n",
			prev, at,
		)
		prev = at
	}
	add("revisions", revisions)

	add("array-of-numbers", New(PageEntries(1, "/X ["+strings.Repeat("0 ", 400_000)+"]")))
	add("array-too-large", New(PageEntries(1, "/X ["+strings.Repeat("0 ", 4<<20)+"]")))
	add("string-unclosed", New(Object(CatalogNum, "("+strings.Repeat("(", big))))
	add("comments", New(PageEntries(1, "/X ["+strings.Repeat("1 %\n", 200_000)+"]")))

	// Two large objects that the cache does not keep, asked for in turns: beyond what one
	// object may hold, and just within.
	add("large-boxes", largeBoxes(1<<20-200))
	add("large-boxes-within-limits", largeBoxes(190_000))

	// Many pages that share a long array of annotations.
	add("shared-annotations", New(Pages(1400), SharedAnnots(),
		IndirectForm(Field{Name: "a", Page: 1}),
		Object(AnnotsNum, "["+strings.Repeat("5 0 R ", 300_000)+"]")))

	// Many fields below one with a long name; and many signed ones with one long lock.
	var fields []Option
	var list strings.Builder
	for i := range 20_000 {
		fields = append(
			fields,
			Object(30_000+i, fmt.Sprintf("<< /FT /Sig /T (%d) /V << /A 1 >> /Lock 5001 0 R >>", i)),
		)
		fmt.Fprintf(&list, "%d 0 R ", 30_000+i)
	}
	add("long-names", New(append(fields, Catalog("/AcroForm << /Fields [ 5000 0 R ] >>"),
		Object(5000, "<< /T ("+strings.Repeat("x", 1<<20)+") /Kids ["+list.String()+"] >>"))...))
	add("long-locks", New(append(fields, Catalog("/AcroForm << /Fields ["+list.String()+"] >>"),
		Object(5001, "<< /Action /Include /Fields ["+strings.Repeat("(a)", 300_000)+"] >>"))...))

	for _, c := range Cases() {
		if c.Name == "inflate-bomb" {
			add(c.Name, c.PDF)
		}
	}
	return out
}

// largeBoxes is a document of 1,500 pages whose crop boxes are two arrays of n numbers, in turns.
func largeBoxes(n int) []byte {
	var kids strings.Builder
	opts := []Option{
		Object(5000, "["+strings.Repeat("0 ", n)+"]"),
		Object(5001, "["+strings.Repeat("1 ", n)+"]"),
	}
	for i := range 1500 {
		fmt.Fprintf(&kids, "%d 0 R ", 6000+i)
		opts = append(
			opts,
			Object(
				6000+i,
				fmt.Sprintf(
					"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /CropBox %d 0 R >>",
					5000+i%2,
				),
			),
		)
	}
	return New(
		append(
			opts, Object(PagesNum, "<< /Type /Pages /Count 1500 /Kids ["+kids.String()+"] >>"),
		)...)
}
