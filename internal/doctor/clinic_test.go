package doctor_test

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/pades/tsa"
)

// clinic is a healthy service and what it depends on.
type clinic struct {
	*testing.T
	config   config.Config
	now      func() time.Time
	free     func(path string) (uint64, error)
	inMemory func(path string) bool
	files    uint64 // that can be open
	provider *httptest.Server
	stamps   *httptest.Server
	stamper  http.Handler // of stamps
	party    *partytest.Party
}

// The secrets of a clinic, which no finding may contain.
const (
	clinicSecret = "kR3vN8tYq2wXz5LmHs7P"
	clinicQuery  = "hook-secret-9f2c"
)

func newClinic(t *testing.T, database string) *clinic {
	t.Helper()
	c := &clinic{T: t, now: time.Now, party: partytest.Start(t)}
	c.free = func(string) (uint64, error) { return 1 << 40, nil }
	c.inMemory = func(string) bool { return false }
	c.files = 1 << 20
	roots := c.makeStamps()
	p := c.party.Registration()
	c.config = config.Config{
		Listen: "127.0.0.1:0", Control: "127.0.0.1:0", PublicURL: "https://sign.test",
		Data: t.TempDir(), Database: database, SessionLifetime: 3 * time.Minute,
		UnauthorizedStatus: 400, AuthorityName: "Signet",
	}
	c.config.OIDCClientID, c.config.OIDCClientSecret = "signet", clinicSecret
	c.config.AllowPrivate, c.config.TrustedProxies = true, config.List{"10.0.0.1"}
	c.config.TSARoots = roots
	c.config.Parties = config.PartyList{{
		ClientID: p.ClientID, Name: p.Name, JWKSURL: p.JWKSURL, RedirectURL: p.RedirectURL,
		WebhookURL: p.WebhookURL + "?key=" + clinicQuery,
	}}
	c.startServers()
	return c
}

// copy returns a healthy service with a copy of the data folder of c, which is stopped. Of the
// linked folders it has no copy. It depends on servers of its own, but for the relying party's.
func (c *clinic) copy(t *testing.T, linked ...string) *clinic {
	t.Helper()
	next := *c
	next.T = t
	next.config.Data = filepath.Join(t.TempDir(), "data")
	next.config.Parties = slices.Clone(c.config.Parties)
	next.must(filepath.WalkDir(c.config.Data, func(from string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name := strings.TrimPrefix(from, c.config.Data)
		to := next.config.Data + name
		switch {
		case slices.Contains(linked, strings.TrimPrefix(name, "/")):
			return cmp.Or(os.Symlink(from, to), fs.SkipDir)
		case d.IsDir():
			return os.Mkdir(to, 0o700)
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		content, err := os.ReadFile(from)
		return errors.Join(err, os.WriteFile(to, content, info.Mode().Perm()))
	}))
	next.startServers()
	return &next
}

// startServers starts the provider and the timestamp authority.
func (c *clinic) startServers() {
	c.stamps = httptest.NewServer(c.stamper)
	c.Cleanup(c.stamps.Close)
	mux := http.NewServeMux()
	c.provider = httptest.NewServer(mux)
	c.Cleanup(c.provider.Close)
	c.config.OIDCIssuer, c.config.TSAURLs = c.provider.URL, config.List{c.stamps.URL}
	answer := func(path string, v any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			_ = json.NewEncoder(w).Encode(v)
		})
	}
	answer("/.well-known/openid-configuration", map[string]any{
		"issuer": c.provider.URL, "authorization_endpoint": c.provider.URL + "/authorize",
		"token_endpoint": c.provider.URL + "/token", "jwks_uri": c.provider.URL + "/keys",
		"scopes_supported":     []string{"openid", "profile"},
		"claims_supported":     []string{"sub", "uin", "name"},
		"acr_values_supported": []string{"urn:signet:loa2"},
	})
	answer("/keys", json.RawMessage(`{"keys":[{"kty":"EC"}]}`))
	answer("/empty/keys", json.RawMessage(`{"keys":[]}`))
	answer("/empty/.well-known/openid-configuration", map[string]any{
		"issuer":                 c.provider.URL + "/empty",
		"authorization_endpoint": c.provider.URL + "/authorize",
		"token_endpoint":         c.provider.URL + "/token",
		"jwks_uri":               c.provider.URL + "/empty/keys",
	})
	mux.HandleFunc("/token", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		id, secret, _ := r.BasicAuth()
		why := "invalid_grant"
		if id != "signet" || secret != clinicSecret {
			why = "invalid_client"
		}
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": why})
	})
}

