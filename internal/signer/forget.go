package signer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"time"
)

// Forget removes from the phone what identifies its person, and revokes it. Its id, times and
// serial number stay, because its certificate has to be in the CRL until it ends. The certificate
// is replaced by one of the same serial number and validity that names no person and is signed with
// a key that is thrown away.
func (p *Phone) Forget(now time.Time, random io.Reader) error {
	old, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return fmt.Errorf("phone %s: %w", p.ID, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), random)
	if err != nil {
		return err
	}
	nameless := &x509.Certificate{
		SerialNumber: old.SerialNumber, NotBefore: old.NotBefore, NotAfter: old.NotAfter,
		Subject: pkix.Name{CommonName: "forgotten"}, AuthorityKeyId: old.AuthorityKeyId,
	}
	p.Certificate, err = x509.CreateCertificate(random, nameless, nameless, key.Public(), key)
	p.UIN, p.Name, p.Credential = "", "", nil
	if !p.Revoked(now) {
		p.RevokedAt = now
	}
	return err
}

// EndedAt returns the end of the phone's certificate, after which the CRL need not list it, or the
// time of the phone's revocation if that is later.
func (p *Phone) EndedAt() (time.Time, error) {
	cert, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return time.Time{}, fmt.Errorf("phone %s: %w", p.ID, err)
	}
	if p.RevokedAt.After(cert.NotAfter) {
		return p.RevokedAt, nil
	}
	return cert.NotAfter, nil
}
