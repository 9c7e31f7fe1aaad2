package doctor_test

import (
	"crypto/x509"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
)

// TestCheckTLS plants mistakes in the files of the TLS certificate.
func TestCheckTLS(t *testing.T) {
	now := time.Now()
	c := &clinic{T: t}
	pair := func(host string, ends time.Time) (certificate, key string) {
		leaf, ca, key := c.certificate(&x509.Certificate{DNSNames: []string{host}, NotAfter: ends})
		return c.pem("CERTIFICATE", leaf, ca), key
	}
	check := func(certificate, key string) doctor.Finding {
		s := doctor.New(&config.Config{
			PublicURL: "https://sign.test:8443", TLSCertificate: certificate, TLSKey: key,
		})
		return doctor.CheckTLS(t.Context(), s)[0]
	}
	_, otherKey := pair("sign.test", now.AddDate(1, 0, 0))
	for _, test := range []struct {
		host  string
		ends  time.Time
		key   string // instead of its own
		level doctor.Level
		text  string
	}{
		{"sign.test", now.AddDate(1, 0, 0), "", doctor.OK, "until "},
		{"sign.test", now.AddDate(0, 0, 10), "", doctor.Warning, "ends soon"},
		{"sign.test", now.AddDate(0, 0, -1), "", doctor.Fault, "has ended"},
		{"other.test", now.AddDate(1, 0, 0), "", doctor.Fault, "another host name"},
		{"sign.test", now.AddDate(1, 0, 0), otherKey, doctor.Fault, "does not match"},
		{"sign.test", now.AddDate(1, 0, 0), "/nonexistent", doctor.Fault, "no such file"},
	} {
		certificate, key := pair(test.host, test.ends)
		if test.key != "" {
			key = test.key
		}
		f := check(certificate, key)
		if f.Level != test.level || !strings.Contains(f.Text, test.text) ||
			(f.Remedy == "") != (f.Level == doctor.OK) {
			t.Errorf("%+v: %+v", test, f)
		}
	}
}
