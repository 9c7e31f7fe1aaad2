package tsa

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"hash"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/safehttp/dnstest"
	"github.com/signet-sign/signet/pades/cms"
)

const testPolicy = "2.25.45963280836560899109579797212790358729"

type unit struct {
	*Authority
	roots *x509.CertPool
	root  *x509.Certificate
	now   time.Time
}

func certificate(
	t testing.TB, tmpl, parent *x509.Certificate, pub *ecdsa.PublicKey, key *ecdsa.PrivateKey,
) *x509.Certificate {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ecKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// config makes a root and a time-stamping unit; eku is the unit's extended key usage.
func config(t testing.TB, critical bool, eku ...asn1.ObjectIdentifier) (Config, *x509.Certificate) {
	t.Helper()
	rootKey, key := ecKey(t), ecKey(t)
	now := time.Now()
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "Root"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	root = certificate(t, root, root, &rootKey.PublicKey, rootKey)
	value, err := asn1.Marshal(eku)
	if err != nil {
		t.Fatal(err)
	}
	leaf := certificate(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "Unit"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		KeyUsage:        x509.KeyUsageDigitalSignature,
		ExtraExtensions: []pkix.Extension{{Id: oidExtKeyUsage, Critical: critical, Value: value}},
	}, root, &key.PublicKey, rootKey)
	return Config{
		Key: key, Chain: []*x509.Certificate{leaf, root}, Policy: testPolicy, Accuracy: time.Second,
		Now: time.Now, Rand: rand.Reader,
	}, root
}

var timeStamping = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 8}

func newUnit(t testing.TB) *unit {
	t.Helper()
	cfg, root := config(t, true, timeStamping)
	u := &unit{root: root, now: time.Now(), roots: x509.NewCertPool()}
	u.roots.AddCert(root)
	cfg.Now = func() time.Time { return u.now }
	a, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	u.Authority = a
	return u
}

func TestTimestamp(t *testing.T) {
	u := newUnit(t)
	imprint := sha256.Sum256([]byte("signature value"))
	token, err := u.Timestamp(t.Context(), imprint[:])
	if err != nil {
		t.Fatal(err)
	}
	got, err := Verify(token, imprint[:], u.roots)
	if err != nil {
		t.Fatal(err)
	}
	if !got.Time.Equal(u.now.UTC().Truncate(time.Second)) || got.Accuracy != time.Second ||
		got.Policy.String() != testPolicy ||
		len(got.Certificates()) != 2 {
		t.Errorf("token = %+v", got)
	}
	other := sha256.Sum256([]byte("another"))
	if _, err := Verify(token, other[:], u.roots); !errors.Is(err, ErrImprint) {
		t.Errorf("another imprint: %v", err)
	}
	if _, err := Verify(token, imprint[:], newUnit(t).roots); !errors.Is(err, ErrUntrusted) {
		t.Errorf("another root: %v", err)
	}
	if _, err := Verify(token, imprint[:], nil); !errors.Is(err, ErrUntrusted) {
		t.Errorf("no roots: %v", err)
	}
	chain, err := got.Check(
		func(h hash.Hash) error { _, err := io.WriteString(h, "signature value"); return err },
		u.roots, nil,
	)
	if err != nil || len(chain) != 2 {
		t.Errorf("Check = %d certificates, %v", len(chain), err)
	}
	again, _ := u.Timestamp(t.Context(), imprint[:])
	if b, _ := Parse(again); b.Serial.Cmp(got.Serial) == 0 {
		t.Error("a serial number came twice")
	}
	i := bytes.Index(token, imprint[:])
	bad := bytes.Clone(token)
	bad[i] ^= 1
	var changed [32]byte
	copy(changed[:], bad[i:])
	if _, err := Verify(bad, changed[:], u.roots); err == nil {
		t.Error("a changed imprint inside the token is accepted")
	}
	if _, err := u.Timestamp(t.Context(), imprint[:20]); err == nil {
		t.Error("a short imprint is stamped")
	}
	u.now = u.now.Add(2 * time.Hour)
	if _, err := u.Timestamp(t.Context(), imprint[:]); err == nil {
		t.Error("an expired unit stamps")
	}
}

