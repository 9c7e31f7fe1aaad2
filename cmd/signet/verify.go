package main

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/pades"
)

// verifyCmd checks the signatures of documents. It trusts only the given roots.
type verifyCmd struct {
	Files   []string  `arg:"" name:"file"     help:"Signed PDF."                                                                                                             type:"existingfile"`
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
that of the worst: 1, 4, 2, 3, 0.`
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
	// Error says why the file cannot be read; the rest is empty then.
	Error string `json:"error,omitempty"`
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
		return err
	}
	if o.TSARoots, err = readRoots(append(roots, c.TSARoot...)); err != nil {
		return err
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
	f, err := os.Open(file)
	if err != nil {
		v.Error = err.Error()
		return v
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		v.Error = err.Error()
		return v
	}
	report, err := pades.Verify(f, info.Size(), o)
	if err != nil {
		v.Error = err.Error()
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

// print writes the verdict as text: the three questions for each signature, the reasons, and what
// to do next.
func (v verdict) print(w io.Writer) {
	switch v.status {
	case exitUnreadable:
		fmt.Fprintf(w, "%s: cannot be read: %s\n", v.File, v.Error)
		return
	case exitUnsigned:
		fmt.Fprintf(w, "%s: has no signature\n", v.File)
		return
	}
	fmt.Fprintf(w, "%s: %s\n", v.File, indication(v.Indication, v.SubIndication))
	for _, p := range v.Problems {
		fmt.Fprintf(w, "  problem: %s\n", p.Text)
	}
	untrusted := false
	for i, s := range v.Signatures {
		printSignature(w, i+1, s)
		untrusted = untrusted || !s.Trusted && s.Intact
	}
	if untrusted {
		fmt.Fprint(
			w,
			"  To trust a signer give the root of its certificate, obtained from its owner: --root FILE\n",
		)
	}
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
		kind = "Document time stamp"
	}
	if s.Signer != nil {
		name = s.Signer.Name
	}
	if s.Issuer != nil {
		issuer = ", certified by " + s.Issuer.Name
	}
	fmt.Fprintf(
		w, "  %d. %s by %s%s: %s\n", n, kind, name, issuer,
		indication(s.Indication, s.SubIndication),
	)
	fmt.Fprintf(w, "     intact:  %s\n", map[bool]string{true: "yes", false: "NO"}[s.Intact])
	trusted := "no root that is given leads to this certificate"
	if s.Trusted {
		trusted = "yes"
	}
	fmt.Fprintf(w, "     trusted: %s\n", trusted)
	fmt.Fprintf(w, "     later:   %s\n", later[s.Later])
	switch {
	case s.StampedAt != nil:
		fmt.Fprintf(
			w, "     time:    %s, proven by a time stamp\n", s.StampedAt.Format(time.RFC3339),
		)
	case s.ClaimedAt != nil:
		fmt.Fprintf(
			w, "     time:    %s, claimed by the signer's program\n",
			s.ClaimedAt.Format(time.RFC3339),
		)
	}
	if s.Level != "" && s.Level != "none" {
		fmt.Fprintf(w, "     level:   PAdES %s\n", s.Level)
	}
	if s.Signer != nil {
		fmt.Fprintf(w, "     serial:  %s, SHA-256 %s\n", s.Signer.Serial, s.Signer.SHA256)
	}
	fmt.Fprintf(w, "     fields:  %s (%d visible)\n", strings.Join(s.Fields, ", "), s.Places)
	for _, c := range s.Changes {
		fmt.Fprintf(w, "     change:  %s\n", pades.Change(c))
	}
	for _, p := range s.Problems {
		fmt.Fprintf(w, "     problem: %s\n", p.Text)
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
