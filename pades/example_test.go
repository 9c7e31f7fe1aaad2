package pades_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
	"log"
	"math/big"
	"os"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

// office is what the examples need besides the package: a signer's key and certificate, an
// authority for timestamps, and the revocation data of both. A program gets these from its
// certification authority.
type office struct {
	key   crypto.Signer
	chain []*x509.Certificate // the signer's certificate, then its issuers
	roots *x509.CertPool
	stamp pades.Timestamper
	ca    *ca.Authority
}

// Sign with a key that is at hand.
func Example() {
	office := open()
	document := pdftest.Minimal() // any PDF

	signed, err := sign(office, document)
	if err != nil {
		log.Fatal(err)
	}
	report, err := pades.Verify(bytes.NewReader(signed), int64(len(signed)), pades.VerifyOptions{
		Roots: office.roots, TSARoots: office.roots, Now: time.Now(),
	})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Signatures[0].Level, report.Signatures[0].Signer.Subject.CommonName)
	// Output: B-T TAN AH KOW
}

// sign prepares a document, signs it with the key at hand, and returns it at level B-T.
func sign(o *office, document []byte) ([]byte, error) {
	r := bytes.NewReader(document)
	prepared, err := pades.Prepare(r, r.Size(), pades.Options{
		Locations:  []pades.Location{{Page: 1, X: 0.1, Y: 0.1}},
		FieldName:  "Signature1",
		SignerName: "TAN AH KOW",
		SignedAt:   time.Now(),
		Rand:       rand.Reader,
	})
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(prepared.SignedAttributes(o.chain[0]))
	signature, err := o.key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var signed bytes.Buffer
	err = pades.Embed(context.Background(), r, prepared, o.chain, signature, o.stamp, &signed)
	return signed.Bytes(), err
}

// Sign in two phases with a key that is elsewhere, such as on a phone. What Prepare returns can
// be kept as JSON until the signature arrives.
func ExamplePrepare() {
	office := open()
	document := bytes.NewReader(pdftest.Minimal())

	// Phase one, on the server: what is to be signed.
	prepared, err := pades.Prepare(document, document.Size(), pades.Options{
		Locations:  []pades.Location{{Page: 1, X: 0.1, Y: 0.1}, {Page: 1, X: 0.1, Y: 0.5}},
		FieldName:  "Signature1",
		SignerName: "TAN AH KOW",
		SignedAt:   time.Now(),
		Rand:       rand.Reader,
	})
	if err != nil {
		log.Fatal(err)
	}
	toBeSigned := prepared.SignedAttributes(office.chain[0])

	// On the phone: an ECDSA signature over SHA-256, as WebCrypto makes it.
	digest := sha256.Sum256(toBeSigned)
	r, s, err := ecdsa.Sign(rand.Reader, office.key.(*ecdsa.PrivateKey), digest[:])
	if err != nil {
		log.Fatal(err)
	}
	signature := append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)

	// Phase two, on the server.
	if err := prepared.VerifySignature(office.chain[0], signature); err != nil {
		log.Fatal(err)
	}
	var signed bytes.Buffer
	if err := pades.Embed(context.Background(), document, prepared, office.chain, signature, office.stamp, &signed); err != nil {
		log.Fatal(err)
	}
	fmt.Println(prepared.Appearances, "places, one signature")
	// Output: 2 places, one signature
}

// Extend a signed document to level B-LTA.
func ExampleExtend() {
	office := open()
	signed, err := sign(office, pdftest.Minimal())
	if err != nil {
		log.Fatal(err)
	}
	update, err := pades.Extend(
		context.Background(),
		bytes.NewReader(signed),
		int64(len(signed)),
		pades.ExtendOptions{
			Evidence: office, Timestamper: office.stamp, FieldName: "Timestamp1", Rand: rand.Reader,
		},
	)
	if err != nil {
		log.Fatal(err)
	}
	archived, size := pdf.Joined(bytes.NewReader(signed), int64(len(signed)), update)
	report, err := pades.Verify(
		archived, size,
		pades.VerifyOptions{Roots: office.roots, TSARoots: office.roots, Now: time.Now()},
	)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(report.Signatures[0].Level)
	// Output: B-LTA
}

// Verify a document whose root is not known, and then with the root.
func ExampleVerify() {
	office := open()
	signed, err := sign(office, pdftest.Minimal())
	if err != nil {
		log.Fatal(err)
	}
	for _, roots := range []*x509.CertPool{nil, office.roots} {
		report, err := pades.Verify(
			bytes.NewReader(signed), int64(len(signed)),
			pades.VerifyOptions{Roots: roots, TSARoots: roots, Now: time.Now()},
		)
		if err != nil {
			log.Fatal(err)
		}
		for _, s := range report.Signatures {
			indication, sub := s.Indication()
			fmt.Println(s.Intact(), s.Trusted(), indication, sub)
		}
	}
	// Output:
	// true false INDETERMINATE NO_CERTIFICATE_CHAIN_FOUND
	// true true TOTAL-PASSED
}

func open() *office {
	dir, err := os.MkdirTemp("", "office-")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	authority, err := ca.Open(
		dir,
		ca.Options{
			Name:    "Office",
			BaseURL: "http://127.0.0.1:1/pki",
			Now:     time.Now,
			Rand:    rand.Reader,
		},
	)
	if err != nil {
		log.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	cert, err := authority.IssueSigner(
		ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &key.PublicKey,
	)
	if err != nil {
		log.Fatal(err)
	}
	stampKey, stampChain := authority.TSA()
	stamp, err := tsa.New(tsa.Config{
		Key: stampKey, Chain: stampChain, Policy: ca.TimestampPolicy, Accuracy: time.Second,
		Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		log.Fatal(err)
	}
	return &office{
		key: key, chain: append([]*x509.Certificate{cert}, authority.Chain()...),
		roots: authority.Roots(), stamp: stamp, ca: authority,
	}
}

// Evidence makes office a pades.EvidenceSource.
func (o *office) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return o.ca.Evidence(ctx, certs, noneRevoked{})
}

type noneRevoked struct{}

func (noneRevoked) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true}, nil
}
func (noneRevoked) Revoked(context.Context) ([]ca.Revoked, error) { return nil, nil }
