package e2e_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/maintenance"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// peersDir has the OpenID Connect providers, which web/deps installs.
const peersDir = "../../tools/oidc"

// startNode runs a program of peersDir until the test ends, and waits for its word.
func startNode(t *testing.T, word string, env []string, args ...string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(peersDir, "node_modules")); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("run web/deps: ", err)
		}
		t.Skip("run web/deps: ", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "node", args...)
	cmd.Dir, cmd.Env = peersDir, append(os.Environ(), env...)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ready, done := make(chan struct{}), make(chan struct{})
	var said bytes.Buffer
	go func() {
		defer close(done)
		lines := bufio.NewScanner(out)
		for waiting := true; lines.Scan(); {
			said.WriteString(lines.Text() + "\n")
			if waiting && strings.Contains(lines.Text(), word) {
				waiting = false
				close(ready)
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("node: %s", &said)
		}
	})
	select {
	case <-ready:
	case <-done:
		t.Fatalf("the provider stopped: %s", &said)
	case <-time.After(time.Minute):
		t.Fatal("the provider does not start")
	}
}

// certificate writes a certificate for 127.0.0.1, which is its own CA, and its key to files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour),
		NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		IsCA: true, BasicConstraintsValid: true,
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	certFile, keyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, block := range map[string]*pem.Block{
		certFile: {Type: "CERTIFICATE", Bytes: cert},
		keyFile:  {Type: "PRIVATE KEY", Bytes: der},
	} {
		if err := os.WriteFile(file, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return certFile, keyFile
}

// fapiProvider starts oidc-provider, for one client.
func fapiProvider(
	t *testing.T, client, jwks, redirect string, encrypt bool, account map[string]any,
) (issuer, caFile string) {
	t.Helper()
	cert, key := certificate(t)
	issuer = "https://" + freeAddr(t)
	setup, err := json.Marshal(map[string]any{
		"issuer": issuer, "cert": cert, "key": key, "client": client, "jwks": jwks,
		"redirect": redirect, "account": account, "encrypt": encrypt,
	})
	if err != nil {
		t.Fatal(err)
	}
	startNode(t, "listening", nil, "provider.mjs", string(setup))
	return issuer, cert
}

// visit opens a page as a browser that trusts the provider's certificate.
func visit(t *testing.T, address, caFile string) (status int, page string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if caFile != "" {
		text, err := os.ReadFile(caFile)
		if err != nil {
			t.Fatal(err)
		}
		transport.TLSClientConfig.RootCAs = x509.NewCertPool()
		transport.TLSClientConfig.RootCAs.AppendCertsFromPEM(text)
	}
	defer transport.CloseIdleConnections()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	resp, err := (&http.Client{Jar: jar, Transport: transport}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// findings are those of the doctor for a check.
func findings(t *testing.T, a *app.App, check string) (text string) {
	t.Helper()
	for _, f := range a.Doctor().Diagnose(t.Context()) {
		if f.Check == check {
			text += string(f.Level) + " " + f.Text + " " + f.Remedy + "\n"
		}
	}
	return text
}

// opened runs the service with its log.
func opened(t *testing.T, c config.Config) (*app.App, *lockedBuffer) {
	t.Helper()
	log := &lockedBuffer{}
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	runApp(t, a)
	return a, log
}

// TestFAPI logs a signer in at a provider that follows the FAPI 2.0 Security Profile: with
// private_key_jwt, pushed requests, DPoP with nonces and encrypted ID tokens, by claims below
// sub_attributes, over TLS with a CA of its own. The doctor finds no fault. A rotation of the
// client's keys is done before the provider fetches the JWKS: it accepts the next key later, and
// the client decrypts what is encrypted for the key before.
func TestFAPI(t *testing.T) {
	c := configOf(partytest.Start(t))
	c.Listen = freeAddr(t)
	c.PublicURL, c.Data, c.AllowPrivate = "http://"+c.Listen, t.TempDir(), true
	c.OIDCIssuer, c.OIDCRoots = fapiProvider(
		t, "signet", c.PublicURL+"/login/keys.json", c.PublicURL+"/login/callback", true,
		map[string]any{
			"sub":            "5e1a",
			"sub_attributes": map[string]any{"uinfin": alice, "name": "TAN XIAO HUI"},
		},
	)
	c.OIDCClientID, c.OIDCProfile, c.OIDCEncrypted = "signet", "fapi2", true
	c.OIDCScopes, c.OIDCACRValues = config.List{"uinfin"}, config.List{"urn:example:high"}
	c.OIDCMaxAge = 10 * time.Minute
	c.OIDCUINClaim, c.OIDCNameClaim = "sub_attributes.uinfin", "sub_attributes.name"
	a, log := opened(t, c)

	login := func(when string) {
		t.Helper()
		status, page := visit(t, c.PublicURL+"/phone/login", c.OIDCRoots)
		if status != http.StatusOK || !strings.Contains(page, "TAN XIAO HUI") {
			t.Errorf("%s: %d %.300s\n%s", when, status, page, log)
		}
	}
	if _, err := maintenance.RotateSecret(t.Context(), c, "oidc"); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, set := visit(t, c.PublicURL+"/login/keys.json", "")
		if strings.Count(set, `"sig"`) == 2 && strings.Count(set, `"enc"`) == 1 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the JWKS does not list the next signing key: %s", set)
		}
	}
	login("with a next key")
	if got := findings(t, a, "login"); !strings.HasPrefix(got, string(doctor.OK)) {
		t.Errorf("the doctor says %s", got)
	}

	// Two hours after the rotation the next keys are in use.
	dir := filepath.Join(c.Data, "keys")
	for _, name := range []string{"oidc", "oidc-encryption"} {
		at := time.Now().Add(-3 * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, name+"-2.key"), at, at); err != nil {
			t.Fatal(err)
		}
	}
	keys, err := keydir.Open(dir, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	next, err := keys.Existing("oidc-encryption-2", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	public, err := keydir.PublicJWK(next, "enc", "ECDH-ES+A256KW")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		_, set := visit(t, c.PublicURL+"/login/keys.json", "")
		if strings.Contains(set, public.KeyID) {
			if strings.Contains(set, `"d"`) {
				t.Error("the JWKS has a private key")
			}
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the JWKS does not have the next key: %s", set)
		}
	}
	login("after a rotation")
}

// TestFAPIMisconfigured checks what the doctor and the log say where the client of a FAPI 2.0
// provider is registered otherwise.
func TestFAPIMisconfigured(t *testing.T) {
	c := configOf(partytest.Start(t))
	c.Listen = freeAddr(t)
	c.PublicURL, c.Data, c.AllowPrivate = "http://"+c.Listen, t.TempDir(), true
	c.OIDCIssuer, c.OIDCRoots = fapiProvider(
		t, "signet", c.PublicURL+"/login/keys.json", c.PublicURL+"/login/callback", false,
		map[string]any{"sub": "5e1a", "uin": alice, "name": "TAN XIAO HUI"},
	)
	c.OIDCClientID, c.OIDCProfile, c.OIDCScopes = "signet", "fapi2", config.List{"uinfin"}
	c.OIDCUINClaim, c.OIDCNameClaim = "uin", "name"
	for _, test := range []struct {
		name         string
		edit         func(*config.Config)
		doctor, told string
		status       int
	}{
		{"right", func(*config.Config) {}, "accepts the client", "", http.StatusOK},
		{
			"no CA file", func(c *config.Config) { c.OIDCRoots = "" },
			"set oidc_roots", "certificate", http.StatusServiceUnavailable,
		},
		{
			"a client that the provider does not know",
			func(c *config.Config) { c.OIDCClientID = "other" },
			"/login/keys.json", "invalid_client", http.StatusForbidden,
		},
		{
			"a scope that the client may not have",
			func(c *config.Config) { c.OIDCScopes = config.List{"uinfin", "payments"} },
			"oidc_scopes", "invalid_scope", http.StatusForbidden,
		},
		{
			"requests that are not pushed", func(c *config.Config) { c.OIDCProfile = "plain" },
			"oidc_profile", "not pushed", http.StatusForbidden,
		},
		{
			"unencrypted where encryption is required",
			func(c *config.Config) { c.OIDCEncrypted = true },
			"accepts the client", "the ID token is not encrypted", http.StatusForbidden,
		},
		{
			"a claim that is not there",
			func(c *config.Config) { c.OIDCUINClaim = "sub_attributes.uinfin" },
			"the claim sub_attributes", `lacks a valid \"sub_attributes.uinfin\"`, http.StatusForbidden,
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, roots := c, c.OIDCRoots
			test.edit(&c)
			a, log := opened(t, c)
			status, page := visit(t, c.PublicURL+"/phone/login", roots)
			if status != test.status || !strings.Contains(log.String(), test.told) {
				t.Errorf("%d %.300s, the log %s", status, page, log)
			}
			if got := findings(t, a, "login"); !strings.Contains(got, test.doctor) {
				t.Errorf("the doctor says %s", got)
			}
		})
	}
}

