package ui

import (
	"crypto/x509"
	"time"
)

// Certificate is what a person may want to know of a signer certificate.
type Certificate struct {
	Subject  string
	Issuer   string
	Serial   string // hexadecimal
	NotAfter time.Time
}

// CertificateOf is what a person may want to know of c.
func CertificateOf(c *x509.Certificate) Certificate {
	return Certificate{
		Subject:  c.Subject.CommonName,
		Issuer:   c.Issuer.CommonName,
		Serial:   c.SerialNumber.Text(16),
		NotAfter: c.NotAfter,
	}
}
