package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
)

// maxName bounds a signer's name in characters. RFC 5280, appendix A, says 64 for a common name,
// but names in the national registry may be longer, and a truncated name would be another person's.
const maxName = 200

// Subject is the person that a certificate is for.
type Subject struct {
	// UIN is the NRIC or FIN, upper case. Only its last four characters and a hash enter the
	// certificate, see [Options.PlainHash].
	UIN string
	// Name is the common name.
	Name string
}

var uinPattern = regexp.MustCompile(`^[STFGM][0-9]{7}[A-Z]$`)

// ErrSubject is the error for a subject or key that no certificate is issued for.
var ErrSubject = errors.New("ca: subject or key not acceptable")

// IssueSigner issues a certificate for the key on the signer's phone, valid from now (see
// Options.Validity). pub must be a point on P-256. The certificate is not stored; the caller must
// record its serial number before it is used.
func (a *Authority) IssueSigner(s Subject, pub *ecdsa.PublicKey) (*x509.Certificate, error) {
	if !uinPattern.MatchString(s.UIN) {
		return nil, fmt.Errorf("%w: the UIN is not an NRIC or FIN", ErrSubject)
	}
	if err := checkName(s.Name); err != nil {
		return nil, err
	}
	if pub == nil || pub.Curve != elliptic.P256() {
		return nil, fmt.Errorf("%w: the key is not P-256", ErrSubject)
	}
	if _, err := pub.ECDH(); err != nil { // rejects points off the curve and infinity
		return nil, fmt.Errorf("%w: the key is not a point on P-256", ErrSubject)
	}
	id, err := uuid.NewRandomFromReader(a.opts.Rand)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	subject, err := a.signerName(s, id.String())
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	issuer, err := a.current()
	if err != nil {
		return nil, err
	}
	t, err := a.base(subject, pub, a.opts.Validity, issuer.cert)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	policy, err := x509.ParseOID(SignerPolicy)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	t.KeyUsage = signerKeyUsage
	t.Policies = []x509.OID{policy}
	t.OCSPServer = []string{a.opts.BaseURL + PathOCSP}
	t.IssuingCertificateURL = []string{a.opts.BaseURL + "/" + issuer.name() + ".cer"}
	t.CRLDistributionPoints = []string{a.opts.BaseURL + "/" + issuer.name() + ".crl"}
	cert, err := a.issue(
		profile{t, pub, []asn1.ObjectIdentifier{oidKeyUsage, oidBasicConstr}}, issuer.entity,
	)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return cert, nil
}

// signerName builds the subject. The serialNumber is the last four characters of the UIN and a hash
// of UID and UIN. Only 50,000 UINs end in the same four characters, so an unkeyed hash is reversed
// by trying all. The hash is therefore an HMAC with a secret of the authority, and only the
// authority can check whose certificate it is. The UID is another one in each certificate, so that
// hashes under two secrets differ no more than those under one.
func (a *Authority) signerName(s Subject, uid string) ([]byte, error) {
	hash := hmac.New(sha256.New, a.secrets.Secrets()[0])
	if a.opts.PlainHash {
		hash = sha256.New()
	}
	hash.Write([]byte(uid + s.UIN))
	unit := "Signing Certificate"
	if a.opts.Sandbox {
		unit = sandboxMark + " Signing Certificate"
	}
	return rawName(
		attributeValue{oidCountry, "SG"},
		attributeValue{oidOrganization, a.opts.Name},
		attributeValue{oidUnit, a.opts.Name + " Account (Individual)"},
		attributeValue{oidUnit, unit},
		attributeValue{oidCommonName, s.Name},
		attributeValue{
			oidSerialNumber, s.UIN[len(s.UIN)-4:] + " " + hex.EncodeToString(hash.Sum(nil)),
		},
		attributeValue{oidUID, uid},
	)
}

func checkName(name string) error {
	switch {
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: the name is not UTF-8", ErrSubject)
	case name == "" || name != strings.TrimSpace(name):
		return fmt.Errorf("%w: the name is empty or has space around it", ErrSubject)
	case utf8.RuneCountInString(name) > maxName:
		return fmt.Errorf("%w: the name has more than %d characters", ErrSubject, maxName)
	}
	for _, r := range name {
		// Control and format characters (such as right-to-left overrides) can make a name look like
		// another.
		if unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Zl, unicode.Zp) &&
			r != '\u200c' &&
			r != '\u200d' {
			return fmt.Errorf("%w: the name holds the invisible character %U", ErrSubject, r)
		}
	}
	return nil
}

// issue signs p: once with a temporary key for lint, then with the issuer's.
func (a *Authority) issue(p profile, issuer entity) (*x509.Certificate, error) {
	throwaway, err := ecdsa.GenerateKey(elliptic.P384(), a.opts.Rand)
	if err != nil {
		return nil, err
	}
	stand := *issuer.cert
	stand.PublicKey = &throwaway.PublicKey
	trial, err := x509.CreateCertificate(a.opts.Rand, p.template, &stand, p.public, throwaway)
	if err != nil {
		return nil, err
	}
	rehearsed, err := x509.ParseCertificate(trial)
	if err != nil {
		return nil, err
	}
	if err := lint(rehearsed, p, issuer.cert); err != nil {
		return nil, fmt.Errorf("certificate breaks its profile: %w", err)
	}
	der, err := x509.CreateCertificate(a.opts.Rand, p.template, issuer.cert, p.public, issuer.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(cert.RawTBSCertificate, rehearsed.RawTBSCertificate) {
		return nil, errors.New("the signed certificate differs from the one that was checked")
	}
	return cert, nil
}
