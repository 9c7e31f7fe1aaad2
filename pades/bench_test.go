//go:build unix

package pades

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// large returns a file of about 50 MB with 500 pages.
func large(b *testing.B) (*os.File, int64) {
	b.Helper()
	f, err := os.Create(filepath.Join(b.TempDir(), "large.pdf"))
	must(b, err)
	b.Cleanup(func() { _ = f.Close() })
	must(b, pdftest.Large(f, 50<<20, 500))
	size, err := f.Seek(0, io.SeekEnd)
	must(b, err)
	return f, size
}

// cpu is the time that this process has computed, whatever else the machine did.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	must(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// against runs f in turns with SHA-256 over the same document, which is the
// bound: no signature without reading the file once. It reports the computing
// time of f, and its ratio to that of SHA-256; the wall clock is of no use here.
func against(b *testing.B, r io.ReaderAt, size int64, f func()) {
	b.Helper()
	b.ReportAllocs()
	var hashing, working time.Duration
	for b.Loop() {
		begin := cpu(b)
		_, err := io.Copy(sha256.New(), io.NewSectionReader(r, 0, size))
		must(b, err)
		between := cpu(b)
		f()
		hashing, working = hashing+between-begin, working+cpu(b)-between
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(working)/float64(hashing), "x-SHA-256")
	b.ReportMetric(float64(working.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkPrepare prepares 20 places; B/op must not follow the file's size.
func BenchmarkPrepare(b *testing.B) {
	f, size := large(b)
	w := newWorld(b)
	var locs []Location
	for page := range 20 {
		locs = append(locs, Location{page*25 + 1, 0.3, 0.3})
	}
	against(b, f, size, func() {
		_, err := Prepare(f, size, w.options(locs...))
		must(b, err)
	})
}

// BenchmarkInspect is what every upload costs.
func BenchmarkInspect(b *testing.B) {
	doc := usual(b)
	against(b, doc, doc.Size(), func() {
		_, err := Inspect(b.Context(), doc, doc.Size(), []Location{{1, 0.3, 0.3}}, pdf.Limits{})
		must(b, err)
	})
}

// BenchmarkWhole signs a small file up to B-LTA and verifies it.
func BenchmarkWhole(b *testing.B) {
	w := newWorld(b)
	doc := pdftest.Minimal()
	b.ReportAllocs()
	begin := cpu(b)
	for b.Loop() {
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
		must(b, err)
		var out bytes.Buffer
		must(
			b,
			Embed(
				b.Context(), bytes.NewReader(doc), p, w.chain(),
				w.sign(b, p.SignedAttributes(w.cert)), w.tsa, &out,
			),
		)
		update, err := Extend(
			b.Context(),
			bytes.NewReader(out.Bytes()),
			int64(out.Len()),
			ExtendOptions{
				Evidence: w, Timestamper: w.tsa, FieldName: "Timestamp", Rand: rand.Reader,
				Memo: &w.memo,
			},
		)
		must(b, err)
		out.Write(update)
		must(
			b,
			w.verify(b, out.Bytes()).Meets(
				Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA},
			),
		)
	}
	b.ReportMetric(float64((cpu(b)-begin).Microseconds())/1000/float64(b.N), "cpu-ms/op")
}

// BenchmarkVerifyLarge judges a large file at B-LTA: the gate before release.
func BenchmarkVerifyLarge(b *testing.B) {
	f, size := large(b)
	w := newWorld(b)
	doc := make([]byte, size)
	_, err := f.ReadAt(doc, 0)
	must(b, err)
	p, err := Prepare(f, size, w.options(Location{1, 0.1, 0.1}))
	must(b, err)
	var out bytes.Buffer
	must(b, Embed(b.Context(), f, p, w.chain(), w.sign(b, p.SignedAttributes(w.cert)), w.tsa, &out))
	lta := w.extend(b, out.Bytes(), true)
	against(b, f, size, func() {
		must(
			b,
			w.verify(b, lta).Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}),
		)
	})
}

// BenchmarkVerifyCovered verifies a document with a signature whose page, full of text, has the box
// of a later one, in turns with the same document whose later box is on another page. It reports
// the ratio of the computing times: what it costs to look for what a box hides.
func BenchmarkVerifyCovered(b *testing.B) {
	w := newWorld(b)
	var text strings.Builder
	for line := range 60 {
		fmt.Fprintf(&text, "BT /F1 8 Tf 40 %d Td (%s) Tj ET\n", 800-12*line, strings.Repeat("clause ", 18))
	}
	doc := pdftest.New(
		pdftest.Pages(2), pdftest.Object(pdftest.ContentNum(1), pdftest.Stream("", text.String())),
	)
	first, _ := w.signed(b, doc, w.options(Location{1, 0.1, 0.1}))
	later := func(page int) []byte {
		o := w.options(Location{page, 0.4, 0.5})
		o.FieldName = "later"
		out, _ := w.signed(b, first, o)
		return out
	}
	over, beside := later(1), later(2)
	var covered, other time.Duration
	for b.Loop() {
		begin := cpu(b)
		w.verify(b, over)
		between := cpu(b)
		w.verify(b, beside)
		covered, other = covered+between-begin, other+cpu(b)-between
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(covered)/float64(other), "x-beside")
	b.ReportMetric(float64(covered.Microseconds())/1000/float64(b.N), "cpu-ms/op")
}
