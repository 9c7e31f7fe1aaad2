package pades

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/signet-sign/signet/internal/pdf"
	"github.com/signet-sign/signet/internal/pdf/pdftest"
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

// BenchmarkSHA256 is the bound: no signature without reading the file once.
func BenchmarkSHA256(b *testing.B) {
	f, size := large(b)
	b.SetBytes(size)
	for b.Loop() {
		_, err := io.Copy(sha256.New(), io.NewSectionReader(f, 0, size))
		must(b, err)
	}
}

// BenchmarkPrepare prepares 20 places; B/op must not follow the file's size.
func BenchmarkPrepare(b *testing.B) {
	f, size := large(b)
	w := newWorld(b)
	var locs []Location
	for page := range 20 {
		locs = append(locs, Location{page*25 + 1, 0.3, 0.3})
	}
	b.SetBytes(size)
	b.ReportAllocs()
	for b.Loop() {
		_, err := Prepare(f, size, w.options(locs...))
		must(b, err)
	}
}

// BenchmarkWhole signs a small file up to B-LTA and verifies it.
func BenchmarkWhole(b *testing.B) {
	w := newWorld(b)
	doc := pdftest.Minimal()
	b.ReportAllocs()
	for b.Loop() {
		p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(Location{1, 0.1, 0.1}))
		must(b, err)
		var out bytes.Buffer
		must(b, Embed(b.Context(), bytes.NewReader(doc), p, w.chain(), w.sign(b, p.SignedAttributes(w.cert)), w.tsa, &out))
		update, err := Extend(b.Context(), bytes.NewReader(out.Bytes()), int64(out.Len()),
			ExtendOptions{Evidence: w, Timestamper: w.tsa, FieldName: "Timestamp", Rand: rand.Reader})
		must(b, err)
		out.Write(update)
		must(b, w.verify(b, out.Bytes()).Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
	}
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
	b.SetBytes(size)
	for b.Loop() {
		must(b, w.verify(b, lta).Meets(Expectation{Prepared: p, Certificate: w.cert, Level: LevelLTA}))
	}
}

// usual returns a document of 1 MB with 3 pages, as relying parties send.
func usual(t testing.TB) *bytes.Reader {
	t.Helper()
	var doc bytes.Buffer
	must(t, pdftest.Large(&doc, 1<<20, 3))
	return bytes.NewReader(doc.Bytes())
}

// BenchmarkInspect is what every upload costs.
func BenchmarkInspect(b *testing.B) {
	doc := usual(b)
	b.SetBytes(doc.Size())
	b.ReportAllocs()
	for b.Loop() {
		_, err := Inspect(b.Context(), doc, doc.Size(), []Location{{1, 0.3, 0.3}}, pdf.Limits{})
		must(b, err)
	}
}

// Inspect rehearses the signature, but not the drawing of it, which is most of the work of Prepare and the same for every document.
func TestInspectDrawsNothing(t *testing.T) {
	doc := usual(t)
	const runs = 10
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range runs {
		_, err := Inspect(t.Context(), doc, doc.Size(), []Location{{1, 0.3, 0.3}}, pdf.Limits{})
		must(t, err)
	}
	runtime.ReadMemStats(&after)
	if each := (after.TotalAlloc - before.TotalAlloc) / runs; each > 256<<10 {
		t.Errorf("Inspect allocates %d bytes", each)
	}
}
