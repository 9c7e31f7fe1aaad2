package app

import (
	"bufio"
	"crypto/x509"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// TestToHTTPS checks that plain HTTP leads to the same path of the public URL, whatever form of a
// request target has it, and nowhere else.
func TestToHTTPS(t *testing.T) {
	a := &App{Config: config.Config{PublicURL: "https://sign.test"}}
	for target, want := range map[string]string{
		"/":                       "/",
		"/sign/a%2Fb?lang=ms&x=%": "/sign/a%2Fb?lang=ms&x=%",
		"//evil.test/a":           "//evil.test/a",
		"http://evil.test/a?b":    "/a?b",
		"http://evil.test":        "/",
		"x:.evil.test/":           "/",
		"x:@evil.test/?a":         "/?a",
		"*":                       "/",
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
			"GET " + target + " HTTP/1.1\r\nHost: sign.test\r\n\r\n",
		)))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		a.toHTTPS(w, r)
		if got := w.Header().Get("Location"); w.Code != 301 || got != "https://sign.test"+want {
			t.Errorf("%s: %d to %q, want the path %q", target, w.Code, got, want)
		}
	}
}

// TestCheckTLS plants mistakes in the files of the TLS certificate.
func TestCheckTLS(t *testing.T) {
	now := time.Now()
	c := &clinic{T: t}
	pair := func(host string, ends time.Time) (certificate, key string) {
		leaf, ca, key := c.certificate(&x509.Certificate{DNSNames: []string{host}, NotAfter: ends})
		return c.pem("CERTIFICATE", leaf, ca), key
	}
	check := func(certificate, key string) Finding {
		s := &subject{now: time.Now, config: &config.Config{
			PublicURL: "https://sign.test:8443", TLSCertificate: certificate, TLSKey: key,
		}}
		return checkTLS(t.Context(), s)[0]
	}
	_, otherKey := pair("sign.test", now.AddDate(1, 0, 0))
	for _, test := range []struct {
		host  string
		ends  time.Time
		key   string // instead of its own
		level Level
		text  string
	}{
		{"sign.test", now.AddDate(1, 0, 0), "", OK, "until "},
		{"sign.test", now.AddDate(0, 0, 10), "", Warning, "ends soon"},
		{"sign.test", now.AddDate(0, 0, -1), "", Fault, "has ended"},
		{"other.test", now.AddDate(1, 0, 0), "", Fault, "another host name"},
		{"sign.test", now.AddDate(1, 0, 0), otherKey, Fault, "does not match"},
		{"sign.test", now.AddDate(1, 0, 0), "/nonexistent", Fault, "no such file"},
	} {
		certificate, key := pair(test.host, test.ends)
		if test.key != "" {
			key = test.key
		}
		f := check(certificate, key)
		if f.Level != test.level || !strings.Contains(f.Text, test.text) ||
			(f.Remedy == "") != (f.Level == OK) {
			t.Errorf("%+v: %+v", test, f)
		}
	}
}

// TestOpenTLS checks that a start without the files of its certificate is refused by their key.
func TestOpenTLS(t *testing.T) {
	c := serviceConfig(t, "")
	c.PublicURL = "https://sign.test"
	c.TLSCertificate, c.TLSKey = "/nonexistent", "/nonexistent"
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err == nil {
		_ = a.Close()
	}
	if err == nil || !strings.HasPrefix(err.Error(), "tls_certificate: ") {
		t.Errorf("error %v", err)
	}
}
