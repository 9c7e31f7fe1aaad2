package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/signet-sign/signet/api"
)

// Result requests the signed document (docs/contract.md, 5). exchangeCode is the one that Initiate
// returned for this request. The URL in the answer is valid for two minutes; each call returns a
// new one. Refusals, for errors.Is:
//
//   - api.ErrNotSigned: not yet. Wait for the webhook instead of polling.
//   - api.ErrExpired, api.ErrCancelled: it can no longer be signed.
//   - api.ErrSignedAccessExpired: signed more than an hour ago.
//   - api.ErrUnauthorized: the request is unknown, the exchange code is another request's, or the
//     token was refused.
func (c *Client) Result(ctx context.Context, requestID, exchangeCode string) (*api.Result, error) {
	segment := url.PathEscape(requestID)
	if segment == "" || segment == "." || segment == ".." { // would change the path
		return nil, errors.New("client: result: that is no request id")
	}
	var answer api.Result
	_, err := c.again(ctx, func() error {
		return c.json(ctx, call{
			name: "result", method: http.MethodGet,
			path:   strings.Replace(api.PathResult, "{request_id}", segment, 1),
			claims: map[string]any{"exchange_code": exchangeCode},
		}, &answer, func() error { return requireHTTP("signed_doc_url", answer.SignedDocURL) })
	})
	if err != nil {
		return nil, err
	}
	return &answer, nil
}

// Download fetches the signed document from the URL of a webhook or a result. Keep the URL secret:
// any client that has it can get the document. The caller closes the stream. If the connection
// breaks early, the stream ends with io.ErrUnexpectedEOF, so use the document only after io.EOF.
// The Timeout of Config.HTTPClient, if it has one, includes the reading.
//
// An *Error with status 403 usually means that the URL has expired: call [Client.Result].
func (c *Client) Download(ctx context.Context, signedDocURL string) (io.ReadCloser, error) {
	if err := requireHTTP("the signed_doc_url", signedDocURL); err != nil {
		return nil, fmt.Errorf("client: download: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, signedDocURL, http.NoBody)
	if err != nil {
		return nil, errors.New("client: download: the signed_doc_url is not understood")
	}
	resp, err := c.download.Do(req)
	if err != nil {
		return nil, &noAnswerError{"download", withoutURL(err)}
	}
	if !succeeded(resp) {
		defer resp.Body.Close()
		return nil, c.refusal("download", resp)
	}
	return resp.Body, nil
}

// withoutURL removes the URL, which is a secret, from an error of net/http.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