func TestNewRefusesWrongCertificates(t *testing.T) {
	for name, cfg := range map[string]func() Config{
		"not critical": func() Config { c, _ := config(t, false, timeStamping); return c },
		"two usages": func() Config {
			c, _ := config(t, true, timeStamping, asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 3, 1})
			return c
		},
		"another key": func() Config { c, _ := config(t, true, timeStamping); c.Key = ecKey(t); return c },
		"no accuracy": func() Config { c, _ := config(t, true, timeStamping); c.Accuracy = 0; return c },
	} {
		if _, err := New(cfg()); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestParseGenTime(t *testing.T) {
	for in, want := range map[string]string{
		"20260301040506Z":            "2026-03-01T04:05:06Z",
		"20260301040506.5Z":          "2026-03-01T04:05:06.5Z",
		"20260301040506.123Z":        "2026-03-01T04:05:06.123Z",
		"20260301040506.50Z":         "", // DER: no trailing zeros
		"20260301040506.Z":           "",
		"20260301040506":             "",
		"20260301040506+0800":        "",
		"202603010405Z":              "",
		"20261301040506Z":            "",
		"2026030104050٣Z":            "",
		"20260301040506.5.5Z":        "",
		"20260301040506.-5Z":         "",
		"20260301040560Z":            "",
		"20260301040506.1234567891Z": "",
	} {
		got, err := parseGenTime(in)
		if want == "" {
			if err == nil {
				t.Errorf("%q is accepted as %v", in, got)
			}
		} else if err != nil || got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q = %v, %v; want %s", in, got, err, want)
		}
	}
}

func TestClient(t *testing.T) {
	u := newUnit(t)
	imprint := sha256.Sum256([]byte("x"))
	var spoil func(http.ResponseWriter, []byte) []byte
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		req, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/timestamp-reply")
		if spoil != nil {
			req = spoil(w, req)
		}
		resp, _ := u.Respond(r.Context(), req)
		_, _ = w.Write(resp)
	}))
	defer srv.Close()
	c := &Client{
		URL: srv.URL, HTTP: srv.Client(), Policy: testPolicy, Roots: u.roots, Now: time.Now,
		Rand: rand.Reader,
	}
	token, err := c.Timestamp(t.Context(), imprint[:])
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(token, imprint[:], u.roots); err != nil {
		t.Error(err)
	}

	other := sha256.Sum256([]byte("y"))
	old := mustRequest(t, c, imprint[:])
	for name, f := range map[string]func(http.ResponseWriter, []byte) []byte{
		"replayed answer": func(_ http.ResponseWriter, _ []byte) []byte { return old },
		"other imprint":   func(_ http.ResponseWriter, b []byte) []byte { return bytes.Replace(b, imprint[:], other[:], 1) },
		"refusal":         func(_ http.ResponseWriter, b []byte) []byte { return b[:4] },
		"wrong type": func(w http.ResponseWriter, b []byte) []byte {
			w.Header().Set("Content-Type", "text/html")
			return b
		},
		"status 500": func(w http.ResponseWriter, b []byte) []byte { w.WriteHeader(500); return b },
		"huge": func(w http.ResponseWriter, b []byte) []byte {
			_, _ = w.Write(make([]byte, maxResponse+1))
			return b
		},
	} {
		spoil = f
		if token, err := c.Timestamp(t.Context(), imprint[:]); err == nil || token != nil {
			t.Errorf("%s: accepted", name)
		}
	}
	spoil = nil
	c.Now = func() time.Time { return time.Now().Add(time.Hour) }
	if _, err := c.Timestamp(t.Context(), imprint[:]); err == nil {
		t.Error("a clock one hour off is accepted")
	}
	c.Now = time.Now
	c.Policy = "1.2.3.4"
	if _, err := c.Timestamp(t.Context(), imprint[:]); err == nil {
		t.Error("another policy is accepted")
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Timestamp(ctx, imprint[:]); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestNames takes the names of authorities away: another one is asked, and the first one again as
// soon as its name is back.
func TestNames(t *testing.T) {
	u := newUnit(t)
	answers := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		answers++
		req, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/timestamp-reply")
		resp, _ := u.Respond(r.Context(), req)
		_, _ = w.Write(resp)
	}))
	defer srv.Close()
	names := dnstest.Start(t)
	client := &http.Client{Transport: &http.Transport{
		DialContext: (&net.Dialer{Resolver: names.Resolver()}).DialContext,
	}}
	authority := func(host string, timeout time.Duration) *Client {
		return &Client{
			URL: strings.Replace(srv.URL, "127.0.0.1", host, 1), HTTP: client, Policy: testPolicy,
			Roots: u.roots, Timeout: timeout, Now: time.Now, Rand: rand.Reader,
		}
	}
	unknown, silent := authority("unknown.test", time.Minute), authority("silent.test", 100*time.Millisecond)
	names.Silence("silent.test")
	imprint := sha256.Sum256([]byte("x"))
	_, err := Alternatives{unknown, silent}.Timestamp(t.Context(), imprint[:])
	var dns *net.DNSError
	if !errors.As(err, &dns) || !dns.IsNotFound || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("no authority has a name: %v", err)
	}
	names.Answer("other.test")
	for _, first := range []*Client{unknown, silent} {
		all := Alternatives{first, authority("other.test", time.Minute)}
		if _, err := all.Timestamp(t.Context(), imprint[:]); err != nil {
			t.Errorf("another authority: %v", err)
		}
	}
	names.Answer("unknown.test")
	if _, err := unknown.Timestamp(t.Context(), imprint[:]); err != nil || answers != 3 {
		t.Errorf("with the name back: %v, %d answers", err, answers)
	}
}

