package parts

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/tsa"
)

// Stamps is the source of timestamps, and of the evidence that keeps them verifiable for decades.
type Stamps struct {
	Source   pades.Timestamper
	External []*tsa.Client // what source asks, in this order; empty with the built-in authority
	Evidence pades.EvidenceSource
	Roots    *x509.CertPool      // of timestamps
	Known    []*x509.Certificate // roots, which timestamp tokens may omit
}

// NewStamps selects the built-in authority or external ones. ours is the evidence about the
// certificates of this authority. Its root stays trusted for timestamps in both cases, because
// documents signed before a switch have its timestamps. ours has all evidence about certificates of
// the issuers in also, too.
func NewStamps(
	c *config.Config, authority *ca.Authority, ours pades.EvidenceSource, now func() time.Time,
	also ...*x509.Certificate,
) (Stamps, error) {
	s := Stamps{Evidence: ours, Roots: authority.Roots()}
	if len(c.TSAURLs) == 0 {
		own := &ownStamps{authority: authority, now: now}
		s.Source = own
		_, err := own.unit()
		return s, err
	}
	var err error
	if s.Known, err = c.ReadTSARoots(); err != nil {
		return s, err
	}
	external := x509.NewCertPool()
	for _, cert := range s.Known {
		external.AddCert(cert)
		s.Roots.AddCert(cert)
	}
	// The operator configured these addresses, and authorities that the operator trusts name the
	// addresses of the revocation data, so the client needs no restrictions on addresses.
	client := &http.Client{}
	var list tsa.Alternatives
	for _, u := range c.TSAURLs {
		one := &tsa.Client{
			URL: u, HTTP: client, Policy: c.TSAPolicy, Roots: external, Now: now, Rand: rand.Reader,
		}
		list, s.External = append(list, one), append(s.External, one)
	}
	s.Source = list
	s.Evidence = Sources{ours, &tsa.Fetcher{
		HTTP: client, Now: now,
		Skip: func() []*x509.Certificate { return append(authority.Certificates(), also...) },
	}}
	return s, nil
}

// ownStamps are timestamps of the built-in authority. They use the newest time-stamping unit, which
// may change while the service runs.
type ownStamps struct {
	authority *ca.Authority
	now       func() time.Time

	mu   sync.Mutex
	cert *x509.Certificate // of made
	made *tsa.Authority
}

func (s *ownStamps) unit() (*tsa.Authority, error) {
	key, chain := s.authority.TSA()
	if key == nil {
		return nil, errors.New(
			"the authority has no time-stamping unit: install its certificate " +
				"(signet ca csr --part tsa), or set tsa_urls",
		)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.made != nil && s.cert.Equal(chain[0]) {
		return s.made, nil
	}
	unit, err := tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: ca.TimestampPolicy, Accuracy: time.Second, Now: s.now,
		Rand: rand.Reader,
	})
	if err == nil {
		s.made, s.cert = unit, chain[0]
	}
	return unit, err
}

// Timestamp implements pades.Timestamper.
func (s *ownStamps) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	unit, err := s.unit()
	if err != nil {
		return nil, err
	}
	return unit.Timestamp(ctx, imprint)
}

// TokenSize returns the largest number of bytes that a token can have.
func (s *ownStamps) TokenSize() int {
	unit, err := s.unit()
	if err != nil {
		return 0 // Timestamp fails
	}
	return unit.TokenSize()
}

// Sources combines several sources of evidence.
type Sources []pades.EvidenceSource

// Evidence implements pades.EvidenceSource.
func (s Sources) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	for _, source := range s {
		r, l, err := source.Evidence(ctx, certs)
		if err != nil {
			return nil, nil, err
		}
		responses, crls = append(responses, r...), append(crls, l...)
	}
	return responses, crls, nil
}
