package app

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/server"
)

// openTLS reads the certificate, or prepares its issuance, and opens the listener that leads to
// https.
func (a *App) openTLS() (err error) {
	c := &a.Config
	if !c.EndsTLS() {
		return nil
	}
	a.tls = &tls.Config{MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"}}
	toHTTPS := http.Handler(http.HandlerFunc(a.toHTTPS))
	switch {
	case c.TLSCertificate != "":
		files, err := server.OpenCertificateFiles(c.TLSCertificate, c.TLSKey, a.log)
		if err != nil {
			return fmt.Errorf("tls_certificate: %w", err)
		}
		a.tls.GetCertificate = files.Get
	case c.ACMEDirectory != "":
		if a.acme, err = newACME(c); err != nil {
			return err
		}
		a.tls.GetCertificate = a.acme.GetCertificate
		a.tls.NextProtos = append(a.tls.NextProtos, acme.ALPNProto)
		toHTTPS = withoutPort(a.acme.HTTPHandler(toHTTPS))
	}
	if c.ListenHTTP != "" {
		a.httpHandler = toHTTPS
		if a.httpListener, err = listen("listen_http", c.ListenHTTP); err != nil {
			return err
		}
		a.HTTP = a.httpListener.Addr()
	}
	return nil
}

// newACME returns the client of the ACME authority. It does not contact the authority.
func newACME(c *config.Config) (*autocert.Manager, error) {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return nil, err
	}
	reach, err := config.Transport("acme_roots", c.ACMERoots)
	if err != nil {
		return nil, err
	}
	return &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(filepath.Join(c.Data, "acme")),
		HostPolicy: autocert.HostWhitelist(u.Hostname()), Email: c.ACMEEmail,
		Client: &acme.Client{
			DirectoryURL: c.ACMEDirectory, UserAgent: "signet",
			HTTPClient: &http.Client{Timeout: 30 * time.Second, Transport: reach},
		},
	}, nil
}

// obtain obtains the certificate before the first handshake needs it, and logs why it cannot. Later
// the manager renews it.
func (a *App) obtain(ctx context.Context) error {
	for {
		done := make(chan error, 1)
		// The call takes up to five minutes, whatever ctx is.
		go func() { done <- a.obtainOnce() }()
		select {
		case <-ctx.Done():
			return nil
		case err := <-done:
			if err == nil {
				return nil
			}
			a.log.Error("the ACME authority issues no TLS certificate", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(time.Minute): // the manager remembers a failure for as long
		}
	}
}

func (a *App) obtainOnce() error {
	u, err := url.Parse(a.Config.PublicURL)
	if err != nil {
		return err
	}
	pair, err := a.acme.GetCertificate(&tls.ClientHelloInfo{
		ServerName: u.Hostname(), SupportedCurves: []tls.CurveID{tls.CurveP256},
		CipherSuites:     []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256},
		SignatureSchemes: []tls.SignatureScheme{tls.ECDSAWithP256AndSHA256},
	})
	if err != nil {
		return err
	}
	a.log.Info("TLS certificate", "host", u.Hostname(), "ends", pair.Leaf.NotAfter)
	return nil
}

// withoutPort takes the port from the Host header, in which the authority's client has one if the
// listener's port is not 80.
func withoutPort(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, err := net.SplitHostPort(r.Host); err == nil {
			r.Host = host
		}
		h.ServeHTTP(w, r)
	})
}

// toHTTPS sends browsers to the public URL. Other requests are refused: their senders must not get
// used to sending tokens and documents in clear text.
func (a *App) toHTTPS(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Connection", "close")
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		http.Error(w, "use "+a.Config.PublicURL, http.StatusForbidden)
		return
	}
	// The request's own form could continue the host: of "x:.evil.test" only this is left.
	target := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if !strings.HasPrefix(target.Path, "/") {
		target.Path, target.RawPath = "/", ""
	}
	http.Redirect(
		w, r, a.Config.PublicURL+target.RequestURI(), http.StatusMovedPermanently,
	)
}