func mustRequest(t testing.TB, c *Client, imprint []byte) []byte {
	t.Helper()
	b, err := c.request(imprint, big.NewInt(1234567))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOpenSSLAsksUs answers a request that openssl makes, and has openssl check the answer.
func TestOpenSSLAsksUs(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is missing: apt-get install openssl")
		}
		t.Skip("openssl is missing")
	}
	u := newUnit(t)
	dir := t.TempDir()
	path := func(n string) string { return filepath.Join(dir, n) }
	put := func(n string, b []byte) string {
		if err := os.WriteFile(path(n), b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path(n)
	}
	run := func(args ...string) error {
		out, err := exec.Command("openssl", args...).CombinedOutput()
		if err != nil {
			t.Logf("openssl %v: %s", args, out)
		}
		return err
	}
	data := put("data", []byte("data"))
	root := put("root.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.root.Raw}))
	leaf := put(
		"leaf.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: u.cfg.Chain[0].Raw}),
	)
	for _, args := range [][]string{{"-sha256", "-cert"}, {"-sha512", "-cert"}, {"-sha384"}, {"-sha256", "-no_nonce", "-cert"}} {
		if run(
			append([]string{"ts", "-query", "-data", data, "-out", path("q")}, args...)...) != nil {
			t.Fatal("no query")
		}
		q, err := os.ReadFile(path("q"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := u.Respond(t.Context(), q)
		if err != nil {
			t.Fatal(err)
		}
		if err := run("ts", "-verify", "-queryfile", path("q"), "-in", put("r", resp), "-CAfile", root, "-untrusted", leaf); err != nil {
			t.Errorf("%v: openssl refuses the answer", args)
		}
	}
	if run("ts", "-query", "-data", data, "-sha1", "-out", path("q")) != nil {
		t.Fatal("no query")
	}
	q, _ := os.ReadFile(path("q"))
	resp, err := u.Respond(t.Context(), q)
	if err == nil {
		t.Error("SHA-1 is stamped")
	}
	if _, err := readResponse(resp); err == nil {
		t.Error("the refusal reads as a grant")
	}
}

func FuzzRespond(f *testing.F) {
	u := newUnit(f)
	request := mustRequest(f, &Client{Policy: testPolicy}, make([]byte, 32))
	f.Add(request)
	f.Add(mustRequest(f, &Client{}, make([]byte, 32)))
	for _, h := range []asn1.ObjectIdentifier{cms.OIDSHA384, cms.OIDSHA512} { // of the right size or not
		old, err := asn1.Marshal(cms.OIDSHA256)
		if err != nil {
			f.Fatal(err)
		}
		other, err := asn1.Marshal(h)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.Replace(request, old, other, 1))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		resp, err := u.Respond(t.Context(), in)
		token, rerr := readResponse(resp)
		if (err == nil) != (rerr == nil) {
			t.Fatalf("error %v but response %x", err, resp)
		}
		if err == nil {
			if _, err := Parse(token); err != nil {
				t.Fatal(err)
			}
		}
	})
}
