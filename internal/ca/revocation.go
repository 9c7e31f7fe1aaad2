package ca

import (
	"bytes"
	"context"
	"crypto"
	// crypto.SHA1: OCSP requests identify the issuer by a SHA-1 hash of its key; security does not
	// depend on it
	_ "crypto/sha1"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
	"golang.org/x/crypto/ocsp"
)

// How long verifiers may cache answers.
const (
	ocspLife = 24 * time.Hour
	crlLife  = 7 * 24 * time.Hour
)

// Status is the status of one serial number.
type Status struct {
	// Known is false for a number that was never issued.
	Known bool
	// RevokedAt is zero for a certificate that is not revoked.
	RevokedAt time.Time
	// Reason is a CRLReason (RFC 5280, 5.3.1).
	Reason int
}

// Revoked is one line of a CRL.
type Revoked struct {
	Serial *big.Int
	At     time.Time
	Reason int
}

// Revocations is the record of issued and revoked certificates, kept by the caller. Answers must
// include every revocation that was durable before the call. Methods may be called concurrently. An
// error becomes the OCSP answer "try later", never "good".
type Revocations interface {
	// Status looks up a signer's certificate.
	Status(ctx context.Context, serial *big.Int) (Status, error)
	// Revoked lists all revoked certificates that have not expired.
	Revoked(ctx context.Context) ([]Revoked, error)
}

// OCSP answers one DER OCSP request about a certificate of the issuing CA. It always returns a DER
// response to send; the error is for the log. Unknown serial numbers are answered "unknown", never
// "good".
func (a *Authority) OCSP(ctx context.Context, request []byte, r Revocations) ([]byte, error) {
	req, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.MalformedRequestErrorResponse, fmt.Errorf("ca: ocsp: %w", err)
	}
	if !a.issuedHere(req) {
		return ocsp.UnauthorizedErrorResponse, errors.New(
			"ca: ocsp: question about another authority's certificate",
		)
	}
	der, err := a.answer(ctx, req.SerialNumber, req.HashAlgorithm, r, backdate)
	if err != nil {
		return ocsp.InternalErrorErrorResponse, err
	}
	return der, nil
}

// issuedHere compares name and key hash of the request with the issuing CA's.
func (a *Authority) issuedHere(req *ocsp.Request) bool {
	if req.HashAlgorithm != crypto.SHA1 && req.HashAlgorithm != crypto.SHA256 {
		return false
	}
	name, key, err := a.issuerHashes(req.HashAlgorithm)
	return err == nil && bytes.Equal(req.IssuerNameHash, name) &&
		bytes.Equal(req.IssuerKeyHash, key)
}

// issuerHashes returns the two hashes by which a CertID names the issuing CA.
func (a *Authority) issuerHashes(f crypto.Hash) (name, key []byte, err error) {
	in := cryptobyte.String(a.issuing.cert.RawSubjectPublicKeyInfo)
	var spki cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.SkipASN1(cbasn1.SEQUENCE) ||
		!spki.ReadASN1BitString(&bits) {
		return nil, nil, errors.New("ca: unreadable public key")
	}
	h := f.New()
	h.Write(a.issuing.cert.RawSubject)
	name = h.Sum(nil)
	h.Reset()
	h.Write(bits.RightAlign())
	return name, h.Sum(nil), nil
}

// answer signs the status that is known now.
func (a *Authority) answer(
	ctx context.Context, serial *big.Int, hash crypto.Hash, r Revocations, since time.Duration,
) ([]byte, error) {
	s := Status{Known: serial.Cmp(a.ocsp.cert.SerialNumber) == 0}
	if !s.Known {
		var err error
		if s, err = r.Status(ctx, serial); err != nil {
			return nil, fmt.Errorf("ca: ocsp: %w", err)
		}
	}
	name, key, err := a.issuerHashes(hash)
	if err != nil {
		return nil, err
	}
	now := a.opts.Now().UTC().Truncate(time.Second)
	der, err := a.signOCSP(singleResponse{
		serial: serial, nameHash: name, keyHash: key, hash: hash, status: s, producedAt: now,
		thisUpdate: now.Add(-since), nextUpdate: now.Add(ocspLife),
	})
	if err != nil {
		return nil, fmt.Errorf("ca: ocsp: %w", err)
	}
	return der, nil
}

