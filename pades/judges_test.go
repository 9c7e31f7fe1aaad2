package pades

import (
	"bytes"
	"encoding/hex"
	"encoding/pem"
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
	"github.com/pdfcpu/pdfcpu/pkg/api"
	"github.com/pdfcpu/pdfcpu/pkg/pdfcpu/model"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
)

// exhibit is a signed file for the judges that start slowly and therefore get
// many at once.
type exhibit struct {
	path          string
	fields        int // of the new signature
	stamped       bool
	before, after *Report // our verdicts on the original and on the file
}

// judgeAll asks OpenSSL, PDFBox with Bouncy Castle, PDFium, PKI.js with pdf.js, and pdfcpu: about
// all files in CI, elsewhere about a sample, which is always the same.
func judgeAll(t *testing.T, w *world, files []exhibit) {
	t.Helper()
	slices.SortFunc(
		files,
		func(a, b exhibit) int { return strings.Compare(filepath.Base(a.path), filepath.Base(b.path)) },
	)
	sample := func(most int) (some []exhibit) {
		if os.Getenv("CI") != "" {
			return files
		}
		for i := 0; i < len(files); i += (len(files) + most - 1) / most {
			some = append(some, files[i])
		}
		return some
	}
	t.Run("OpenSSL", func(t *testing.T) { judgeOpenSSL(t, w, sample(20)) })
	t.Run("PDFBox", func(t *testing.T) { judgePDFBox(t, sample(15)) })
	t.Run("PDFium", func(t *testing.T) { judgePDFium(t, sample(6)) })
	t.Run("PKI.js", func(t *testing.T) { judgePKIjs(t, w, sample(20)) })
	t.Run("pdfcpu", func(t *testing.T) { judgePDFCPU(t, w, sample(15)) })
}

// judgeOpenSSL expects the new messages to be CAdES over the ranges of the file, and their
// timestamps over the signatures; and a document timestamp to be one over its ranges.
func judgeOpenSSL(t *testing.T, w *world, files []exhibit) {
	program(t, "openssl", "openssl")
	dir := t.TempDir()
	root := rootFile(t, w, dir)
	put := func(name string, data ...[]byte) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, slices.Concat(data...), 0o600))
		return path
	}
	for _, f := range files {
		file, err := os.ReadFile(f.path)
		must(t, err)
		for _, s := range f.after.Signatures[len(f.before.Signatures):] {
			br := s.ByteRange
			ranges := put("ranges", file[:br[1]], file[br[2]:br[2]+br[3]])
			padded, err := hex.DecodeString(string(file[br[1]+1 : br[2]-1]))
			must(t, err)
			message, _, err := cms.DER(padded)
			must(t, err)
			stamped, token := ranges, message
			if !s.DocumentTimestamp {
				if out, err := exec.Command("openssl", "cms", "-verify", "-binary", "-cades", "-inform", "DER", "-in", put("message", message),
					"-content", ranges, "-CAfile", root, "-purpose", "any", "-out", os.DevNull).CombinedOutput(); err != nil {
					t.Errorf("%s: openssl cms: %v\n%s", filepath.Base(f.path), err, out)
				}
				sd, err := cms.Parse(message)
				must(t, err)
				stamped = put("signature", sd.Signer.Signature)
				token = sd.Signer.Timestamps()[0]
			}
			if out, err := exec.Command("openssl", "ts", "-verify", "-token_in", "-in", put("token", token), "-data", stamped, "-CAfile", root).CombinedOutput(); err != nil {
				t.Errorf("%s: openssl ts: %v\n%s", filepath.Base(f.path), err, out)
			}
		}
	}
}

// rootFile writes the root's certificate as PEM.
func rootFile(t *testing.T, w *world, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "root.pem")
	must(
		t,
		os.WriteFile(
			path, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: w.ca.Root().Raw}),
			0o600,
		),
	)
	return path
}

// judgePKIjs expects one valid PAdES signature with a timestamp and one document timestamp for
// PKI.js, with their chains, and all signature fields for pdf.js. A file with a changed byte must
// have none.
func judgePKIjs(t *testing.T, w *world, files []exhibit) {
	program(t, "node", "nodejs")
	if _, err := os.Stat("../web/node_modules/pkijs"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("pkijs is missing: web/deps")
		}
		t.Skip("pkijs is missing: web/deps")
	}
	root := filepath.Join(t.TempDir(), "root.der")
	must(t, os.WriteFile(root, w.ca.Root().Raw, 0o600))
	names := bytes.NewBufferString(root + "\n")
	for _, f := range files {
		fmt.Fprintln(names, f.path)
	}
	fmt.Fprintln(names, tampered(t, files[0]))
	cmd := exec.CommandContext(t.Context(), "node", "testdata/judges/pkijs.mjs")
	cmd.Stdin = names
	out, err := cmd.Output()
	must(t, err)
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(lines) != len(files)+1 {
		t.Fatalf("%d verdicts about %d files:\n%s", len(lines), len(files)+1, out)
	}
	for i, f := range files {
		var signatures, stamps, fields, wantStamps int
		if _, err := fmt.Sscan(lines[i], &signatures, &stamps, &fields); err != nil {
			t.Errorf("%s: %s", filepath.Base(f.path), lines[i])
			continue
		}
		if f.stamped {
			wantStamps = 1
		}
		if signatures != 1 || stamps != wantStamps || fields < f.fields+wantStamps {
			t.Errorf(
				"%s: PKI.js finds %d signatures and %d timestamps valid, want 1 and %d; "+
					"pdf.js %d fields, want at least %d",
				filepath.Base(f.path),
				signatures,
				stamps,
				wantStamps,
				fields,
				f.fields+wantStamps,
			)
		}
	}
	if last := lines[len(files)]; !strings.HasPrefix(last, "0 0 ") {
		t.Errorf("a file with a changed byte: %s", last)
	}
}

