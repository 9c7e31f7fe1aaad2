package e2e_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"log/slog"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/server/pki"
)

// openssl runs OpenSSL, with which relying parties may check our certificates. Without it the test
// fails in CI and is skipped elsewhere.
func openssl(t *testing.T, dir string, args ...string) string {
	t.Helper()
	path := tool(t, "openssl", "openssl")
	if path == "" {
		t.SkipNow()
	}
	cmd := exec.Command(path, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("openssl %s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

// TestRevocation checks what CRL and OCSP say of a phone before and after its owner removes it, as
// OpenSSL reads it.
func TestRevocation(t *testing.T) {
	s := start(t)
	lost, kept := enrolled(t, s, alice), enrolled(t, s, alice)
	dir := t.TempDir()
	fetch := func(name, path, kind string) []byte {
		t.Helper()
		a := do(t, "GET", s.url+pki.Base+path, "", "", nil)
		if a.status != 200 || a.header.Get("Content-Type") != kind {
			t.Fatalf("%s: %d %s", path, a.status, a.header.Get("Content-Type"))
		}
		write(t, dir, name, []byte(a.body))
		return []byte(a.body)
	}
	fetch("root.der", ca.PathRootCert, "application/pkix-cert")
	fetch("issuing.der", ca.PathIssuing, "application/pkix-cert")
	for _, name := range []string{"root", "issuing"} {
		openssl(t, dir, "x509", "-inform", "DER", "-in", name+".der", "-out", name+".pem")
	}
	for name, p := range map[string]*phone{"lost": lost, "kept": kept} {
		write(t, dir, name+".der", p.cert.Raw)
		openssl(t, dir, "x509", "-inform", "DER", "-in", name+".der", "-out", name+".pem")
		if len(p.cert.CRLDistributionPoints) != 1 ||
			p.cert.CRLDistributionPoints[0] != s.url+pki.Base+ca.PathIssuingCRL ||
			len(p.cert.OCSPServer) != 1 ||
			p.cert.OCSPServer[0] != s.url+pki.Base+ca.PathOCSP {
			t.Errorf(
				"the certificate says to ask %v and %v", p.cert.CRLDistributionPoints,
				p.cert.OCSPServer,
			)
		}
	}
	crl := func() string {
		t.Helper()
		fetch("root.crl", ca.PathRootCRL, "application/pkix-crl")
		fetch("issuing.crl", ca.PathIssuingCRL, "application/pkix-crl")
		if out := openssl(t, dir, "crl", "-inform", "DER", "-in", "root.crl", "-CAfile", "root.pem", "-noout", "-verify"); !strings.Contains(
			out, "verify OK",
		) {
			t.Errorf("the root's CRL: %s", out)
		}
		out := openssl(
			t, dir, "crl", "-inform", "DER", "-in", "issuing.crl", "-CAfile", "issuing.pem",
			"-noout", "-text", "-verify",
		)
		if !strings.Contains(out, "verify OK") {
			t.Errorf("the issuing CA's CRL: %s", out)
		}
		return out
	}
	ocsp := func(name string) string {
		t.Helper()
		return openssl(
			t, dir, "ocsp", "-sha256", "-issuer", "issuing.pem", "-cert", name+".pem", "-CAfile",
			"root.pem", "-verify_other", "issuing.pem", "-url", s.url+pki.Base+ca.PathOCSP,
		)
	}
	serial := func(c *x509.Certificate) string { return strings.ToUpper(c.SerialNumber.Text(16)) }

	if out := crl(); !strings.Contains(out, "No Revoked Certificates") {
		t.Errorf("the CRL before: %s", out)
	}
	for _, name := range []string{"lost", "kept"} {
		if out := ocsp(name); !strings.Contains(out, "Response verify OK") ||
			!strings.Contains(out, name+".pem: good") {
			t.Errorf("OCSP before: %s", out)
		}
	}

	lost.post(t, "/phone/revoke", url.Values{"phone_id": {lost.id}}).follow(t)
	out := crl()
	if !strings.Contains(out, serial(lost.cert)) || strings.Contains(out, serial(kept.cert)) ||
		!strings.Contains(out, "Key Compromise") {
		t.Errorf("the CRL after: %s", out)
	}
	if out := ocsp("lost"); !strings.Contains(out, "Response verify OK") ||
		!strings.Contains(out, "lost.pem: revoked") ||
		!strings.Contains(out, "keyCompromise") {
		t.Errorf("OCSP after: %s", out)
	}
	if out := ocsp("kept"); !strings.Contains(out, "kept.pem: good") {
		t.Errorf("OCSP of the other phone: %s", out)
	}

	// By GET, as proxies like it, and what is no request at all.
	openssl(
		t, dir, "ocsp", "-issuer", "issuing.pem", "-cert", "lost.pem", "-no_nonce", "-reqout",
		"request.der",
	)
	request, err := os.ReadFile(filepath.Join(dir, "request.der"))
	if err != nil {
		t.Fatal(err)
	}
	a := do(
		t, "GET",
		s.url+pki.Base+ca.PathOCSP+"/"+url.PathEscape(base64.StdEncoding.EncodeToString(request)),
		"", "", nil,
	)
	if a.status != 200 || a.header.Get("Content-Type") != "application/ocsp-response" {
		t.Errorf("OCSP by GET: %d %s", a.status, a.body)
	}
	write(t, dir, "answer.der", []byte(a.body))
	if out := openssl(t, dir, "ocsp", "-respin", "answer.der", "-issuer", "issuing.pem", "-cert", "lost.pem", "-CAfile", "root.pem"); !strings.Contains(
		out, "lost.pem: revoked",
	) {
		t.Errorf("the answer to GET: %s", out)
	}
	for body, want := range map[string]int{"": 200, "nonsense": 200, strings.Repeat("x", 5000): http.StatusRequestEntityTooLarge} {
		a := do(
			t, "POST", s.url+pki.Base+ca.PathOCSP, "", "application/ocsp-request",
			strings.NewReader(body),
		)
		// malformedRequest (RFC 6960, 4.2.1)
		if a.status != want || want == 200 && a.body != "\x30\x03\x0a\x01\x01" {
			t.Errorf("%d bytes of nonsense: %d %x", len(body), a.status, a.body)
		}
	}
	if a := do(t, "GET", s.url+pki.Base+ca.PathOCSP+"/%25", "", "", nil); a.status != 400 {
		t.Errorf("no base64: %d", a.status)
	}
}

// TestShortLivedCertificates checks that certificates live as long as the configuration says,
// phones enrol again, and what was signed stays valid.
func TestShortLivedCertificates(t *testing.T) {
	s := start(t, func(c *config.Config) { c.SignerValidity = time.Hour })
	phone := enrolled(t, s, alice)
	if life := phone.cert.NotAfter.Sub(phone.cert.NotBefore); life != time.Hour {
		t.Errorf("a certificate for %s", life)
	}
	pdf := s.signedPDF(t, s.initiate(t))
	s.advance(t, "2h")
	s.sign(t) // by a software phone that has enrolled again
	pdfsig(t, pdf, 1)
}

func write(t *testing.T, dir, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestOCSPLog checks that questions which anyone can ask do not fill the log, and that one about a
// certificate that was not issued is in it.
func TestOCSPLog(t *testing.T) {
	log := new(lockedLog)
	a := serveTo(t, partytest.Start(t), "", slog.New(slog.NewJSONHandler(log, nil)))
	base := "http://" + a.Addr.String() + pki.Base
	issuing, err := x509.ParseCertificate(
		[]byte(do(t, "GET", base+ca.PathIssuing, "", "", nil).body),
	)
	if err != nil {
		t.Fatal(err)
	}
	ask := func(request []byte) {
		t.Helper()
		answer := do(
			t, "POST", base+ca.PathOCSP, "", "application/ocsp-request",
			bytes.NewReader(request),
		)
		if answer.status != 200 {
			t.Errorf("OCSP: %d %s", answer.status, answer.body)
		}
	}
	for n := range int64(20) {
		ask([]byte("junk"))
		other := &x509.Certificate{SerialNumber: big.NewInt(n + 1)}
		question, err := ocsp.CreateRequest(other, issuing, nil)
		if err != nil {
			t.Fatal(err)
		}
		ask(question)
	}
	if n := strings.Count(log.String(), "OCSP"); n != 1 {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}