// CRL returns the DER CRL of the issuing CA. Its number is the time in milliseconds, which grows
// without a counter that a crash could lose. As the answers of [Authority.OCSP], it has the present
// revocations but begins a minute ago, because verifiers choose the time of validation before they
// ask, and refuse a CRL that begins after it.
func (a *Authority) CRL(ctx context.Context, r Revocations) ([]byte, error) {
	return a.issuingCRL(ctx, r, backdate)
}

func (a *Authority) issuingCRL(
	ctx context.Context, r Revocations, since time.Duration,
) ([]byte, error) {
	revoked, err := r.Revoked(ctx)
	if err != nil {
		return nil, fmt.Errorf("ca: crl: %w", err)
	}
	return a.crl(&a.made[1], a.issuing, revoked, since)
}

// RootCRL returns the root's CRL. The list is empty, because the authority never revokes its own
// certificates; after a compromise the whole directory has to be replaced.
func (a *Authority) RootCRL() ([]byte, error) { return a.crl(&a.made[0], a.root, nil, backdate) }

// madeCRL is a CRL and what it was made from.
type madeCRL struct {
	from    time.Time
	revoked []Revoked
	der     []byte
}

// crl returns the list as of now, beginning earlier by since. Within a second it returns the same
// list if the contents are the same: each signed document contains a list, and each list costs two
// operations on P-384.
func (a *Authority) crl(
	made *madeCRL, issuer entity, revoked []Revoked, since time.Duration,
) ([]byte, error) {
	now := a.opts.Now().UTC()
	from := now.Truncate(time.Second).Add(-since)
	a.mu.Lock()
	defer a.mu.Unlock()
	if made.from.Equal(from) && slices.EqualFunc(made.revoked, revoked, Revoked.equal) {
		return made.der, nil
	}
	list := &x509.RevocationList{
		Number: big.NewInt(now.UnixMilli()), ThisUpdate: from,
		NextUpdate:         now.Truncate(time.Second).Add(crlLife),
		SignatureAlgorithm: signatureAlgUsed,
	}
	for _, e := range revoked {
		list.RevokedCertificateEntries = append(
			list.RevokedCertificateEntries,
			x509.RevocationListEntry{
				SerialNumber: e.Serial, RevocationTime: e.At.UTC(), ReasonCode: e.Reason,
			},
		)
	}
	der, err := x509.CreateRevocationList(a.opts.Rand, list, issuer.cert, issuer.key)
	if err != nil {
		return nil, fmt.Errorf("ca: crl: %w", err)
	}
	*made = madeCRL{from, slices.Clone(revoked), der}
	return der, nil
}

func (r Revoked) equal(o Revoked) bool {
	return r.Serial.Cmp(o.Serial) == 0 && r.At.Equal(o.At) && r.Reason == o.Reason
}

// Evidence returns the proofs that certificates were not revoked now: OCSP responses for signers
// and the CRLs of their issuers, DER. certs may contain certificates of signers, of the
// time-stamping unit, of this authority's CAs, and of other authorities, which Evidence ignores so
// that several sources can be asked. The proofs begin now and not earlier, because older ones would
// not prove a new signature valid.
func (a *Authority) Evidence(
	ctx context.Context, certs []*x509.Certificate, r Revocations,
) (responses, crls [][]byte, err error) {
	signers, ours := false, false
	for _, cert := range certs {
		switch {
		case issued(cert, a.issuing.cert):
			response, err := a.answer(ctx, cert.SerialNumber, crypto.SHA1, r, 0)
			if err != nil {
				return nil, nil, err
			}
			responses, signers = append(responses, response), true
		case issued(cert, a.root.cert):
			ours = true
		}
	}
	if signers {
		crl, err := a.issuingCRL(ctx, r, 0)
		if err != nil {
			return nil, nil, err
		}
		crls = append(crls, crl)
	}
	if signers || ours {
		crl, err := a.crl(&a.made[0], a.root, nil, 0)
		if err != nil {
			return nil, nil, err
		}
		crls = append(crls, crl)
	}
	return responses, crls, nil
}

// issued reports whether cert names ca as its issuer. It does not check the signature, because for
// a forged certificate the answer is only that its number is unknown.
func issued(cert, ca *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, ca.RawSubject) &&
		bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId)
}
