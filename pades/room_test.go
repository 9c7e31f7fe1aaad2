package pades

import (
	"bytes"
	"context"
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/cms"
	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

// TestRoomHoldsEveryMessage builds the largest messages: with long names and serial numbers, large
// keys, and tokens of the size that the authority says. Each leaves what Room says is to spare.
func TestRoomHoldsEveryMessage(t *testing.T) {
	p := newPKI(t, "Root")
	rsa4096, err := rsa.GenerateKey(rand.Reader, 4096)
	must(t, err)
	long := pkix.Name{
		Country: []string{"SG"}, Organization: []string{strings.Repeat("O", 64)},
		OrganizationalUnit: []string{strings.Repeat("U", 64)}, CommonName: strings.Repeat("C", 64),
		SerialNumber: strings.Repeat("9", 64), Locality: []string{strings.Repeat("L", 128)},
	}
	serial := new(big.Int).Lsh(big.NewInt(1), 159-1) // RFC 5280, 4.1.2.2: 20 octets
	wide := func(c *x509.Certificate) {
		c.Subject, c.SerialNumber = long, serial
		c.OCSPServer = []string{"http://pki.example/" + strings.Repeat("o", 200)}
	}
	for name, key := range map[string]crypto.Signer{
		"P-256": ecKey(t, elliptic.P256()), "P-384": ecKey(t, elliptic.P384()),
		"P-521": ecKey(t, elliptic.P521()), "RSA": rsa4096,
	} {
		authority := p.issue(p.root, key, wide, authority)
		unit := p.issue(authority, nil, wide, stamping)
		authorityOfTokens, err := tsa.New(tsa.Config{
			Key: unit.key, Chain: append([]*x509.Certificate{unit.cert}, unit.above...), Policy: ca.TimestampPolicy,
			Accuracy: time.Second, Now: time.Now, Rand: rand.Reader,
		})
		must(t, err)
		signer := p.issue(authority, nil, wide)
		chain := append([]*x509.Certificate{signer.cert}, signer.above...)
		for range 20 {
			token, err := authorityOfTokens.Timestamp(t.Context(), make([]byte, 32))
			must(t, err)
			size := authorityOfTokens.TokenSize()
			if len(token) > size {
				t.Fatalf("%s: a token of %d bytes, TokenSize says %d", name, len(token), size)
			}
			// One element of that size stands for the largest token.
			largest := der(cbasn1.OCTET_STRING, make([]byte, size-4))
			sum := sha256.Sum256(token)
			message, err := cms.Build(cms.Message{
				ContentType: cms.OIDData, Certificates: chain, Timestamp: largest,
				SignedAttributes: cms.SignedAttributes(cms.OIDData, sum[:], signer.cert),
				Signature:        make([]byte, 72), // ECDSA on P-256
			})
			must(t, err)
			if room := Room(chain, authorityOfTokens) - 512; len(message) > room || len(largest) != size {
				t.Fatalf("%s: a message of %d bytes, room for %d", name, len(message), room)
			}
		}
	}
}

// TestGrowth holds what a signature at B-LTA adds to a document of the corpus, forms of which the
// appearances are repeated among them.
func TestGrowth(t *testing.T) {
	const most = 40 << 10
	w := newWorld(t)
	for _, name := range corpus(t) {
		doc, err := os.ReadFile(name)
		must(t, err)
		o := w.options(Location{1, 0.1, 0.1})
		o.Room = Room(w.chain(), w.tsa)
		_, err = Inspect(t.Context(), bytes.NewReader(doc), int64(len(doc)), o.Locations, pdf.Limits{})
		if pdf.ReasonOf(err) != "" {
			continue
		}
		must(t, err)
		signed, _ := w.extended(t, doc, o, true)
		if n := len(signed) - len(doc); n > most {
			t.Errorf("%s: %d bytes", filepath.Base(name), n)
		}
	}
}

// lists is the revocation data of several authorities: a list of each that issued a certificate.
type lists []holder

func (l lists) Evidence(
	_ context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	for _, h := range l {
		if !slices.ContainsFunc(certs, func(c *x509.Certificate) bool {
			return bytes.Equal(c.RawIssuer, h.cert.RawSubject)
		}) {
			continue
		}
		crl, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Minute), NextUpdate: time.Now().Add(time.Hour),
		}, h.cert, h.key)
		if err != nil {
			return nil, nil, err
		}
		crls = append(crls, crl)
	}
	return nil, crls, nil
}

