package token

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/party"
)

// MaxToken is the size limit of the Authorization value in bytes. A token with twenty signing
// locations with unknown members, a long name in escapes and the claims of a framework takes less
// than half of it.
const MaxToken = 16 << 10

// algorithms are the accepted algorithms (docs/contract.md, 2.2.2): those of the elliptic curves
// that a JWKS may hold. HMAC and "none" must never be among them, because HMAC would use the public
// key as a secret, and "none" has no key.
var algorithms = []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512}

// signatureSize is the length of a signature: r and s of fixed length, one after the other (RFC
// 7518, section 3.4).
var signatureSize = map[jose.SignatureAlgorithm]int{jose.ES256: 64, jose.ES384: 96, jose.ES512: 132}

// token is a compact JWS that is parsed but not verified.
type token struct {
	jws    *jose.JSONWebSignature
	parts  []string // as they were sent
	alg    jose.SignatureAlgorithm
	kid    string
	claims object
}

// parseToken parses the value of an Authorization header. Its errors are causes that quote nothing
// of it.
func parseToken(authorization string) (*token, error) {
	if err := checkCompact(authorization); err != nil {
		return nil, failed(CheckAuthorization, err)
	}
	parts := strings.Split(authorization, ".")
	if len(parts) != 3 {
		return nil, failed(
			CheckAuthorization,
			fmt.Errorf("token: a compact JWS has 3 parts, this has %d", len(parts)),
		)
	}
	t := &token{parts: parts}
	header, err := ReadPart(parts[0])
	if err != nil {
		return nil, failed(CheckHeader, fmt.Errorf("token header: %w", err))
	}
	if err := t.readHeader(header); err != nil {
		return nil, failed(CheckHeader, err)
	}
	signature, err := decodeBase64URL(parts[2])
	if err != nil {
		return nil, failed(CheckForm, fmt.Errorf("token signature: %w", err))
	}
	if size := signatureSize[t.alg]; len(signature) != size {
		return nil, failed(CheckForm, fmt.Errorf(
			"token signature: %s needs r and s in %d bytes (not DER), this has %d", t.alg, size,
			len(signature),
		))
	}
	if t.claims, err = ReadPart(parts[1]); err != nil {
		return nil, failed(CheckPayload, fmt.Errorf("token payload: %w", err))
	}
	if t.jws, err = jose.ParseSignedCompact(authorization, algorithms); err != nil {
		// The form was checked above.
		return nil, failed(
			CheckHeader, errors.New("token header: a parameter is not of its type, such as nonce"),
		)
	}
	return t, nil
}

// checkCompact returns an error that describes the value unless it is a bare compact JWS.
func checkCompact(authorization string) error {
	switch {
	case authorization == "":
		return errors.New("the Authorization header is missing")
	case len(authorization) > MaxToken:
		return fmt.Errorf("token: longer than %d bytes", MaxToken)
	case len(authorization) >= 7 && strings.EqualFold(authorization[:7], "Bearer "):
		// The real service refuses it too (docs/contract.md, 14.6).
		return errors.New(
			"token: the Authorization header holds the token alone, without the prefix Bearer",
		)
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
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' ||
		c == '_'
}

// readHeader judges the JOSE header (RFC 7515, section 4).
func (t *token) readHeader(header object) error {
	for _, name := range []string{"jku", "jwk", "x5u", "x5c"} {
		if header.has(name) {
			return fmt.Errorf(
				"token header: %s is refused, keys come from the registered JWKS only", name,
			)
		}
	}
	for _, name := range []string{"crit", "b64"} {
		if header.has(name) {
			return fmt.Errorf("token header: %s is refused, no extension is understood here", name)
		}
	}
	if typ := header.get("typ"); typ != nil {
		name, ok := typ.Text()
		if !ok || !ordinaryType(name) {
			return errors.New("token header: typ is neither absent nor JWT")
		}
	}

	alg, ok := header.get("alg").Text()
	if !ok {
		return errors.New("token header: alg is missing or not a string")
	}
	if t.alg = jose.SignatureAlgorithm(alg); !slices.Contains(algorithms, t.alg) {
		return errors.New("token header: alg is not ES256, ES384 or ES512")
	}

	t.kid, ok = header.get("kid").Text()
	if !ok || t.kid == "" {
		return errors.New("token header: kid is missing or not a string")
	}
	if len(t.kid) > party.MaxKid {
		return fmt.Errorf("token header: kid is longer than %d bytes", party.MaxKid)
	}
	return nil
}

// ordinaryType reports whether typ names no special type. Explicitly typed tokens, such as DPoP
// proofs, are for another recipient, possibly with the same key (RFC 8725, section 3.11).
func ordinaryType(typ string) bool {
	typ = strings.ToLower(typ) // EqualFold takes U+017F, the long s, for an s
	return typ == "jwt" || typ == "jose"
}

// decoys returns a key of each algorithm. Their private keys are 1, and so no secret: what they
// verify is refused all the same.
var decoys = sync.OnceValue(func() map[jose.SignatureAlgorithm]*ecdsa.PublicKey {
	keys := map[jose.SignatureAlgorithm]*ecdsa.PublicKey{}
	for alg, curve := range map[jose.SignatureAlgorithm]elliptic.Curve{
		jose.ES256: elliptic.P256(), jose.ES384: elliptic.P384(), jose.ES512: elliptic.P521(),
	} {
		one := make([]byte, signatureSize[alg]/2)
		one[len(one)-1] = 1
		key, err := ecdsa.ParseRawPrivateKey(curve, one)
		if err != nil {
			panic(err) // 1 is a private key on every curve
		}
		keys[alg] = &key.PublicKey
	}
	return keys
})

// waste takes as long as verify does with a key, for a token that is refused without one.
func (t *token) waste() error { return t.verify(decoys()[t.alg]) }

// verify checks the signature over exactly the parsed bytes. The key must be on the curve of the
// token's algorithm.
func (t *token) verify(public *ecdsa.PublicKey) error {
	if _, err := t.jws.Verify(public); err != nil {
		return errors.New("token signature: does not verify with the key that kid names")
	}
	return nil
}
