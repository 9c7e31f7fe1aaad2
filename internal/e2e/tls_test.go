package e2e_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// newCertificate returns a certificate for a host, signed with its own key, and the key, in PEM.
func newCertificate(t testing.TB, host string) (certificate, key []byte) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: host},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{host},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})
}

// tlsClient returns an HTTP client that trusts the certificates and finds every host at addr.
func tlsClient(addr net.Addr, certificates ...[]byte) *http.Client {
	roots := x509.NewCertPool()
	for _, c := range certificates {
		roots.AppendCertsFromPEM(c)
	}
	return &http.Client{
		Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots}, ForceAttemptHTTP2: true,
			DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, addr.String())
			},
		},
	}
}

// get returns the answer to a GET, with its body read.
func get(t *testing.T, c *http.Client, url string) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

// initiateOver initiates a request at a service by an HTTP client, and returns the party's client.
func initiateOver(
	t *testing.T, by *http.Client, party *partytest.Party, service string,
) (*client.Client, *api.Initiated) {
	t.Helper()
	rp, err := client.New(client.Config{
		BaseURL: service + "/api/v3", ClientID: party.ClientID, HTTPClient: by,
		Key: party.Key("ES256").Private, KeyID: party.Key("ES256").Kid,
	})
	if err != nil {
		t.Fatal(err)
	}
	in, err := rp.Initiate(t.Context(), client.Request{
		DocName: "Lease", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}, bytes.NewReader(pdftest.Minimal()))
	if err != nil {
		t.Fatal(err)
	}
	return rp, in
}

