package doctor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/url"
	"slices"
	"time"

	"golang.org/x/crypto/acme"

	"github.com/signet-sign/signet/internal/config"
)

// endingTLS is how long before the end of the TLS certificate checkTLS warns.
const endingTLS = 14 * 24 * time.Hour

// checkTLS looks whether the files of the TLS certificate can be used for the public URL, and how
// long. (That the certificate of an ACME authority can be used shows when the public URL answers.)
func checkTLS(_ context.Context, s *Service) []Finding {
	c := s.Config
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
	switch left := pair.Leaf.NotAfter.Sub(s.Now()); {
	case left <= 0:
		return []Finding{faulty(fmt.Errorf("%s: it has ended", text), remedy, "")}
	case pair.Leaf.NotBefore.After(s.Now()):
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
	if ca := issuer(pair); ca != nil && ca.NotAfter.Before(s.Now()) {
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
func checkACME(ctx context.Context, s *Service) []Finding {
	c := s.Config
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
