package client

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"

	"github.com/go-jose/go-jose/v4"
)

// Key is a signing key with the id that its public half has in the JWKS: Config.Key and
// Config.KeyID.
type Key struct {
	Signer crypto.Signer
	ID     string
}

// GenerateKey makes a P-256 key. Its id is its thumbprint (RFC 7638).
func GenerateKey() (Key, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Key{}, fmt.Errorf("client: make a key: %w", err)
	}
	return newKey(private, "")
}

// ParseKey reads a private key on P-256, P-384 or P-521: a PEM block PRIVATE KEY (PKCS #8) or EC
// PRIVATE KEY (SEC 1), a private JWK, or a JWKS with one private key. The id is the JWK's kid, or
// else the key's thumbprint (RFC 7638).
func ParseKey(text []byte) (Key, error) {
	if block, _ := pem.Decode(text); block != nil {
		return parsePEM(block)
	}
	var set jose.JSONWebKeySet
	var jwk jose.JSONWebKey
	if err := json.Unmarshal(text, &set); err == nil && len(set.Keys) > 0 {
		private := 0
		for _, k := range set.Keys {
			if !k.IsPublic() {
				jwk = k
				private++
			}
		}
		if private != 1 {
			return Key{}, fmt.Errorf("client: the JWKS has %d private keys, not one", private)
		}
	} else if err := json.Unmarshal(text, &jwk); err != nil {
		return Key{}, errors.New("client: the key is neither PEM nor a JWK")
	}
	private, ok := jwk.Key.(*ecdsa.PrivateKey)
	if !ok {
		return Key{}, errors.New("client: the JWK has no private elliptic-curve key")
	}
	return newKey(private, jwk.KeyID)
}

func parsePEM(block *pem.Block) (Key, error) {
	var parsed any
	var err error
	switch block.Type {
	case "PRIVATE KEY":
		parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
	case "EC PRIVATE KEY":
		parsed, err = x509.ParseECPrivateKey(block.Bytes)
	default:
		return Key{}, fmt.Errorf("client: a PEM block %s is not a private key", block.Type)
	}
	private, ok := parsed.(*ecdsa.PrivateKey)
	if err != nil || !ok {
		return Key{}, errors.New("client: the PEM block has no elliptic-curve key")
	}
	return newKey(private, "")
}

func newKey(private *ecdsa.PrivateKey, id string) (Key, error) {
	if algorithmOf(&private.PublicKey) == "" {
		return Key{}, errors.New("client: the key is not on P-256, P-384 or P-521")
	}
	if id == "" {
		sum, err := (&jose.JSONWebKey{Key: &private.PublicKey}).Thumbprint(crypto.SHA256)
		if err != nil {
			return Key{}, fmt.Errorf("client: key id: %w", err)
		}
		id = base64.RawURLEncoding.EncodeToString(sum)
	}
	return Key{private, id}, nil
}

// PEM is the private key in PKCS #8. It fails for a key that is not in memory.
func (k Key) PEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.Signer)
	if err != nil {
		return nil, fmt.Errorf("client: the key cannot be written: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// JWKS is the document with the public halves of several keys (RFC 7517). To rotate, serve the new
// key beside the old one for an hour before you use it, and the old one for an hour after.
func JWKS(keys ...Key) ([]byte, error) {
	set := jose.JSONWebKeySet{}
	for _, k := range keys {
		var alg jose.SignatureAlgorithm
		if k.Signer != nil {
			alg = algorithmOf(k.Signer.Public())
		}
		if alg == "" || k.ID == "" {
			return nil, errors.New("client: a JWKS needs ids, and keys on P-256, P-384 or P-521")
		}
		set.Keys = append(set.Keys, jose.JSONWebKey{
			Key: k.Signer.Public(), KeyID: k.ID, Algorithm: string(alg), Use: "sig",
		})
	}
	return json.Marshal(set)
}

// JWKSHandler serves [JWKS], to be mounted at your registered JWKS URL.
func JWKSHandler(keys ...Key) (http.Handler, error) {
	text, err := JWKS(keys...)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "max-age=300")
		_, _ = w.Write(text)
	}), nil
}
