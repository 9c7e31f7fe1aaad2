package cms

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha1" // only for the certificate id of old tokens, see matchCertID
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// Errors of verification.
var (
	ErrDigest    = errors.New("cms: the content is not what was signed")
	ErrSignature = errors.New("cms: the signature does not verify")
	ErrNoSigner  = errors.New("cms: the signer's certificate is missing")
	ErrAlgorithm = errors.New("cms: algorithm not accepted")
	// ErrSHA1 is an ErrAlgorithm: the message is in order in all respects but for its digest.
	ErrSHA1       = fmt.Errorf("%w: the digest is SHA-1", ErrAlgorithm)
	ErrAttributes = errors.New(
		"cms: signed attributes are incomplete or contradict the certificate",
	)
	// ErrUnbound means that no signed attribute names the certificate. The message may be valid in
	// other respects; see [SignedData.VerifyUnbound].
	ErrUnbound = errors.New("cms: no signing-certificate attribute")
)

// Verify checks the message against its content and returns the signer's certificate. content
// writes the signed bytes into the hash. It is not called for encapsulated content and may be nil
// then.
//
// Verify proves that content-type and message-digest match the content, that the
// signing-certificate attribute names exactly this certificate, and that its key made the
// signature. It does not check trust in the certificate.
func (d *SignedData) Verify(content func(hash.Hash) error) (*x509.Certificate, error) {
	return d.verify(content, true)
}

// VerifyUnbound is [SignedData.Verify] for messages from before CAdES, which need not name the
// signer's certificate in a signed attribute. Such a message could be given another certificate for
// the same key.
func (d *SignedData) VerifyUnbound(content func(hash.Hash) error) (*x509.Certificate, error) {
	return d.verify(content, false)
}

func (d *SignedData) verify(content func(hash.Hash) error, bound bool) (*x509.Certificate, error) {
	s := &d.Signer
	cert := d.findSigner()
	if cert == nil {
		return nil, ErrNoSigner
	}
	digestHash, ok := HashByOID(s.DigestAlgorithm)
	if s.DigestAlgorithm.Equal(oidSHA1) {
		digestHash, ok = crypto.SHA1, true
	}
	if !ok {
		return nil, fmt.Errorf("%w: digest %s", ErrAlgorithm, s.DigestAlgorithm)
	}

	if !s.protected() {
		return nil, fmt.Errorf("%w: algorithms", ErrAttributes)
	}
	var ct asn1.ObjectIdentifier
	raw, _ := s.Attribute(OIDContentType)
	v := cryptobyte.String(raw)
	if !v.ReadASN1ObjectIdentifier(&ct) || !v.Empty() || !ct.Equal(d.ContentType) {
		return nil, fmt.Errorf("%w: content-type", ErrAttributes)
	}
	var want cryptobyte.String
	raw, _ = s.Attribute(OIDMessageDigest)
	v = cryptobyte.String(raw)
	if !v.ReadASN1(&want, cbasn1.OCTET_STRING) || !v.Empty() {
		return nil, fmt.Errorf("%w: message-digest", ErrAttributes)
	}
	h := digestHash.New()
	switch {
	case d.Content != nil:
		h.Write(d.Content)
	case content != nil:
		if err := content(h); err != nil {
			return nil, err
		}
	default:
		return nil, errors.New("cms: detached message without content")
	}
	if !bytes.Equal(h.Sum(nil), want) {
		return nil, ErrDigest
	}
	if bound {
		if err := s.matchESS(cert); err != nil {
			return nil, err
		}
	}
	err := s.checkSignature(cert, digestHash)
	if err == nil && digestHash == crypto.SHA1 {
		err = ErrSHA1
	}
	return cert, err
}

