// Package vectors makes the test vectors in api/vectors, which implementations of the contract in
// any language can use: tokens, places, names, return URLs, webhooks, and walks through the table
// of states. Start at [Files].
//
// Each vector says what the contract demands of it. The code of this repository judges each vector
// before it is written, and what refuses it supplies the reason, so that a vector that the code
// judges otherwise makes [Files] fail. The test holds the committed files against both.
package vectors

//go:generate go run ./generate ../../api/vectors

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/internal/party/partytest"
)

// now is the clock of all vectors, in seconds since 1970: 9 October 2025, 08:53:20 UTC.
const now = 1_760_000_000

// Identifiers of the vectors.
const (
	clientID  = "vectors-client"
	publicURL = "https://sign.example"
	requestID = "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"
)

// Files returns the files of api/vectors by name.
func Files() (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, f := range []struct {
		name string
		make func() (any, error)
	}{
		{"tokens.json", makeTokens},
		{"locations.json", makeLocations},
		{"names.json", makeNames},
		{"return_urls.json", makeReturnURLs},
		{"states.json", makeStates},
		{"webhooks.json", makeWebhooks},
	} {
		content, err := f.make()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		var b bytes.Buffer
		out := json.NewEncoder(&b)
		out.SetEscapeHTML(false)
		out.SetIndent("", "  ")
		if err := out.Encode(content); err != nil {
			return nil, fmt.Errorf("%s: %w", f.name, err)
		}
		files[f.name] = b.Bytes()
	}
	return files, nil
}

// testKey derives a key from a name, so that the files do not change from run to run. Its secret is
// public: it is for tests only.
func testKey(alg, name string) (partytest.Key, error) {
	var curve elliptic.Curve
	var secret []byte
	switch alg {
	case "ES384":
		sum := sha512.Sum384([]byte(name))
		curve, secret = elliptic.P384(), sum[:]
	case "ES512":
		sum := sha512.Sum512([]byte(name))
		curve, secret = elliptic.P521(), append([]byte{0, 0}, sum[:]...)
	default:
		sum := sha256.Sum256([]byte(name))
		curve, secret = elliptic.P256(), sum[:]
	}
	private, err := ecdsa.ParseRawPrivateKey(curve, secret)
	if err != nil {
		return partytest.Key{}, fmt.Errorf("key %s: %w", name, err)
	}
	return partytest.Key{Alg: alg, Kid: name, Private: private}, nil
}

// privateJWK is a key with its secret.
func privateJWK(k partytest.Key) jose.JSONWebKey {
	return jose.JSONWebKey{Key: k.Private, KeyID: k.Kid, Algorithm: k.Alg, Use: "sig"}
}

// sign makes a compact JWS of exactly these texts. Its signature is deterministic (RFC 6979).
func sign(k partytest.Key, header, payload []byte) (string, error) {
	input := partytest.SigningInput(header, payload)
	der, err := derSignature(k, input)
	if err != nil {
		return "", err
	}
	var point struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &point); err != nil {
		return "", err
	}
	size := (k.Private.Curve.Params().BitSize + 7) / 8
	raw := make([]byte, 2*size)
	point.R.FillBytes(raw[:size])
	point.S.FillBytes(raw[size:])
	return input + "." + base64.RawURLEncoding.EncodeToString(raw), nil
}

func derSignature(k partytest.Key, input string) ([]byte, error) {
	hash := map[string]crypto.Hash{"ES384": crypto.SHA384, "ES512": crypto.SHA512}[k.Alg]
	if hash == 0 {
		hash = crypto.SHA256
	}
	return k.Private.Sign(nil, k.Digest(input), hash)
}

// fixedUUID is a UUID for a name.
func fixedUUID(name string) string { return uuid.NewSHA1(uuid.NameSpaceURL, []byte(name)).String() }
