package pdf_test

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHostile opens files that are made to cost time or memory, up to the size
// that the service accepts. Each must end, with whatever answer, well before it
// hurts; the times are far above what the files take, so that only a lost bound
// fails the test.
func TestHostile(t *testing.T) {
	const (
		maxTime   = 15 * time.Second // for a quarter of a budget that is meant to last 5 s
		maxMemory = 400 << 20
	)
	lim := pdf.Limits{Work: 128 << 20} // to spare the reader of test results three quarters of the wait
	if raceEnabled {
		t.Skip("times and sizes mean nothing under the race detector")
	}
	for _, c := range hostile() {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			d, err := pdf.Open(bytes.NewReader(c.file), int64(len(c.file)), lim)
			if err == nil {
				_, err = sign(d)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf("%d bytes: %v after %v, heap grew by %d MB", len(c.file), err, took, (int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20)
			if err != nil && pdf.ReasonOf(err) == "" {
				t.Errorf("not a refusal: %v", err)
			}
			if took > maxTime {
				t.Errorf("took %v", took)
			}
			if got := int64(after.HeapSys) - int64(before.HeapSys); got > maxMemory {
				t.Errorf("needed %d MB of heap", got>>20)
			}
		})
	}
}

type hostileFile struct {
	name string
	file []byte
}

func hostile() []hostileFile {
	const big = 9 << 20 // a little less than the service accepts
	var out []hostileFile
	add := func(name string, file []byte) { out = append(out, hostileFile{name, file}) }

	// Sections that all begin in the white space before the same table.
	var b bytes.Buffer
	b.WriteString("%PDF-1.7\n" + strings.Repeat(" ", 400) + "xref\n0 400000\n" + strings.Repeat("0000000000 65535 f \n", 400_000))
	b.WriteString("trailer\n<< /Size 400000 /Root 1 0 R /Prev 10 >>\nstartxref\n200\n%%EOF\n")
	add("large-table", b.Bytes())

	revisions := pdftest.Minimal()
	prev := bytes.LastIndex(revisions, []byte("xref\n0 1"))
	for range 1_200 {
		at := len(revisions)
		revisions = fmt.Appendf(revisions, "xref\n0 0\ntrailer\n<< /Size 14 /Root 1 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n", prev, at)
		prev = at
	}
	add("revisions", revisions)

	add("array-of-numbers", pdftest.New(pdftest.PageEntries(1, "/X ["+strings.Repeat("0 ", 400_000)+"]")))
	add("array-too-large", pdftest.New(pdftest.PageEntries(1, "/X ["+strings.Repeat("0 ", 4<<20)+"]")))
	add("string-unclosed", pdftest.New(pdftest.Object(pdftest.CatalogNum, "("+strings.Repeat("(", big))))
	add("comments", pdftest.New(pdftest.PageEntries(1, "/X ["+strings.Repeat("1 %\n", 200_000)+"]")))

	// Two large objects that the cache does not keep, asked for in turns.
	var kids strings.Builder
	opts := []pdftest.Option{
		pdftest.Object(5000, "["+strings.Repeat("0 ", 1<<20-200)+"]"),
		pdftest.Object(5001, "["+strings.Repeat("1 ", 1<<20-200)+"]"),
	}
	for i := range 1500 {
		fmt.Fprintf(&kids, "%d 0 R ", 6000+i)
		opts = append(opts, pdftest.Object(6000+i, fmt.Sprintf("<< /Type /Page /Parent 2 0 R /MediaBox [0 0 99 99] /CropBox %d 0 R >>", 5000+i%2)))
	}
	opts = append(opts, pdftest.Object(pdftest.PagesNum, "<< /Type /Pages /Count 1500 /Kids ["+kids.String()+"] >>"))
	add("large-boxes", pdftest.New(opts...))

	// Many pages that share a long array of annotations.
	add("shared-annotations", pdftest.New(pdftest.Pages(1400), pdftest.SharedAnnots(),
		pdftest.IndirectForm(pdftest.Field{Name: "a", Page: 1}),
		pdftest.Object(pdftest.AnnotsNum, "["+strings.Repeat("5 0 R ", 300_000)+"]")))

	// Many fields below one with a long name; and many signed ones with one long lock.
	var fields []pdftest.Option
	var list strings.Builder
	for i := range 20_000 {
		fields = append(fields, pdftest.Object(30_000+i, fmt.Sprintf("<< /FT /Sig /T (%d) /V << /A 1 >> /Lock 5001 0 R >>", i)))
		fmt.Fprintf(&list, "%d 0 R ", 30_000+i)
	}
	add("long-names", pdftest.New(append(fields, pdftest.Catalog("/AcroForm << /Fields [ 5000 0 R ] >>"),
		pdftest.Object(5000, "<< /T ("+strings.Repeat("x", 1<<20)+") /Kids ["+list.String()+"] >>"))...))
	add("long-locks", pdftest.New(append(fields, pdftest.Catalog("/AcroForm << /Fields ["+list.String()+"] >>"),
		pdftest.Object(5001, "<< /Action /Include /Fields ["+strings.Repeat("(a)", 300_000)+"] >>"))...))

	for _, c := range pdftest.Cases() {
		if c.Name == "inflate-bomb" {
			add(c.Name, c.PDF)
		}
	}
	return out
}
