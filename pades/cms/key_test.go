package cms

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// TestExpensiveKeys checks that certificates with keys that take seconds to use are not
// taken from a document, whichever way they come.
func TestExpensiveKeys(t *testing.T) {
	ca := ecKey(t, elliptic.P256())
	issuer := testCert(t, ca, 1)
	for _, tc := range []struct {
		bits, exponent int
		ok             bool
	}{{4096, 65537, true}, {8192, 3, true}, {8193, 3, false}, {1 << 18, 65537, false}, {4096, 1<<31 - 1, false}} {
		modulus := new(big.Int).Lsh(big.NewInt(1), uint(tc.bits-1))
		modulus.SetBit(modulus, 0, 1)
		tmpl := &x509.Certificate{
			SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Large"},
			NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		}
		der, err := x509.CreateCertificate(
			rand.Reader, tmpl, issuer, &rsa.PublicKey{N: modulus, E: tc.exponent}, ca,
		)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := ParseCertificate(der)
		if got := err == nil; got != tc.ok || err != nil && !errors.Is(err, ErrAlgorithm) {
			t.Errorf("%d bits, exponent %d: %v", tc.bits, tc.exponent, err)
		}
		if cert == nil {
			if cert, err = x509.ParseCertificate(der); err != nil {
				t.Fatal(err)
			}
		}
		response, err := ocsp.CreateResponse(
			issuer, issuer,
			ocsp.Response{SerialNumber: big.NewInt(7), ThisUpdate: time.Now(), Certificate: cert},
			ca,
		)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckResponder(response); (err == nil) != tc.ok {
			t.Errorf("OCSP with %d bits, exponent %d: %v", tc.bits, tc.exponent, err)
		}
		attrs := SignedAttributes(OIDData, make([]byte, 32), issuer)
		sig, err := ECDSAToDER(&ca.PublicKey, rawSign(t, ca, attrs))
		if err != nil {
			t.Fatal(err)
		}
		message, err := Build(
			Message{
				ContentType: OIDData, Certificates: []*x509.Certificate{issuer, cert},
				SignedAttributes: attrs, Signature: sig,
			},
		)
		if err != nil {
			t.Fatal(err)
		}
		sd, err := Parse(message)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(sd.Certificates) == 2; got != tc.ok {
			t.Errorf(
				"%d bits, exponent %d: %d certificates in the message", tc.bits, tc.exponent,
				len(sd.Certificates),
			)
		}
	}
	plain, err := ocsp.CreateResponse(
		issuer, issuer, ocsp.Response{SerialNumber: big.NewInt(7), ThisUpdate: time.Now()}, ca,
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckResponder(plain); err != nil {
		t.Errorf("a response without a certificate: %v", err)
	}
}
