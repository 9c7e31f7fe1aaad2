package main

import (
	"bytes"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"maps"
	"math/big"
	"os"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/maintenance"
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
	OfflineRoot bool    `help:"Create no root: print requests for one on another machine."`
	Output      newFile `help:"File for the requests; default: the standard output."       placeholder:"FILE"`

	deployed
}

func (c *caInitCmd) Run(env *environment) error {
	requests, err := maintenance.InitAuthority(
		env.ctx, c.Config, c.OfflineRoot, c.log(env, slog.LevelInfo),
	)
	if err != nil {
		return err
	}
	if c.OfflineRoot {
		return c.printPEM(env.out, c.Output, "requests", requests, nil)
	}
	return c.printAuthority(env, nil)
}

// printPEM writes PEM to a new file, or to out if there is no name. As JSON it prints what it is
// and further members.
func (o output) printPEM(
	out io.Writer, name newFile, what string, text []byte, more map[string]any,
) error {
	if !o.JSON || name != "" {
		if err := writeNew(out, name, whole(text)); err != nil || !o.JSON {
			return err
		}
	}
	members := map[string]any{"file": name}
	if name == "" {
		members = map[string]any{what: string(text)}
	}
	maps.Copy(members, more)
	return o.print(out, members, "")
}

// writeNew writes to a file that must not exist and that only its owner can read, or to out if
// there is no name.
func writeNew(out io.Writer, name newFile, write func(io.Writer) error) error {
	if name == "" {
		return write(out)
	}
	err := disk.Create(string(name), 0o600, func(f *os.File) error { return write(f) })
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

type caShowCmd struct{ deployed }

func (c *caShowCmd) Run(env *environment) error { return c.printAuthority(env, nil) }

// certificate is one as JSON. Name and State are those of a certificate of the authority.
type certificate struct {
	Name     string    `json:"name,omitempty"`
	Subject  string    `json:"subject"`
	Serial   string    `json:"serial"`
	NotAfter time.Time `json:"not_after"`
	State    string    `json:"state,omitempty"`
}

func newCertificate(c *x509.Certificate) certificate {
	return certificate{
		Subject: c.Subject.CommonName, Serial: c.SerialNumber.Text(16), NotAfter: c.NotAfter.UTC(),
	}
}

// ofAuthority returns certificates of the authority, and a line for each.
func ofAuthority(certs []maintenance.AuthorityCertificate) (list []certificate, lines []string) {
	list = []certificate{}
	for _, cert := range certs {
		c := newCertificate(cert.Certificate)
		c.Name, c.State = cert.Name, cert.State
		list = append(list, c)
		lines = append(lines, fmt.Sprintf(
			"%-10s %s, serial %s, until %s: %s", c.Name, c.Subject, c.Serial,
			c.NotAfter.Format(time.DateOnly), c.State,
		))
	}
	return list, lines
}

// authority is the authority as JSON.
type authority struct {
	Certificates []certificate `json:"certificates"`
	Installed    []certificate `json:"installed,omitempty"`
	CRLEnds      time.Time     `json:"crl_ends,omitzero"` // of a root on another machine
}

// printAuthority prints the certificates of the authority, after those that were installed now.
func (d *deployed) printAuthority(env *environment, installed []*x509.Certificate) error {
	certs, listEnd, err := maintenance.ShowAuthority(env.ctx, d.Config)
	if err != nil {
		return err
	}
	a := authority{CRLEnds: listEnd.UTC()}
	lines := linesOf("installed", installed)
	for _, c := range installed {
		a.Installed = append(a.Installed, newCertificate(c))
	}
	var more []string
	a.Certificates, more = ofAuthority(certs)
	lines = append(lines, more...)
	if !listEnd.IsZero() {
		lines = append(lines, fmt.Sprintf(
			"The root's key is on another machine. Its CRL ends on %s.",
			listEnd.UTC().Format(time.DateOnly),
		))
	}
	return d.print(env.out, a, strings.Join(lines, "\n"))
}

type caRotateCmd struct {
	Part string `help:"What to create: issuing, ocsp or tsa." default:"issuing" enum:"issuing,ocsp,tsa"`

	deployed
}

func (c *caRotateCmd) Run(env *environment) error {
	made, err := maintenance.RotateAuthority(env.ctx, c.Config, c.Part)
	if err != nil {
		return err
	}
	list, lines := ofAuthority(made)
	return c.print(env.out, list, strings.Join(lines, "\n"))
}

type caCSRCmd struct {
	Part   []string `help:"What to request: issuing, tsa."                       default:"issuing" enum:"issuing,tsa"`
	Output newFile  `help:"File for the requests; default: the standard output."                                      placeholder:"FILE"`

	deployed
}

func (c *caCSRCmd) Run(env *environment) error {
	requests, err := maintenance.AuthorityRequests(env.ctx, c.Config, c.Part)
	if err != nil {
		return err
	}
	return c.printPEM(env.out, c.Output, "requests", requests, nil)
}

type caSignCmd struct {
	output

	Requests  string   `arg:"" optional:"" help:"File with requests; without it only the root's CRL is signed." type:"existingfile"`
	Root      string   `                   help:"Folder of the root's key, which is created on first use."                          required:"" placeholder:"DIR"`
	PublicURL origin   `                   help:"Public URL of the service, for the certificates."                                  required:"" placeholder:"URL"    name:"public-url"`
	Name      string   `                   help:"Name of the authority, for a new root."                                                                                               default:"Signet"`
	Revoke    []string `                   help:"Serial numbers of issuing CAs to revoke."                                                      placeholder:"SERIAL"`
	Reason    string   `                   help:"Reason of the revocation."                                                                     placeholder:"REASON"                   default:"unspecified" enum:"${reasons}"`
	Output    newFile  `                   help:"File for certificates and CRL; default: the standard output."                                  placeholder:"FILE"`
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
		c.Root, c.Name, string(c.PublicURL), requests, revoke, c.Reason,
	)
	if err != nil {
		return err
	}
	list := []certificate{}
	for _, cert := range signed {
		list = append(list, newCertificate(cert))
	}
	if !c.JSON {
		for _, line := range linesOf("signed", signed) {
			fmt.Fprintln(env.errs, line)
		}
	}
	return c.printPEM(env.out, c.Output, "signed_text", text, map[string]any{"signed": list})
}

