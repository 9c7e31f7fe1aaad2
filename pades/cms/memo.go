package cms

import (
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"slices"
	"sync"
	"time"
)

// Memo caches which certificates and lists were verified to be signed by which issuer, so that each
// signature is verified once. Signatures on P-384 are most of the work of sealing and verifying a
// document. Memo caches only successes, under hashes of all inputs, so it never changes a result.
// The zero value is ready for use, nil caches nothing, and all methods may be called concurrently.
type Memo struct {
	mu     sync.Mutex
	signed map[[sha256.Size]byte]bool
	chains map[chainKey][]*x509.Certificate
}

type chainKey struct {
	leaf  [sha256.Size]byte
	roots *x509.CertPool // a pool never loses a certificate
	usage x509.ExtKeyUsage
}

// maxRemembered bounds each half of a memo. Signatures beyond it are verified again.
const maxRemembered = 4096

// CheckCertificate is c.CheckSignatureFrom(issuer).
func (m *Memo) CheckCertificate(c, issuer *x509.Certificate) error {
	return m.once(c.Raw, issuer, func() error { return c.CheckSignatureFrom(issuer) })
}

// CheckList is l.CheckSignatureFrom(issuer).
func (m *Memo) CheckList(l *x509.RevocationList, issuer *x509.Certificate) error {
	return m.once(l.Raw, issuer, func() error { return l.CheckSignatureFrom(issuer) })
}

func (m *Memo) once(signed []byte, issuer *x509.Certificate, check func() error) error {
	if m == nil {
		return check()
	}
	a, b := sha256.Sum256(signed), sha256.Sum256(issuer.Raw)
	key := sha256.Sum256(append(a[:], b[:]...))
	m.mu.Lock()
	known := m.signed[key]
	m.mu.Unlock()
	if known {
		return nil
	}
	if err := check(); err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.signed == nil || len(m.signed) >= maxRemembered {
		m.signed = make(map[[sha256.Size]byte]bool)
	}
	m.signed[key] = true
	return nil
}

// Chain returns a path from leaf to one of the roots, valid at the time at for the given usage,
// through the offered intermediates.
func (m *Memo) Chain(
	leaf *x509.Certificate, offered []*x509.Certificate, roots *x509.CertPool, at time.Time,
	usage x509.ExtKeyUsage,
) ([]*x509.Certificate, error) {
	var key chainKey
	if m != nil {
		key = chainKey{sha256.Sum256(leaf.Raw), roots, usage}
		m.mu.Lock()
		known := m.chains[key]
		m.mu.Unlock()
		if len(known) > 0 && holds(known, offered, at) {
			return known, nil
		}
	}
	pool := x509.NewCertPool()
	issuers := make(map[string][]*x509.Certificate) // by their names
	for _, c := range offered {
		// A self-signed certificate is either in roots or not trusted.
		if !selfSigned(c) {
			pool.AddCert(c)
			same := issuers[string(c.RawSubject)]
			if len(same) <= maxIssuers && !slices.ContainsFunc(same, c.Equal) {
				issuers[string(c.RawSubject)] = append(same, c)
			}
		}
	}
	if left := maxIssuers; !countIssuers([]*x509.Certificate{leaf}, issuers, &left) {
		return nil, ErrIssuers
	}
	chains, err := leaf.Verify(
		x509.VerifyOptions{
			Roots: roots, Intermediates: pool, CurrentTime: at,
			KeyUsages: []x509.ExtKeyUsage{usage},
		},
	)
	if err != nil {
		return nil, err
	}
	if m != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.chains == nil || len(m.chains) >= maxRemembered {
			m.chains = make(map[chainKey][]*x509.Certificate)
		}
		m.chains[key] = slices.Clip(chains[0])
	}
	return chains[0], nil
}

// ErrIssuers is the error for a certificate between which and a root there may be so many others
// that finding a path takes too long.
var ErrIssuers = errors.New("cms: too many certificates may be the issuer's")

// maxIssuers bounds the signatures that finding a path may check, which is 100 in crypto/x509. A
// hostile document has a hundred signatures, each by a key that takes a millisecond. An ordinary
// path has one to four certificates, and a few more if authorities have certified each other.
const maxIssuers = 32

// countIssuers subtracts the number of checks that finding a path takes if each certificate is
// signed by all that have its issuer's name. It returns false if that is more than left.
func countIssuers(
	path []*x509.Certificate, issuers map[string][]*x509.Certificate, left *int,
) bool {
	for _, c := range issuers[string(path[len(path)-1].RawIssuer)] {
		if slices.ContainsFunc(path, c.Equal) {
			continue
		}
		if *left--; *left < 0 || !countIssuers(append(path, c), issuers, left) {
			return false
		}
	}
	return true
}

// holds reports whether a cached chain is still valid.
func holds(chain, offered []*x509.Certificate, at time.Time) bool {
	for i, c := range chain {
		if at.Before(c.NotBefore) || at.After(c.NotAfter) {
			return false
		}
		if i > 0 && i < len(chain)-1 && !slices.ContainsFunc(offered, c.Equal) {
			return false
		}
	}
	return true
}

func selfSigned(c *x509.Certificate) bool {
	return string(c.RawSubject) == string(c.RawIssuer) &&
		(len(c.AuthorityKeyId) == 0 || string(c.AuthorityKeyId) == string(c.SubjectKeyId))
}
