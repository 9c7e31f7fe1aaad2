package config

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/signet-sign/signet/pades"
)

// ReadTSARoots reads the roots of external timestamp authorities.
func (c *Config) ReadTSARoots() ([]*x509.Certificate, error) {
	text, err := os.ReadFile(c.TSARoots)
	if err != nil {
		return nil, fmt.Errorf("tsa_roots: %w", err)
	}
	roots, err := pades.ParseCertificates(text)
	if err != nil {
		return nil, fmt.Errorf("tsa_roots: %s: %w", c.TSARoots, err)
	}
	for _, cert := range roots {
		if err := cert.CheckSignatureFrom(cert); err != nil {
			return nil, fmt.Errorf("tsa_roots: %q is not a root: %w", cert.Subject.CommonName, err)
		}
	}
	return roots, nil
}

// CheckTSA returns an [Error] if the keys of external timestamp authorities are wrong.
func (c *Config) CheckTSA() error { return Mistake(c.checkTSA()) }

func (c *Config) checkTSA() error {
	for _, text := range c.TSAURLs {
		if u, err := url.Parse(text); err != nil || u.Scheme != "http" && u.Scheme != "https" ||
			u.Host == "" {
			return fmt.Errorf(
				"tsa_urls %q: it must be a URL with http or https, such as http://tsa.example.com", text,
			)
		}
	}
	if len(c.TSAURLs) > 0 && c.TSARoots == "" {
		return errors.New(
			"tsa_roots: it is needed with tsa_urls, because not every authority may be believed",
		)
	}
	if len(c.TSAURLs) > 0 {
		if _, err := c.ReadTSARoots(); err != nil {
			return err
		}
	}
	if c.TSAPolicy != "" {
		if _, err := x509.ParseOID(c.TSAPolicy); err != nil {
			return fmt.Errorf("tsa_policy %q: %w", c.TSAPolicy, err)
		}
	}
	return nil
}
