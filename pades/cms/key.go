package cms

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"fmt"
)

// Bounds of RSA keys. The time to verify a signature grows with the square of the modulus, so a
// certificate of 32 KB in a hostile document could take 18 s. crypto/x509 has no bound.
const (
	maxRSABits     = 8192
	maxRSAExponent = 1<<17 - 1
)

// ParseCertificate is x509.ParseCertificate for certificates of unknown origin. It returns
// ErrAlgorithm for a key that takes too long to use.
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

// CheckResponder checks an OCSP response (RFC 6960, 4.2.1) before package ocsp parses it, because
// that package verifies the signature with the certificate in the response before its caller can
// check the certificate. It returns an error for a certificate that ParseCertificate refuses.
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