// protected reports whether the algorithms are those that the signer has signed, if there is an
// attribute with them (RFC 6211).
func (s *SignerInfo) protected() bool {
	raw, ok := s.Attribute(OIDAlgorithmProtection)
	if !ok {
		return true
	}
	in := cryptobyte.String(raw)
	var seq, digest, signature cryptobyte.String
	var digestAlg, signatureAlg asn1.ObjectIdentifier
	return in.ReadASN1(&seq, cbasn1.SEQUENCE) && in.Empty() &&
		seq.ReadASN1(&digest, cbasn1.SEQUENCE) && digest.ReadASN1ObjectIdentifier(&digestAlg) &&
		digestAlg.Equal(s.DigestAlgorithm) &&
		seq.ReadASN1(&signature, cbasn1.Tag(1).Constructed().ContextSpecific()) && seq.Empty() &&
		signature.ReadASN1ObjectIdentifier(&signatureAlg) && signatureAlg.Equal(s.signatureAlg) &&
		bytes.Equal(withoutNull(signature), withoutNull(s.signatureParams))
}

// withoutNull returns the parameters of an algorithm, of which NULL says as much as none.
func withoutNull(params []byte) []byte {
	return bytes.TrimPrefix(params, []byte{5, 0})
}

// SignerCertificate returns the certificate that the message names as the signer's. Only
// [SignedData.Verify] proves it.
func (d *SignedData) SignerCertificate() (*x509.Certificate, error) {
	if c := d.findSigner(); c != nil {
		return c, nil
	}
	return nil, errors.New("cms: the signer's certificate is not in the message")
}

// findSigner returns the certificate that the message names. Several may have the same key
// identifier, such as a renewed one for the same key; the signed attribute tells them apart.
func (d *SignedData) findSigner() (found *x509.Certificate) {
	for _, c := range d.Certificates {
		if !d.Signer.names(c) {
			continue
		}
		if d.Signer.matchESS(c) == nil {
			return c
		}
		if found == nil {
			found = c
		}
	}
	return found
}

func (s *SignerInfo) names(c *x509.Certificate) bool {
	if s.keyID != nil {
		return bytes.Equal(c.SubjectKeyId, s.keyID)
	}
	return bytes.Equal(c.RawIssuer, s.issuer) && c.SerialNumber.Cmp(s.serial) == 0
}

// matchESS checks that signing-certificate-v2 and signing-certificate (RFC 3161 tokens before RFC
// 5816 have only that), whichever are present, name the certificate. Without either, an attacker
// could replace the certificate by another one for the same key.
func (s *SignerInfo) matchESS(cert *x509.Certificate) error {
	found := false
	for _, oid := range []asn1.ObjectIdentifier{OIDSigningCertificateV2, OIDSigningCertificate} {
		raw, ok := s.Attribute(oid)
		if !ok {
			continue
		}
		found = true
		if err := matchCertID(raw, cert, oid.Equal(OIDSigningCertificateV2)); err != nil {
			return err
		}
	}
	if !found {
		return ErrUnbound
	}
	return nil
}

// matchCertID checks the first certificate id of an attribute, which is the signer's, against a
// certificate.
func matchCertID(raw []byte, cert *x509.Certificate, v2 bool) error {
	bad := fmt.Errorf("%w: signing-certificate", ErrAttributes)
	in := cryptobyte.String(raw)
	var sc, certs, id, sum cryptobyte.String
	if !in.ReadASN1(&sc, cbasn1.SEQUENCE) || !in.Empty() || !sc.ReadASN1(&certs, cbasn1.SEQUENCE) ||
		!certs.ReadASN1(&id, cbasn1.SEQUENCE) {
		return bad
	}
	h := sha1.New() // of version 1; an attack would require a second preimage, not a collision
	if v2 {
		alg := OIDSHA256
		if id.PeekASN1Tag(cbasn1.SEQUENCE) {
			var a cryptobyte.String
			if !id.ReadASN1(&a, cbasn1.SEQUENCE) || !a.ReadASN1ObjectIdentifier(&alg) {
				return bad
			}
		}
		f, ok := HashByOID(alg)
		if !ok {
			return fmt.Errorf("%w: certificate id %s", ErrAlgorithm, alg)
		}
		h = f.New()
	}
	if !id.ReadASN1(&sum, cbasn1.OCTET_STRING) {
		return bad
	}
	h.Write(cert.Raw)
	if !bytes.Equal(h.Sum(nil), sum) {
		return bad
	}
	if id.Empty() {
		return nil // issuerSerial is optional
	}
	var is, names, dir, name cryptobyte.String
	serial, ok := readIssuerSerial(&id, &is, &names)
	if !ok || !names.ReadASN1(&dir, cbasn1.Tag(4).Constructed().ContextSpecific()) ||
		!dir.ReadASN1Element(&name, cbasn1.SEQUENCE) ||
		!bytes.Equal(name, cert.RawIssuer) ||
		serial.Cmp(cert.SerialNumber) != 0 {
		return bad
	}
	return nil
}

