package pades

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/webassembly"

	"github.com/signet-sign/signet/internal/pdf"
)

// exhibit is a signed file for the judges that start slowly and therefore get
// many at once.
type exhibit struct {
	path          string
	fields        int // of the new signature
	stamped       bool
	before, after *Report // our verdicts on the original and on the file
}

// judgeAll asks PDFBox with Bouncy Castle, and PDFium: about all files in CI, elsewhere about a sample, which is always the same.
func judgeAll(t *testing.T, files []exhibit) {
	t.Helper()
	slices.SortFunc(files, func(a, b exhibit) int { return strings.Compare(filepath.Base(a.path), filepath.Base(b.path)) })
	sample := func(most int) (some []exhibit) {
		if os.Getenv("CI") != "" {
			return files
		}
		for i := 0; i < len(files); i += (len(files) + most - 1) / most {
			some = append(some, files[i])
		}
		return some
	}
	t.Run("PDFBox", func(t *testing.T) { judgePDFBox(t, sample(15)) })
	t.Run("PDFium", func(t *testing.T) { judgePDFium(t, sample(6)) })
}

// judgePDFBox expects every field with our signature, and the time stamp, to be
// valid for PDFBox and Bouncy Castle.
func judgePDFBox(t *testing.T, files []exhibit) {
	program(t, "javac", "default-jdk-headless")
	var jars []string
	for _, name := range []string{"pdfbox2", "fontbox2", "commons-logging", "bcprov", "bcutil", "bcpkix"} {
		jar := filepath.Join("/usr/share/java", name+".jar")
		if _, err := os.Stat(jar); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing: apt-get install libpdfbox2-java libbcpkix-java", jar)
			}
			t.Skipf("%s is missing: apt-get install libpdfbox2-java libbcpkix-java", jar)
		}
		jars = append(jars, jar)
	}
	classes := t.TempDir()
	path := strings.Join(append(jars, classes), ":")
	if out, err := exec.Command("javac", "-cp", path, "-d", classes, "testdata/judges/PDFBoxJudge.java").CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	var names bytes.Buffer
	for _, f := range files {
		fmt.Fprintln(&names, f.path)
	}
	cmd := exec.CommandContext(t.Context(), "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx768m", "-cp", path, "PDFBoxJudge")
	cmd.Stdin = &names
	out, err := cmd.Output()
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(files) {
		t.Fatalf("%d verdicts about %d files:\n%s", len(lines), len(files), out)
	}
	for i, f := range files {
		var signatures, stamps, others int
		if _, err := fmt.Sscan(lines[i], &signatures, &stamps, &others); err != nil {
			t.Errorf("%s: %s", filepath.Base(f.path), lines[i])
			continue
		}
		want := 0
		if f.stamped {
			want = 1
		}
		// What the original had is for others to answer for.
		if earlier := len(f.before.Signatures); signatures < f.fields || stamps < want || earlier == 0 && (signatures != f.fields || stamps != want || others > 0) {
			t.Errorf("%s: PDFBox finds %d signatures, %d time stamps and %d others valid, want %d and %d", filepath.Base(f.path), signatures, stamps, others, f.fields, want)
		}
	}
}

// judgePDFium expects PDFium to open a file, to count the signatures that we
// count, and to paint the first page.
func judgePDFium(t *testing.T, files []exhibit) {
	pool, err := webassembly.Init(webassembly.Config{MinIdle: 1, MaxIdle: 1, MaxTotal: 1})
	must(t, err)
	defer pool.Close()
	pdfium, err := pool.GetInstance(time.Minute)
	must(t, err)
	defer pdfium.Close()
	for _, f := range files {
		data, err := os.ReadFile(f.path)
		must(t, err)
		doc, err := pdfium.OpenDocument(&requests.OpenDocument{File: &data})
		if err != nil {
			t.Errorf("%s: %v", filepath.Base(f.path), err)
			continue
		}
		want := unsignedFields(t, data) // which PDFium counts, too
		for _, s := range f.after.Signatures {
			want += len(s.Fields)
		}
		got, err := pdfium.FPDF_GetSignatureCount(&requests.FPDF_GetSignatureCount{Document: doc.Document})
		if err != nil || got.Count != want {
			t.Errorf("%s: PDFium counts %+v signatures, %v; want %d", filepath.Base(f.path), got, err, want)
		}
		// Where the crop box lies outside the media box PDFium sees no page; we fall back on the media box.
		if !strings.HasSuffix(f.path, "-crop-outside.pdf") {
			page, err := pdfium.RenderPageInDPI(&requests.RenderPageInDPI{
				Page: requests.Page{ByIndex: &requests.PageByIndex{Document: doc.Document, Index: 0}}, DPI: 24,
			})
			if err != nil || page.Result.RenderedImage.Bounds().Empty() {
				t.Errorf("%s: PDFium does not paint it: %v", filepath.Base(f.path), err)
			} else {
				page.Cleanup()
			}
		}
		_, err = pdfium.FPDF_CloseDocument(&requests.FPDF_CloseDocument{Document: doc.Document})
		must(t, err)
	}
}

// unsignedFields is the number of signature fields that wait for a signature.
func unsignedFields(t *testing.T, data []byte) (n int) {
	t.Helper()
	d, err := pdf.Open(bytes.NewReader(data), int64(len(data)), pdf.Limits{})
	must(t, err)
	fields, err := d.SignatureFields()
	must(t, err)
	for _, f := range fields {
		if !f.Signed() {
			n++
		}
	}
	return n
}
