package revocation

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// FuzzStatements demands that what is read as a statement has the issuer's signature: a response or
// list of other bytes that says something must still say what was signed.
func FuzzStatements(f *testing.F) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	now := time.Now().Truncate(time.Second).UTC()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "CA"}, NotBefore: now,
		NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature,
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		f.Fatal(err)
	}
	issuer, err := x509.ParseCertificate(raw)
	if err != nil {
		f.Fatal(err)
	}
	response, err := ocsp.CreateResponse(issuer, issuer, ocsp.Response{
		Status: ocsp.Revoked, SerialNumber: issuer.SerialNumber, ThisUpdate: now,
		NextUpdate: now.Add(time.Hour), RevokedAt: now, RevocationReason: 1,
	}, key)
	if err != nil {
		f.Fatal(err)
	}
	list, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
		Number: big.NewInt(1), ThisUpdate: now, NextUpdate: now.Add(time.Hour),
		RevokedCertificateEntries: []x509.RevocationListEntry{
			{SerialNumber: issuer.SerialNumber, RevocationTime: now, ReasonCode: 1},
		},
	}, issuer, key)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(response, true)
	f.Add(list, false)
	f.Fuzz(func(t *testing.T, der []byte, isResponse bool) {
		var s Statement
		var err error
		if isResponse {
			s, err = FromResponse(der, issuer, issuer, nil)
		} else {
			var l *x509.RevocationList
			if l, err = x509.ParseRevocationList(der); err == nil {
				s, err = FromList(l, issuer, issuer, nil)
			}
		}
		if err != nil {
			return
		}
		if !s.Revoked || !s.Since.Equal(now) || s.Reason != 1 || !s.RevokedAt(now) || s.GoodAt(now) {
			t.Errorf("%+v", s)
		}
	})
}

// FuzzScope parses issuing distribution points.
func FuzzScope(f *testing.F) {
	f.Add([]byte{0x30, 3, 0x84, 1, 0xff})
	f.Add([]byte{0x30, 10, 0xa0, 5, 0xa0, 3, 0x86, 1, 'u', 0x81, 1, 0xff})                   // a URL, of users
	f.Add([]byte{0x30, 15, 0xa0, 7, 0xa0, 5, 0xa4, 0, 0x86, 1, 'u', 0x82, 1, 0, 0x85, 1, 0}) // a name too
	f.Add([]byte{0x30, 8, 0xa0, 2, 0xa1, 0, 0x83, 2, 1, 6})                                  // relative, of some reasons
	f.Fuzz(func(t *testing.T, der []byte) {
		if s, err := parseScope(der); err != nil && (s.named || s.urls != nil || s.indirect) {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
