package main

import (
	"bytes"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf"
)

// verifyCmd checks the signatures of documents. It trusts only the given roots.
type verifyCmd struct {
	Files   []string  `arg:"" name:"file"     help:"Signed PDF; - is the standard input."                                                                                    type:"path"`
	Root    []string  `                       help:"Root that signers and timestamp authorities may chain to: a file of PEM or DER certificates, or a folder of such files."                     placeholder:"PATH"`
	TSARoot []string  `       name:"tsa-root" help:"Root that timestamp authorities alone may chain to."                                                                                         placeholder:"PATH"`
	Data    string    `                       help:"Data folder of a Signet whose own root is trusted."                                                                                          placeholder:"DIR"`
	At      time.Time `                       help:"Judge as of this time (RFC 3339) instead of now."                                                                                            placeholder:"TIME"`
	JSON    bool      `       name:"json"     help:"Print JSON. docs/signatures.md has the schema."`
}

// Help returns the meaning of the exit statuses.
func (*verifyCmd) Help() string {
	return `The exit status is 0 if all signatures passed, 1 if one failed (the document was changed, or
a certificate was revoked), 2 if a verdict is not possible (such as for want of a root), 3 if
a document has no signature, 4 if a file cannot be read as a PDF. With several files it is
that of the worst: 1, 4, 2, 3, 0. It is 64 if an argument is wrong, such as a root that
cannot be read; no document was judged then.`
}

// Exit statuses of verify.
const (
	exitPassed exitStatus = iota
	exitFailed
	exitIndeterminate
	exitUnsigned
	exitUnreadable
)

// worst lists the exit statuses, the worst first.
var worst = []exitStatus{exitFailed, exitUnreadable, exitIndeterminate, exitUnsigned, exitPassed}

// verdict is the report of one file, as --json prints it.
type verdict struct {
	File string `json:"file"`
	// Error says why the file cannot be read; the rest is empty then. Reason is a code for it if
	// the file is no PDF that can be verified.
	Error  string     `json:"error,omitempty"`
	Reason pdf.Reason `json:"reason,omitempty"`
	pades.Summary

	status exitStatus
}

func (c *verifyCmd) Run(env *environment) error {
	o := pades.VerifyOptions{Now: c.At, Memo: new(pades.Memo)}
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	roots := c.Root
	if c.Data != "" {
		roots = append(roots, filepath.Join(c.Data, "authority", "root.crt"))
	}
	var err error
	if o.Roots, err = readRoots(roots); err != nil {
		return usageError{err}
	}
	if o.TSARoots, err = readRoots(append(roots, c.TSARoot...)); err != nil {
		return usageError{err}
	}
	all := make([]verdict, len(c.Files))
	found := make(map[exitStatus]bool)
	for i, file := range c.Files {
		all[i] = verify(file, o)
		found[all[i].status] = true
	}
	if c.JSON {
		out := json.NewEncoder(env.out)
		out.SetIndent("", "  ")
		out.SetEscapeHTML(false)
		if err := out.Encode(all); err != nil {
			return err
		}
	} else {
		for _, v := range all {
			v.print(env.out)
		}
	}
	for _, status := range worst {
		if found[status] {
			return status
		}
	}
	return nil
}

