package pades

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestCorpus signs every signable file with 1, 3 and 20 places up to B-LTA and
// asks our verifier about all of them. Three independent programs judge one
// of the three, in turn; all when CI is set. Set SIGNET_KEEP to a directory to
// look at the files.
func TestCorpus(t *testing.T) {
	program(t, "pdfsig", "poppler-utils")
	program(t, "qpdf", "qpdf")
	program(t, "mutool", "mupdf-tools")
	w := newWorld(t)
	dir := t.TempDir()
	if keep := os.Getenv("SIGNET_KEEP"); keep != "" {
		dir = keep
	}
	type item struct {
		name      string
		doc       []byte
		generated bool
		turn      int // which number of places the outside programs judge
	}
	var items []item
	for _, file := range corpus(t) {
		doc, err := os.ReadFile(file)
		must(t, err)
		items = append(items, item{filepath.Base(file), doc, false, len(items)})
	}
	for _, c := range pdftest.Cases() {
		if c.Refused == "" && len(c.PDF) < 5<<20 {
			items = append(
				items, item{strings.ReplaceAll(c.Name, " ", "-") + ".pdf", c.PDF, true, len(items)},
			)
		}
	}
	var exhibits []exhibit
	var mu sync.Mutex
	parallel(items, func(it item) {
		for i, n := range []int{1, 3, 20} {
			if it.generated && it.turn%3 != i && os.Getenv("CI") == "" {
				continue
			}
			locs := grid(t, it.doc, n)
			if len(locs) < n && n > 1 {
				continue // too few or too small pages
			}
			judged := it.turn%3 == i || os.Getenv("CI") != ""
			shown, err := signAndVerify(t, w, dir, it.name, it.doc, locs, judged)
			if err != nil {
				t.Errorf("%s with %d: %v", it.name, n, err)
			} else if shown != nil && judged {
				mu.Lock()
				exhibits = append(exhibits, *shown)
				mu.Unlock()
			}
		}
	})
	judgeAll(t, w, exhibits)
}

func signAndVerify(
	t *testing.T, w *world, dir, name string, doc []byte, locs []Location, judged bool,
) (*exhibit, error) {
	r := bytes.NewReader(doc)
	p, err := Prepare(r, r.Size(), w.options(locs...))
	if pdf.ReasonOf(err) != "" {
		t.Logf("%s with %d: %v", name, len(locs), err)
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	if err := Embed(t.Context(), r, p, w.chain(), w.sign(t, p.SignedAttributes(w.cert)), w.tsa, &out); err != nil {
		return nil, err
	}
	if !bytes.HasPrefix(out.Bytes(), doc) {
		return nil, fmt.Errorf("the original was touched")
	}
	before := w.verify(t, doc)
	expect := Expectation{
		Prepared: p, Certificate: w.cert, Before: len(before.Signatures), Level: LevelT,
	}
	report := w.verify(t, out.Bytes())
	if err := report.Meets(expect); err != nil {
		return nil, fmt.Errorf("B-T: %w", err)
	}
	update, err := Extend(t.Context(), bytes.NewReader(out.Bytes()), int64(out.Len()),
		ExtendOptions{Evidence: w, Timestamper: w.tsa, FieldName: "Timestamp", Rand: rand.Reader})
	if err != nil {
		return nil, err
	}
	path := filepath.Join(dir, fmt.Sprintf("%d-%s", len(locs), name))
	if len(locs) == 1 { // one place is judged at B-T, several at B-LTA
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			return nil, err
		}
	}
	out.Write(update)
	expect.Level = LevelLTA
	final := w.verify(t, out.Bytes())
	if err := final.Meets(expect); err != nil {
		return nil, fmt.Errorf("B-LTA: %w", err)
	}
	if len(locs) > 1 {
		if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
			return nil, err
		}
	}
	if !judged {
		return nil, nil
	}
	shown := &exhibit{
		path: path, fields: len(locs), stamped: len(locs) > 1, before: before, after: final,
	}
	if !shown.stamped {
		shown.after = report
	}
	return shown, judge(path, len(locs), doc)
}

// command runs a program and returns its output and whether it succeeded. What
// it writes to standard error would land in the middle of its report.
func command(args ...string) (string, bool) {
	out, err := exec.Command(args[0], args[1:]...).Output()
	return string(out), err == nil
}

// judge asks the outside programs about a file with n of our fields.
func judge(path string, n int, original []byte) error {
	if out, ok := command("qpdf", "--check", path); !ok {
		// Complaints about the original are not ours.
		before := path + ".before"
		if err := os.WriteFile(before, original, 0o600); err != nil {
			return err
		}
		if _, ok := command("qpdf", "--check", before); ok {
			return fmt.Errorf("qpdf was content with the original and is not now:\n%s", out)
		}
	}
	out, _ := command("pdfsig", "-nocert", path)
	if got := count(out, "Signature #", "Signature is Valid", n == 1); got != n {
		return fmt.Errorf("pdfsig finds %d of %d valid:\n%s", got, n, out)
	}
	out, _ = command("mutool", "sign", "-v", path)
	if got := count(out, "Verifying signature ", "Verification error", false); got != n {
		return fmt.Errorf("mutool finds %d of %d valid:\n%s", got, n, out)
	}
	return nil
}

// count returns the number of blocks about our signer that are in order.
func count(out, separator, verdict string, whole bool) (n int) {
	for _, block := range strings.Split(out, separator)[1:] {
		ok := strings.Contains(block, verdict)
		if verdict == "Verification error" {
			ok = !ok && !strings.Contains(block, "have been invalid")
		}
		if whole && !strings.Contains(block, "Total document signed") {
			ok = false
		}
		if ok && strings.Contains(block, "TAN AH KOW") {
			n++
		}
	}
	return n
}