// linesOf returns a line for each certificate, with what was done to it.
func linesOf(what string, certs []*x509.Certificate) (lines []string) {
	for _, c := range certs {
		lines = append(lines, fmt.Sprintf(
			"%s %s, serial %s, until %s", what, c.Subject.CommonName, c.SerialNumber.Text(16),
			c.NotAfter.UTC().Format(time.DateOnly),
		))
	}
	return lines
}

// parseSerial parses a serial number in hexadecimal digits, with or without colons.
func parseSerial(text string) (*big.Int, error) {
	serial, ok := new(big.Int).SetString(strings.ReplaceAll(text, ":", ""), 16)
	if !ok || serial.Sign() <= 0 {
		return nil, usageError{fmt.Errorf("serial number %q: it must be hexadecimal, such as 5f0c41 or 5F:0C:41", text)}
	}
	return serial, nil
}

type caInstallCmd struct {
	File string `arg:"" help:"Certificates and CRLs, PEM." type:"existingfile"`

	deployed
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
	return c.printAuthority(env, certs)
}

type caRevokeCmd struct {
	Serial string `help:"Serial number of the certificate, hexadecimal."                                                                                            required:"" placeholder:"SERIAL"`
	Reason string `help:"Reason of RFC 5280: unspecified, keyCompromise, cACompromise, affiliationChanged, superseded, cessationOfOperation or privilegeWithdrawn." required:"" placeholder:"REASON" enum:"${reasons}"`
	By     string `help:"Who revokes it, for the audit log."                                                                                                                    placeholder:"NAME"   default:"command line"`

	deployed
}

