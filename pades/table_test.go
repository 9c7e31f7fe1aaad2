package pades

import (
	"bytes"
	"crypto/x509"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/pades/pdf"
)

var write = flag.Bool("write", false, "write the table of verdicts in docs/signatures.md again")

// tableRow is a file with the verdicts on it.
type tableRow struct {
	name    string
	harmful bool
	ours    string
	others  map[string]string // by the program
}

// tableJudges are the programs of the table in the order of its columns.
var tableJudges = []string{"pdfsig", "mutool", "qpdf", "pyHanko"}

// notAsked is the verdict of a program that is not installed.
const notAsked = "not asked"

// TestJudgesTable compares the table of docs/signatures.md with what the verifier and other
// programs say of attacks and honest files. pyHanko is asked where it is installed; elsewhere the
// table keeps its verdicts. This command writes the table:
//
//	go test ./pades -run TestJudgesTable -write
func TestJudgesTable(t *testing.T) {
	program(t, "pdfsig", "poppler-utils")
	program(t, "mutool", "mupdf-tools")
	program(t, "qpdf", "qpdf")
	const file, begin, end = "../docs/signatures.md", "<!-- judges -->\n", "<!-- end of judges -->"
	rows := judgedFiles(t)
	for _, r := range rows {
		if missed := r.ours == "passed"; missed == r.harmful {
			t.Errorf("%s: %s", r.name, r.ours)
		}
	}
	doc, err := os.ReadFile(file)
	must(t, err)
	head, rest, ok := strings.Cut(string(doc), begin)
	was, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for the table", file)
	}
	keepVerdicts(rows, was)
	now := judgesTable(rows)
	if *write {
		must(t, os.WriteFile(file, []byte(head+begin+now+end+tail), 0o644))
		return
	}
	if diff := cmp.Diff(strings.Split(was, "\n"), strings.Split(now, "\n")); diff != "" {
		t.Errorf(
			"the table of %s is not what the programs say (-write writes it): -was +now\n%s", file,
			diff,
		)
	}
}

// keepVerdicts gives programs that are not installed the verdicts that they have in a table.
func keepVerdicts(rows []tableRow, table string) {
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		for _, r := range rows {
			if len(cells) < 3+len(tableJudges) || strings.TrimSpace(cells[1]) != r.name {
				continue
			}
			for i, judge := range tableJudges {
				if r.others[judge] == notAsked {
					r.others[judge] = strings.Trim(cells[3+i], " *")
				}
			}
		}
	}
}

// judgedFiles asks all judges about the attacks on a document at B-LTA, about boxes of a second
// trusted signer that hide what the first one signed, and about the files of testdata/verify.
func judgedFiles(t *testing.T) (rows []tableRow) {
	t.Helper()
	dir := t.TempDir()
	ask := func(name string, doc []byte, harmful bool, roots *x509.CertPool, root []byte, now time.Time) {
		path := filepath.Join(dir, fmt.Sprintf("%d.pdf", len(rows)))
		must(t, os.WriteFile(path, doc, 0o600))
		rootPath := filepath.Join(dir, "root.pem")
		must(t, os.WriteFile(rootPath, root, 0o600))
		r := tableRow{name: name, harmful: harmful, ours: "unreadable", others: map[string]string{
			"pdfsig": askPDFSig(path), "mutool": askMutool(path), "qpdf": askQPDF(path),
			"pyHanko": askPyHanko(path, rootPath),
		}}
		report, err := Verify(
			bytes.NewReader(doc), int64(len(doc)),
			VerifyOptions{Roots: roots, TSARoots: roots, Now: now},
		)
		if err == nil {
			indication, _ := report.Indication()
			r.ours = strings.ToLower(strings.TrimPrefix(string(indication), "TOTAL-"))
			if len(report.Signatures) == 0 {
				r.ours = "unsigned"
			}
		} else if pdf.ReasonOf(err) == "" {
			t.Errorf("%s: %v", name, err)
		}
		rows = append(rows, r)
	}
	pem, err := os.ReadFile("testdata/verify/root.pem")
	must(t, err)
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	for _, folder := range []string{"intact", "refuse"} {
		files, err := filepath.Glob("testdata/verify/" + folder + "/*.pdf")
		must(t, err)
		for _, f := range files {
			doc, err := os.ReadFile(f)
			must(t, err)
			name := filepath.Base(f)
			if strings.HasPrefix(name, "e_") {
				continue // under a root that is not given: neither passed nor failed
			}
			ask(
				"`"+name+"`",
				doc,
				folder == "refuse",
				roots,
				pem,
				time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC),
			)
		}
	}
	w := newWorld(t)
	victimDoc, _ := w.extended(t, attackBase(), w.options(Location{1, 0.1, 0.1}), true)
	root, err := os.ReadFile(rootFile(t, w, dir))
	must(t, err)
	for _, name := range slices.Sorted(maps.Keys(attacks)) {
		if cutsBack(name) {
			continue // what is left is a signed document
		}
		ask(name, attacks[name](newVictim(t, w, victimDoc)), true, w.ca.Roots(), root, w.now())
	}
	signed := w.signedWith(t, hideDocument(), "first", "", "")
	for _, name := range hidingBoxes {
		doc := laterBoxes[name].cosigned(t, w, signed)
		ask("a later box hides the page: "+name, doc, true, w.ca.Roots(), root, w.now())
	}
	return rows
}

