package fault

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/keydir"
)

// Webhooks injects faults into the webhooks that are sent through next. sign makes a token that
// verifies with the keys of the service.
func (s *Set) Webhooks(
	owner Owner, sign func(claims any) (string, error), next http.RoundTripper,
) http.RoundTripper {
	return webhooks{s, owner, sign, next}
}

type webhooks struct {
	set   *Set
	owner Owner
	sign  func(claims any) (string, error)
	next  http.RoundTripper
}

// lateTimeout bounds the sending of a webhook that is late or doubled.
const lateTimeout = 10 * time.Second

// RoundTrip implements http.RoundTripper.
func (h webhooks) RoundTrip(r *http.Request) (*http.Response, error) {
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
	rule, ok := h.set.take(
		Target{
			Call: "webhook", RequestID: claims.RequestID,
			ClientID: h.owner(r.Context(), claims.RequestID), Token: sent.Token,
		},
		WebhookLost, WebhookLate, WebhookDoubled, WebhookForged, WebhookExpired, WebhookWrongKey,
	)
	if !ok {
		return h.next.RoundTrip(with(r.Context(), r, body))
	}
	switch rule.Kind {
	case WebhookLost:
		return delivered(r), nil
	case WebhookLate:
		time.AfterFunc(time.Duration(rule.Delay), func() { h.post(r, body) })
		return delivered(r), nil
	case WebhookDoubled:
		h.post(r, body)
	case WebhookForged:
		sent.Token, err = forge(sent.Token, claims)
	case WebhookExpired:
		claims.Iat, claims.Exp = claims.Iat-3600, claims.Exp-3600
		sent.Token, err = h.sign(claims)
	case WebhookWrongKey:
		sent.Token, err = signWithNewKey(sent.Token, claims)
	}
	if err != nil {
		return nil, err
	}
	if body, err = json.Marshal(sent); err != nil {
		return nil, err
	}
	return h.next.RoundTrip(with(r.Context(), r, body))
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

// forge changes a claim and keeps the signature.
func forge(jws string, claims api.WebhookClaims) (string, error) {
	claims.SignerInfo.SignerName = "FORGED"
	text, err := json.Marshal(claims)
	header, rest, _ := strings.Cut(jws, ".")
	_, signature, _ := strings.Cut(rest, ".")
	return header + "." + base64.RawURLEncoding.EncodeToString(text) + "." + signature, err
}

// signWithNewKey signs the claims with a key that is not in the JWKS, under the kid of jws.
func signWithNewKey(jws string, claims api.WebhookClaims) (string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", err
	}
	var header struct {
		Kid string `json:"kid"`
	}
	part, _, _ := strings.Cut(jws, ".")
	text, err := base64.RawURLEncoding.DecodeString(part)
	if err == nil {
		err = json.Unmarshal(text, &header)
	}
	if err != nil {
		return "", err
	}
	return keydir.SignJWT(key, header.Kid, claims)
}
