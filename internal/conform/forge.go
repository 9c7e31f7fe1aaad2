package conform

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"strings"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/client"
)

// unsigned makes a token with the algorithm none.
func unsigned(compact string) string { return unsignedAs("none")(compact) }

// unsignedAs makes tokens without a signature.
func unsignedAs(alg string) func(compact string) string {
	return func(compact string) string {
		return segment([]byte(`{"alg":"`+alg+`","typ":"JWT"}`)) +
			"." + strings.Split(compact, ".")[1] + "."
	}
}

// withZeros replaces r and s by zeros, for which careless arithmetic accepts every text.
func withZeros(compact string) string {
	at := strings.LastIndexByte(compact, '.') + 1
	return compact[:at] + strings.Repeat("A", len(compact)-at)
}

// foreignKey makes a key that the server does not know, under the kid of the party's.
func (j *judge) foreignKey() client.Key {
	key, err := client.GenerateKey()
	j.fail(err)
	key.ID = j.Party.Key.ID
	return key
}

// sharedSecret signs with HS256 and the public key as the secret, which a verifier accepts that
// lets the token choose the algorithm.
func (j *judge) sharedSecret(compact string) string {
	der, err := x509.MarshalPKIXPublicKey(j.Party.Key.Signer.Public())
	if err != nil {
		return ""
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: public, KeyID: j.Party.Key.ID},
		}, nil,
	)
	if err != nil {
		return ""
	}
	claims, _ := base64.RawURLEncoding.DecodeString(strings.Split(compact, ".")[1])
	jws, err := signer.Sign(claims)
	if err != nil {
		return ""
	}
	text, _ := jws.CompactSerialize()
	return text
}

// emptySecret signs with HS256 and a secret that is empty, as a verifier does that finds no key.
func emptySecret(compact string) string {
	signed := segment([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + strings.Split(compact, ".")[1]
	return signed + "." + segment(hs256(signed, nil))
}

// p256 is the size of r and of s on P-256 in bytes.
const p256 = 32

// anotherCurve writes the alg of another curve than the key's, and signs with the key.
func (j *judge) anotherCurve(compact string) string {
	head := `{"alg":"ES384","typ":"JWT","kid":"` + j.Party.Key.ID + `"}`
	signed := segment([]byte(head)) + "." + strings.Split(compact, ".")[1]
	digest := sha512.Sum384([]byte(signed))
	der, err := j.Party.Key.Signer.Sign(rand.Reader, digest[:], crypto.SHA384)
	if err != nil {
		return ""
	}
	var signature struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &signature); err != nil {
		return ""
	}
	raw := make([]byte, 2*p256)
	signature.R.FillBytes(raw[:p256])
	signature.S.FillBytes(raw[p256:])
	return signed + "." + segment(raw)
}

// longer writes a zero byte before r, as libraries do that encode numbers without a fixed length.
func longer(compact string) string {
	at := strings.LastIndexByte(compact, '.') + 1
	raw, _ := base64.RawURLEncoding.DecodeString(compact[at:])
	return compact[:at] + segment(append([]byte{0}, raw...))
}

// inDER writes r and s of the signature as ASN.1, as most libraries return them.
func inDER(compact string) string {
	parts := strings.Split(compact, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(parts[2])
	half := len(raw) / 2
	der, err := asn1.Marshal(struct{ R, S *big.Int }{
		new(big.Int).SetBytes(raw[:half]), new(big.Int).SetBytes(raw[half:]),
	})
	if err != nil {
		return ""
	}
	return parts[0] + "." + parts[1] + "." + segment(der)
}

// changed changes the claims after they were signed.
func changed(compact string) string {
	parts := strings.Split(compact, ".")
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return parts[0] + "." + segment(append([]byte(" "), claims...)) + "." + parts[2]
}

// certificateOf is a certificate that a key has issued to itself, in base64.
func certificateOf(key client.Key) (string, error) {
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(
		rand.Reader, template, template, key.Signer.Public(), key.Signer,
	)
	return base64.StdEncoding.EncodeToString(der), err
}

// isP256 reports whether a key is on P-256.
func isP256(key client.Key) bool {
	public, ok := key.Signer.Public().(*ecdsa.PublicKey)
	return ok && public.Params().BitSize == 8*p256
}
