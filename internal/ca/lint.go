package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"slices"
)

// lint checks a parsed certificate against the profile that it was built from, and against the
// rules of RFC 5280 that apply to all certificates of the authority.
func lint(c *x509.Certificate, p profile, issuer *x509.Certificate) error {
	want := p.template
	pub, isEC := c.PublicKey.(*ecdsa.PublicKey)
	selfSigned := bytes.Equal(want.RawSubject, issuer.RawSubject)
	issuerName := issuer.RawSubject
	for _, rule := range []struct {
		ok  bool
		say string
	}{
		{c.Version == 3, "version is not 3"},
		{c.SerialNumber.Sign() > 0 && c.SerialNumber.BitLen() >= 64 && c.SerialNumber.BitLen() <= 159, "serial number is not 64 to 159 bits"},
		{c.SignatureAlgorithm == signatureAlgUsed, "signature algorithm"},
		{bytes.Equal(c.RawIssuer, issuerName), "issuer name"},
		{bytes.Equal(c.RawSubject, want.RawSubject), "subject name"},
		{c.NotBefore.Before(c.NotAfter), "validity is empty"},
		{c.NotBefore.Equal(want.NotBefore) && c.NotAfter.Equal(want.NotAfter), "validity"},
		{selfSigned || !c.NotBefore.Before(issuer.NotBefore) && !c.NotAfter.After(issuer.NotAfter), "validity exceeds the issuer's"},
		{isEC && pub.Equal(p.public), "public key"},
		{c.IsCA == want.IsCA && c.BasicConstraintsValid, "basic constraints"},
		{!c.IsCA || c.MaxPathLen == want.MaxPathLen && c.MaxPathLenZero == want.MaxPathLenZero, "path length"},
		{c.KeyUsage == want.KeyUsage && c.KeyUsage != 0, "key usage"},
		{c.IsCA || c.KeyUsage&(x509.KeyUsageCertSign|x509.KeyUsageCRLSign) == 0, "an end entity may sign certificates"},
		{bytes.Equal(c.SubjectKeyId, want.SubjectKeyId) && len(c.SubjectKeyId) == 20, "subject key identifier"},
		{selfSigned || bytes.Equal(c.AuthorityKeyId, issuer.SubjectKeyId), "authority key identifier"},
		{slices.Equal(c.CRLDistributionPoints, want.CRLDistributionPoints), "CRL distribution points"},
		{slices.Equal(c.OCSPServer, want.OCSPServer), "OCSP address"},
		{slices.Equal(c.IssuingCertificateURL, want.IssuingCertificateURL), "issuer address"},
		{len(c.UnhandledCriticalExtensions) == 0, "unknown critical extension"},
		{slices.EqualFunc(c.Policies, want.Policies, x509.OID.Equal), "policies"},
		{len(c.DNSNames)+len(c.EmailAddresses)+len(c.IPAddresses)+len(c.URIs) == 0, "alternative names"},
	} {
		if !rule.ok {
			return errors.New(rule.say)
		}
	}
	return lintExtensions(c, p)
}

// lintExtensions checks that every extension occurs at most once and is critical exactly if the
// profile says so.
func lintExtensions(c *x509.Certificate, p profile) error {
	var seen []asn1.ObjectIdentifier
	for _, e := range c.Extensions {
		if slices.ContainsFunc(seen, e.Id.Equal) {
			return fmt.Errorf("extension %s appears twice", e.Id)
		}
		seen = append(seen, e.Id)
		if e.Critical != slices.ContainsFunc(p.critical, e.Id.Equal) {
			return fmt.Errorf("extension %s: critical=%v", e.Id, e.Critical)
		}
	}
	for _, must := range p.critical {
		if !slices.ContainsFunc(seen, must.Equal) {
			return fmt.Errorf("extension %s is missing", must)
		}
	}
	for _, extra := range p.template.ExtraExtensions {
		if !slices.ContainsFunc(seen, extra.Id.Equal) {
			return fmt.Errorf("extension %s is missing", extra.Id)
		}
	}
	return nil
}
