package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

var noon = time.Date(2026, 3, 1, 4, 0, 0, 0, time.UTC)

func options() Options {
	return Options{
		Name:    "Signet",
		BaseURL: "http://pki.example",
		Now:     func() time.Time { return noon },
		Rand:    rand.Reader,
	}
}

func open(t testing.TB, dir string, o Options) *Authority {
	t.Helper()
	a, err := Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func folder(t testing.TB, path string) *keydir.Dir {
	t.Helper()
	dir, err := keydir.Open(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func phone(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestOpenIsStable(t *testing.T) {
	dir := t.TempDir()
	first := open(t, dir, options())
	again := open(t, dir, options())
	if !first.Root().Equal(again.Root()) || !first.Issuing().Equal(again.Issuing()) {
		t.Error("a second Open made a new authority")
	}
	o := options()
	o.Sandbox = true
	if _, err := Open(dir, o); err == nil {
		t.Error("a real authority opens as a sandbox")
	}
	sandbox := open(t, t.TempDir(), o)
	for _, c := range append(sandbox.Chain(), sandbox.parts.Load().tsa.cert, sandbox.parts.Load().issuers[0].ocsp.cert) {
		if !strings.Contains(c.Subject.CommonName, "SANDBOX") {
			t.Errorf("%q does not say SANDBOX", c.Subject.CommonName)
		}
	}
}

// A crash leaves a prefix of the files (and maybe a temporary one); the next
// Open must finish the same authority.
func TestOpenAfterACrash(t *testing.T) {
	whole := t.TempDir()
	open(t, whole, options())
	order := []string{
		"root.key", "root.crt", "issuing.key", "issuing.crt", "ocsp.key", "ocsp.crt", "tsa.key",
		"tsa.crt",
	}
	for n := range order {
		dir := t.TempDir()
		for _, f := range order[:n] {
			copyFile(t, filepath.Join(whole, f), filepath.Join(dir, f))
		}
		if err := os.WriteFile(filepath.Join(dir, ".new-123"), []byte("-----BEGIN"), 0o600); err != nil {
			t.Fatal(err)
		}
		a := open(t, dir, options())
		if _, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey); err != nil {
			t.Errorf("after %d files: %v", n, err)
		}
		if n > 1 {
			want, _ := os.ReadFile(filepath.Join(whole, "root.crt"))
			got, _ := os.ReadFile(filepath.Join(dir, "root.crt"))
			if !bytes.Equal(want, got) {
				t.Errorf("after %d files: the root changed", n)
			}
		}
	}
	for _, lost := range []string{"root.key", "issuing.key"} {
		dir := t.TempDir()
		for _, f := range order {
			if f != lost {
				copyFile(t, filepath.Join(whole, f), filepath.Join(dir, f))
			}
		}
		if _, err := Open(dir, options()); err == nil {
			t.Errorf("%s is lost and Open succeeds", lost)
		}
		if _, err := os.Stat(filepath.Join(dir, lost)); err == nil {
			t.Errorf("%s was replaced", lost)
		}
	}
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// A unit whose certificate nears its end gets one successor, which stays.
func TestTimeStampingUnitIsSucceeded(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, options())
	at := func(now time.Time) *x509.Certificate {
		o := options()
		o.Now = func() time.Time { return now }
		_, chain := open(t, dir, o).TSA()
		return chain[0]
	}
	first := at(noon)
	if !at(noon.Add(serviceLife - successionDue - 48*time.Hour)).Equal(first) {
		t.Error("a successor too early")
	}
	second := at(noon.Add(serviceLife - successionDue + time.Hour))
	if second.Equal(first) || !second.NotAfter.After(first.NotAfter) ||
		second.Subject.CommonName != "Signet Time Stamping Unit 2" {
		t.Errorf("%s until %s", second.Subject.CommonName, second.NotAfter)
	}
	if !at(noon).Equal(second) || !at(noon.Add(serviceLife)).Equal(second) {
		t.Error("the successor did not stay")
	}
	if last := at(noon.Add(rootLife - time.Hour)); last.NotAfter.After(noon.Add(rootLife)) {
		t.Error("beyond the root")
	}
}

func TestOpenSSLReadsAll(t *testing.T) {
	if _, err := exec.LookPath("openssl"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is missing: apt-get install openssl")
		}
		t.Skip("openssl is missing")
	}
	o := options()
	o.Now = time.Now // openssl judges by the real clock
	a := open(t, t.TempDir(), o)
	c, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	r := record{c.SerialNumber.String(): {Known: true}}
	responses, crls, err := a.Evidence(t.Context(), []*x509.Certificate{c}, r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := func(name, kind string, der ...[]byte) string {
		var b []byte
		for _, d := range der {
			if kind == "" {
				b = append(b, d...)
			} else {
				b = append(b, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: d})...)
			}
		}
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	root := file("root.pem", "CERTIFICATE", a.Root().Raw)
	issuing := file("issuing.pem", "CERTIFICATE", a.Issuing().Raw)
	signer := file("signer.pem", "CERTIFICATE", c.Raw)
	lists := file("crl.pem", "X509 CRL", crls...)
	resp := file("ocsp.der", "", responses[0])
	for _, args := range [][]string{
		{"verify", "-x509_strict", "-crl_check_all", "-CRLfile", lists, "-CAfile", root, "-untrusted", issuing, signer},
		{"ocsp", "-issuer", issuing, "-cert", signer, "-respin", resp, "-CAfile", root, "-verify_other", issuing, "-no_nonce"},
	} {
		out, err := exec.Command("openssl", args...).CombinedOutput()
		if err != nil || strings.Contains(string(out), "rror") && args[0] == "ocsp" {
			t.Errorf("openssl %s: %v\n%s", args[0], err, out)
		}
		if args[0] == "ocsp" &&
			(!strings.Contains(string(out), "Response verify OK") || !strings.Contains(string(out), ": good")) {
			t.Errorf("openssl ocsp:\n%s", out)
		}
	}
}

// TestKeep checks that Open with Keep opens an authority, and creates nothing that it lacks.
func TestKeep(t *testing.T) {
	now := noon
	create := options()
	create.Now = func() time.Time { return now }
	o := create
	o.Keep = true
	files := func(dir string) int {
		list, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	empty := t.TempDir()
	if _, err := Open(empty, o); !errors.Is(err, fs.ErrNotExist) || files(empty) > 0 {
		t.Errorf("of an empty folder: %v, and it has %d files", err, files(empty))
	}
	dir := t.TempDir()
	if _, err := Open(dir, create); err != nil {
		t.Fatal(err)
	}
	have := files(dir)
	now = now.AddDate(9, 0, 0) // when the time-stamping unit gets a successor
	if _, err := Open(dir, o); err != nil || files(dir) != have {
		t.Errorf("it opens with %v and makes %d files", err, files(dir)-have)
	}
	if _, err := Open(dir, create); err != nil || files(dir) == have {
		t.Errorf("without Keep there is no successor: %v", err)
	}
	if err := os.Remove(filepath.Join(dir, "ocsp.crt")); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, o); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a certificate: %v", err)
	}
}
