package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/pades"
)

// caCmd is the commands for the authority.
type caCmd struct {
	Init    caInitCmd    `cmd:"" help:"Create a deployment with its authority, as the first start does."`
	Show    caShowCmd    `cmd:"" help:"List the authority's certificates."`
	Rotate  caRotateCmd  `cmd:"" help:"Create the next issuing CA, OCSP responder or time-stamping unit."`
	CSR     caCSRCmd     `cmd:"" help:"Print certificate requests for a root on another machine."            name:"csr"`
	Sign    caSignCmd    `cmd:"" help:"On the root's machine: sign requests, and the root's CRL."`
	Install caInstallCmd `cmd:"" help:"Install what the root's machine has signed."`
	Revoke  caRevokeCmd  `cmd:"" help:"Revoke a certificate of a signer or of an issuing CA."`
	Issued  caIssuedCmd  `cmd:"" help:"List the certificates that were issued, or look for those of a file."`
}

type caInitCmd struct {
	OfflineRoot bool   `help:"Create no root: print requests for one on another machine."`
	Output      string `help:"File for the requests; default: the standard output."       placeholder:"FILE"`

	configured
}

func (c *caInitCmd) Run(env *environment) error {
	log := obs.NewLogger(env.errs, slog.LevelInfo, c.LogFormat)
	requests, err := maintenance.InitAuthority(env.ctx, c.Config, c.OfflineRoot, log)
	if err != nil {
		return err
	}
	if c.OfflineRoot {
		return writeNew(env.out, c.Output, whole(requests))
	}
	return printAuthority(env.ctx, env.out, c.Config)
}

// writeNew writes to a file that must not exist and that only its owner can read, or to out if
// there is no name.
func writeNew(out io.Writer, name string, write func(io.Writer) error) error {
	if name == "" {
		return write(out)
	}
	err := disk.Create(name, 0o600, func(f *os.File) error { return write(f) })
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists and is not replaced: choose another name, or remove it", name)
	}
	return err
}

// whole writes a text.
func whole(text []byte) func(io.Writer) error {
	return func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	}
}

type caShowCmd struct{ configured }

func (c *caShowCmd) Run(env *environment) error {
	return printAuthority(env.ctx, env.out, c.Config)
}

func printAuthority(ctx context.Context, out io.Writer, c config.Config) error {
	certs, listEnd, err := maintenance.ShowAuthority(ctx, c)
	if err != nil {
		return err
	}
	for _, cert := range certs {
		printCertificate(out, cert)
	}
	if !listEnd.IsZero() {
		fmt.Fprintf(
			out, "The root's key is on another machine. Its CRL ends on %s.\n",
			listEnd.UTC().Format(time.DateOnly),
		)
	}
	return nil
}

func printCertificate(out io.Writer, c maintenance.AuthorityCertificate) {
	fmt.Fprintf(
		out, "%-10s %s, serial %s, until %s: %s\n", c.Name, c.Subject.CommonName,
		c.SerialNumber.Text(16), c.NotAfter.UTC().Format(time.DateOnly), c.State,
	)
}

type caRotateCmd struct {
	Part string `help:"What to create: issuing, ocsp or tsa." default:"issuing" enum:"issuing,ocsp,tsa"`

	configured
}

func (c *caRotateCmd) Run(env *environment) error {
	made, err := maintenance.RotateAuthority(env.ctx, c.Config, c.Part)
	for _, cert := range made {
		printCertificate(env.out, cert)
	}
	return err
}

type caCSRCmd struct {
	Part   []string `help:"What to request: issuing, tsa."                       default:"issuing" enum:"issuing,tsa"`
	Output string   `help:"File for the requests; default: the standard output."                                      placeholder:"FILE"`

	configured
}

func (c *caCSRCmd) Run(env *environment) error {
	requests, err := maintenance.AuthorityRequests(env.ctx, c.Config, c.Part)
	if err != nil {
		return err
	}
	return writeNew(env.out, c.Output, whole(requests))
}

type caSignCmd struct {
	Requests  string   `arg:"" optional:"" help:"File with requests; without it only the root's CRL is signed." type:"existingfile"`
	Root      string   `                   help:"Folder of the root's key, which is created on first use."                          required:"" placeholder:"DIR"`
	PublicURL string   `                   help:"Public URL of the service, for the certificates."                                  required:"" placeholder:"URL"    name:"public-url"`
	Name      string   `                   help:"Name of the authority, for a new root."                                                                                               default:"Signet"`
	Revoke    []string `                   help:"Serial numbers of issuing CAs to revoke."                                                      placeholder:"SERIAL"`
	Reason    string   `                   help:"Reason of the revocation."                                                                     placeholder:"REASON"                   default:"unspecified"`
	Output    string   `                   help:"File for certificates and CRL; default: the standard output."                                  placeholder:"FILE"`
}

func (c *caSignCmd) Run(env *environment) error {
	var requests []byte
	var err error
	if c.Requests != "" {
		if requests, err = os.ReadFile(c.Requests); err != nil {
			return err
		}
	}
	var revoke []*big.Int
	for _, text := range c.Revoke {
		serial, err := parseSerial(text)
		if err != nil {
			return err
		}
		revoke = append(revoke, serial)
	}
	text, signed, err := maintenance.SignRequests(
		c.Root, c.Name, c.PublicURL, requests, revoke, c.Reason,
	)
	if err != nil {
		return err
	}
	printCertificates(env.errs, "signed", signed)
	return writeNew(env.out, c.Output, whole(text))
}

