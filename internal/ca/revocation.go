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
	// Issuer is the authority key identifier of the certificate; nil if any issuing CA may answer.
	Issuer []byte
}

// Revoked is one line of a CRL.
type Revoked struct {
	Serial *big.Int
	At     time.Time
	Reason int
	// Issuer is the authority key identifier of the certificate; nil puts the line into the list
	// of every issuing CA.
	Issuer []byte
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

// OCSP answers one DER OCSP request about a certificate of one of the issuing CAs. It always
// returns a DER response to send; the error is for the log, and is [ErrQuestion] if the client made
// it. Unknown serial numbers are answered "unknown", never "good".
func (a *Authority) OCSP(ctx context.Context, request []byte, r Revocations) ([]byte, error) {
	req, err := ocsp.ParseRequest(request)
	if err != nil {
		return ocsp.MalformedRequestErrorResponse, fmt.Errorf("%w: %w", ErrQuestion, err)
	}
	issuer, err := a.asked(req)
	if err != nil {
		return ocsp.UnauthorizedErrorResponse, err
	}
	der, known, err := a.answer(ctx, issuer, req.SerialNumber, req.HashAlgorithm, r, backdate)
	if err != nil {
		return ocsp.InternalErrorErrorResponse, err
	}
	if !known {
		return der, fmt.Errorf("%w: %s", ErrNotIssued, req.SerialNumber.Text(16))
	}
	return der, nil
}

// ErrNotIssued is the error for the log if a client asks for the status of a certificate that was
// not issued here. If the certificate exists, its issuing CA's key was stolen.
var ErrNotIssued = errors.New("ca: ocsp: question about a certificate that was not issued here")

// ErrQuestion is the error for a request that is none, or not for this authority.
var ErrQuestion = errors.New("ca: ocsp: not a question to this authority")

// asked returns the issuing CA that a request names by its hashes. Another node may have made it a
// moment ago.
func (a *Authority) asked(req *ocsp.Request) (*issuer, error) {
	for range 2 {
		for _, i := range a.parts.Load().issuers {
			name, key, err := i.hashes(req.HashAlgorithm)
			if err == nil && bytes.Equal(req.IssuerNameHash, name) &&
				bytes.Equal(req.IssuerKeyHash, key) {
				return i, nil
			}
		}
		if err := a.Reload(); err != nil {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%w: another authority's certificate", ErrQuestion)
}

// hashes returns the two hashes by which a CertID names the issuing CA.
func (i *issuer) hashes(f crypto.Hash) (name, key []byte, err error) {
	if f != crypto.SHA1 && f != crypto.SHA256 {
		return nil, nil, fmt.Errorf("ca: the hash %v is not supported", f)
	}
	in := cryptobyte.String(i.cert.RawSubjectPublicKeyInfo)
	var spki cryptobyte.String
	var bits asn1.BitString
	if !in.ReadASN1(&spki, cbasn1.SEQUENCE) || !spki.SkipASN1(cbasn1.SEQUENCE) ||
		!spki.ReadASN1BitString(&bits) {
		return nil, nil, errors.New("ca: unreadable public key")
	}
	h := f.New()
	h.Write(i.cert.RawSubject)
	name = h.Sum(nil)
	h.Reset()
	h.Write(bits.RightAlign())
	return name, h.Sum(nil), nil
}

// answer signs the status that is known now, and reports whether the certificate is.
func (a *Authority) answer(
	ctx context.Context, by *issuer, serial *big.Int, hash crypto.Hash, r Revocations,
	since time.Duration,
) (der []byte, known bool, err error) {
	s := Status{Known: serial.Cmp(by.ocsp.cert.SerialNumber) == 0}
	if !s.Known {
		if s, err = r.Status(ctx, serial); err != nil {
			return nil, false, fmt.Errorf("ca: ocsp: %w", err)
		}
		if s.Issuer != nil && !bytes.Equal(s.Issuer, by.cert.SubjectKeyId) {
			s = Status{} // another issuing CA issued it
		}
	}
	name, key, err := by.hashes(hash)
	if err != nil {
		return nil, false, err
	}
	now := a.opts.Now().UTC().Truncate(time.Second)
	der, err = a.signOCSP(by.ocsp, singleResponse{
		serial: serial, nameHash: name, keyHash: key, hash: hash, status: s, producedAt: now,
		thisUpdate: now.Add(-since), nextUpdate: now.Add(ocspLife),
	})
	if err != nil {
		return nil, false, fmt.Errorf("ca: ocsp: %w", err)
	}
	return der, s.Known, nil
}

// CRL returns the DER CRL of the issuing CA with a file name: "issuing", "issuing-2". The error
// is fs.ErrNotExist if there is none. The number of the list is the time in milliseconds, which
// grows without a counter that a crash could lose. As the answers of [Authority.OCSP], it has the
// present revocations but begins a minute ago, because verifiers choose the time of validation
// before they ask, and refuse a CRL that begins after it.
func (a *Authority) CRL(ctx context.Context, name string, r Revocations) ([]byte, error) {
	i, err := a.named(name)
	if err != nil {
		return nil, err
	}
	return a.issuingCRL(ctx, i, r, backdate)
}

func (a *Authority) issuingCRL(
	ctx context.Context, by *issuer, r Revocations, since time.Duration,
) ([]byte, error) {
	revoked, err := r.Revoked(ctx)
	if err != nil {
		return nil, fmt.Errorf("ca: crl: %w", err)
	}
	revoked = slices.DeleteFunc(slices.Clone(revoked), func(r Revoked) bool {
		return r.Issuer != nil && !bytes.Equal(r.Issuer, by.cert.SubjectKeyId)
	})
	return a.crl(by.entity, revoked, since)
}

// RootCRL returns the root's CRL, with the issuing CAs that [Authority.RevokeIssuing] has revoked.
// If the root's key is not here, it is the newest list that [Install] was given.
func (a *Authority) RootCRL() ([]byte, error) { return a.rootCRL(backdate) }

func (a *Authority) rootCRL(since time.Duration) ([]byte, error) {
	p := a.parts.Load()
	stored := p.listOf(p.root.cert)
	if p.root.key != nil {
		var revoked []Revoked
		if stored != nil {
			revoked = entries(stored)
		}
		return a.crl(p.root, revoked, since)
	}
	if stored == nil {
		return nil, errors.New("ca: crl: there is no list of the root")
	}
	return stored.Raw, nil
}

// entries returns the lines of a list.
func entries(list *x509.RevocationList) (lines []Revoked) {
	for _, e := range list.RevokedCertificateEntries {
		lines = append(
			lines, Revoked{Serial: e.SerialNumber, At: e.RevocationTime, Reason: e.ReasonCode},
		)
	}
	return lines
}

// madeCRL is a CRL and what it was made from.
type madeCRL struct {
	from    time.Time
	revoked []Revoked
	der     []byte
}

// crl returns the list as of now, beginning earlier by since. Within a second it returns the same
// list if the contents are the same: each signed document contains a list, and each list costs two
// operations on P-384.
func (a *Authority) crl(by entity, revoked []Revoked, since time.Duration) ([]byte, error) {
	now := a.opts.Now().UTC()
	from := now.Truncate(time.Second).Add(-since)
	a.mu.Lock()
	defer a.mu.Unlock()
	name := string(by.cert.SubjectKeyId)
	made := a.made[name]
	if made.from.Equal(from) && slices.EqualFunc(made.revoked, revoked, Revoked.equal) {
		return made.der, nil
	}
	der, err := a.signList(by, revoked, big.NewInt(now.UnixMilli()), from, crlLife)
	if err != nil {
		return nil, err
	}
	a.made[name] = madeCRL{from, slices.Clone(revoked), der}
	return der, nil
}

// signList signs a list that begins at from and ends after the given time from now.
func (a *Authority) signList(
	by entity, revoked []Revoked, number *big.Int, from time.Time, life time.Duration,
) ([]byte, error) {
	list := &x509.RevocationList{
		Number: number, ThisUpdate: from,
		NextUpdate:         a.opts.Now().UTC().Truncate(time.Second).Add(life),
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
	der, err := x509.CreateRevocationList(a.opts.Rand, list, by.cert, by.key)
	if err != nil {
		return nil, fmt.Errorf("ca: crl: %w", err)
	}
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
	p := a.parts.Load()
	var lists []*issuer // whose CRLs are needed
	ours := false
	for _, cert := range certs {
		if by := a.issuerOf(cert); by != nil {
			response, _, err := a.answer(ctx, by, cert.SerialNumber, crypto.SHA1, r, 0)
			if err != nil {
				return nil, nil, err
			}
			responses, ours = append(responses, response), true
			if !slices.Contains(lists, by) {
				lists = append(lists, by)
			}
		} else if issued(cert, p.root.cert) {
			ours = true
		}
	}
	for _, by := range lists {
		crl, err := a.issuingCRL(ctx, by, r, 0)
		if err != nil {
			return nil, nil, err
		}
		crls = append(crls, crl)
	}
	if ours {
		crl, err := a.rootCRL(0)
		if err != nil {
			return nil, nil, err
		}
		crls = append(crls, crl)
		for _, l := range p.lists { // of CAs between the root and the issuing CA
			if !bytes.Equal(l.RawIssuer, p.root.cert.RawSubject) {
				crls = append(crls, l.Raw)
			}
		}
	}
	return responses, crls, nil
}

// issued reports whether cert names ca as its issuer. It does not check the signature, because for
// a forged certificate the answer is only that its number is unknown.
func issued(cert, ca *x509.Certificate) bool {
	return bytes.Equal(cert.RawIssuer, ca.RawSubject) &&
		bytes.Equal(cert.AuthorityKeyId, ca.SubjectKeyId)
}
