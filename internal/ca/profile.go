package ca

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"io"
	"math/big"
	"time"
)

// sandboxMark is part of every name of a sandbox authority.
const sandboxMark = "SANDBOX"

// Policy identifiers. They are made from UUIDs in the arc that Microsoft provides for that, in
// pieces of at most 24 bits, and so require no registration. The arc 2.25 of ITU-T X.667 would
// contain a UUID as one number of 128 bits. Programs that keep such numbers in an int, among them
// Go's encoding/asn1, fail on it.
const (
	// SignerPolicy is the policy of signers' certificates.
	SignerPolicy = "1.2.840.113556.1.8000.2554.6292.45123.6498.19699.39253.8710443.8467721"
	// TimestampPolicy is the policy of the authority's timestamps.
	TimestampPolicy = "1.2.840.113556.1.8000.2554.13078.48243.37947.18340.33589.15907194.14389551"
)

var (
	oidUID           = asn1.ObjectIdentifier{0, 9, 2342, 19200300, 100, 1, 1} // RFC 4519, 2.39
	oidCountry       = asn1.ObjectIdentifier{2, 5, 4, 6}
	oidOrganization  = asn1.ObjectIdentifier{2, 5, 4, 10}
	oidUnit          = asn1.ObjectIdentifier{2, 5, 4, 11}
	oidCommonName    = asn1.ObjectIdentifier{2, 5, 4, 3}
	oidSerialNumber  = asn1.ObjectIdentifier{2, 5, 4, 5}
	oidExtKeyUsage   = asn1.ObjectIdentifier{2, 5, 29, 37}
	oidKeyUsage      = asn1.ObjectIdentifier{2, 5, 29, 15}
	oidOCSPNoCheck   = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 48, 1, 5}
	oidTimeStamping  = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}
	oidBasicConstr   = asn1.ObjectIdentifier{2, 5, 29, 19}
	derNull          = []byte{5, 0}
	signerKeyUsage   = x509.KeyUsageDigitalSignature | x509.KeyUsageContentCommitment
	authorityKeyUse  = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	signatureAlgUsed = x509.ECDSAWithSHA384 // both CA keys are P-384
)

// profile is a template and the rules that lint applies to the result.
type profile struct {
	template *x509.Certificate
	public   *ecdsa.PublicKey
	// critical lists the extensions that must be critical. No other extension may be.
	critical []asn1.ObjectIdentifier
}

// attributeValue is one attribute of a distinguished name.
type attributeValue struct {
	oid   asn1.ObjectIdentifier
	value string
}

// rawName encodes a name with one attribute per RDN, in the given order. crypto/x509/pkix would
// reorder them.
func rawName(attrs ...attributeValue) ([]byte, error) {
	var seq pkix.RDNSequence
	for _, a := range attrs {
		seq = append(seq, pkix.RelativeDistinguishedNameSET{{Type: a.oid, Value: a.value}})
	}
	return asn1.Marshal(seq)
}

// label returns Name with the sandbox mark.
func (a *Authority) label() string {
	if a.opts.Sandbox {
		return a.opts.Name + " " + sandboxMark
	}
	return a.opts.Name
}

func (a *Authority) serviceName(role string) ([]byte, error) {
	return rawName(attributeValue{oidCountry, "SG"}, attributeValue{oidOrganization, a.label()},
		attributeValue{oidCommonName, a.label() + " " + role})
}

// base returns a profile with the fields that all templates share. parent is nil for the root.
func (a *Authority) base(
	subject []byte, pub *ecdsa.PublicKey, life time.Duration, parent *x509.Certificate,
) (*x509.Certificate, error) {
	serial, err := newSerial(a.opts.Rand)
	if err != nil {
		return nil, err
	}
	keyID, err := keyIdentifier(pub)
	if err != nil {
		return nil, err
	}
	from := a.opts.Now().UTC().Truncate(time.Second).Add(-backdate)
	until := from.Add(life)
	if parent != nil {
		if from.Before(parent.NotBefore) {
			from = parent.NotBefore
		}
		if until.After(parent.NotAfter) {
			until = parent.NotAfter
		}
		if !from.Before(until) {
			return nil, fmt.Errorf("the issuer %q has expired", parent.Subject.CommonName)
		}
	}
	return &x509.Certificate{
		SerialNumber: serial, RawSubject: subject, NotBefore: from, NotAfter: until,
		SubjectKeyId: keyID, BasicConstraintsValid: true, SignatureAlgorithm: signatureAlgUsed,
		PublicKey: pub,
	}, nil
}

func (a *Authority) rootProfile(pub *ecdsa.PublicKey) (profile, error) {
	subject, err := a.serviceName("Root CA")
	if err != nil {
		return profile{}, err
	}
	t, err := a.base(subject, pub, rootLife, nil)
	if err != nil {
		return profile{}, err
	}
	t.IsCA, t.MaxPathLen, t.KeyUsage = true, 1, authorityKeyUse
	return profile{t, pub, []asn1.ObjectIdentifier{oidKeyUsage, oidBasicConstr}}, nil
}

