package pades

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/pdf"
)

// TestCorpus signs every signable file of the corpus with 1, 3 and 20 places
// and asks three independent programs.
func TestCorpus(t *testing.T) {
	program(t, "pdfsig", "poppler-utils")
	program(t, "qpdf", "qpdf")
	program(t, "mutool", "mupdf-tools")
	w := newWorld(t)
	dir := t.TempDir()
	if keep := os.Getenv("SIGNET_KEEP"); keep != "" {
		dir = keep
	}
	parallel(corpus(t), func(file string) {
		doc, err := os.ReadFile(file)
		if err != nil {
			t.Error(err)
			return
		}
		before := command("qpdf", "--check", file)
		for _, n := range []int{1, 3, 20} {
			locs := grid(t, doc, n)
			if len(locs) < n && n > 1 {
				continue // too few or too small pages
			}
			name := fmt.Sprintf("%s with %d", filepath.Base(file), n)
			p, err := Prepare(bytes.NewReader(doc), int64(len(doc)), w.options(locs...))
			if err != nil {
				if pdf.ReasonOf(err) == "" {
					t.Errorf("%s: %v is not a refusal", name, err)
				}
				t.Logf("%s: %v", name, err)
				continue
			}
			var out bytes.Buffer
			if err := Embed(t.Context(), bytes.NewReader(doc), p, w.chain(), w.sign(t, p.SignedAttributes(w.cert)), w.tsa, &out); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			if !bytes.HasPrefix(out.Bytes(), doc) {
				t.Errorf("%s: the original was touched", name)
			}
			path := filepath.Join(dir, fmt.Sprintf("%d-%s", n, filepath.Base(file)))
			if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
				t.Error(err)
			}
			judge(t, name, path, n, before.ok)
		}
	})
}

type result struct {
	out string
	ok  bool
}

func command(args ...string) result {
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	return result{string(out), err == nil}
}

// judge asks the outside programs about a file with n of our fields.
func judge(t *testing.T, name, path string, n int, cleanBefore bool) {
	t.Helper()
	if q := command("qpdf", "--check", path); cleanBefore && !q.ok {
		t.Errorf("%s: qpdf was content with the original and is not now:\n%s", name, q.out)
	}
	sig := command("pdfsig", "-nocert", path)
	if got := strings.Count(sig.out, "TAN AH KOW"); got < n {
		t.Errorf("%s: pdfsig lists %d of %d:\n%s", name, got, n, sig.out)
	}
	for _, block := range strings.Split(sig.out, "Signature #")[1:] {
		if strings.Contains(block, "TAN AH KOW") && (!strings.Contains(block, "Signature is Valid") || !strings.Contains(block, "Total document signed")) {
			t.Errorf("%s: pdfsig:\n%s", name, block)
		}
	}
	m := command("mutool", "sign", "-v", path)
	valid := 0
	for _, block := range strings.Split(m.out, "Verifying signature ")[1:] {
		if strings.Contains(block, "TAN AH KOW") && strings.Contains(block, "unchanged since signing") {
			valid++
		}
	}
	if valid != n {
		t.Errorf("%s: mutool finds %d of %d valid:\n%s", name, valid, n, m.out)
	}
}
