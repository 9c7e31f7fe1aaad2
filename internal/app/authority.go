package app

import (
	"context"
	"crypto/x509"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
)

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