// TestFAPIOperators logs an operator in to the console at a FAPI 2.0 provider.
func TestFAPIOperators(t *testing.T) {
	c := configOf(partytest.Start(t))
	c.Listen, c.Control = freeAddr(t), freeAddr(t)
	c.PublicURL, c.Data, c.AllowPrivate = "http://"+c.Listen, t.TempDir(), true
	c.ConsoleURL = "http://" + c.Control
	c.ConsoleOIDCIssuer, c.ConsoleOIDCRoots = fapiProvider(
		t, "console", c.PublicURL+"/login/keys.json", c.ConsoleURL+"/console/login/callback", true,
		map[string]any{"sub": "1", "email": "eve@example.test", "roles": []string{"admins"}},
	)
	c.ConsoleOIDCClientID, c.ConsoleOIDCProfile, c.ConsoleOIDCEncrypted = "console", "fapi2", true
	c.ConsoleOIDCScopes, c.ConsoleRoleClaim = config.List{"uinfin"}, "roles"
	c.ConsoleRoles = config.List{"admins=admin"}
	a, log := opened(t, c)
	status, page := visit(t, c.ConsoleURL+"/console/sessions", c.ConsoleOIDCRoots)
	if status != http.StatusOK || !strings.Contains(page, "eve@example.test") {
		t.Errorf("%d %.300s\n%s", status, page, log)
	}
	if got := findings(t, a, "console login"); !strings.HasPrefix(got, string(doctor.OK)) {
		t.Errorf("the doctor says %s", got)
	}
}

