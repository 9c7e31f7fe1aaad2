package client_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/client"
)

func TestParseKey(t *testing.T) {
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		sec1, err := x509.MarshalECPrivateKey(private)
		if err != nil {
			t.Fatal(err)
		}
		jwk, err := json.Marshal(jose.JSONWebKey{Key: private, KeyID: "k-1"})
		if err != nil {
			t.Fatal(err)
		}
		public, err := json.Marshal(jose.JSONWebKey{Key: &private.PublicKey, KeyID: "p"})
		if err != nil {
			t.Fatal(err)
		}
		thumbprint := ""
		for name, text := range map[string][]byte{
			"PKCS #8": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}),
			"SEC 1":   pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: sec1}),
			"JWK":     jwk,
			"JWKS":    []byte(`{"keys":[` + string(public) + `,` + string(jwk) + `]}`),
		} {
			key, err := client.ParseKey(text)
			if err != nil || !private.Equal(key.Signer) {
				t.Errorf("%s on %s: %v", name, curve.Params().Name, err)
				continue
			}
			switch {
			case strings.HasPrefix(name, "JWK"):
				if key.ID != "k-1" {
					t.Errorf("%s: id %s", name, key.ID)
				}
			case thumbprint != "" && key.ID != thumbprint || len(key.ID) != 43:
				t.Errorf("%s: id %s", name, key.ID)
			default:
				thumbprint = key.ID
			}
		}
	}
}

func TestParseKeyRefuses(t *testing.T) {
	other, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(other)
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"empty":       "",
		"text":        "hello",
		"certificate": "-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n",
		"broken":      "-----BEGIN PRIVATE KEY-----\nMA==\n-----END PRIVATE KEY-----\n",
		"RSA":         string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
		"no key":      `{"keys":[]}`,
		"public JWK":  `{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}`,
	} {
		if key, err := client.ParseKey([]byte(text)); err == nil {
			t.Errorf("%s: %+v", name, key.ID)
		}
	}
}

// TestKeyRoundTrip checks that a generated key can be written, read, and served beside another.
func TestKeyRoundTrip(t *testing.T) {
	first, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	text, err := first.PEM()
	if err != nil {
		t.Fatal(err)
	}
	again, err := client.ParseKey(text)
	if err != nil || again.ID != first.ID {
		t.Fatalf("%v, %s is not %s", err, again.ID, first.ID)
	}
	second, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	handler, err := client.JWKSHandler(first, second)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, httptest.NewRequest("GET", "/jwks", nil))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(w.Body.Bytes(), &set); err != nil || len(set.Keys) != 2 ||
		!set.Keys[0].IsPublic() || set.Keys[0].KeyID != first.ID || set.Keys[1].Use != "sig" {
		t.Errorf("%v: %s", err, w.Body)
	}
}
