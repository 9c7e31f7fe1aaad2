package safehttp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"time"
)

// Reached describes a server that [Policy.Reach] connected to.
type Reached struct {
	Addr     string    // IP address and port of the connection
	TLS      string    // version, such as "TLS 1.3"; empty for plain http
	Subject  string    // first name in the server's certificate
	NotAfter time.Time // end of the server's certificate
}

// Reach connects to the host of rawURL as a client with this policy would, completes the TLS
// handshake, and closes the connection. It sends no request, so an operator can test a webhook
// without delivering one. Its errors contain no URL.
func (p Policy) Reach(ctx context.Context, rawURL string) (Reached, error) {
	if err := p.CheckURL(rawURL); err != nil {
		return Reached{}, err
	}
	u, err := url.Parse(rawURL)
	if err != nil {
		return Reached{}, fmt.Errorf("%w: it cannot be parsed", ErrURL)
	}
	port := u.Port()
	if port == "" {
		port = httpsPort
		if u.Scheme == "http" {
			port = "80"
		}
	}
	conn, err := p.dialer().DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return Reached{}, err
	}
	defer func() { _ = conn.Close() }()
	found := Reached{Addr: conn.RemoteAddr().String()}
	if u.Scheme != "https" {
		return found, nil
	}
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	secure := tls.Client(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: p.Roots, ServerName: u.Hostname(),
		NextProtos: []string{"h2", "http/1.1"},
	})
	if err := secure.HandshakeContext(ctx); err != nil {
		return found, err
	}
	state := secure.ConnectionState()
	found.TLS = tls.VersionName(state.Version)
	cert := state.PeerCertificates[0]
	found.NotAfter = cert.NotAfter
	found.Subject = cert.Subject.CommonName
	if len(cert.DNSNames) > 0 {
		found.Subject = cert.DNSNames[0]
	}
	return found, nil
}