// readRoots reads the certificates of files and folders; nil if no path is given.
func readRoots(paths []string) (*x509.CertPool, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	pool := x509.NewCertPool()
	for _, path := range paths {
		err := filepath.WalkDir(path, func(file string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			certs, err := pades.ParseCertificates(data)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			for _, cert := range certs {
				pool.AddCert(cert)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return pool, nil
}

func verify(file string, o pades.VerifyOptions) verdict {
	v := verdict{
		File: file, Summary: pades.Summary{Signatures: []pades.SignatureSummary{}},
		status: exitUnreadable,
	}
	f := os.Stdin
	if file != "-" {
		var err error
		if f, err = os.Open(file); err != nil {
			v.Error = err.Error()
			return v
		}
		defer f.Close()
	}
	doc, size, err := sized(f)
	if err != nil {
		v.Error = err.Error()
		return v
	}
	report, err := pades.Verify(doc, size, o)
	if err != nil {
		v.Error, v.Reason = err.Error(), pdf.ReasonOf(err)
		return v
	}
	v.Summary = report.Summary()
	switch indication, _ := report.Indication(); {
	case indication == pades.TotalFailed:
		v.status = exitFailed
	case errors.Is(report.Err(), pades.ErrUnsigned):
		v.status = exitUnsigned
	case indication == pades.Indeterminate:
		v.status = exitIndeterminate
	default:
		v.status = exitPassed
	}
	return v
}

// maxPiped bounds the memory for a document that is not in a file.
const maxPiped = 1 << 30

// sized returns a document that can be read at any offset, and its size. What comes through a pipe
// is read into memory.
func sized(f *os.File) (io.ReaderAt, int64, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	if info.Mode().IsRegular() {
		return f, info.Size(), nil
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPiped+1))
	if len(data) > maxPiped {
		return nil, 0, errors.New("more than 1 GiB; save it as a file first")
	}
	return bytes.NewReader(data), int64(len(data)), err
}

// print writes the verdict as text: the three questions for each signature, the reasons, and what
// to do next.
func (v verdict) print(w io.Writer) {
	file := printable(v.File)
	switch v.status {
	case exitUnreadable:
		fmt.Fprintf(w, "%s: cannot be read: %s\n", file, printable(v.Error))
		return
	case exitUnsigned:
		fmt.Fprintf(w, "%s: has no signature\n", file)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", file, indication(v.Indication, v.SubIndication))
	for _, p := range v.Problems {
		fmt.Fprintf(w, "  problem: %s\n", printable(p.Text))
	}
	untrusted := false
	for i, s := range v.Signatures {
		printSignature(w, i+1, s)
		untrusted = untrusted || s.Intact && hasProblem(s, pades.NoCertificateChainFound)
	}
	if untrusted {
		fmt.Fprint(
			w,
			"  To trust a signer give the root of its certificate, obtained from its owner: --root FILE\n",
		)
	}
}

// printable escapes characters that a terminal acts on, such as line breaks, escape sequences and
// changes of direction. Names in a file are chosen by its author, and could print a better verdict
// over the true one.
func printable(s string) string {
	var b strings.Builder
	for _, r := range s {
		if unicode.IsGraphic(r) {
			b.WriteRune(r)
			continue
		}
		quoted := strconv.QuoteRuneToASCII(r)
		b.WriteString(quoted[1 : len(quoted)-1])
	}
	return b.String()
}

// printableLines is printable, but keeps line feeds and tabs. It is for texts of several lines that
// contain what another program has answered: a server, a relying party, an identity provider.
func printableLines(s string) string {
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		for j, cell := range strings.Split(line, "\t") {
			if j > 0 {
				b.WriteByte('\t')
			}
			b.WriteString(printable(cell))
		}
	}
	return b.String()
}

func hasProblem(s pades.SignatureSummary, subs ...pades.SubIndication) bool {
	return slices.ContainsFunc(s.Problems, func(p pades.ProblemSummary) bool {
		return slices.Contains(subs, p.SubIndication)
	})
}

func indication(i pades.Indication, sub pades.SubIndication) string {
	if sub == "" {
		return string(i)
	}
	return fmt.Sprintf("%s (%s)", i, sub)
}

func printSignature(w io.Writer, n int, s pades.SignatureSummary) {
	kind, name, issuer := "Signature", "an unknown signer", ""
	if s.Kind != "signature" {
		kind = "Document timestamp"
	}
	if s.Signer != nil {
		name = printable(s.Signer.Name)
	}
	if s.Issuer != nil {
		issuer = ", certified by " + printable(s.Issuer.Name)
	}
	fmt.Fprintf(
		w, "  %d. %s by %s%s: %s\n", n, kind, name, issuer,
		indication(s.Indication, s.SubIndication),
	)
	intact, after := map[bool]string{true: "yes", false: "NO"}[s.Intact], later[s.Later]
	if s.Unjudged && s.Indication == pades.Indeterminate {
		intact, after = "not known", "too much to compare"
	}
	fmt.Fprintf(w, "     intact:  %s\n", intact)
	trusted := "yes"
	switch {
	case hasProblem(s, pades.Revoked, pades.RevokedNoPOE, pades.RevokedCANoPOE):
		trusted = "NO, a certificate was revoked"
	case !s.Trusted && hasProblem(s, pades.Expired, pades.NotYetValid, pades.OutOfBoundsNoPOE):
		trusted = "NO, a certificate was not valid at the time"
	case !s.Trusted && hasProblem(s, pades.NoCertificateChainFound):
		trusted = "no root that is given leads to this certificate"
	case !s.Trusted:
		trusted = "NO"
	}
	fmt.Fprintf(w, "     trusted: %s\n", trusted)
	fmt.Fprintf(w, "     later:   %s\n", after)
	switch {
	case s.StampedAt != nil:
		fmt.Fprintf(
			w, "     time:    %s, proven by a timestamp\n", s.StampedAt.Format(time.RFC3339),
		)
	case s.ClaimedAt != nil:
		fmt.Fprintf(
			w, "     time:    %s, claimed by the signer's program\n",
			s.ClaimedAt.Format(time.RFC3339),
		)
	}
	if s.ContentStampedAt != nil {
		fmt.Fprintf(
			w, "     after:   %s, proven by a timestamp that it covers\n",
			s.ContentStampedAt.Format(time.RFC3339),
		)
	}
	if s.Level != "" && s.Level != "none" {
		fmt.Fprintf(w, "     level:   PAdES %s\n", s.Level)
	}
	if s.Signer != nil {
		fmt.Fprintf(w, "     serial:  %s, SHA-256 %s\n", s.Signer.Serial, s.Signer.SHA256)
	}
	fields := printable(strings.Join(s.Fields, ", "))
	fmt.Fprintf(w, "     fields:  %s (%d visible)\n", fields, s.Places)
	for _, c := range s.Changes {
		fmt.Fprintf(w, "     change:  %s\n", printable(pades.Change(c).String()))
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "     problem: %s\n", printable(p.Text))
	}
}

// later describes what later revisions did.
var later = map[pades.ChangeKind]string{
	"":                      "nothing was added",
	pades.ChangeArchive:     "only signatures, archive data and metadata were added",
	pades.ChangeFormFilling: "form fields were filled in",
	pades.ChangeAnnotation:  "annotations were added or changed",
	pades.ChangeOther:       "the document was changed",
}
