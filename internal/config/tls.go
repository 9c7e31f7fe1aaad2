package config

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// EndsTLS reports whether the public listener ends TLS itself.
func (c *Config) EndsTLS() bool { return c.TLSCertificate != "" || c.ACMEDirectory != "" || c.TLS }

// checkTLS returns an error for keys that cannot work together.
func (c *Config) checkTLS() error {
	u, err := url.Parse(c.PublicURL)
	if err != nil {
		return err
	}
	directory, _ := url.Parse(c.ACMEDirectory)
	switch {
	case (c.TLSCertificate == "") != (c.TLSKey == ""):
		return errors.New("tls_certificate and tls_key: each needs the other")
	case c.TLSCertificate != "" && c.ACMEDirectory != "":
		return errors.New("tls_certificate and acme_directory: only one of them can be set")
	case c.TLS && (c.TLSCertificate != "" || c.ACMEDirectory != ""):
		return errors.New("tls: it cannot be set beside tls_certificate or acme_directory")
	case c.EndsTLS() && u.Scheme != "https":
		return errors.New("public_url: it must begin with https:// with a TLS certificate")
	case c.ACMEDirectory != "" && (directory == nil || directory.Scheme != "https" || directory.Host == ""):
		return fmt.Errorf("acme_directory %q: it must be an https URL", c.ACMEDirectory)
	case c.ACMEDirectory != "" && (net.ParseIP(u.Hostname()) != nil || !strings.Contains(u.Hostname(), ".")):
		return fmt.Errorf(
			"acme_directory: the host of public_url, %s, is no name that an authority certifies",
			u.Hostname(),
		)
	case c.ACMEDirectory != "" && c.Data == "":
		return errors.New("data: a folder is needed for the certificate of acme_directory")
	case c.ACMEDirectory == "" && (c.ACMEEmail != "" || c.ACMERoots != ""):
		return errors.New("acme_email and acme_roots: they are for acme_directory")
	case !c.EndsTLS() && (c.ListenHTTP != "" || c.ControlTLS):
		return errors.New(
			"listen_http and control_tls: they need tls_certificate or acme_directory, or tls in a sandbox",
		)
	}
	_, err = Transport("acme_roots", c.ACMERoots)
	return err
}

// Transport reaches servers whose certificates the CA certificates in a PEM file vouch for, which
// key names; without a file, those that the system trusts.
func Transport(key, file string) (http.RoundTripper, error) {
	if file == "" {
		return http.DefaultTransport, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", key, err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s: %s has no certificate in PEM", key, file)
	}
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.TLSClientConfig = &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}
	return t, nil
}
