package app

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
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/server/pki"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

func authorityOptions(c *config.Config, sandbox bool, now func() time.Time) ca.Options {
	return ca.Options{
		Name: c.AuthorityName, Sandbox: sandbox, BaseURL: c.PublicURL + pki.Base,
		Validity: c.SignerValidity, PlainHash: c.SignerSerial == "compat",
		Now: now, Rand: rand.Reader,
	}
}

// explainAuthority adds what the operator can do to an error of package ca.
func explainAuthority(err error) error {
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

// chainOf returns the certificates above a phone's certificate.
func (a *App) chainOf(cert *x509.Certificate) ([]*x509.Certificate, error) {
	chain, err := a.authority.ChainOf(cert)
	if errors.Is(err, ca.ErrIssuerRevoked) {
		return nil, api.ErrPhoneNotEnrolled.Because("%w", err)
	}
	return chain, err
}

// followEvery is how often a node looks for new certificates and lists of the authority. It is less
// than the time that a new issuing CA waits before it issues.
const followEvery = 10 * time.Second

// listWarning is how long before the end of the root's CRL the log warns.
const listWarning = 30 * 24 * time.Hour

// followAuthority takes up what other processes change in the authority's folder, until ctx ends.
func (a *App) followAuthority(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	known := a.authority.List()
	var warned, recorded time.Time
	for {
		if err := a.authority.Reload(); err != nil {
			a.log.Error("reading the authority's folder", "err", err)
		}
		var changed bool
		known, changed = a.logAuthority(known)
		if changed || time.Since(recorded) > time.Hour {
			if err := a.recordCertificates(ctx); err != nil && ctx.Err() == nil {
				a.log.Error("recording the issued certificates", "err", err)
			} else {
				recorded = time.Now()
			}
		}
		if end := a.authority.ListEnd(); !end.IsZero() && a.now().After(end.Add(-listWarning)) &&
			time.Since(warned) > 24*time.Hour {
			warned = time.Now()
			a.log.Warn(
				"the root's CRL ends: have the root sign the next one, then signet ca install",
				"ends", end,
			)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// recordCertificates adds the authority's own certificates to the register of issued certificates,
// and those of phones that a release without the register has enrolled.
func (a *App) recordCertificates(ctx context.Context) error {
	var own []audit.Certificate
	for _, c := range a.authority.List() {
		kind, _, _ := strings.Cut(c.Name, "-")
		own = append(own, audit.NewCertificate(c.SerialNumber.Text(16), kind, c.Raw, c.NotBefore))
	}
	if err := a.store.RecordCertificates(ctx, own, a.now()); err != nil {
		return err
	}
	for {
		const atOnce = 100
		list, err := a.store.UnrecordedPhones(ctx, atOnce)
		if err != nil || len(list) == 0 {
			return err
		}
		if err := a.store.RecordCertificates(ctx, list, a.now()); err != nil {
			return err
		}
	}
}

// logAuthority logs what differs from what is known, and returns what there is.
func (a *App) logAuthority(known []ca.Listed) (list []ca.Listed, changed bool) {
	list = a.authority.List()
	for _, c := range list {
		if !slices.ContainsFunc(known, func(k ca.Listed) bool {
			return k.Equal(c.Certificate) && k.State == c.State
		}) {
			changed = true
			a.log.Info(
				"the authority has changed", "certificate", c.Subject.CommonName, "state",
				string(c.State), "serial", c.SerialNumber.Text(16), "ends", c.NotAfter,
			)
		}
	}
	return list, changed
}

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
	if err := makeData(&c); err != nil {
		return nil, err
	}
	p, err := openParts(ctx, &c, store.Options{Kind: store.Service, Now: time.Now, Log: log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	dir, err := makeDirectory(&c, "authority", p.store)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"root.crt", "issuing.key"} {
		if _, err := dir.Read(name); !errors.Is(err, fs.ErrNotExist) {
			return nil, errors.Join(
				err, fmt.Errorf("%s has an authority: it has %s", keyFiles(&c), name),
			)
		}
	}
	if _, err := p.keys.Signer("webhook", elliptic.P256()); err != nil {
		return nil, err
	}
	o := authorityOptions(&c, false, time.Now)
	if offline {
		return ca.PrepareOffline(dir.With(p.keys.Protection()), o)
	}
	_, err = openCA(&c, p.store, p.keys, o)
	return nil, err
}

// openAuthority opens the authority of a deployment, beside a running service or without one. Close
// the access after the authority was used.
func openAuthority(
	ctx context.Context, c *config.Config,
) (_ *ca.Authority, _ *keyAccess, err error) {
	k, err := openKeyAccess(ctx, c)
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, k.Close())
		}
	}()
	dir, err := k.authority()
	if err != nil {
		return nil, nil, err
	}
	// A sandbox's authority can be looked at and rotated, too.
	sandbox := false
	if root, err := certificateIn(dir, "root.crt"); err == nil {
		sandbox = ca.IsSandbox(root)
	}
	o := authorityOptions(c, sandbox, time.Now)
	o.Keep = true
	a, err := ca.OpenIn(dir, o)
	return a, k, explainAuthority(err)
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
	a, k, err := openAuthority(ctx, &c)
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
	a, k, err := openAuthority(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	made, err := a.Rotate(ca.Part(part))
	if err != nil {
		return nil, explainAuthority(err)
	}
	return slices.DeleteFunc(described(a.List()), func(c AuthorityCertificate) bool {
		return !slices.ContainsFunc(made, c.Equal)
	}), nil
}

// AuthorityRequests returns PKCS #10 requests, PEM, for the next issuing CA or time-stamping unit.
func AuthorityRequests(ctx context.Context, c config.Config, parts []string) (_ []byte, err error) {
	var which []ca.Part
	for _, p := range parts {
		which = append(which, ca.Part(p))
	}
	k, err := openKeyAccess(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	dir, err := k.authority()
	if err != nil {
		return nil, err
	}
	return ca.Requests(dir, authorityOptions(&c, false, time.Now), which...)
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
	return ca.SignRequests(dir, authorityOptions(&c, false, time.Now), requests, lines...)
}

// InstallAuthority stores what the root's machine has signed, and returns the certificates for this
// deployment's keys.
func InstallAuthority(
	ctx context.Context, c config.Config, text []byte,
) (_ []*x509.Certificate, err error) {
	k, err := openKeyAccess(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	dir, err := k.authority()
	if err != nil {
		return nil, err
	}
	return ca.Install(dir, authorityOptions(&c, false, time.Now), text)
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
	a, k, err := openAuthority(ctx, &c)
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
	p, err := openParts(ctx, &c, store.Options{Kind: store.AnyKind, Now: time.Now, Log: log})
	if errors.Is(err, store.ErrInUse) {
		return fmt.Errorf("%w: revoke the certificate in the console of the running service", err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	signers := &signer.Service{Store: p.store, Authority: a, Now: time.Now, Log: log}
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
	if err := findDatabase(&c); err != nil {
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

// ReasonName returns the name of a CRLReason (RFC 5280, 5.3.1).
func ReasonName(code int) string { return ca.ReasonName(code) }
