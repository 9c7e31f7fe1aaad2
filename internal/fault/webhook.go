package fault

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/keydir"
)

// Webhooks injects faults into the webhooks that are sent through next. key returns the key that
// signs the webhooks of the service, which publishes it under its thumbprint.
func (s *Set) Webhooks(
	owner Owner, key func() crypto.Signer, next http.RoundTripper,
) http.RoundTripper {
	return webhooks{set: s, owner: owner, current: key, next: next}
}

type webhooks struct {
	set     *Set
	owner   Owner
	current func() crypto.Signer
	next    http.RoundTripper

	// those of the call
	key   crypto.Signer
	keyID string
}

// lateTimeout bounds the sending of a webhook that is late or doubled.
const lateTimeout = 10 * time.Second

// RoundTrip implements http.RoundTripper.
func (h webhooks) RoundTrip(r *http.Request) (*http.Response, error) {
	h.key = h.current()
	public, err := keydir.PublicJWK(h.key, "sig", string(jose.ES256))
	if err != nil {
		return nil, err
	}
	h.keyID = public.KeyID
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	var sent api.Webhook
	if err := json.Unmarshal(body, &sent); err != nil {
		return nil, err
	}
	claims, err := claimsOf(sent.Token)
	if err != nil {
		return nil, err
	}
	clientID := h.owner(r.Context(), claims.RequestID)
	rule, ok := h.set.take(
		Target{
			Call: "webhook", RequestID: claims.RequestID, ClientID: clientID, Token: sent.Token,
		},
		WebhookLost, WebhookLate, WebhookReordered, WebhookDoubled, WebhookForged, WebhookExpired,
		WebhookWrongKey,
		WebhookUnsigned, WebhookHMAC, WebhookOwnKey, WebhookOtherAudience, WebhookNewKey,
		WebhookOtherRequest, WebhookExtended,
	)
	if rule.Kind != WebhookReordered {
		defer h.set.release(clientID)
	}
	if !ok {
		return h.next.RoundTrip(with(r.Context(), r, body))
	}
	r = r.Clone(r.Context())
	r.Header.Set(Header, string(rule.Kind))
	switch rule.Kind {
	case WebhookLost:
		return delivered(r), nil
	case WebhookLate:
		time.AfterFunc(time.Duration(rule.Delay), func() { h.post(r, body) })
		return delivered(r), nil
	case WebhookReordered:
		h.set.hold(clientID, time.Duration(rule.Delay), func() { h.post(r, body) })
		return delivered(r), nil
	case WebhookDoubled:
		h.post(r, body)
	default:
		second := rule.Injected%2 == 0
		sent.Token, err = h.spoil(rule.Kind, sent.Token, claims, second)
	}
	if err != nil {
		return nil, err
	}
	if body, err = json.Marshal(sent); err != nil {
		return nil, err
	}
	return h.next.RoundTrip(with(r.Context(), r, body))
}

// held is a webhook that waits for the next one to the same party.
type held struct {
	timer *time.Timer // sends it if none comes
	send  func()
}

func (s *Set) hold(clientID string, most time.Duration, send func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.held == nil {
		s.held = map[string][]held{}
	}
	s.held[clientID] = append(s.held[clientID], held{time.AfterFunc(most, send), send})
}

// release sends what hold has kept for the party and its timer has not sent.
func (s *Set) release(clientID string) {
	s.mu.Lock()
	list := s.held[clientID]
	delete(s.held, clientID)
	s.mu.Unlock()
	for _, h := range list {
		if h.timer.Stop() {
			go h.send()
		}
	}
}

// post sends the body as a request of its own, whose answer does not count.
func (h webhooks) post(r *http.Request, body []byte) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), lateTimeout)
	defer cancel()
	if answer, err := h.next.RoundTrip(with(ctx, r, body)); err == nil {
		_ = answer.Body.Close()
	}
}

// with returns r with another body.
func with(ctx context.Context, r *http.Request, body []byte) *http.Request {
	out := r.Clone(ctx)
	out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	out.GetBody = nil
	return out
}