// hidingBoxes are those of laterBoxes that are in the table.
var hidingBoxes = []string{
	"a white area", "an area and other words", "an image is hidden", "letters over letters",
	"multiplied black", "thin lines",
}

// askPDFSig returns the worst that pdfsig says of a signature; it does not look at document
// timestamps.
func askPDFSig(path string) string {
	out, _ := command("pdfsig", path)
	verdict := "unsigned"
	for line := range strings.Lines(out) {
		switch _, said, _ := strings.Cut(line, "Signature Validation: "); strings.TrimSpace(said) {
		case "", "Signature has not yet been verified.":
		case "Signature is Valid.":
			if verdict == "unsigned" {
				verdict = "valid"
			}
		default:
			verdict = "invalid"
		}
	}
	return verdict
}

// askMutool returns the worst that mutool says of a signature.
func askMutool(path string) string {
	out, _ := command("mutool", "sign", "-v", path)
	switch valid := strings.Contains(out, "The signature is valid"); {
	case strings.Contains(out, "invalid") || strings.Contains(out, "Digest error") || strings.Contains(out, "verify failed"):
		return "invalid"
	case strings.Contains(out, "there have been edits"):
		return "edited"
	case valid:
		return "valid"
	}
	return "unsigned"
}

// askQPDF returns what qpdf says of the file's syntax; it does not look at signatures.
func askQPDF(path string) string {
	if _, ok := command("qpdf", "--check", path); !ok {
		return "damaged"
	}
	return "sound"
}

// askPyHanko returns what pyHanko says of all signatures and of what came after them. It does not
// ask about revocation, which takes a network.
func askPyHanko(path, root string) string {
	if _, err := exec.LookPath("pyhanko"); err != nil {
		return notAsked
	}
	out, err := exec.Command(
		"pyhanko", "sign", "validate", "--no-revocation-check", "--trust", root, path,
	).CombinedOutput()
	switch {
	case err != nil:
		return "invalid"
	case bytes.Contains(out, []byte(":INTACT:TRUSTED")):
		return "valid"
	}
	return "unsigned"
}

// judgesTable writes the table; what a program gets wrong is in bold.
func judgesTable(rows []tableRow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "| file | Signet | %s |\n", strings.Join(tableJudges, " | "))
	b.WriteString(strings.Repeat("| --- ", 2+len(tableJudges)) + "|\n")
	missed := make(map[string]int)
	harmful := 0
	for _, r := range rows {
		if r.harmful {
			harmful++
		}
		fmt.Fprintf(&b, "| %s | %s |", r.name, r.ours)
		for _, judge := range tableJudges {
			said := r.others[judge]
			if wrong := r.harmful && said == "valid" || !r.harmful && (said == "invalid" || said == "unsigned"); wrong {
				missed[judge]++
				said = "**" + said + "**"
			}
			fmt.Fprintf(&b, " %s |", said)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "| wrong, of %d harmful and %d honest | 0 |", harmful, len(rows)-harmful)
	for _, judge := range tableJudges {
		switch {
		case judge == "qpdf": // says nothing of signatures
			b.WriteString(" |")
		case rows[0].others[judge] == notAsked:
			b.WriteString(" " + notAsked + " |")
		default:
			fmt.Fprintf(&b, " %d |", missed[judge])
		}
	}
	b.WriteByte('\n')
	return b.String()
}
