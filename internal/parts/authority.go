package parts

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/server/pki"
)

// AuthorityOptions returns how the configuration opens or makes the authority.
func AuthorityOptions(c *config.Config, sandbox bool, now func() time.Time) ca.Options {
	return ca.Options{
		Name: c.AuthorityName, Sandbox: sandbox, BaseURL: c.PublicURL + pki.Base,
		Validity: c.SignerValidity, PlainHash: c.SignerSerial == "compat",
		Now: now, Rand: rand.Reader,
	}
}

// ExplainAuthority adds what the operator can do to an error of package ca.
func ExplainAuthority(err error) error {
	switch {
	case errors.Is(err, ca.ErrIncomplete):
		return fmt.Errorf(
			"%w: have the root sign the requests of signet ca csr, then signet ca install", err,
		)
	case errors.Is(err, ca.ErrOffline):
		return fmt.Errorf("%w: signet ca csr, then signet ca install", err)
	}
	return err
}

// OpenAuthority opens the authority of a deployment, beside a running service or without one. Close
// the access after the authority was used.
func OpenAuthority(
	ctx context.Context, c *config.Config,
) (_ *ca.Authority, _ *KeyAccess, err error) {
	k, err := OpenKeyAccess(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Close())
		}
	}()
	dir, err := k.Authority()
	if err != nil {
		return nil, nil, err
	}
	// A sandbox's authority can be looked at and rotated, too.
	sandbox := false
	if root, err := CertificateIn(dir, "root.crt"); err == nil {
		sandbox = ca.IsSandbox(root)
	}
	o := AuthorityOptions(c, sandbox, time.Now)
	o.Keep = true
	a, err := ca.OpenIn(dir, o)
	return a, k, ExplainAuthority(err)
}

// CertificateIn reads the first certificate of a file.
func CertificateIn(dir *keydir.Dir, file string) (*x509.Certificate, error) {
	text, err := dir.Read(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s: not PEM", file)
	}
	return x509.ParseCertificate(block.Bytes)
}

// ServiceEvidence is the evidence about the authority's own services. A renewal requires no
// evidence about signers, because the document contains it.
type ServiceEvidence struct{ *ca.Authority }

// Evidence implements pades.EvidenceSource.
func (e ServiceEvidence) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return e.Authority.Evidence(ctx, certs, noRegister{})
}

type noRegister struct{}

var errNoRegister = errors.New("the register of signers' certificates is not open")

func (noRegister) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{}, errNoRegister
}

func (noRegister) Revoked(context.Context) ([]ca.Revoked, error) { return nil, errNoRegister }
