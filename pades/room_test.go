package pades

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"strings"
	"testing"
	"time"

	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/cms"
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
