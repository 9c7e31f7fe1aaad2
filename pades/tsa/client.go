package tsa

import (
	"bytes"
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"mime"
	"net/http"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// ErrClock is the error of a timestamp whose time is more than five minutes from the local clock.
var ErrClock = errors.New("tsa: its clock differs from the local clock")

const (
	// clientTimeout is the default of Client.Timeout.
	clientTimeout = 10 * time.Second
	// maxResponse is several times the size of a token with a long chain.
	maxResponse = 1 << 20
	// maxSkew is how far an authority's clock may differ from the local one: a signature must not
	// get a wrong time.
	maxSkew = 5 * time.Minute
)

// Client asks an external time-stamping authority over HTTP (RFC 3161, 3.4).
// It may be used concurrently.
type Client struct {
	URL  string
	HTTP *http.Client
	// Policy, if not empty, is the dotted OID to request and require.
	Policy string
	// Roots that the authority's certificate must chain to.
	Roots *x509.CertPool
	// Timeout of one request; 0 means 10 seconds.
	Timeout time.Duration
	Now     func() time.Time
	Rand    io.Reader
}

// Timestamp requests a token over a SHA-256 imprint and checks the answer: status, nonce, imprint,
// policy, signature, chain and clock. It does not retry; see [Alternatives].
func (c *Client) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	if len(imprint) != sha256.Size {
		return nil, fmt.Errorf("tsa: imprint of %d bytes is not SHA-256", len(imprint))
	}
	nonce := make([]byte, 16)
	if _, err := io.ReadFull(c.Rand, nonce); err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	n := new(big.Int).SetBytes(nonce)
	request, err := c.request(imprint, n)
	if err != nil {
		return nil, err
	}
	timeout := c.Timeout
	if timeout <= 0 {
		timeout = clientTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := c.post(ctx, request)
	if err != nil {
		return nil, err
	}
	token, err := readResponse(body)
	if err != nil {
		return nil, err
	}
	if err := c.check(token, imprint, n); err != nil {
		return nil, err
	}
	return token, nil
}

func (c *Client) request(imprint []byte, nonce *big.Int) ([]byte, error) {
	var policy []byte
	if c.Policy != "" {
		oid, err := x509.ParseOID(c.Policy)
		if err == nil {
			policy, err = oid.MarshalBinary()
		}
		if err != nil {
			return nil, fmt.Errorf("tsa: policy: %w", err)
		}
	}
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		b.AddASN1Int64(1)
		addImprint(b, crypto.SHA256, imprint)
		if policy != nil {
			b.AddASN1(cbasn1.OBJECT_IDENTIFIER, func(b *cryptobyte.Builder) { b.AddBytes(policy) })
		}
		b.AddASN1BigInt(nonce)
		b.AddASN1Boolean(true) // certReq
	})
	return b.Bytes()
}

func (c *Client) post(ctx context.Context, request []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.URL, bytes.NewReader(request))
	if err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	req.Header.Set("Content-Type", "application/timestamp-query")
	req.Header.Set("Accept", "application/timestamp-reply")
	resp, err := c.HTTP.Do(req)
	if err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("tsa: HTTP status %d", resp.StatusCode)
	}
	if kind, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type")); err != nil ||
		kind != "application/timestamp-reply" {
		return nil, errors.New("tsa: the answer is not a timestamp reply")
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxResponse+1))
	if err != nil {
		return nil, fmt.Errorf("tsa: %w", err)
	}
	if len(body) > maxResponse {
		return nil, errors.New("tsa: the answer is too large")
	}
	return body, nil
}

// readResponse returns the token of a granted TimeStampResp.
func readResponse(der []byte) ([]byte, error) {
	in := cryptobyte.String(der)
	var resp, info, token cryptobyte.String
	var status int64
	if !in.ReadASN1(&resp, cbasn1.SEQUENCE) || !in.Empty() ||
		!resp.ReadASN1(&info, cbasn1.SEQUENCE) ||
		!info.ReadASN1Integer(&status) {
		return nil, fmt.Errorf("%w: response", ErrMalformed)
	}
	if status != 0 && status != 1 { // granted, grantedWithMods
		return nil, fmt.Errorf("tsa: refused with status %d", status)
	}
	if !resp.ReadASN1Element(&token, cbasn1.SEQUENCE) || !resp.Empty() {
		return nil, fmt.Errorf("%w: response without a token", ErrMalformed)
	}
	return token, nil
}

func (c *Client) check(token, imprint []byte, nonce *big.Int) error {
	t, err := Verify(token, imprint, c.Roots)
	if err != nil {
		return err
	}
	if t.Nonce == nil || t.Nonce.Cmp(nonce) != 0 {
		return errors.New("tsa: the answer has the nonce of another request")
	}
	if c.Policy != "" && t.Policy.String() != c.Policy {
		return fmt.Errorf("tsa: policy %s instead of %s", t.Policy, c.Policy)
	}
	if d := t.Time.Sub(c.Now()).Abs(); d > maxSkew {
		return fmt.Errorf("%w by %s", ErrClock, d.Round(time.Second))
	}
	return nil
}