// makeStamps makes an external timestamp authority, and returns the file with its root. Its
// certificates name a server of its list of revocations that no copy stops.
func (c *clinic) makeStamps() (roots string) {
	mux := http.NewServeMux()
	c.stamper = mux
	lists := httptest.NewServer(mux)
	c.Cleanup(lists.Close)
	authority, err := ca.Open(c.TempDir(), ca.Options{
		Name: "Stamps", BaseURL: lists.URL, Now: time.Now, Rand: rand.Reader,
	})
	if err != nil {
		c.Fatal(err)
	}
	key, chain := authority.TSA()
	unit, err := tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: ca.TimestampPolicy, Accuracy: time.Second, Now: time.Now,
		Rand: rand.Reader,
	})
	if err != nil {
		c.Fatal(err)
	}
	mux.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		query, err := io.ReadAll(r.Body)
		if err != nil {
			c.Error(err)
		}
		response, _ := unit.Respond(r.Context(), query) // a refusal is a response too
		w.Header().Set("Content-Type", "application/timestamp-reply")
		_, _ = w.Write(response)
	})
	mux.HandleFunc("GET "+ca.PathRootCRL, func(w http.ResponseWriter, _ *http.Request) {
		crl, err := authority.RootCRL()
		if err != nil {
			c.Error(err)
		}
		_, _ = w.Write(crl)
	})
	return write(
		c.T,
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: authority.Root().Raw})),
		0o644,
	)
}

// issue issues a certificate for a new key. Without an issuer the certificate signs itself.
func (c *clinic) issue(
	template, parent *x509.Certificate, issuer crypto.Signer,
) ([]byte, *ecdsa.PrivateKey) {
	c.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		c.Fatal(err)
	}
	if issuer == nil {
		issuer = key
	}
	template.SerialNumber = big.NewInt(1)
	template.NotBefore = time.Now().Add(-time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), issuer)
	if err != nil {
		c.Fatal(err)
	}
	return der, key
}

// certificate returns a certificate, that of the CA that has issued it, and the file of its key.
// Without another end they end in a year.
func (c *clinic) certificate(template *x509.Certificate) (leaf, ca []byte, key string) {
	between := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Between"}, NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	ca, by := c.issue(between, between, nil)
	if template.NotAfter.IsZero() {
		template.NotAfter = between.NotAfter
	}
	leaf, own := c.issue(template, between, by)
	return leaf, ca, c.key(own)
}

// key returns the file of a private key.
func (c *clinic) key(key *ecdsa.PrivateKey) string {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	c.must(err)
	return c.pem("PRIVATE KEY", der)
}

// pem returns a file with PEM blocks of one type.
func (c *clinic) pem(kind string, blocks ...[]byte) string {
	var text []byte
	for _, der := range blocks {
		text = append(text, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})...)
	}
	return write(c.T, string(text), 0o600)
}

// withoutChain returns the files of a certificate for a host, without that of the CA that has
// issued it, and of its key.
func (c *clinic) withoutChain(host string) (certificate, key string) {
	leaf, _, key := c.certificate(&x509.Certificate{DNSNames: []string{host}})
	return c.pem("CERTIFICATE", leaf), key
}