func (c *caRevokeCmd) Run(env *environment) error {
	serial, err := parseSerial(c.Serial)
	if err != nil {
		return err
	}
	err = maintenance.RevokeCertificate(
		env.ctx, c.Config, serial, c.Reason, c.By, c.log(env, slog.LevelWarn),
	)
	if err != nil {
		return err
	}
	return c.print(
		env.out, map[string]string{"revoked": serial.Text(16), "reason": c.Reason},
		fmt.Sprintf("revoked %s: %s", serial.Text(16), c.Reason),
	)
}

type caIssuedCmd struct {
	Certificate string `help:"Look for the certificates of this file: PEM, DER, or the signers of a PDF. Ends with status 1 if one of them was not issued here." placeholder:"FILE" type:"existingfile"`

	deployed
}

func (c *caIssuedCmd) Run(env *environment) error {
	log := c.log(env, slog.LevelWarn)
	if c.Certificate != "" {
		return c.look(env, log)
	}
	list := []issued{}
	err := maintenance.IssuedCertificates(
		env.ctx, c.Config, nil, log,
		func(cert audit.Certificate) error {
			one := newIssued(cert)
			if !c.JSON { // there may be millions
				_, err := fmt.Fprintln(env.out, one)
				return err
			}
			list = append(list, one)
			return nil
		},
	)
	if err != nil {
		return err
	}
	return c.print(env.out, list, "")
}

// issued is an entry of the register of certificates, as JSON. One that is looked for and was not
// issued here has no kind and no times.
type issued struct {
	Issued    bool      `json:"issued"`
	Kind      string    `json:"kind,omitempty"`
	Subject   string    `json:"subject,omitempty"` // of one that was not issued here
	Serial    string    `json:"serial"`
	SHA256    string    `json:"sha256"`
	IssuedAt  time.Time `json:"issued_at,omitzero"`
	Leaf      *int64    `json:"leaf,omitempty"` // of the audit log; absent until it is in the log
	RevokedAt time.Time `json:"revoked_at,omitzero"`
	Reason    string    `json:"reason,omitempty"`
}

func newIssued(c audit.Certificate) issued {
	i := issued{
		Issued: true, Kind: c.Kind, Serial: c.Serial, SHA256: c.SHA256, IssuedAt: c.IssuedAt.UTC(),
	}
	if c.Leaf >= 0 {
		i.Leaf = &c.Leaf
	}
	if !c.RevokedAt.IsZero() {
		i.RevokedAt, i.Reason = c.RevokedAt.UTC(), ca.ReasonName(c.Reason)
	}
	return i
}

// String returns the line of a certificate.
func (i issued) String() string {
	if !i.Issued {
		return fmt.Sprintf(
			"NOT ISSUED HERE: %s, serial %s, sha256 %s", printable(i.Subject), i.Serial, i.SHA256,
		)
	}
	leaf, state := "not in the log yet", ""
	if i.Leaf != nil {
		leaf = fmt.Sprintf("leaf %d", *i.Leaf)
	}
	if !i.RevokedAt.IsZero() {
		state = fmt.Sprintf(", revoked %s: %s", i.RevokedAt.Format(time.RFC3339), i.Reason)
	}
	return fmt.Sprintf(
		"%s %-7s %s sha256 %s, %s%s", i.IssuedAt.Format(time.RFC3339), i.Kind, i.Serial, i.SHA256,
		leaf, state,
	)
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
	list := []issued{}
	var lines []string
	missing := false
	for _, cert := range certs {
		serial := cert.SerialNumber.Text(16)
		found := issued{
			Subject: cert.Subject.CommonName, Serial: serial,
			SHA256: audit.NewCertificate(serial, "", cert.Raw, time.Time{}).SHA256,
		}
		err := maintenance.IssuedCertificates(
			env.ctx, c.Config, cert.SerialNumber, log,
			func(of audit.Certificate) error {
				if of.SHA256 == found.SHA256 {
					found = newIssued(of)
				}
				return nil
			},
		)
		if err != nil {
			return err
		}
		missing = missing || !found.Issued
		list, lines = append(list, found), append(lines, found.String())
	}
	if err := c.print(env.out, list, strings.Join(lines, "\n")); err != nil {
		return err
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