// delivered is the answer of a receiver that was not asked.
func delivered(r *http.Request) *http.Response {
	return &http.Response{
		StatusCode: http.StatusOK, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{}, Body: http.NoBody, Request: r,
	}
}

func claimsOf(jws string) (claims api.WebhookClaims, err error) {
	_, rest, _ := strings.Cut(jws, ".")
	payload, _, _ := strings.Cut(rest, ".")
	text, err := base64.RawURLEncoding.DecodeString(payload)
	if err == nil {
		err = json.Unmarshal(text, &claims)
	}
	return claims, err
}

// forge changes a claim, and keeps the signature or replaces it by zeros.
func forge(jws string, claims api.WebhookClaims, zeros bool) (string, error) {
	claims.SignerInfo.SignerName = "FORGED"
	text, err := json.Marshal(claims)
	header, rest, _ := strings.Cut(jws, ".")
	_, signature, _ := strings.Cut(rest, ".")
	if zeros {
		signature = strings.Repeat("A", len(signature))
	}
	return header + "." + base64.RawURLEncoding.EncodeToString(text) + "." + signature, err
}

// newKeyID is the kid of the key of WebhookNewKey, unknownKeyID of none.
const (
	newKeyID     = "new-key"
	unknownKeyID = "unknown-key"
)

// expiredAgo is how old the tokens of WebhookExpired are: more than the leeway of any clock.
const expiredAgo = 300 // seconds

// spoil returns the token of a kind of fault that changes the token; second is for every second one
// of a rule.
func (h webhooks) spoil(
	kind Kind, jws string, claims api.WebhookClaims, second bool,
) (string, error) {
	switch kind {
	case WebhookForged:
		return forge(jws, claims, second)
	case WebhookExpired:
		claims.Iat, claims.Exp = claims.Iat-expiredAgo, claims.Exp-expiredAgo
		return keydir.SignJWT(h.key, h.keyID, claims)
	case WebhookUnsigned:
		text, err := json.Marshal(claims)
		alg := "none"
		if second {
			alg = "nOnE"
		}
		header := `{"alg":"` + alg + `","typ":"JWT"}`
		return base64.RawURLEncoding.EncodeToString([]byte(header)) + "." +
			base64.RawURLEncoding.EncodeToString(text) + ".", err
	case WebhookHMAC:
		der, err := x509.MarshalPKIXPublicKey(h.key.Public())
		if err != nil {
			return "", err
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		return h.sign(jose.HS256, public, false, claims)
	case WebhookOtherAudience:
		return keydir.SignJWT(h.key, h.keyID, struct {
			api.WebhookClaims
			Audience string `json:"aud"`
		}{claims, "another-party"})
	case WebhookOtherRequest:
		id, err := uuid.NewV7()
		claims.RequestID = api.RequestIDPrefix + id.String()
		signed, failed := keydir.SignJWT(h.key, h.keyID, claims)
		return signed, errors.Join(err, failed)
	case WebhookExtended:
		return keydir.SignJWT(h.key, h.keyID, struct {
			api.WebhookClaims
			Further string `json:"further"`
		}{claims, "A claim that relying parties ignore"})
	case WebhookNewKey:
		key, err := h.set.publishedKey()
		if err != nil {
			return "", err
		}
		return keydir.SignJWT(key, newKeyID, claims)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	if kind == WebhookWrongKey && second {
		h.keyID = unknownKeyID
	}
	return h.sign(jose.ES256, key, kind == WebhookOwnKey, claims)
}

// sign signs the claims with another key than that of the service, under its kid; embed puts the
// public key into the header.
func (h webhooks) sign(
	alg jose.SignatureAlgorithm, key any, embed bool, claims api.WebhookClaims,
) (string, error) {
	options := (&jose.SignerOptions{EmbedJWK: embed}).WithType("JWT").WithHeader("kid", h.keyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: key}, options)
	if err != nil {
		return "", err
	}
	return keydir.Compact(signer, claims)
}

// publishedKey returns the key of WebhookNewKey; the first call makes it.
func (s *Set) publishedKey() (*ecdsa.PrivateKey, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.newKey != nil {
		return s.newKey, nil
	}
	var err error
	s.newKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err == nil {
		s.save()
	}
	return s.newKey, err
}
