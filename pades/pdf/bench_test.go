package pdf_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// BenchmarkLarge opens a file of 52 MB and 500 pages and prepares an update
// on the last page. Memory must follow the update, not the file.
func BenchmarkLarge(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "large.pdf"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	if err := pdftest.Large(f, 52<<20, 500); err != nil {
		b.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		d, err := pdf.Open(f, info.Size(), pdf.Limits{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := sign(d); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkManyObjects opens a file of 100,000 objects, nearly all of the time
// for which is the check of its cross-reference table.
func BenchmarkManyObjects(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "many.pdf"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	opts := make([]pdftest.Option, 0, 100_000)
	for i := range cap(opts) {
		opts = append(opts, pdftest.Object(30_000+i, "<< /Type /Something /Value 12345678 >>"))
	}
	file := pdftest.New(opts...)
	if _, err := f.Write(file); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := pdf.Open(f, int64(len(file)), pdf.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}
