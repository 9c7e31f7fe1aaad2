package party

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
)

// coordinateMistake says what is wrong with x and y of a JWK that is no public key, or returns "".
func coordinateMistake(jwk []byte) string {
	var key struct{ Crv, X, Y string }
	if json.Unmarshal(jwk, &key) != nil {
		return ""
	}
	var curve elliptic.Curve
	for _, c := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		if c.Params().Name == key.Crv {
			curve = c
		}
	}
	if curve == nil || key.X == "" || key.Y == "" {
		return ""
	}
	size := (curve.Params().BitSize + 7) / 8
	isKey := func(x, y []byte) bool {
		_, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
		return err == nil
	}
	x, errX := base64.RawURLEncoding.DecodeString(key.X)
	y, errY := base64.RawURLEncoding.DecodeString(key.Y)
	_, errHex := hex.DecodeString(key.X + key.Y)
	longest := max(len(x), len(y))
	switch {
	case strings.ContainsAny(key.X+key.Y, "+/"):
		return "x and y are in standard base64, and must be in base64url"
	case errHex == nil && len(key.X)+len(key.Y) == 4*size:
		return "x and y are in hexadecimal, and must be in base64url"
	case strings.Contains(key.X+key.Y, "="):
		return "x and y have padding, and must have none"
	case errX != nil || errY != nil:
		return ""
	case longest == size+1 && (len(x) < longest || x[0] == 0) && (len(y) < longest || y[0] == 0):
		return "x or y has a zero octet too many before it (Java: BigInteger.toByteArray)"
	case len(x) == len(y) && len(x) != size && slices.Contains([]int{32, 48, 66}, len(x)):
		return "x and y are of another curve than crv"
	case len(x) != size || len(y) != size:
		return "" // the library's error says it
	case isKey(y, x):
		return "x and y are swapped"
	case isKey(reversed(x), reversed(y)):
		return "x and y are little-endian, and must be big-endian"
	}
	return ""
}

func reversed(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}
