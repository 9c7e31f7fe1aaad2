package store_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// TestPostgresTLS logs in with a client certificate, and with a password, at a server whose
// certificate is verified. The parameters of the URL are those of libpq.
func TestPostgresTLS(t *testing.T) {
	secure := pgtest.Cluster{TLS: new(pgtest.TLS)}
	t.Cleanup(secure.Stop)
	local := secure.Database(t)
	const password = "correct horse"
	ask(t, local, `CREATE ROLE `+pgtest.CertificateUser+` LOGIN SUPERUSER`)
	ask(t, local, `CREATE ROLE `+pgtest.PasswordUser+` LOGIN SUPERUSER PASSWORD '`+password+`'`)
	u, err := url.Parse(local)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, user string
		parameters url.Values
		want       string // part of the error; "": none
	}{
		{"certificate", pgtest.CertificateUser, url.Values{
			"sslrootcert": {secure.TLS.Root}, "sslcert": {secure.TLS.Certificate},
			"sslkey": {secure.TLS.Key},
		}, ""},
		{"no certificate", pgtest.CertificateUser, url.Values{"sslrootcert": {secure.TLS.Root}}, "certificate"},
		{"another's certificate", "postgres", url.Values{
			"sslrootcert": {secure.TLS.Root}, "sslcert": {secure.TLS.Certificate},
			"sslkey": {secure.TLS.Key},
		}, "rejects"},
		{"server of another CA", pgtest.PasswordUser, url.Values{
			"sslrootcert": {secure.TLS.Other}, "password": {password},
		}, "unknown authority"},
		{"password", pgtest.PasswordUser, url.Values{
			"sslrootcert": {secure.TLS.Root}, "password": {password},
		}, ""},
		{"wrong password", pgtest.PasswordUser, url.Values{
			"sslrootcert": {secure.TLS.Root}, "password": {"wrong " + password},
		}, "password authentication failed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.parameters.Set("sslmode", "verify-full")
			at := url.URL{
				Scheme: "postgres", User: url.User(test.user), Host: "localhost:" + secure.TLS.Port,
				Path: u.Path, RawQuery: strings.ReplaceAll(test.parameters.Encode(), "+", "%20"),
			}
			s, err := store.Open(
				t.Context(), store.Options{Database: at.String(), Kind: store.Sandbox},
			)
			if err == nil {
				err = s.Create(t.Context(), plainRequest(len(test.name)), request.Effects{})
				_ = s.Close()
			}
			if (err == nil) != (test.want == "") ||
				err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if err != nil && strings.Contains(err.Error(), password) {
				t.Errorf("the error has the password: %v", err)
			}
		})
	}
}