// TestTLSFiles checks a service that ends TLS itself: relying parties call it over HTTP/2, the
// control listener has the same certificate, port 80 leads browsers to https, and a certificate
// that is replaced is used without a restart, but not one without its key.
func TestTLSFiles(t *testing.T) {
	party := partytest.Start(t)
	dir := t.TempDir()
	certificate, key := filepath.Join(dir, "tls.crt"), filepath.Join(dir, "tls.key")
	write := func(path string, text []byte) {
		t.Helper()
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	first, firstKey := newCertificate(t, "sign.test")
	write(certificate, first)
	write(key, firstKey)
	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
	c.TLSCertificate, c.TLSKey, c.ControlTLS = certificate, key, true
	c.ListenHTTP = "127.0.0.1:0"
	a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runApp(t, a)

	browser := tlsClient(a.Addr, first)
	resp, _ := get(t, browser, "https://sign.test/")
	if resp.ProtoMajor != 2 || resp.Header.Get("Strict-Transport-Security") == "" {
		t.Errorf("the answer is of HTTP/%d with %v", resp.ProtoMajor, resp.Header)
	}
	rp, in := initiateOver(t, browser, party, "https://sign.test")
	if err := rp.Cancel(t.Context(), in.RequestID); err != nil {
		t.Error(err)
	}
	var refused *client.Error
	if err := rp.Cancel(t.Context(), in.RequestID); !errors.As(err, &refused) ||
		refused.Code != api.CodeAlreadyCancelled {
		t.Errorf("a second cancel: %v", err)
	}
	// An upload whose token is refused gets its answer before the service has read the body.
	r, err := http.NewRequestWithContext(
		t.Context(), http.MethodPost, "https://sign.test/api/v3"+api.PathRequest,
		bytes.NewReader(make([]byte, 9<<20)),
	)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "no token")
	if resp, err = browser.Do(r); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusBadRequest {
		t.Errorf("an upload without a token: %s", resp.Status)
	}

	if resp, _ = get(t, tlsClient(a.Control, first), "https://sign.test/livez"); resp.StatusCode != 200 {
		t.Errorf("the control listener: %s", resp.Status)
	}

	plain := tlsClient(a.HTTP)
	if resp, _ = get(t, plain, "http://other.test/verify?a=b"); resp.StatusCode != 301 ||
		resp.Header.Get("Location") != "https://sign.test/verify?a=b" {
		t.Errorf("http: %s, Location %q", resp.Status, resp.Header.Get("Location"))
	}
	resp, err = plain.Post("http://sign.test/api/v3/sign-requests", "application/pdf", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusForbidden {
		t.Errorf("a call in clear text: %s", resp.Status)
	}

	second, secondKey := newCertificate(t, "sign.test")
	write(certificate, second) // without its key, the pair of before stays in use
	time.Sleep(1100 * time.Millisecond)
	get(t, tlsClient(a.Addr, first), "https://sign.test/")
	write(key, secondKey)
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		conn, err := tls.Dial("tcp", a.Addr.String(), &tls.Config{InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		raw := conn.ConnectionState().PeerCertificates[0].Raw
		_ = conn.Close()
		if block, _ := pem.Decode(second); bytes.Equal(raw, block.Bytes) {
			break
		}
		if time.Now().After(end) {
			t.Fatal("the new certificate is not used")
		}
	}
}

// TestACME obtains a certificate from an ACME authority (Pebble), which connects to the service to
// see that the name is its own, by either of its listeners.
func TestACME(t *testing.T) {
	for _, by := range []string{"tls-alpn-01", "http-01"} {
		t.Run(by, func(t *testing.T) {
			t.Parallel()
			party := partytest.Start(t)
			c := configOf(party)
			c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
			c.Listen, c.ListenHTTP = freeAddr(t), freeAddr(t)
			unused := freeAddr(t)
			authority := startPebble(t, c.Listen, unused)
			if by == "http-01" {
				authority = startPebble(t, unused, c.ListenHTTP)
			}
			c.ACMEDirectory, c.ACMERoots, c.ACMEEmail = authority.url, authority.roots, "ops@sign.test"
			a, err := app.Open(
				t.Context(), c, time.Now, slog.New(slog.NewTextHandler(testWriter{t}, nil)),
			)
			if err != nil {
				t.Fatal(err)
			}
			runApp(t, a)
			issued := filepath.Join(c.Data, "acme", "sign.test")
			waitFor(t, "a certificate", func() bool {
				_, err := os.Stat(issued)
				return err == nil
			})
			chain, err := os.ReadFile(issued)
			if err != nil {
				t.Fatal(err)
			}
			_, rest := pem.Decode(chain) // the key
			resp, _ := get(t, tlsClient(a.Addr, rest), "https://sign.test/")
			if resp.StatusCode != http.StatusOK {
				t.Errorf("over TLS: %s", resp.Status)
			}
			// Names other than the public URL's are not asked for.
			if conn, err := tls.Dial("tcp", a.Addr.String(), &tls.Config{
				ServerName: "other.test", InsecureSkipVerify: true,
			}); err == nil {
				_ = conn.Close()
				t.Error("a handshake for another name succeeds")
			}
		})
	}
}

// pebble is a running ACME authority.
type pebble struct{ url, roots string }

// startPebble starts an authority that looks for every name at these addresses.
func startPebble(t testing.TB, tlsAddress, httpAddress string) pebble {
	t.Helper()
	program, err := exec.CommandContext(
		t.Context(), "go", "tool", "-modfile=../../tools/go.mod", "-n", "pebble",
	).Output()
	if err != nil {
		t.Fatalf("building pebble: %v", err)
	}
	dir := t.TempDir()
	certificate, key := newCertificate(t, "localhost")
	files := map[string][]byte{"acme.crt": certificate, "acme.key": key}
	address := freeAddr(t)
	port := func(address string) int {
		a, err := net.ResolveTCPAddr("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		return a.Port
	}
	if files["pebble.json"], err = json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": address, "certificate": filepath.Join(dir, "acme.crt"),
		"privateKey": filepath.Join(dir, "acme.key"), "tlsPort": port(tlsAddress),
		"httpPort": port(httpAddress), "retryAfter": map[string]int{"authz": 1, "order": 1},
	}}); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	server := exec.CommandContext(
		t.Context(), strings.TrimSpace(string(program)),
		"-config", filepath.Join(dir, "pebble.json"), "-dnsserver", nameServer(t),
	)
	server.Env, server.Stdout = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1"), testWriter{t}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Wait() }) // the test's context has ended it
	_, portText, _ := net.SplitHostPort(address)
	waitFor(t, "pebble", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return pebble{
		url:   fmt.Sprintf("https://localhost:%s/dir", portText),
		roots: filepath.Join(dir, "acme.crt"),
	}
}

// nameServer starts a DNS server, for queries over TCP, that finds every name on this machine. It
// returns its address.
func nameServer(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go answerNames(conn)
		}
	}()
	return l.Addr().String()
}

// answerNames answers the queries of a connection, each of which has its length before it.
func answerNames(conn net.Conn) {
	defer conn.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, int(length[0])<<8|int(length[1]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(query) != nil || len(m.Questions) == 0 {
			return
		}
		m.Response, m.Additionals = true, nil
		if q := m.Questions[0]; q.Type == dnsmessage.TypeA {
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: q.Name, Class: q.Class, TTL: 1},
				Body:   &dnsmessage.AResource{A: [4]byte{127, 0, 0, 1}},
			}}
		}
		answer, err := m.Pack()
		if err != nil {
			return
		}
		answer = append([]byte{byte(len(answer) >> 8), byte(len(answer))}, answer...)
		if _, err := conn.Write(answer); err != nil {
			return
		}
	}
}
