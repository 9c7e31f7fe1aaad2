package client

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// Config is the configuration of a [Client].
type Config struct {
	// BaseURL is the base of the API, such as "https://sign.example/api/v3". Use plain http only on
	// one machine, because documents and exchange codes are sent over it.
	BaseURL string

	// ClientID is your id at the service.
	ClientID string

	// Key signs tokens. Its public key is an *ecdsa.PublicKey on P-256, P-384 or P-521, for ES256,
	// ES384 or ES512. It may be in hardware: the client uses only its method Sign, from several
	// goroutines if you call it from several.
	Key crypto.Signer

	// KeyID is the kid of Key in your JWKS.
	KeyID string

	// KeysURL is the service's JWKS, which verifies webhooks. The default is api.PathKeys on
	// BaseURL's host, as in Signet.
	KeysURL string

	// HTTPClient makes the calls. The default has a timeout of a minute. Only Download follows
	// redirects.
	HTTPClient *http.Client

	// Now is the clock; nil means time.Now.
	Now func() time.Time

	// Rand is the source of token ids and signatures; nil means crypto/rand.Reader.
	Rand io.Reader
}

// Client calls the service. It is safe for concurrent use.
type Client struct {
	base     string // without a slash at the end
	clientID string
	http     *http.Client // follows no redirects
	download *http.Client
	now      func() time.Time
	tokens   *tokens
	keys     *keyCache
}

// New returns a client. It does not call the service; errors are about the configuration.
func New(config Config) (*Client, error) {
	base, err := url.Parse(config.BaseURL)
	if err != nil || !isHTTP(base) || base.RawQuery != "" || base.Fragment != "" ||
		base.User != nil {
		return nil, fmt.Errorf("client: BaseURL %q is not the URL of an API", config.BaseURL)
	}
	if config.ClientID == "" {
		return nil, errors.New("client: ClientID is empty")
	}
	if config.Now == nil {
		config.Now = time.Now
	}
	if config.Rand == nil {
		config.Rand = rand.Reader
	}
	if config.HTTPClient == nil {
		config.HTTPClient = &http.Client{Timeout: time.Minute}
	}
	if config.KeysURL == "" {
		config.KeysURL = base.Scheme + "://" + base.Host + api.PathKeys
	}
	if keys, err := url.Parse(config.KeysURL); err != nil || !isHTTP(keys) {
		return nil, fmt.Errorf("client: KeysURL %q is not an http or https URL", config.KeysURL)
	}
	tokens, err := newTokens(config)
	if err != nil {
		return nil, err
	}
	// A redirect would send the token to another path or host. The API never redirects.
	direct := *config.HTTPClient
	direct.CheckRedirect = func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}
	return &Client{
		base:     strings.TrimRight(config.BaseURL, "/"),
		clientID: config.ClientID,
		http:     &direct,
		download: config.HTTPClient,
		now:      config.Now,
		tokens:   tokens,
		keys:     newKeyCache(config.KeysURL, &direct, config.Now),
	}, nil
}

func isHTTP(u *url.URL) bool {
	return (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// JWKS is the function [JWKS] of Config.Key with Config.KeyID.
//
// Deprecated: serve [JWKSHandler], which takes several keys while you rotate them.
func (c *Client) JWKS() ([]byte, error) { return JWKS(c.tokens.key) }

// Limits of what is read of an answer, in bytes. Answers of the contract have a few hundred. A
// gateway's error page may have more, and its beginning is enough to recognise it.
const (
	maxAnswer  = 64 << 10
	maxExcerpt = 4 << 10
)

// call is one authorised call of the API.
type call struct {
	name        string // for errors
	method      string
	path        string // below the base
	contentType string
	body        []byte
	claims      map[string]any
}

// answer is a successful answer.
type answer struct {
	status int
	header http.Header
	body   []byte // nil if not requested
}

// do makes a call and returns the successful answer. The error is an *Error for any other answer,
// and otherwise the reason why there is no complete answer.
func (c *Client) do(ctx context.Context, call call, wantBody bool) (*answer, error) {
	token, err := c.tokens.sign(call.claims)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", call.name, err)
	}
	req, err := http.NewRequestWithContext(
		ctx, call.method, c.base+call.path, bytes.NewReader(call.body),
	)
	if err != nil {
		return nil, fmt.Errorf("client: %s: %w", call.name, err)
	}
	req.Header.Set("Authorization", token) // without a scheme
	req.Header.Set("Accept", "application/json")
	if call.contentType != "" {
		req.Header.Set("Content-Type", call.contentType)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, &noAnswerError{call.name, err}
	}
	defer resp.Body.Close()
	if !succeeded(resp) {
		return nil, c.refusal(call.name, resp)
	}
	a := &answer{status: resp.StatusCode, header: resp.Header}
	if !wantBody {
		// Reading the rest allows the connection to be reused.
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer))
		return a, nil
	}
	if a.body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1)); err != nil {
		return nil, &noAnswerError{call.name, err}
	}
	return a, nil
}

// json makes a call whose successful answer is a JSON object, and checks the object with valid.
func (c *Client) json(ctx context.Context, call call, into any, valid func() error) error {
	a, err := c.do(ctx, call, true)
	if err != nil {
		return err
	}
	if len(a.body) > maxAnswer {
		err = fmt.Errorf("it has more than %d bytes", maxAnswer)
	} else if err = json.Unmarshal(a.body, into); err == nil {
		err = valid()
	}
	if err != nil {
		return a.nonsense(call.name, err)
	}
	return nil
}

// succeeded reports a 2xx status; each is a success (docs/contract.md, 14.3).
func succeeded(resp *http.Response) bool { return resp.StatusCode >= 200 && resp.StatusCode <= 299 }

// noAnswerError is the error of a call that may or may not have taken effect.
type noAnswerError struct {
	call  string
	cause error
}

func (e *noAnswerError) Error() string {
	return "client: " + e.call + ": no answer: " + e.cause.Error()
}
func (e *noAnswerError) Unwrap() error { return e.cause }

// requireHTTP checks a URL from the service.
func requireHTTP(name, text string) error {
	u, err := url.Parse(text)
	if err != nil || !isHTTP(u) {
		// The text may contain a secret.
		return fmt.Errorf("%s is not an http or https URL", name)
	}
	return nil
}
