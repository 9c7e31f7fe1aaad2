package keydir

import (
	"crypto"
	"encoding/base64"
	"encoding/json"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/cryptosigner"
)

// PublicJWK returns the public part of a key as a JSON Web Key, whose kid is its thumbprint
// (RFC 7638). use is sig or enc.
func PublicJWK(key crypto.Signer, use, algorithm string) (jose.JSONWebKey, error) {
	public := jose.JSONWebKey{Key: key.Public(), Algorithm: algorithm, Use: use}
	thumb, err := public.Thumbprint(crypto.SHA256)
	public.KeyID = base64.RawURLEncoding.EncodeToString(thumb)
	return public, err
}

// SignJWT returns claims as a compact JWS (RFC 7515): ES256 with a P-256 key, typ JWT, and the key
// id. The key may be any [crypto.Signer], such as one of a hardware module.
func SignJWT(key crypto.Signer, keyID string, claims any) (string, error) {
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.ES256,
			Key:       jose.JSONWebKey{Key: cryptosigner.Opaque(key), KeyID: keyID},
		},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		return "", err
	}
	return Compact(signer, claims)
}

// Compact returns the compact form of a JWS that signer makes of claims.
func Compact(signer jose.Signer, claims any) (string, error) {
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(body)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}