// tampered returns the name of a copy of a file with a bit of the original's header changed.
func tampered(t *testing.T, f exhibit) string {
	t.Helper()
	file, err := os.ReadFile(f.path)
	must(t, err)
	file[bytes.IndexByte(file, '.')+1] ^= 1 // %PDF-1.7 becomes 1.6
	path := filepath.Join(t.TempDir(), "tampered.pdf")
	must(t, os.WriteFile(path, file, 0o600))
	return path
}

// judgePDFCPU expects pdfcpu to find no fault with any of the new fields: authentic, with a
// timestamp that it reads and a chain to the root. It does not judge revocation without a network,
// nor knows /VRI, and so calls no signature valid.
func judgePDFCPU(t *testing.T, w *world, files []exhibit) {
	model.ConfigPath = "disable"
	model.TrustedCertDir = t.TempDir()
	rootFile(t, w, model.TrustedCertDir)
	ask := func(path string) ([]*model.SignatureValidationResult, error) {
		conf := model.NewDefaultConfiguration()
		conf.Offline = true
		return api.ValidateSignatures(path, true, conf)
	}
	for _, f := range files {
		results, err := ask(f.path)
		if err != nil {
			// What it does not read for reasons of its own, such as the original's, others have
			// judged.
			t.Logf("%s: pdfcpu: %v", filepath.Base(f.path), err)
			continue
		}
		found := 0
		for _, r := range results {
			if len(r.Details.Signers) != 1 ||
				!strings.HasPrefix(r.Details.FieldName, "signv3-") &&
					r.Details.FieldName != "Timestamp" {
				continue
			}
			found++
			signer := r.Details.Signers[0]
			ok := r.Status != model.SignatureStatusInvalid && r.DocModified != model.True &&
				!signer.Timestamp.IsZero() &&
				signer.Certificate != nil &&
				signer.Certificate.Trust.Status == model.True
			switch r.Reason {
			case model.SignatureReasonDocNotModified,
				model.SignatureReasonUnsupported,
				model.SignatureReasonCertRevocationUnknown:
			default:
				ok = false
			}
			if !ok {
				t.Errorf("%s: pdfcpu about %q: %s", filepath.Base(f.path), r.Details.FieldName, r)
			}
		}
		want := f.fields
		if f.stamped {
			want++
		}
		if found != want {
			t.Errorf(
				"%s: pdfcpu finds %d of our %d signature fields", filepath.Base(f.path), found,
				want,
			)
		}
	}
	results, err := ask(tampered(t, files[0]))
	must(t, err)
	for _, r := range results {
		if r.Status != model.SignatureStatusInvalid {
			t.Errorf("a file with a changed byte: %s", r)
		}
	}
}

// pdfBox runs a class of testdata/judges with names on its standard input.
func pdfBox(t *testing.T, class string, names []string) (output string) {
	t.Helper()
	cmd := pdfBoxCommand(t, class)
	cmd.Stdin = strings.NewReader(strings.Join(names, "\n") + "\n")
	var out, log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &log
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v:\n%s", err, log.String())
	}
	return out.String()
}

// pdfBoxCommand returns the command that runs a class of testdata/judges with PDFBox and Bouncy
// Castle.
func pdfBoxCommand(t *testing.T, class string) *exec.Cmd {
	t.Helper()
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
	if out, err := exec.Command("javac", "-cp", path, "-d", classes, "testdata/judges/"+class+".java").CombinedOutput(); err != nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	return exec.CommandContext(
		t.Context(), "java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx768m",
		"-Djava.awt.headless=true", "-cp", path, class,
	)
}

// judgePDFBox expects every field with our signature, and the timestamp, to be
// valid for PDFBox and Bouncy Castle.
func judgePDFBox(t *testing.T, files []exhibit) {
	var names []string
	for _, f := range files {
		names = append(names, f.path)
	}
	out := pdfBox(t, "PDFBoxJudge", names)
	lines := strings.Split(strings.TrimSpace(out), "\n")
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
		if earlier := len(f.before.Signatures); signatures < f.fields || stamps < want ||
			earlier == 0 && (signatures != f.fields || stamps != want || others > 0) {
			t.Errorf(
				"%s: PDFBox finds %d signatures, %d timestamps and %d others valid, want %d and %d",
				filepath.Base(f.path),
				signatures,
				stamps,
				others,
				f.fields,
				want,
			)
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
		got, err := pdfium.FPDF_GetSignatureCount(
			&requests.FPDF_GetSignatureCount{Document: doc.Document},
		)
		if err != nil || got.Count != want {
			t.Errorf(
				"%s: PDFium counts %+v signatures, %v; want %d", filepath.Base(f.path), got, err,
				want,
			)
		}
		// Where the crop box lies outside the media box PDFium sees no page; we fall back on the
		// media box.
		if !strings.HasSuffix(f.path, "-crop-outside.pdf") {
			page, err := pdfium.RenderPageInDPI(&requests.RenderPageInDPI{
				Page: requests.Page{
					ByIndex: &requests.PageByIndex{Document: doc.Document, Index: 0},
				},
				DPI: 24,
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