// makeProfile returns the profile of a certificate for a key.
type makeProfile func(*ecdsa.PublicKey) (profile, error)

// issuingName returns the name of the n-th issuing CA.
func (a *Authority) issuingName(n int) ([]byte, error) {
	return a.serviceName(fmt.Sprintf("Issuing CA %d", n))
}

// issuingProfile returns the profile of the n-th issuing CA.
func (a *Authority) issuingProfile(root *entity, n int) makeProfile {
	return func(pub *ecdsa.PublicKey) (profile, error) {
		subject, err := a.issuingName(n)
		if err != nil {
			return profile{}, err
		}
		return a.issuingProfileOf(root, subject, pub)
	}
}

func (a *Authority) issuingProfileOf(
	root *entity, subject []byte, pub *ecdsa.PublicKey,
) (profile, error) {
	t, err := a.base(subject, pub, issuingLife, root.cert)
	if err != nil {
		return profile{}, err
	}
	t.IsCA, t.MaxPathLenZero, t.KeyUsage = true, true, authorityKeyUse
	t.CRLDistributionPoints = []string{a.opts.BaseURL + PathRootCRL}
	t.IssuingCertificateURL = []string{a.opts.BaseURL + PathRootCert}
	return profile{t, pub, []asn1.ObjectIdentifier{oidKeyUsage, oidBasicConstr}}, nil
}

// ocspProfile returns the profile of the n-th OCSP responder.
func (a *Authority) ocspProfile(issuing *entity, n int) makeProfile {
	return func(pub *ecdsa.PublicKey) (profile, error) {
		subject, err := a.serviceName(fmt.Sprintf("OCSP Responder %d", n))
		if err != nil {
			return profile{}, err
		}
		t, err := a.base(subject, pub, serviceLife, issuing.cert)
		if err != nil {
			return profile{}, err
		}
		t.KeyUsage = x509.KeyUsageDigitalSignature
		t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageOCSPSigning}
		// Without nocheck a verifier must check the responder's certificate for revocation, with
		// the same responder (RFC 6960, 4.2.2.2.1).
		t.ExtraExtensions = []pkix.Extension{{Id: oidOCSPNoCheck, Value: derNull}}
		return profile{t, pub, []asn1.ObjectIdentifier{oidKeyUsage, oidBasicConstr}}, nil
	}
}

// tsaName returns the name of the n-th time-stamping unit.
func (a *Authority) tsaName(n int) ([]byte, error) {
	return a.serviceName(fmt.Sprintf("Time Stamping Unit %d", n))
}

// tsaProfile returns the profile of the n-th time-stamping unit.
func (a *Authority) tsaProfile(root *entity, n int) makeProfile {
	return func(pub *ecdsa.PublicKey) (profile, error) {
		subject, err := a.tsaName(n)
		if err != nil {
			return profile{}, err
		}
		return a.tsaProfileOf(root, subject, pub)
	}
}

func (a *Authority) tsaProfileOf(
	root *entity, subject []byte, pub *ecdsa.PublicKey,
) (profile, error) {
	t, err := a.base(subject, pub, serviceLife, root.cert)
	if err != nil {
		return profile{}, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	// RFC 3161, 2.3: the extended key usage is critical and the only one. The standard library
	// would write it as not critical.
	eku, err := timestampUsage()
	if err != nil {
		return profile{}, err
	}
	t.ExtraExtensions = []pkix.Extension{eku}
	t.CRLDistributionPoints = []string{a.opts.BaseURL + PathRootCRL}
	t.IssuingCertificateURL = []string{a.opts.BaseURL + PathRootCert}
	return profile{
		t, pub, []asn1.ObjectIdentifier{oidKeyUsage, oidBasicConstr, oidExtKeyUsage},
	}, nil
}

// timestampUsage returns the extended key usage of a time-stamping unit.
func timestampUsage() (pkix.Extension, error) {
	der, err := asn1.Marshal([]asn1.ObjectIdentifier{oidTimeStamping})
	return pkix.Extension{Id: oidExtKeyUsage, Critical: true, Value: der}, err
}

// newSerial returns 127 random bits with the top one set: positive, always 16 octets, and below the
// 20 that RFC 5280, 4.1.2.2, allows.
func newSerial(rand io.Reader) (*big.Int, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(rand, b); err != nil {
		return nil, err
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b), nil
}

// keyIdentifier is method 1 of RFC 7093: the leftmost 160 bits of SHA-256 over
// the public key's bit string.
func keyIdentifier(pub *ecdsa.PublicKey) ([]byte, error) {
	point, err := pub.Bytes() // fails for a point that is not on the curve
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(point)
	return sum[:20], nil
}