func printCertificates(out io.Writer, what string, certs []*x509.Certificate) {
	for _, cert := range certs {
		fmt.Fprintf(
			out, "%s %s, serial %s, until %s\n", what, cert.Subject.CommonName,
			cert.SerialNumber.Text(16), cert.NotAfter.UTC().Format(time.DateOnly),
		)
	}
}

// parseSerial parses a serial number in hexadecimal digits, with or without colons.
func parseSerial(text string) (*big.Int, error) {
	serial, ok := new(big.Int).SetString(strings.ReplaceAll(text, ":", ""), 16)
	if !ok || serial.Sign() <= 0 {
		return nil, usageError{fmt.Errorf("serial number %q: it must be hexadecimal", text)}
	}
	return serial, nil
}

type caInstallCmd struct {
	File string `arg:"" help:"Certificates and CRLs, PEM." type:"existingfile"`

	configured
}

func (c *caInstallCmd) Run(env *environment) error {
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err
	}
	certs, err := maintenance.InstallAuthority(env.ctx, c.Config, text)
	if err != nil {
		return err
	}
	printCertificates(env.out, "installed", certs)
	return printAuthority(env.ctx, env.out, c.Config)
}

type caRevokeCmd struct {
	Serial string `help:"Serial number of the certificate, hexadecimal."                                                                                            required:"" placeholder:"SERIAL"`
	Reason string `help:"Reason of RFC 5280: unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn." required:"" placeholder:"REASON"`
	By     string `help:"Who revokes it, for the audit log."                                                                                                                    placeholder:"NAME"   default:"command line"`

	configured
}

func (c *caRevokeCmd) Run(env *environment) error {
	serial, err := parseSerial(c.Serial)
	if err != nil {
		return err
	}
	log := obs.NewLogger(env.errs, slog.LevelWarn, c.LogFormat)
	err = maintenance.RevokeCertificate(env.ctx, c.Config, serial, c.Reason, c.By, log)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(env.out, "revoked %s: %s\n", serial.Text(16), c.Reason)
	return err
}

type caIssuedCmd struct {
	Certificate string `help:"Look for the certificates of this file: PEM, DER, or the signers of a PDF. Ends with status 1 if one of them was not issued here." placeholder:"FILE" type:"existingfile"`

	configured
}

func (c *caIssuedCmd) Run(env *environment) error {
	log := obs.NewLogger(env.errs, slog.LevelWarn, c.LogFormat)
	if c.Certificate != "" {
		return c.look(env, log)
	}
	return maintenance.IssuedCertificates(
		env.ctx, c.Config, nil, log,
		func(cert audit.Certificate) error { return printIssued(env.out, cert) },
	)
}

func printIssued(out io.Writer, c audit.Certificate) error {
	leaf, state := "not in the log yet", ""
	if c.Leaf >= 0 {
		leaf = fmt.Sprintf("leaf %d", c.Leaf)
	}
	if !c.RevokedAt.IsZero() {
		state = fmt.Sprintf(
			", revoked %s: %s", c.RevokedAt.UTC().Format(time.RFC3339),
			maintenance.ReasonName(c.Reason),
		)
	}
	_, err := fmt.Fprintf(
		out, "%s %-7s %s sha256 %s, %s%s\n", c.IssuedAt.UTC().Format(time.RFC3339), c.Kind,
		c.Serial, c.SHA256, leaf, state,
	)
	return err
}

// look looks for certificates in the register.
func (c *caIssuedCmd) look(env *environment, log *slog.Logger) error {
	text, err := os.ReadFile(c.Certificate)
	if err != nil {
		return err
	}
	certs, err := signersOf(text)
	if err != nil {
		return fmt.Errorf("%s: %w", c.Certificate, err)
	}
	missing := false
	for _, cert := range certs {
		serial := cert.SerialNumber.Text(16)
		want := audit.NewCertificate(serial, "", cert.Raw, time.Time{}).SHA256
		found := false
		err := maintenance.IssuedCertificates(
			env.ctx, c.Config, cert.SerialNumber, log,
			func(issued audit.Certificate) error {
				if issued.SHA256 != want {
					return nil
				}
				found = true
				return printIssued(env.out, issued)
			},
		)
		if err != nil {
			return err
		}
		if !found {
			missing = true
			fmt.Fprintf(
				env.out, "NOT ISSUED HERE: %s, serial %s, sha256 %s\n", cert.Subject.CommonName,
				serial, want,
			)
		}
	}
	if missing {
		return exitStatus(1)
	}
	return nil
}

// signersOf returns the certificates of a file: of a PDF those of the signers, else all.
func signersOf(text []byte) (certs []*x509.Certificate, err error) {
	if !bytes.HasPrefix(text, []byte("%PDF-")) {
		if certs, err := pades.ParseCertificates(text); err == nil {
			return certs, nil
		}
		return x509.ParseCertificates(text)
	}
	report, err := pades.Verify(
		bytes.NewReader(text), int64(len(text)), pades.VerifyOptions{Now: time.Now()},
	)
	if err != nil {
		return nil, err
	}
	for _, s := range report.Signatures {
		if s.Signer != nil && !s.DocumentTimestamp {
			certs = append(certs, s.Signer)
		}
	}
	return certs, nil
}
