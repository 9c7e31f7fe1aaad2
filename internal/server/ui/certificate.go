package ui

import (
	"crypto/x509"
	"time"
)

// Certificate is the part of a signer certificate that pages show.
type Certificate struct {
	Subject  string
	Issuer   string
	Serial   string // hexadecimal
	NotAfter time.Time
}

// CertificateOf returns the part of c that pages show.
func CertificateOf(c *x509.Certificate) Certificate {
	return Certificate{
		Subject:  c.Subject.CommonName,
		Issuer:   c.Issuer.CommonName,
		Serial:   c.SerialNumber.Text(16),
		NotAfter: c.NotAfter,
	}
}
