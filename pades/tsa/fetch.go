package tsa

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/revocation"
)

const (
	fetchTimeout = 10 * time.Second
	// Every signed document contains the fetched lists, so a list of a megabyte would not be
	// usable. Lists of time-stamping authorities have some kilobytes.
	maxCRL  = 1 << 20
	maxOCSP = 64 << 10
	// maxFetched bounds the number of cached answers.
	maxFetched = 64
	// fetchedLife is how long an answer is cached, if it does not expire earlier.
	fetchedLife = time.Hour
)

// Fetcher fetches revocation data about other authorities' certificates from the addresses in the
// certificates: OCSP first, which is small, then the CRL. It is a pades.EvidenceSource and may be
// used concurrently.
//
// What it returns is signed by the issuer, current, and about the certificate. The caller must
// check whether it says "good".
type Fetcher struct {
	HTTP *http.Client
	Now  func() time.Time
	// Skip returns authorities whose certificates another source covers; nil: none.
	Skip func() []*x509.Certificate

	memo  cms.Memo
	mu    sync.Mutex
	known map[[32]byte]fetched
}

type fetched struct {
	ocsp bool
	der  []byte
	till time.Time
}

// Evidence returns OCSP responses and CRLs, DER, for all certs that have an issuer among certs,
// except roots and those of Skip. It fails if there is no data about one of them; a later call may
// succeed.
func (f *Fetcher) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	var skip []*x509.Certificate
	if f.Skip != nil {
		skip = f.Skip()
	}
	for _, c := range certs {
		issuer := f.issuerOf(c, certs)
		if issuer == nil || issuer.Equal(c) ||
			slices.ContainsFunc(skip, func(s *x509.Certificate) bool { return f.issued(c, s) }) {
			continue
		}
		got, err := f.about(ctx, c, issuer)
		if err != nil {
			return nil, nil, fmt.Errorf(
				"tsa: no revocation data about %q: %w", c.Subject.CommonName, err,
			)
		}
		if got.ocsp {
			responses = append(responses, got.der)
		} else {
			crls = append(crls, got.der)
		}
	}
	return responses, crls, nil
}

func (f *Fetcher) issued(c, by *x509.Certificate) bool {
	return bytes.Equal(c.RawIssuer, by.RawSubject) && f.memo.CheckCertificate(c, by) == nil
}

func (f *Fetcher) issuerOf(c *x509.Certificate, certs []*x509.Certificate) *x509.Certificate {
	i := slices.IndexFunc(certs, func(by *x509.Certificate) bool { return f.issued(c, by) })
	if i >= 0 {
		return certs[i]
	}
	return nil
}

func (f *Fetcher) about(ctx context.Context, c, issuer *x509.Certificate) (fetched, error) {
	key := sha256.Sum256(slices.Concat(c.Raw, issuer.Raw))
	f.mu.Lock()
	got, ok := f.known[key]
	f.mu.Unlock()
	if ok && f.Now().Before(got.till) {
		return got, nil
	}
	errs := []error{errors.New("the certificate names neither OCSP nor CRL over http")}
	for _, try := range []struct {
		urls []string
		get  func(context.Context, string, *x509.Certificate, *x509.Certificate) (fetched, error)
	}{{c.OCSPServer, f.askOCSP}, {c.CRLDistributionPoints, f.loadCRL}} {
		for _, u := range try.urls {
			if parsed, err := url.Parse(u); err != nil ||
				parsed.Scheme != "http" && parsed.Scheme != "https" {
				continue // ldap
			}
			got, err := try.get(ctx, u, c, issuer)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			f.remember(key, got)
			return got, nil
		}
	}
	if len(errs) > 1 {
		errs = errs[1:]
	}
	return fetched{}, errors.Join(errs...)
}

func (f *Fetcher) remember(key [32]byte, got fetched) {
	if most := f.Now().Add(fetchedLife); got.till.After(most) {
		got.till = most
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.known == nil || len(f.known) >= maxFetched {
		f.known = make(map[[32]byte]fetched)
	}
	f.known[key] = got
}

func (f *Fetcher) askOCSP(
	ctx context.Context, where string, c, issuer *x509.Certificate,
) (fetched, error) {
	request, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		return fetched{}, err
	}
	der, err := f.do(ctx, http.MethodPost, where, request, maxOCSP)
	if err != nil {
		return fetched{}, err
	}
	r, err := revocation.FromResponse(der, c, issuer, &f.memo)
	if err != nil {
		return fetched{}, fmt.Errorf("%s: %w", where, err)
	}
	if !f.current(r) {
		return fetched{}, fmt.Errorf(
			"%s: an answer of %s that says nothing about now", where,
			r.ThisUpdate.UTC().Format(time.RFC3339),
		)
	}
	return fetched{ocsp: true, der: der, till: r.NextUpdate}, nil
}

func (f *Fetcher) loadCRL(
	ctx context.Context, where string, c, issuer *x509.Certificate,
) (fetched, error) {
	der, err := f.do(ctx, http.MethodGet, where, nil, maxCRL)
	if err != nil {
		return fetched{}, err
	}
	l, err := x509.ParseRevocationList(der)
	if err != nil {
		return fetched{}, fmt.Errorf("%s: %w", where, err)
	}
	s, err := revocation.FromList(l, c, issuer, &f.memo)
	if err != nil {
		return fetched{}, fmt.Errorf("%s: %w", where, err)
	}
	if !f.current(s) {
		return fetched{}, fmt.Errorf(
			"%s: a list of %s that says nothing about now", where,
			l.ThisUpdate.UTC().Format(time.RFC3339),
		)
	}
	return fetched{der: der, till: l.NextUpdate}, nil
}

// current rejects a statement that says neither "good" nor "revoked" now, and one without an end,
// which may be years old.
func (f *Fetcher) current(s revocation.Statement) bool {
	now := f.Now()
	return (s.GoodAt(now) || s.RevokedAt(now)) && !s.ThisUpdate.After(now.Add(maxSkew)) &&
		s.NextUpdate.After(now)
}

// do sends one request, bounded in time and size.
func (f *Fetcher) do(
	ctx context.Context, method, where string, body []byte, most int64,
) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/ocsp-request")
	}
	resp, err := f.HTTP.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: HTTP status %d", where, resp.StatusCode)
	}
	out, err := io.ReadAll(io.LimitReader(resp.Body, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	if int64(len(out)) > most {
		return nil, fmt.Errorf("%s: the answer is larger than %d bytes", where, most)
	}
	return out, nil
}
