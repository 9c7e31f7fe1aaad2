package main

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/pades"
)

// verifyCmd checks the signatures of documents, as a stranger would who trusts the given roots and nobody else.
type verifyCmd struct {
	Files []string `arg:"" name:"file" help:"Signed PDF." type:"existingfile"`
	Root  []string `help:"PEM file with a root that signers and timestamp authorities may chain to." placeholder:"FILE"`
	Data  string   `help:"Data folder of a Signet whose own root is trusted." placeholder:"DIR"`
	JSON  bool     `name:"json" help:"Print JSON."`
}

// errInvalid makes the program end with 1 after the report has said why.
var errInvalid = errors.New("not every signature is valid")

// verdict is the report of one file, as --json prints it.
type verdict struct {
	File string `json:"file"`
	pades.Summary
}

func (c *verifyCmd) Run(env *environment) error {
	roots, err := c.roots()
	if err != nil {
		return err
	}
	all := make([]verdict, len(c.Files))
	valid := true
	for i, file := range c.Files {
		all[i] = verify(file, roots)
		valid = valid && all[i].Valid
	}
	if c.JSON {
		out := json.NewEncoder(env.out)
		out.SetIndent("", "  ")
		if err := out.Encode(all); err != nil {
			return err
		}
	} else {
		for _, v := range all {
			v.print(env.out)
		}
	}
	if !valid {
		return errInvalid
	}
	return nil
}

// roots collects the trust anchors.
func (c *verifyCmd) roots() (*x509.CertPool, error) {
	files := c.Root
	if c.Data != "" {
		files = append(files, filepath.Join(c.Data, "authority", "root.crt"))
	}
	pool := x509.NewCertPool()
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
			cert, err := x509.ParseCertificate(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			pool.AddCert(cert)
		}
	}
	return pool, nil
}

func verify(file string, roots *x509.CertPool) verdict {
	v := verdict{File: file, Summary: pades.Summary{Signatures: []pades.SignatureSummary{}}}
	fail := func(err error) verdict {
		v.Problems = append(v.Problems, err.Error())
		return v
	}
	f, err := os.Open(file)
	if err != nil {
		return fail(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	report, err := pades.Verify(f, info.Size(), pades.VerifyOptions{Roots: roots, TSARoots: roots, Now: time.Now()})
	if err != nil {
		return fail(err)
	}
	v.Summary = report.Summary()
	return v
}

func (v verdict) print(w io.Writer) {
	word := "VALID"
	if !v.Valid {
		word = "NOT VALID"
	}
	fmt.Fprintf(w, "%s: %s\n", v.File, word)
	for _, p := range v.Problems {
		fmt.Fprintf(w, "  problem: %s\n", p)
	}
	for i, s := range v.Signatures {
		fmt.Fprintf(w, "  %d. %s by %s (%s), level %s\n", i+1, s.Kind, s.Signer, s.Issuer, s.Level)
		switch {
		case s.StampedAt != nil:
			fmt.Fprintf(w, "     time: %s, proven by a time stamp\n", s.StampedAt.Format(time.RFC3339))
		case s.ClaimedAt != nil:
			fmt.Fprintf(w, "     time: %s, claimed\n", s.ClaimedAt.Format(time.RFC3339))
		}
		fmt.Fprintf(w, "     fields: %s (%d visible)\n", strings.Join(s.Fields, ", "), s.Places)
		for _, c := range s.Changes {
			fmt.Fprintf(w, "     later: %s\n", c)
		}
		for _, p := range s.Problems {
			fmt.Fprintf(w, "     problem: %s\n", p)
		}
	}
}