// TestTokenLargerThanItsRoom seals documents with authorities of which the size of tokens is not
// known, and whose chains have certificates for RSA with 4096 bits.
func TestTokenLargerThanItsRoom(t *testing.T) {
	rsa4096, err := rsa.GenerateKey(rand.Reader, 4096)
	must(t, err)
	for _, tc := range []struct {
		issuers, wide   int  // number, and bytes of further text in each certificate
		least           int  // size of the token
		whole, released bool // with the whole chain; at B-T
	}{
		{issuers: 3, least: 5_000, whole: true, released: true},
		{issuers: 6, wide: 2_000, least: 20_000, released: false},
	} {
		t.Run(fmt.Sprint(tc.issuers), func(t *testing.T) {
			w, p := newWorld(t), newPKI(t, "Root of stamps")
			wide := func(c *x509.Certificate) {
				c.OCSPServer = []string{"http://pki.example/" + strings.Repeat("o", tc.wide)}
			}
			by, all := p.root, lists{p.root}
			for range tc.issuers {
				by = p.issue(by, rsa4096, wide, authority)
				all = append(all, by)
			}
			unit := p.issue(by, nil, wide, stamping)
			stamps, err := tsa.New(tsa.Config{
				Key: unit.key, Chain: append([]*x509.Certificate{unit.cert}, unit.above...),
				Policy: ca.TimestampPolicy, Accuracy: time.Second, Now: time.Now, Rand: rand.Reader,
			})
			must(t, err)
			if n := stamps.TokenSize(); n < tc.least {
				t.Fatalf("the token has %d bytes", n)
			}
			ts := anySize{stamps, 0}
			o := w.options(Location{1, 0.1, 0.1})
			o.Room = Room(w.chain(), ts)
			doc := pdftest.Minimal()
			for _, level := range []Level{LevelLTA, LevelT} {
				prepared, err := Prepare(bytes.NewReader(doc), int64(len(doc)), o)
				must(t, err)
				seal := SealOptions{
					Chain: w.chain(), Timestamper: ts, TimestampField: "t", Rand: rand.Reader,
					Known: []*x509.Certificate{p.root.cert},
				}
				if level == LevelLTA {
					seal.Evidence = together{w, all}
				}
				update, _, err := Seal(
					t.Context(), bytes.NewReader(doc), prepared,
					w.sign(t, prepared.SignedAttributes(w.cert)), seal,
				)
				if level == LevelT && !tc.released {
					if !errors.Is(err, ErrTooLarge) {
						t.Errorf("at B-T: %v", err)
					}
					continue
				}
				must(t, err)
				signed := slices.Concat(doc, update)
				roots := x509.NewCertPool()
				roots.AddCert(p.root.cert)
				report, err := Verify(bytes.NewReader(signed), int64(len(signed)), VerifyOptions{
					Roots: w.roots, TSARoots: roots, Now: w.now(),
				})
				must(t, err)
				must(t, report.Meets(Expectation{Prepared: prepared, Certificate: w.cert, Level: level}))
				s, _, _ := newVictim(t, w, signed).sig()
				sd, err := cms.Parse(s.message)
				must(t, err)
				stamp, err := cms.Parse(sd.Signer.Timestamps()[0])
				must(t, err)
				if whole := len(stamp.Certificates) == tc.issuers+1; whole != tc.whole {
					t.Errorf("the token has %d certificates", len(stamp.Certificates))
				}
			}
		})
	}
}

// together asks several sources.
type together []EvidenceSource

func (a together) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	for _, s := range a {
		r, l, err := s.Evidence(ctx, certs)
		if err != nil {
			return nil, nil, err
		}
		responses, crls = append(responses, r...), append(crls, l...)
	}
	return responses, crls, nil
}
