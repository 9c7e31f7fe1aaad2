package maintenance

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

// InitAuthority creates the deployment with its authority, as the first start of the service does.
// With offline it creates no root, and returns the requests for its first certificates, PEM.
func InitAuthority(
	ctx context.Context, c config.Config, offline bool, log *slog.Logger,
) (requests []byte, err error) {
	if err := c.CompleteService(log); err != nil {
		return nil, err
	}
	if err := c.Check(); err != nil {
		return nil, err
	}
	if err := parts.MakeData(&c); err != nil {
		return nil, err
	}
	p, err := parts.Open(ctx, &c, store.Options{Kind: store.Service, Now: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	dir, err := parts.MakeDirectory(&c, "authority", p.Store)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"root.crt", "issuing.key"} {
		if _, err := dir.Read(name); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(
				err, fmt.Errorf("%s has an authority: it has %s", parts.KeyFiles(&c), name),
			)
		}
	}
	if _, err := p.Keys.Signer("webhook", elliptic.P256()); err != nil {
		return nil, err
	}
	o := parts.AuthorityOptions(&c, false, time.Now)
	if offline {
		return ca.PrepareOffline(dir.With(p.Keys.Protection()), o)
	}
	_, err = parts.OpenCA(&c, p.Store, p.Keys, o)
	return nil, err
}

// AuthorityCertificate is a certificate of the authority and what it is used for.
type AuthorityCertificate struct {
	Name  string // of its files: "issuing-2"
	State string // "in use", "waiting until 10:00:00Z", "replaced", "revoked", "ended"
	*x509.Certificate
}

func described(list []ca.Listed) (certs []AuthorityCertificate) {
	for _, l := range list {
		state := string(l.State)
		if l.State == ca.StateWaiting {
			state += " until " + l.From.UTC().Format(time.RFC3339)
		}
		certs = append(certs, AuthorityCertificate{l.Name, state, l.Certificate})
	}
	return certs
}

// ShowAuthority lists the certificates of the authority, and when the CRL of a root on another
// machine ends.
func ShowAuthority(
	ctx context.Context, c config.Config,
) (certs []AuthorityCertificate, listEnd time.Time, err error) {
	a, k, err := parts.OpenAuthority(ctx, &c)
	if err != nil {
		return nil, time.Time{}, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	return described(a.List()), a.ListEnd(), nil
}

// RotateAuthority creates the next certificate of a part: issuing, ocsp or tsa. Running nodes take
// it up.
func RotateAuthority(
	ctx context.Context, c config.Config, part string,
) (_ []AuthorityCertificate, err error) {
	a, k, err := parts.OpenAuthority(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	made, err := a.Rotate(ca.Part(part))
	if err != nil {
		return nil, parts.ExplainAuthority(err)
	}
	return slices.DeleteFunc(described(a.List()), func(c AuthorityCertificate) bool {
		return !slices.ContainsFunc(made, c.Equal)
	}), nil
}

// AuthorityRequests returns PKCS #10 requests, PEM, for the next issuing CA or time-stamping unit.
func AuthorityRequests(ctx context.Context, c config.Config, names []string) (_ []byte, err error) {
	var which []ca.Part
	for _, p := range names {
		which = append(which, ca.Part(p))
	}
	k, err := parts.OpenKeyAccess(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	dir, err := k.Authority()
	if err != nil {
		return nil, err
	}
	return ca.Requests(dir, parts.AuthorityOptions(&c, false, time.Now), which...)
}

// SignRequests signs the requests of [AuthorityRequests] with the root in a folder, which it makes
// on first use. It returns what [InstallAuthority] takes, and the new certificates. It adds the
// issuing CAs with these serial numbers to the root's CRL.
func SignRequests(
	folder, name, publicURL string, requests []byte, revoke []*big.Int, reason string,
) ([]byte, []*x509.Certificate, error) {
	code, err := ca.ParseReason(reason)
	if err != nil {
		return nil, nil, err
	}
	var lines []ca.Revoked
	for _, serial := range revoke {
		lines = append(lines, ca.Revoked{Serial: serial, At: time.Now(), Reason: code})
	}
	c := config.Config{AuthorityName: name, PublicURL: publicURL}
	dir, err := keydir.Open(folder, rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	return ca.SignRequests(dir, parts.AuthorityOptions(&c, false, time.Now), requests, lines...)
}

// InstallAuthority stores what the root's machine has signed, and returns the certificates for this
// deployment's keys.
func InstallAuthority(
	ctx context.Context, c config.Config, text []byte,
) (_ []*x509.Certificate, err error) {
	k, err := parts.OpenKeyAccess(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	dir, err := k.Authority()
	if err != nil {
		return nil, err
	}
	return ca.Install(dir, parts.AuthorityOptions(&c, false, time.Now), text)
}

// RevokeCertificate revokes a certificate: that of an issuing CA by the root's CRL, which running
// nodes take up, and that of a signer in the database. operator is for the audit log.
func RevokeCertificate(
	ctx context.Context, c config.Config, serial *big.Int, reason, operator string,
	log *slog.Logger,
) (err error) {
	code, err := ca.ParseReason(reason)
	if err != nil {
		return err
	}
	a, k, err := parts.OpenAuthority(ctx, &c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	switch err := a.RevokeIssuing(serial, code); {
	case errors.Is(err, ca.ErrOffline):
		return fmt.Errorf("%w: signet ca sign --revoke there, then signet ca install", err)
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	p, err := parts.Open(ctx, &c, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log})
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w: revoke the certificate in the console of the running service", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	signers := &signer.Service{Store: p.Store, Authority: a, Now: time.Now, Log: log}
	err = signers.RevokeCertificate(ctx, serial.Text(16), code, operator)
	if errors.Is(err, signer.ErrNoPhone) {
		return fmt.Errorf(
			"no issuing CA and no signer has a certificate with the serial number %s",
			serial.Text(16),
		)
	}
	return err
}

// IssuedCertificates calls show for each certificate that the authority has issued, newest first,
// or for the one with a serial number. It may run beside the service.
func IssuedCertificates(
	ctx context.Context, c config.Config, serial *big.Int, log *slog.Logger,
	show func(audit.Certificate) error,
) error {
	if err := c.CompleteCommand(); err != nil {
		return err
	}
	db, err := store.Open(ctx, store.Options{
		Database: c.DatabasePath(), Kind: store.AnyKind, Keep: true, Log: log,
	})
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }() // it was only read
	wanted := ""
	if serial != nil {
		wanted = serial.Text(16)
	}
	var after audit.Certificate
	for {
		const page = 500
		list, err := db.Certificates(ctx, after, wanted, page)
		if err != nil {
			return err
		}
		for _, one := range list {
			if err := show(one); err != nil {
				return err
			}
		}
		if len(list) < page {
			return nil
		}
		after = list[len(list)-1]
	}
}
