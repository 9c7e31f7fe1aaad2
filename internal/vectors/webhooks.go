package vectors

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// webhookFile is webhooks.json.
type webhookFile struct {
	About    string          `json:"about"`
	Now      int64           `json:"now"`
	ClientID string          `json:"client_id"` // of the relying party
	JWKS     json.RawMessage `json:"jwks"`      // of the service
	Webhooks []webhookVector `json:"webhooks"`
}

// webhookVector is the body of a POST to a webhook URL.
type webhookVector struct {
	Name     string `json:"name"`
	Body     string `json:"body"`
	Accepted bool   `json:"accepted"`
}

func makeWebhooks() (any, error) {
	key, err := testKey("ES256", "vectors-service")
	if err != nil {
		return nil, err
	}
	foreign, err := testKey("ES256", "vectors-foreign")
	if err != nil {
		return nil, err
	}
	f := &webhookFile{
		About: "Bodies that arrive at a relying party's webhook URL at the time now, to be verified " +
			"with the service's JWKS.",
		Now: now, ClientID: clientID, JWKS: partytest.JWKS(key.JWK()),
	}
	claim, header := partytest.Claim, partytest.Header
	for _, c := range []struct {
		accepted bool
		name     string
		edit     partytest.Edit
		body     func(token string) string
	}{
		{true, "ordinary", nil, nil},
		{true, "a further claim", claim("status", "signed"), nil},
		{true, "aud is this party", claim("aud", clientID), nil},
		{true, "aud is a list with this party", claim("aud", []string{"another", clientID}), nil},
		{false, "aud is another party", claim("aud", "another"), nil},
		{true, "a further member", nil, func(t string) string { return `{"token":"` + t + `","id":1}` }},
		{true, "without signer_info, of V3.0", partytest.NoClaim("signer_info"), nil},
		{true, "ended 10 s ago, by a clock that is ahead", times(now-130, now-10), nil},
		{false, "ended 11 s ago", times(now-131, now-11), nil},
		{false, "issued 11 s ahead", times(now+11, now+131), nil},
		{false, "milliseconds", times(now*1000, now*1000+120_000), nil},
		{false, "exp before iat", times(now, now-1), nil},
		{false, "no exp", partytest.NoClaim("exp"), nil},
		{false, "another key under the kid", func(d *partytest.Draft) { d.Key = foreign }, nil},
		{false, "an unknown kid", header("kid", "vectors-unknown"), nil},
		{false, "a jwk in the header", func(d *partytest.Draft) {
			d.Key, d.Header["jwk"] = foreign, foreign.JWK()
		}, nil},
		{false, "alg none", header("alg", "none"), func(t string) string {
			return `{"token":"` + unsigned(key, t) + `"}`
		}},
		{
			false, "alg HS256 with the public key as the secret", header("alg", "HS256"),
			func(t string) string { return `{"token":"` + sharedSecret(key, t) + `"}` },
		},
		{false, "claims changed after signing", nil, func(t string) string {
			return `{"token":"` + changed(key, t) + `"}`
		}},
		{false, "another request_type", claim("request_type", "signature"), nil},
		{false, "no request_id", partytest.NoClaim("request_id"), nil},
		{false, "signed_doc_url is a script", claim("signed_doc_url", "javascript:alert(1)"), nil},
		{false, "no token", nil, func(string) string { return `{}` }},
		{false, "the token alone", nil, func(t string) string { return t }},
	} {
		d := &partytest.Draft{
			Header: map[string]any{"alg": key.Alg, "kid": key.Kid, "typ": "JWT"},
			Claims: map[string]any{
				"request_type": api.RequestTypeSignedDocURL, "request_id": requestID,
				"signed_doc_url": publicURL + "/documents/1",
				"signer_info": api.SignerInfo{
					SignerName: "TAN XIAO HUI", SignerPartialUINFIN: "373D", SignedAt: now * 1000,
				},
				"iat": now, "exp": now + api.URLLifetime,
			},
			Key: key,
		}
		if c.edit != nil {
			c.edit(d)
		}
		text, err := compact(d)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		v := webhookVector{Name: c.name, Body: `{"token":"` + text + `"}`, Accepted: c.accepted}
		if c.body != nil {
			v.Body = c.body(text)
		}
		if err := f.judge(v); err != nil {
			return nil, err
		}
		f.Webhooks = append(f.Webhooks, v)
	}
	return f, nil
}

// judge has the Go client judge a webhook.
func (f *webhookFile) judge(v webhookVector) error {
	key, err := client.GenerateKey() // which signs nothing
	if err != nil {
		return err
	}
	receiver, err := client.New(client.Config{
		BaseURL: publicURL + api.BasePath, ClientID: f.ClientID, Key: key.Signer, KeyID: key.ID,
		Now:        func() time.Time { return time.Unix(f.Now, 0) },
		HTTPClient: &http.Client{Transport: keys(f.JWKS)},
	})
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(
		context.Background(), http.MethodPost, "/webhook", strings.NewReader(v.Body),
	)
	if err != nil {
		return err
	}
	_, err = receiver.VerifyWebhook(r.Context(), r)
	if err != nil && !errors.Is(err, client.ErrInvalidWebhook) || (err == nil) != v.Accepted {
		return fmt.Errorf("%s: the client says %v", v.Name, err)
	}
	return nil
}

// keys answers every call with a JWKS.
type keys json.RawMessage

func (k keys) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{}, Body: io.NopCloser(bytes.NewReader(k)),
	}, nil
}
