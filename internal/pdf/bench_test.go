package pdf_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/signet-sign/signet/internal/pdf"
	"github.com/signet-sign/signet/internal/pdf/pdftest"
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