// TestMockPassLogin logs a signer in at MockPass's Singpass, which authenticates the client by its
// key, encrypts ID tokens (A256CBC-HS512) and names the person in sub.
func TestMockPassLogin(t *testing.T) {
	c := configOf(partytest.Start(t))
	c.Listen = freeAddr(t)
	c.PublicURL, c.Data, c.AllowPrivate = "http://"+c.Listen, t.TempDir(), true
	address := freeAddr(t)
	_, port, _ := net.SplitHostPort(address)
	startNode(t, "listening", []string{
		"MOCKPASS_PORT=" + port, "MOCKPASS_NRIC=S8979373D", "SHOW_LOGIN_PAGE=false",
		"SP_RP_JWKS_ENDPOINT=" + c.PublicURL + "/login/keys.json",
	}, "node_modules/@opengovsg/mockpass/index.js")
	c.OIDCIssuer, c.OIDCClientID = "http://"+address+"/singpass/v2", "signet"
	c.OIDCScopes, c.OIDCEncrypted = config.List{"openid"}, true
	c.OIDCUINClaim, c.OIDCNameClaim = "sub.s", "sub.u"
	_, log := opened(t, c)
	// The doctor is not asked: MockPass ends at a code that it has not issued.
	status, page := visit(t, c.PublicURL+"/phone/login", "")
	if status != http.StatusOK || !strings.Contains(page, "a9865837-7bd7-46ac-bef4-42a76a946424") {
		t.Errorf("%d %.300s\n%s", status, page, log)
	}
}
