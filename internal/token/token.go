package token

import (
	"crypto"
	"crypto/ecdsa"
	_ "crypto/sha256" // ES256
	_ "crypto/sha512" // ES384 and ES512
	"encoding/base64"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/party"
)

// maxToken is the longest Authorization value in bytes. Twenty signing locations with sizes that nobody asked for, a long name
// in escapes and the claims of some framework fit into half of it.
const maxToken = 16 << 10

// algorithm ties a JWS algorithm to its hash and to the length of its signature, which is r and s of fixed length one after
// the other (RFC 7518, section 3.4).
type algorithm struct {
	name      string
	hash      crypto.Hash
	signature int
}

// algorithms is the allow-list (docs/contract.md, 2.2.2): the elliptic curves that a JWKS may hold. HMAC and "none" must never
// get in; they would turn a public key into a secret, or need none.
var algorithms = []algorithm{
	{"ES256", crypto.SHA256, 64},
	{"ES384", crypto.SHA384, 96},
	{"ES512", crypto.SHA512, 132},
}

// token is a compact JWS that was taken apart but not yet believed.
type token struct {
	signed    string // header and payload as they came: the JWS signing input (RFC 7515, section 5.1)
	signature []byte // r and s
	alg       algorithm
	kid       string
	claims    object
}

// parseToken takes the value of an Authorization header apart. Its errors are causes: they say what is wrong and quote nothing.
func parseToken(authorization string) (*token, error) {
	if err := checkCompact(authorization); err != nil {
		return nil, err
	}
	parts := strings.Split(authorization, ".")
	if len(parts) != 3 {
		return nil, fmt.Errorf("token: a compact JWS has 3 parts, this has %d", len(parts))
	}
	t := &token{signed: authorization[:len(parts[0])+1+len(parts[1])]}

	header, err := decodeObject(parts[0])
	if err != nil {
		return nil, fmt.Errorf("token header: %w", err)
	}
	if err := t.readHeader(header); err != nil {
		return nil, err
	}

	if t.signature, err = decodeBase64URL(parts[2]); err != nil {
		return nil, fmt.Errorf("token signature: %w", err)
	}
	if len(t.signature) != t.alg.signature {
		return nil, fmt.Errorf("token signature: %s needs r and s in %d bytes (not DER), this has %d",
			t.alg.name, t.alg.signature, len(t.signature))
	}

	if t.claims, err = decodeObject(parts[1]); err != nil {
		return nil, fmt.Errorf("token payload: %w", err)
	}
	return t, nil
}

// checkCompact refuses whatever is no bare compact JWS and says what it was taken for.
func checkCompact(authorization string) error {
	switch {
	case authorization == "":
		return errors.New("the Authorization header is missing")
	case len(authorization) > maxToken:
		return fmt.Errorf("token: longer than %d bytes", maxToken)
	case len(authorization) >= 7 && strings.EqualFold(authorization[:7], "Bearer "):
		// The real service refuses it too (docs/contract.md, 14.6); whoever gets used to it here fails there.
		return errors.New("token: the Authorization header holds the token alone, without the prefix Bearer")
	case strings.ContainsAny(authorization, " \t\r\n"):
		return errors.New("token: it contains white space")
	case authorization[0] == '{':
		return errors.New("token: JSON serialisation instead of a compact JWS")
	}
	for i := range len(authorization) {
		if c := authorization[i]; !isBase64URL(c) && c != '.' {
			return errors.New("token: a character that is not base64url")
		}
	}
	return nil
}

func isBase64URL(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_'
}

// readHeader judges the JOSE header (RFC 7515, section 4).
func (t *token) readHeader(header object) error {
	for _, name := range []string{"jku", "jwk", "x5u", "x5c"} {
		if header.has(name) {
			return fmt.Errorf("token header: %s is refused, keys come from the registered JWKS only", name)
		}
	}
	for _, name := range []string{"crit", "b64"} {
		if header.has(name) {
			return fmt.Errorf("token header: %s is refused, no extension is understood here", name)
		}
	}
	if typ := header.get("typ"); typ != nil {
		name, ok := typ.text()
		if !ok || !ordinaryType(name) {
			return errors.New("token header: typ is neither absent nor JWT")
		}
	}

	alg, ok := header.get("alg").text()
	if !ok {
		return errors.New("token header: alg is missing or not a string")
	}
	i := slices.IndexFunc(algorithms, func(a algorithm) bool { return a.name == alg })
	if i < 0 {
		return errors.New("token header: alg is not ES256, ES384 or ES512")
	}
	t.alg = algorithms[i]

	t.kid, ok = header.get("kid").text()
	if !ok || t.kid == "" {
		return errors.New("token header: kid is missing or not a string")
	}
	if len(t.kid) > party.MaxKid {
		return fmt.Errorf("token header: kid is longer than %d bytes", party.MaxKid)
	}
	return nil
}

// ordinaryType reports whether typ says nothing special. Explicitly typed tokens, such as DPoP proofs, were made for somebody else
// with what may be the same key (RFC 8725, section 3.11).
func ordinaryType(typ string) bool {
	return strings.EqualFold(typ, "JWT") || strings.EqualFold(typ, "JOSE")
}

func decodeObject(part string) (object, error) {
	text, err := decodeBase64URL(part)
	if err != nil {
		return nil, err
	}
	return parseObject(text)
}

// decodeBase64URL accepts exactly one spelling of each text: no padding, and no stray bits in the last character.
func decodeBase64URL(part string) ([]byte, error) {
	out, err := base64.RawURLEncoding.Strict().DecodeString(part)
	if err != nil {
		return nil, errors.New("not base64url without padding") // the library's error holds an offset only, but says less
	}
	if len(out) == 0 {
		return nil, errors.New("empty")
	}
	return out, nil
}

// verify checks the signature over exactly the bytes that were taken apart, with the one algorithm that the key fits.
func (t *token) verify(public *ecdsa.PublicKey) error {
	h := t.alg.hash.New()
	h.Write([]byte(t.signed))
	half := len(t.signature) / 2
	r, s := new(big.Int).SetBytes(t.signature[:half]), new(big.Int).SetBytes(t.signature[half:])
	if !ecdsa.Verify(public, h.Sum(nil), r, s) {
		return errors.New("token signature: does not verify with the key that kid names")
	}
	return nil
}
