package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"github.com/signet-sign/signet/api"
)

// ErrInvalidWebhook is the error for a webhook that is not from the service, or not for this time.
// Answer it with 400.
var ErrInvalidWebhook = errors.New("the webhook is not valid")

const (
	maxWebhook = 64 << 10         // bytes of a webhook's body; usually about a thousand
	clockSkew  = 10 * time.Second // how far the service's clock may differ
)

// VerifyWebhook reads a request to your webhook URL, and returns its claims if the service has
// signed them (docs/contract.md, 7). The service sends a webhook only when a document was signed.
// Then:
//
//   - answer with any 2xx within two seconds; otherwise the service sends it again, three times in
//     all. It may also repeat one without a reason, so check whether you know RequestID already;
//   - check that RequestID is a request of yours: services with one key for all relying parties
//     sign for all of them;
//   - [Client.Download] SignedDocURL within two minutes, after the answer if it takes long.
//
// SignerInfo is empty if the service implements V3.0. Errors other than [ErrInvalidWebhook] mean
// that the webhook could not be checked now, because the service's keys could not be fetched:
// answer 503, so that the service sends it again.
func (c *Client) VerifyWebhook(ctx context.Context, r *http.Request) (*api.WebhookClaims, error) {
	if r.Method != http.MethodPost {
		return nil, invalidWebhook("the method is not POST")
	}
	text, err := io.ReadAll(io.LimitReader(r.Body, maxWebhook+1))
	if err != nil {
		return nil, fmt.Errorf("client: webhook: read it: %w", err)
	}
	if len(text) > maxWebhook {
		return nil, invalidWebhook("it has more than %d bytes", maxWebhook)
	}
	var body api.Webhook
	if err := json.Unmarshal(text, &body); err != nil {
		return nil, invalidWebhook("the body is not understood: %w", err)
	}
	return c.VerifyWebhookToken(ctx, body.Token)
}

// VerifyWebhookToken is [Client.VerifyWebhook] for a token that another program has received.
func (c *Client) VerifyWebhookToken(ctx context.Context, token string) (*api.WebhookClaims, error) {
	jws, err := jose.ParseSignedCompact(
		token, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512},
	)
	if err != nil {
		return nil, invalidWebhook("the token is not a JWS that we take: %w", err)
	}
	set, err := c.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	payload, ok := set.verify(jws)
	if !ok { // the service may have new keys: fetch them once (docs/contract.md, 8.2.2)
		newer, err := c.keys.newer(ctx, set)
		if err != nil {
			return nil, err
		}
		if newer != nil {
			payload, ok = newer.verify(jws)
		}
	}
	if !ok {
		return nil, invalidWebhook("none of the service's keys has signed the token")
	}
	var claims struct {
		api.WebhookClaims
		Audience jwt.Audience `json:"aud"` // RFC 7519, 4.1.3
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return nil, invalidWebhook("the claims are not understood: %w", err)
	}
	if claims.Audience != nil && !slices.Contains(claims.Audience, c.clientID) {
		return nil, invalidWebhook("it is for another audience")
	}
	if err := judgeWebhook(&claims.WebhookClaims, c.now()); err != nil {
		return nil, invalidWebhook("%w", err)
	}
	return &claims.WebhookClaims, nil
}

// judgeWebhook checks the claims of a genuine token against the contract and the clock.
func judgeWebhook(claims *api.WebhookClaims, now time.Time) error {
	issued, ends := time.Unix(claims.Iat, 0), time.Unix(claims.Exp, 0)
	switch {
	case claims.RequestType != api.RequestTypeSignedDocURL:
		return errors.New("request_type is not " + api.RequestTypeSignedDocURL)
	case claims.RequestID == "":
		return errors.New("request_id is missing")
	case claims.Exp >= 1e11: // the year 5138
		return errors.New("iat and exp are no seconds since 1970")
	case claims.Iat <= 0 || claims.Exp <= claims.Iat:
		return errors.New("iat or exp is missing, or they do not fit together")
	case now.After(ends.Add(clockSkew)):
		return fmt.Errorf("the token expired %s ago", now.Sub(ends).Round(time.Second))
	case issued.After(now.Add(clockSkew)):
		return fmt.Errorf(
			"the token was issued %s ahead of our clock", issued.Sub(now).Round(time.Second),
		)
	}
	return requireHTTP("signed_doc_url", claims.SignedDocURL)
}

func invalidWebhook(format string, args ...any) error {
	return fmt.Errorf("client: %w: %w", ErrInvalidWebhook, fmt.Errorf(format, args...))
}
