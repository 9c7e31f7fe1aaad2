package cms

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// Bounds of RSA keys. The time for checking a signature grows with the square of
// the modulus, so a certificate of 32 KB in a hostile document could take 18 s,
// and crypto/x509 has no bound of its own.
const (
	maxRSABits     = 8192
	maxRSAExponent = 1<<17 - 1
)

// ParseCertificate is x509.ParseCertificate for certificates of unknown origin:
// it returns ErrAlgorithm for a key that takes too long to use.
func ParseCertificate(der []byte) (*x509.Certificate, error) {
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	if k, ok := c.PublicKey.(*rsa.PublicKey); ok &&
		(k.N.BitLen() > maxRSABits || k.E > maxRSAExponent) {
		return nil, fmt.Errorf(
			"%w: RSA key of %d bits with exponent %d", ErrAlgorithm, k.N.BitLen(), k.E,
		)
	}
	return c, nil
}

// CheckResponder looks into an OCSP response (RFC 6960, 4.2.1) before it is given
// to package ocsp, which checks the signature with the certificate inside before
// anyone can ask whose it is. It returns an error for a certificate that
// ParseCertificate does not take.
func CheckResponder(der []byte) error {
	var response struct {
		Status asn1.Enumerated
		Bytes  struct {
			Type     asn1.ObjectIdentifier
			Response []byte
		} `asn1:"explicit,tag:0,optional"`
	}
	if _, err := asn1.Unmarshal(der, &response); err != nil {
		return err
	}
	var basic struct {
		Data, Algorithm asn1.RawValue
		Signature       asn1.BitString
		Certificates    []asn1.RawValue `asn1:"explicit,tag:0,optional"`
	}
	if _, err := asn1.Unmarshal(response.Bytes.Response, &basic); err != nil {
		return err
	}
	for _, raw := range basic.Certificates {
		if _, err := ParseCertificate(raw.FullBytes); err != nil {
			return err
		}
	}
	return nil
}