// readIssuerSerial reads RFC 5035 IssuerSerial: GeneralNames in names and the
// serial number.
func readIssuerSerial(in, seq, names *cryptobyte.String) (serial *big.Int, ok bool) {
	serial = new(big.Int)
	ok = in.ReadASN1(seq, cbasn1.SEQUENCE) && seq.ReadASN1(names, cbasn1.SEQUENCE) &&
		seq.ReadASN1Integer(serial) && seq.Empty()
	return serial, ok
}

// checkSignature checks the signature over the DER encoding of the signed attributes (RFC 5652,
// 5.4), or over the attributes as they are written, which node-forge signs in an order of its own.
func (s *SignerInfo) checkSignature(cert *x509.Certificate, digestHash crypto.Hash) error {
	err := s.checkOver(s.signedAttributes, cert, digestHash)
	if errors.Is(err, ErrSignature) && !bytes.Equal(s.signedAttributes, s.ordered) {
		err = s.checkOver(s.ordered, cert, digestHash)
	}
	return err
}

func (s *SignerInfo) checkOver(
	attributes []byte, cert *x509.Certificate, digestHash crypto.Hash,
) error {
	h := digestHash.New()
	h.Write(attributes)
	digest := h.Sum(nil)
	switch pub := cert.PublicKey.(type) {
	case *ecdsa.PublicKey:
		if bits := pub.Params().BitSize; bits < 256 {
			return fmt.Errorf("%w: EC key of %d bits", ErrAlgorithm, bits)
		}
		if named, ok := ecdsaHash(s.signatureAlg, digestHash); !ok || named != digestHash {
			return fmt.Errorf("%w: %s with this digest", ErrAlgorithm, s.signatureAlg)
		}
		if !ecdsa.VerifyASN1(pub, digest, s.Signature) {
			return ErrSignature
		}
		return nil
	case *rsa.PublicKey:
		if pub.N.BitLen() < 2048 {
			return fmt.Errorf("%w: RSA key of %d bits", ErrAlgorithm, pub.N.BitLen())
		}
		if s.signatureAlg.Equal(oidRSAPSS) {
			return s.checkPSS(pub, digest, digestHash)
		}
		named, ok := oidRSAWithSHA2s[s.signatureAlg.String()]
		if s.signatureAlg.Equal(oidRSAWithSHA1) {
			named, ok = crypto.SHA1, true
		}
		if ok && named != digestHash || !ok && !s.signatureAlg.Equal(oidRSA) {
			return fmt.Errorf("%w: %s with this digest", ErrAlgorithm, s.signatureAlg)
		}
		if rsa.VerifyPKCS1v15(pub, digestHash, digest, s.Signature) != nil {
			return ErrSignature
		}
		return nil
	}
	return fmt.Errorf("%w: key type %T", ErrAlgorithm, cert.PublicKey)
}

// ecdsaHash returns the hash that an ECDSA algorithm identifier implies. Some signers write
// id-ecPublicKey, with which the digest algorithm determines the hash.
func ecdsaHash(alg asn1.ObjectIdentifier, digest crypto.Hash) (crypto.Hash, bool) {
	switch {
	case alg.Equal(oidECDSASHA256):
		return crypto.SHA256, true
	case alg.Equal(oidECDSASHA384):
		return crypto.SHA384, true
	case alg.Equal(oidECDSASHA512):
		return crypto.SHA512, true
	case alg.Equal(oidECPublicKey):
		return digest, true
	}
	return 0, false
}
