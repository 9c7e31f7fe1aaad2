package safehttp

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// NewClient returns a client that obeys the policy: no proxy, no redirect (the caller gets the
// 3xx), no cookies, TLS 1.2 or newer, bounded headers and body, and a check of the resolved address
// of every connection.
//
// Errors of the client wrap [ErrURL], [ErrAddress] or [ErrTooLarge] if the policy refused. The text
// of net/http's *url.Error contains the URL, so unwrap it before logging.
func NewClient(policy Policy) *http.Client {
	if policy.MaxResponse <= 0 {
		policy.MaxResponse = DefaultMaxResponse
	}
	return &http.Client{
		Timeout: policy.Timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &guard{policy: policy, next: &http.Transport{
			// A proxy would resolve and connect for this client, without the address check.
			Proxy:               nil,
			DialContext:         policy.dialer().DialContext,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: policy.Roots},
			TLSHandshakeTimeout: connectTimeout,
			ForceAttemptHTTP2:   true,
			// Without compression the bound on the body also bounds the bytes on the wire.
			DisableCompression:     true,
			MaxResponseHeaderBytes: maxResponseHeader,
			MaxIdleConns:           maxIdle,
			MaxIdleConnsPerHost:    maxIdlePerHost,
			IdleConnTimeout:        idleTimeout,
		}},
	}
}

const (
	// connectTimeout bounds connecting, and the handshake, for policies without a timeout.
	connectTimeout = 5 * time.Second
	// maxResponseHeader is far more than ordinary servers send.
	maxResponseHeader = 32 << 10
	// Calls to one host are rare. A few open connections save handshakes in a burst of webhooks.
	maxIdle        = 64
	maxIdlePerHost = 4
	idleTimeout    = 30 * time.Second
)

// dialer returns a dialer that checks the address of every connection.
func (p Policy) dialer() *net.Dialer {
	return &net.Dialer{
		Timeout: connectTimeout, Resolver: p.Resolver,
		ControlContext: func(_ context.Context, network, address string, _ syscall.RawConn) error {
			return p.checkDial(network, address)
		},
	}
}

// checkDial checks the resolved address that the dialer is about to connect to.
func (p Policy) checkDial(network, address string) error {
	if network != "tcp4" && network != "tcp6" {
		return fmt.Errorf("%w: network %s", ErrAddress, network)
	}
	target, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: it cannot be parsed", ErrAddress)
	}
	if !p.AllowPrivate && target.Port() != 443 {
		return fmt.Errorf("%w: port %d, and %w", ErrAddress, target.Port(), ErrPrivate)
	}
	return p.checkAddr(target.Addr())
}

// guard checks the URL before a request and bounds the body of the answer.
type guard struct {
	policy Policy
	next   *http.Transport
}

func (g *guard) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := g.policy.check(r.URL); err != nil {
		if r.Body != nil {
			_ = r.Body.Close() // required of an http.RoundTripper
		}
		return nil, err
	}
	answer, err := g.next.RoundTrip(r)
	if err != nil {
		if len(err.Error()) > maxErrorText {
			err = longError{err}
		}
		return nil, err
	}
	if answer.ContentLength > g.policy.MaxResponse {
		_ = answer.Body.Close()
		return nil, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, g.policy.MaxResponse)
	}
	answer.Body = &boundedBody{
		body: answer.Body, limit: g.policy.MaxResponse, left: g.policy.MaxResponse,
	}
	return answer, nil
}

// maxErrorText bounds the text of an error in bytes. The errors of net/http quote what the server
// has answered, or all names of its certificate.
const maxErrorText = 300

// longError is an error whose text is cut.
type longError struct{ error }

func (e longError) Error() string {
	return strings.ToValidUTF8(e.error.Error()[:maxErrorText], "") + "..."
}

func (e longError) Unwrap() error { return e.error }

// CloseIdleConnections makes http.Client.CloseIdleConnections work.
func (g *guard) CloseIdleConnections() { g.next.CloseIdleConnections() }

// boundedBody is a body whose Read fails after the allowed size, so that a truncated body does not
// look complete.
type boundedBody struct {
	body        io.ReadCloser
	limit, left int64
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.left < 0 {
		return 0, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, b.limit)
	}
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1] // one byte more, to distinguish a full body from a longer one
	}
	n, err := b.body.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n - 1, fmt.Errorf("%w: more than %d bytes", ErrTooLarge, b.limit)
	}
	return n, err
}

func (b *boundedBody) Close() error { return b.body.Close() }
