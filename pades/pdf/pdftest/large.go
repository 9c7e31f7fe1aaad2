package pdftest

import (
	"bufio"
	"fmt"
	"io"
)

// Large writes a PDF of about the given number of bytes to w, without holding
// it in memory: so many A4 pages, each with its share of uncompressed content.
func Large(w io.Writer, size int64, pages int) error {
	out := &counter{w: bufio.NewWriterSize(w, 64<<10)}
	off := make([]int64, 4+2*pages)
	begin := func(num int) {
		off[num] = out.n
		fmt.Fprintf(out, "%d 0 obj\n", num)
	}
	fmt.Fprintf(out, header, "1.7")
	begin(1)
	fmt.Fprint(out, "<< /Type /Catalog /Pages 2 0 R >>\nendobj\n")
	begin(2)
	fmt.Fprintf(out, "<< /Type /Pages /Count %d /Kids [", pages)
	for i := range pages {
		fmt.Fprintf(out, " %d 0 R", 4+2*i)
	}
	fmt.Fprint(out, " ] >>\nendobj\n")
	begin(3)
	fmt.Fprint(out, "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>\nendobj\n")

	const line = "% the quick brown fox jumps over the lazy dog, and then does it again\n"
	lines := size / int64(pages) / int64(len(line))
	for i := range pages {
		begin(4 + 2*i)
		fmt.Fprintf(
			out,
			"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595.28 841.89] /Resources << /Font << /F1 3 0 R >> >> /Contents %d 0 R >>\nendobj\n",
			5+2*i,
		)
		begin(5 + 2*i)
		text := fmt.Sprintf("BT /F1 24 Tf 72 720 Td (Page %d of %d) Tj ET\n", i+1, pages)
		fmt.Fprintf(
			out, "<< /Length %d >>\nstream\n%s", int64(len(text))+lines*int64(len(line)), text,
		)
		for range lines {
			fmt.Fprint(out, line)
		}
		fmt.Fprint(out, "\nendstream\nendobj\n")
	}
	at := out.n
	fmt.Fprintf(out, "xref\n0 %d\n0000000000 65535 f \n", len(off))
	for _, o := range off[1:] {
		fmt.Fprintf(out, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(
		out, "trailer\n<< /Size %d /Root 1 0 R%s >>\nstartxref\n%d\n%%%%EOF\n", len(off), id, at,
	)
	if out.err != nil {
		return out.err
	}
	return out.w.Flush()
}

// counter counts what is written and keeps the first error.
type counter struct {
	w   *bufio.Writer
	n   int64
	err error
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	if c.err == nil {
		c.err = err
	}
	return n, err
}
