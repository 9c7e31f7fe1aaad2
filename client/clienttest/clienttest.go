// Package clienttest makes webhooks for the tests of a relying party, without a service: genuine
// ones, and those that a receiver has to refuse.
//
//	signer := clienttest.Start(t)
//	c, err := client.New(client.Config{KeysURL: signer.KeysURL, ...})
//	handler.ServeHTTP(w, signer.Webhook(clienttest.Claims("signv3-1", time.Now())))
//	handler.ServeHTTP(w, signer.Forged(clienttest.Claims("signv3-1", time.Now()))) // refuse it
//
// It does not call the receiver; package signettest runs a whole service.
package clienttest

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// Signer signs webhooks in a service's place.
type Signer struct {
	// KeysURL is where its JWKS is, for client.Config.
	KeysURL string

	t              testing.TB
	key, forgerKey client.Key
}

// Start makes a signer whose JWKS is served until the test ends.
func Start(t testing.TB) *Signer {
	t.Helper()
	s := &Signer{t: t}
	var err error
	if s.key, err = client.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	if s.forgerKey, err = client.GenerateKey(); err != nil {
		t.Fatal(err)
	}
	s.forgerKey.ID = s.key.ID
	handler, err := client.JWKSHandler(s.key)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	s.KeysURL = server.URL + "/.well-known/keys.json"
	return s
}

// Claims are those of a webhook that was made now for a request. The URL leads nowhere.
func Claims(requestID string, now time.Time) api.WebhookClaims {
	return api.WebhookClaims{
		RequestType: api.RequestTypeSignedDocURL, RequestID: requestID,
		SignedDocURL: "https://sign.example/documents/" + requestID,
		Iat:          now.Unix(), Exp: now.Unix() + api.TokenLifetime,
	}
}

// Webhook is a genuine webhook with these claims.
func (s *Signer) Webhook(claims api.WebhookClaims) *http.Request { return s.request(s.key, claims) }

// Forged is signed with a key that the service does not have, under the kid of one that it has.
func (s *Signer) Forged(claims api.WebhookClaims) *http.Request {
	return s.request(s.forgerKey, claims)
}

// Expired is signed as a genuine webhook is, with iat and exp an hour before those of the claims.
func (s *Signer) Expired(claims api.WebhookClaims) *http.Request {
	claims.Iat -= 3600
	claims.Exp -= 3600
	return s.request(s.key, claims)
}

// Unsigned has the algorithm "none" (RFC 7515, appendix A.5).
func (s *Signer) Unsigned(claims api.WebhookClaims) *http.Request {
	s.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post(base64URL([]byte(`{"alg":"none"}`)) + "." + base64URL(payload) + ".")
}

func (s *Signer) request(key client.Key, claims api.WebhookClaims) *http.Request {
	s.t.Helper()
	signer, err := jose.NewSigner(
		jose.SigningKey{
			Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key.Signer, KeyID: key.ID},
		},
		(&jose.SignerOptions{}).WithType("JWT"),
	)
	if err != nil {
		s.t.Fatal(err)
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		s.t.Fatal(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post(token)
}

func (s *Signer) post(token string) *http.Request {
	s.t.Helper()
	body, err := json.Marshal(api.Webhook{Token: token})
	if err != nil {
		s.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func base64URL(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