// secureServer starts a server with a certificate of an authority of its own that ends in a year,
// and returns its URL and the file of that authority.
func (c *clinic) secureServer() (url, ca string) {
	c.Helper()
	root := &x509.Certificate{
		Subject: pkix.Name{CommonName: "Relying Party CA"}, NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	authority, authorityKey := c.issue(root, root, nil)
	leaf, key := c.issue(&x509.Certificate{
		NotAfter: time.Now().AddDate(10, 0, 0), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, root, authorityKey)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadRequest) // as a receiver without a token
	}))
	s.TLS = &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{leaf}, PrivateKey: key}},
	}
	s.StartTLS()
	c.Cleanup(s.Close)
	block := &pem.Block{Type: "CERTIFICATE", Bytes: authority}
	return s.URL, write(c.T, string(pem.EncodeToMemory(block)), 0o600)
}

// start starts the service, and stops it unless it is to run on.
func (c *clinic) start(running bool) *app.App {
	c.Helper()
	a, err := app.Open(c.Context(), c.config, c.now, slog.New(slog.DiscardHandler))
	if err != nil {
		c.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(c.Context()))
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop := sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	c.Cleanup(func() { _ = stop() })
	if !running {
		if err := stop(); err != nil {
			c.Fatal(err)
		}
	}
	return a
}

// data returns the path of a file or folder in the data folder.
func (c *clinic) data(path ...string) string {
	return filepath.Join(append([]string{c.config.Data}, path...)...)
}

// must ends the test if there is an error.
func (c *clinic) must(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// server starts a server and returns its URL.
func (c *clinic) server(h http.HandlerFunc) string {
	s := httptest.NewServer(h)
	c.Cleanup(s.Close)
	return s.URL
}

// diagnose returns the findings that are not OK, but for those that say how fast or how near the
// servers of this test are.
func (c *clinic) diagnose() (bad []doctor.Finding) {
	c.Helper()
	settings := c.config
	list := c.machine(doctor.New(&settings)).ExamineAt(c.Context(), doctor.AtDoctor)
	text, err := json.Marshal(list)
	if err != nil {
		c.Fatal(err)
	}
	for _, secret := range []string{clinicSecret, clinicQuery, strong} {
		if strings.Contains(string(text), secret) {
			c.Errorf("a secret is in %s", text)
		}
	}
	for _, f := range list {
		if f.Level != doctor.OK && !strings.Contains(f.Remedy, "remove allow_private") &&
			!strings.Contains(f.Remedy, "same data centre") {
			bad = append(bad, f)
		}
		if f.Level != doctor.OK && (f.Text == "" || f.Remedy == "") {
			c.Errorf("no text or no remedy: %+v", f)
		}
	}
	return bad
}

// machine has a service run on the machine of this test.
func (c *clinic) machine(s *doctor.Service) *doctor.Service {
	s.Now, s.Free, s.InMemory = c.now, c.free, c.inMemory
	s.OpenFiles = func() uint64 { return c.files }
	return s
}

// expect expects a finding whose text and remedy contain these words.
func (c *clinic) expect(found []doctor.Finding, level doctor.Level, check, text, remedy string) {
	c.Helper()
	if !c.has(found, level, check, text, remedy) {
		c.Errorf("no %s of %s with %q and the remedy %q among %+v", level, check, text, remedy, found)
	}
}

// has reports whether there is a finding with this text and remedy.
func (c *clinic) has(found []doctor.Finding, level doctor.Level, check, text, remedy string) bool {
	return slices.ContainsFunc(found, func(f doctor.Finding) bool {
		return f.Level == level && f.Check == check && strings.Contains(f.Text, text) &&
			strings.Contains(f.Remedy, remedy)
	})
}

// FreeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// write writes a file and returns its path.
func write(t *testing.T, text string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil { // whatever the umask is
		t.Fatal(err)
	}
	return path
}

// strong is a password that is not easy to guess.
const strong = "mZ7kQ2vX9pLs4TgB"

// cluster is shared by the tests that change nothing of the server itself.
var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}
