package safehttp

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"time"
)

// Policy says where a client may connect and how much it may read. The zero Policy is for
// production: https on port 443 (docs/contract.md, 1.1.4) to public addresses only.
type Policy struct {
	// AllowPrivate is for the sandbox and for development. It allows http, any port, and the
	// addresses of this machine and of private networks. It does not allow link-local addresses and
	// the others at which the metadata services of clouds answer.
	AllowPrivate bool

	// Timeout bounds a whole exchange, from name resolution to the last byte of the answer. Zero
	// means no bound, for callers that bound every request through its context.
	Timeout time.Duration

	// MaxResponse is the largest body in bytes; reading beyond it fails with [ErrTooLarge]. Zero
	// means DefaultMaxResponse.
	MaxResponse int64

	// Roots are the trusted certificate authorities; nil means those of the system.
	Roots *x509.CertPool

	// Resolver resolves names; nil means net.DefaultResolver.
	Resolver *net.Resolver
}

// DefaultMaxResponse is the default of Policy.MaxResponse in bytes. A JWKS or the answer to a
// webhook is smaller.
const DefaultMaxResponse = 64 << 10

// maxURL is the length limit of a registered URL in bytes. Browsers and proxies have about the same
// limit.
const maxURL = 2048

// Errors of this package, for errors.Is. Their texts are for logs and for the operator who
// registers a URL.
var (
	ErrURL      = errors.New("URL not allowed")
	ErrAddress  = errors.New("address not allowed")
	ErrTooLarge = errors.New("answer too large")

	// ErrPrivate is wrapped beside ErrURL or ErrAddress if a policy with AllowPrivate would allow
	// it. The text has the name of the setting of a relying party.
	ErrPrivate = errors.New("allow_private is not set")
)

// CheckURL reports whether a client with this policy would request rawURL, without resolving its
// name. The error wraps [ErrURL] and does not contain the URL, whose query may be secret.
func (p Policy) CheckURL(rawURL string) error {
	if len(rawURL) > maxURL {
		return fmt.Errorf("%w: longer than %d bytes", ErrURL, maxURL)
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return fmt.Errorf("%w: it cannot be parsed", ErrURL)
	}
	return p.check(u)
}

func (p Policy) check(u *url.URL) error {
	switch {
	case u.Scheme == "http" && !p.AllowPrivate:
		return fmt.Errorf("%w: the scheme is not https, and %w", ErrURL, ErrPrivate)
	case u.Scheme != "https" && u.Scheme != "http":
		return fmt.Errorf("%w: the scheme is not https", ErrURL)
	case u.Opaque != "" || u.Hostname() == "":
		return fmt.Errorf("%w: there is no host", ErrURL)
	case u.User != nil:
		return fmt.Errorf("%w: it holds user information", ErrURL)
	case u.Fragment != "":
		return fmt.Errorf("%w: it holds a fragment", ErrURL)
	case u.Port() != "" && u.Port() != httpsPort && !p.AllowPrivate:
		return fmt.Errorf("%w: the port is not %s, and %w", ErrURL, httpsPort, ErrPrivate)
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		// A literal address can be checked without a resolver, so registration already refuses it.
		return p.checkAddr(ip)
	}
	return nil
}

const httpsPort = "443"
