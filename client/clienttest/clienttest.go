// Package clienttest makes webhooks for the tests of a relying party, without a service: genuine
// ones, and those that a receiver has to refuse.
//
//	service := clienttest.Start(t)
//	c, err := client.New(client.Config{KeysURL: service.KeysURL, ...})
//	handler.ServeHTTP(w, service.Webhook(clienttest.Claims("signv3-1", time.Now())))
//	handler.ServeHTTP(w, service.Forged(clienttest.Claims("signv3-1", time.Now()))) // refuse it
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

// Service stands in for the service: it publishes keys, and signs webhooks with them.
type Service struct {
	// KeysURL is where its JWKS is, for client.Config.
	KeysURL string

	t              testing.TB
	key, forgerKey client.Key
}

// Start makes a service whose JWKS is served until the test ends.
func Start(t testing.TB) *Service {
	t.Helper()
	s := &Service{t: t}
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
func (s *Service) Webhook(claims api.WebhookClaims) *http.Request {
	return s.request(s.key, claims)
}

// Forged is signed with a key that the service does not have, under the kid of one that it has.
func (s *Service) Forged(claims api.WebhookClaims) *http.Request {
	return s.request(s.forgerKey, claims)
}

// Expired is signed as a genuine webhook is, with iat and exp an hour before those of the claims.
func (s *Service) Expired(claims api.WebhookClaims) *http.Request {
	claims.Iat -= 3600
	claims.Exp -= 3600
	return s.request(s.key, claims)
}

// Unsigned has the algorithm "none" (RFC 7515, appendix A.5).
func (s *Service) Unsigned(claims api.WebhookClaims) *http.Request {
	s.t.Helper()
	payload, err := json.Marshal(claims)
	if err != nil {
		s.t.Fatal(err)
	}
	return s.post(base64URL([]byte(`{"alg":"none"}`)) + "." + base64URL(payload) + ".")
}

func (s *Service) request(key client.Key, claims api.WebhookClaims) *http.Request {
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

func (s *Service) post(token string) *http.Request {
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
