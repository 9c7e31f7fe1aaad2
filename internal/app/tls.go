package app

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/server"
)

// endingTLS is how long before the end of the TLS certificate checkTLS warns.
const endingTLS = 14 * 24 * time.Hour

// checkTLS looks whether the files of the TLS certificate can be used for the public URL, and how
// long. (That the certificate of an ACME authority can be used shows when the public URL answers.)
func checkTLS(_ context.Context, s *subject) []Finding {
	c := s.config
	if c.TLSCertificate == "" || c.TLSKey == "" {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.TLSCertificate, c.TLSKey)
	if errors.Is(err, fs.ErrPermission) {
		return []Finding{faulty(
			err, "let the service's user read the file (chgrp to its group, chmod 640)", "",
		)}
	}
	if err != nil {
		return []Finding{faulty(
			err, "let tls_certificate and tls_key name a certificate and its key, both in PEM: the "+
				"server's certificate before those of its CAs, and the key without a password", "",
		)}
	}
	const remedy = "install a certificate for the host of public_url"
	u, err := url.Parse(c.PublicURL)
	if err == nil {
		err = pair.Leaf.VerifyHostname(u.Hostname())
	}
	if err != nil {
		return []Finding{faulty(err, remedy, "")}
	}
	use := pair.Leaf.ExtKeyUsage
	if len(use)+len(pair.Leaf.UnknownExtKeyUsage) > 0 &&
		!slices.Contains(use, x509.ExtKeyUsageServerAuth) &&
		!slices.Contains(use, x509.ExtKeyUsageAny) {
		return []Finding{faulty(
			errors.New("the certificate is not for servers (extended key usage)"), remedy, "",
		)}
	}
	text := "until " + pair.Leaf.NotAfter.UTC().Format(time.DateOnly)
	switch left := pair.Leaf.NotAfter.Sub(s.now()); {
	case left <= 0:
		return []Finding{faulty(fmt.Errorf("%s: it has ended", text), remedy, "")}
	case pair.Leaf.NotBefore.After(s.now()):
		return []Finding{faulty(
			fmt.Errorf("it is not valid before %s", pair.Leaf.NotBefore.UTC().Format(time.RFC3339)),
			"set the clock of this machine; if it is right, "+remedy, "",
		)}
	case left < endingTLS:
		return []Finding{warning(remedy, "%s: it ends soon", text)}
	}
	if bytes.Equal(pair.Leaf.RawIssuer, pair.Leaf.RawSubject) {
		return []Finding{warning(
			"install a certificate of an authority that the phones and browsers of signers trust",
			"no authority has issued the certificate: browsers refuse it, or warn of it",
		)}
	}
	if ca := issuer(pair); ca != nil && ca.NotAfter.Before(s.now()) {
		return []Finding{faulty(
			fmt.Errorf(
				"%s in tls_certificate ended on %s", ca.Subject,
				ca.NotAfter.UTC().Format(time.DateOnly),
			),
			"put the present certificate of this CA into tls_certificate, or renew the server's", "",
		)}
	}
	if incomplete(pair) {
		return []Finding{warning(
			"put the certificates of all CAs between into tls_certificate, after the server's",
			"the file has no certificate of %s, which issued it: browsers that do not know this CA refuse it",
			pair.Leaf.Issuer,
		)}
	}
	return []Finding{ok("%s", text)}
}

// issuer returns the certificate in the file of a certificate that has issued it; nil if there is
// none.
func issuer(pair tls.Certificate) *x509.Certificate {
	for _, der := range pair.Certificate[1:] {
		ca, err := x509.ParseCertificate(der)
		if err == nil && pair.Leaf.CheckSignatureFrom(ca) == nil {
			return ca
		}
	}
	return nil
}

// incomplete reports whether the file of a certificate lacks that of the CA which has issued it,
// and which this machine does not trust.
func incomplete(pair tls.Certificate) bool {
	if issuer(pair) != nil {
		return false
	}
	_, err := pair.Leaf.Verify(x509.VerifyOptions{
		CurrentTime: pair.Leaf.NotAfter, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	})
	return err != nil
}

// checkACME asks the ACME authority for its directory (RFC 8555, section 7.1.1).
func checkACME(ctx context.Context, s *subject) []Finding {
	c := s.config
	if c.ACMEDirectory == "" {
		return nil
	}
	reach, err := config.Transport("acme_roots", c.ACMERoots)
	if err == nil {
		client := acme.Client{
			DirectoryURL: c.ACMEDirectory,
			HTTPClient:   &http.Client{Transport: reach, Timeout: callTimeout},
		}
		_, err = client.Discover(ctx)
	}
	if err != nil {
		err = fmt.Errorf("acme_directory: %w", shown(err))
	}
	return []Finding{faulty(
		err,
		"check acme_directory and the firewall; acme_roots needs the root of the authority's own "+
			"certificate if it is not a public one",
		"the ACME authority answers",
	)}
}

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
