package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
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

func phone(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// record is the caller's table of certificates.
type record map[string]Status

func (r record) Status(_ context.Context, serial *big.Int) (Status, error) {
	return r[serial.String()], nil
}

func (r record) Revoked(context.Context) ([]Revoked, error) {
	var out []Revoked
	for k, s := range r {
		if !s.RevokedAt.IsZero() {
			n, _ := new(big.Int).SetString(k, 10)
			out = append(out, Revoked{Serial: n, At: s.RevokedAt, Reason: s.Reason})
		}
	}
	return out, nil
}

type broken struct{ record }

func (broken) Status(context.Context, *big.Int) (Status, error) {
	return Status{}, errors.New("database is away")
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

func TestIssueSigner(t *testing.T) {
	a := open(t, t.TempDir(), options())
	key := phone(t)
	c, err := a.IssueSigner(Subject{UIN: "S8979373D", Name: "TAN AH KOW, MÜLLER 陈"}, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	if c.Subject.CommonName != "TAN AH KOW, MÜLLER 陈" {
		t.Errorf("CN = %q", c.Subject.CommonName)
	}
	var uid string
	for _, n := range c.Subject.Names {
		if n.Type.Equal(oidUID) {
			uid, _ = n.Value.(string)
		}
	}
	if !regexp.MustCompile("^373D [0-9a-f]{64}$").MatchString(c.Subject.SerialNumber) ||
		len(uid) != 36 {
		t.Errorf("serialNumber = %q, UID = %q", c.Subject.SerialNumber, uid)
	}
	if strings.Contains(string(c.Raw), "S8979373D") {
		t.Error("the UIN is in the certificate")
	}
	if got := c.NotAfter.Sub(c.NotBefore); got != DefaultValidity {
		t.Errorf("validity %v", got)
	}
	inter := x509.NewCertPool()
	inter.AddCert(a.Issuing())
	if _, err := c.Verify(x509.VerifyOptions{
		Roots: a.Roots(), Intermediates: inter, CurrentTime: noon,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		t.Error(err)
	}
	d, err := a.IssueSigner(Subject{UIN: "S8979373D", Name: "TAN"}, &key.PublicKey)
	if err != nil || d.SerialNumber.Cmp(c.SerialNumber) == 0 ||
		d.Subject.SerialNumber == c.Subject.SerialNumber {
		t.Errorf("two certificates share numbers (%v)", err)
	}
}

// TestSerialNumber: the UIN cannot be found from a certificate by trying all, unless the authority
// is told to use the real service's form.
func TestSerialNumber(t *testing.T) {
	key, dir := phone(t), t.TempDir()
	for _, plain := range []bool{false, true} {
		o := options()
		o.PlainHash = plain
		c, err := open(t, dir, o).IssueSigner(
			Subject{UIN: "S8979373D", Name: "TAN"}, &key.PublicKey,
		)
		if err != nil {
			t.Fatal(err)
		}
		uid := c.Subject.Names[len(c.Subject.Names)-1].Value.(string)
		tail, hash, _ := strings.Cut(c.Subject.SerialNumber, " ")
		var found string
		for _, prefix := range "STFGM" {
			for n := range 10_000 {
				uin := fmt.Sprintf("%c%04d%s", prefix, n, tail)
				if sum := sha256.Sum256([]byte(uid + uin)); hex.EncodeToString(sum[:]) == hash {
					found = uin
				}
			}
		}
		if want := map[bool]string{true: "S8979373D"}[plain]; found != want {
			t.Errorf("plain %t: %q is found, want %q", plain, found, want)
		}
	}

	// The secret stays: the authority can check a certificate of an earlier start.
	a, b := open(t, dir, options()), open(t, dir, options())
	one, err1 := a.signerName(Subject{"S8979373D", "TAN"}, "uid")
	two, err2 := b.signerName(Subject{"S8979373D", "TAN"}, "uid")
	other, err3 := open(t, t.TempDir(), options()).signerName(Subject{"S8979373D", "TAN"}, "uid")
	if err := errors.Join(err1, err2, err3); err != nil || !bytes.Equal(one, two) ||
		bytes.Equal(one, other) {
		t.Errorf("names by the same secret equal: %t, by another: %t, %v",
			bytes.Equal(one, two), bytes.Equal(one, other), err)
	}
	if info, err := os.Stat(filepath.Join(dir, "signers.secret")); err != nil ||
		info.Mode().Perm() != 0o600 {
		t.Errorf("the secret's file: %v, %v", info, err)
	}
}

func TestIssueSignerRefuses(t *testing.T) {
	a := open(t, t.TempDir(), options())
	good := Subject{"S8979373D", "TAN AH KOW"}
	key := phone(t)
	p384, _ := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	//lint:ignore SA1019 keys that no constructor would return are the point
	off := &ecdsa.PublicKey{Curve: elliptic.P256(), X: big.NewInt(1), Y: big.NewInt(1)}
	//lint:ignore SA1019 see above
	infinity := &ecdsa.PublicKey{Curve: elliptic.P256(), X: new(big.Int), Y: new(big.Int)}
	for name, tc := range map[string]struct {
		s   Subject
		pub *ecdsa.PublicKey
	}{
		"lower-case UIN":  {Subject{"s8979373d", "TAN"}, &key.PublicKey},
		"empty UIN":       {Subject{"", "TAN"}, &key.PublicKey},
		"empty name":      {Subject{"S8979373D", ""}, &key.PublicKey},
		"long name":       {Subject{"S8979373D", strings.Repeat("A", 201)}, &key.PublicKey},
		"newline":         {Subject{"S8979373D", "TAN\nAH"}, &key.PublicKey},
		"direction trick": {Subject{"S8979373D", "TAN \u202eWOK"}, &key.PublicKey},
		"not UTF-8":       {Subject{"S8979373D", "TAN\xff"}, &key.PublicKey},
		"no key":          {good, nil},
		"P-384":           {good, &p384.PublicKey},
		"off the curve":   {good, off},
		"infinity":        {good, infinity},
	} {
		if _, err := a.IssueSigner(tc.s, tc.pub); !errors.Is(err, ErrSubject) {
			t.Errorf("%s: %v, want ErrSubject", name, err)
		}
	}
}

func TestValidityEndsWithTheIssuer(t *testing.T) {
	dir := t.TempDir()
	open(t, dir, options())
	o := options()
	later := noon.Add(issuingLife - 30*24*time.Hour)
	o.Now = func() time.Time { return later }
	a := open(t, dir, o)
	c, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey)
	if err != nil || c.NotAfter.After(a.Issuing().NotAfter) {
		t.Errorf("%v, %v: beyond the issuer", c, err)
	}
	later = noon.Add(issuingLife + time.Hour)
	if _, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey); err == nil {
		t.Error("an expired CA issues")
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

// The lint must notice every kind of slip in a template.
func TestLintCatches(t *testing.T) {
	a := open(t, t.TempDir(), options())
	for name, spoil := range map[string]func(*x509.Certificate){
		"a CA":           func(c *x509.Certificate) { c.IsCA = true },
		"key usage":      func(c *x509.Certificate) { c.KeyUsage |= x509.KeyUsageCertSign },
		"short serial":   func(c *x509.Certificate) { c.SerialNumber = big.NewInt(7) },
		"life":           func(c *x509.Certificate) { c.NotAfter = c.NotAfter.Add(issuingLife) },
		"no OCSP":        func(c *x509.Certificate) { c.OCSPServer = nil },
		"alt name":       func(c *x509.Certificate) { c.DNSNames = []string{"example.org"} },
		"subject key id": func(c *x509.Certificate) { c.SubjectKeyId = []byte{1} },
	} {
		key := phone(t)
		c, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		bad := *c
		bad.ExtraExtensions = nil
		spoil(&bad)
		bad.PublicKey = &key.PublicKey
		der, err := x509.CreateCertificate(
			rand.Reader, &bad, a.parts.Load().issuers[0].cert, &key.PublicKey,
			a.parts.Load().issuers[0].key,
		)
		if err != nil {
			continue // the standard library refused first
		}
		parsed, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		p := profile{c, &key.PublicKey, nil}
		for _, e := range c.Extensions {
			if e.Critical {
				p.critical = append(p.critical, e.Id)
			}
		}
		if lint(c, p, a.parts.Load().issuers[0].cert) != nil {
			t.Fatal("lint refuses the good certificate")
		}
		if lint(parsed, p, a.parts.Load().issuers[0].cert) == nil {
			t.Errorf("%s: lint sees nothing", name)
		}
	}
}

func TestOCSP(t *testing.T) {
	a := open(t, t.TempDir(), options())
	c, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	revokedAt := noon.Add(-time.Hour)
	for _, tc := range []struct {
		name string
		r    record
		want int
	}{
		{"good", record{c.SerialNumber.String(): {Known: true}}, ocsp.Good},
		{"revoked", record{c.SerialNumber.String(): {Known: true, RevokedAt: revokedAt, Reason: ocsp.KeyCompromise}}, ocsp.Revoked},
		{"revoked, unspecified", record{c.SerialNumber.String(): {Known: true, RevokedAt: revokedAt}}, ocsp.Revoked},
		{"never issued", record{}, ocsp.Unknown},
	} {
		for _, h := range []crypto.Hash{crypto.SHA1, crypto.SHA256} {
			req, err := ocsp.CreateRequest(c, a.Issuing(), &ocsp.RequestOptions{Hash: h})
			if err != nil {
				t.Fatal(err)
			}
			der, err := a.OCSP(t.Context(), req, tc.r)
			if errors.Is(err, ErrNotIssued) != (tc.want == ocsp.Unknown) {
				t.Errorf("%s: error %v", tc.name, err)
			}
			resp, err := ocsp.ParseResponseForCert(der, c, a.Issuing())
			if err != nil || resp.Status != tc.want || !resp.ProducedAt.Equal(noon) {
				t.Errorf("%s: %+v, %v", tc.name, resp, err)
			}
			if tc.want == ocsp.Revoked &&
				(!resp.RevokedAt.Equal(revokedAt) || resp.RevocationReason != tc.r[c.SerialNumber.String()].Reason) {
				t.Errorf("%s: %v reason %d", tc.name, resp.RevokedAt, resp.RevocationReason)
			}
		}
	}
	if der, err := a.OCSP(t.Context(), []byte("x"), record{}); err == nil ||
		!bytes.Equal(der, ocsp.MalformedRequestErrorResponse) {
		t.Error("garbage")
	}
	req, _ := ocsp.CreateRequest(c, a.Issuing(), nil)
	if der, err := a.OCSP(t.Context(), req, broken{}); err == nil ||
		!bytes.Equal(der, ocsp.InternalErrorErrorResponse) {
		t.Error("a broken record must not look good")
	}
	foreign := open(t, t.TempDir(), options())
	req, _ = ocsp.CreateRequest(c, foreign.Issuing(), nil)
	if der, err := a.OCSP(t.Context(), req, record{}); err == nil ||
		!bytes.Equal(der, ocsp.UnauthorizedErrorResponse) {
		t.Error("another authority's certificate")
	}
}

func TestEvidence(t *testing.T) {
	a := open(t, t.TempDir(), options())
	c, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	r := record{c.SerialNumber.String(): {Known: true, RevokedAt: noon, Reason: 1}}
	responses, crls, err := a.Evidence(t.Context(), []*x509.Certificate{c}, r)
	if err != nil || len(responses) != 1 || len(crls) != 2 {
		t.Fatalf("signer: %d responses, %d CRLs, %v", len(responses), len(crls), err)
	}
	for i, issuer := range a.Chain() {
		list, err := x509.ParseRevocationList(crls[i])
		if err != nil || list.CheckSignatureFrom(issuer) != nil {
			t.Errorf("CRL %d: %v", i, err)
		}
		if i == 0 &&
			(len(list.RevokedCertificateEntries) != 1 || list.RevokedCertificateEntries[0].SerialNumber.Cmp(c.SerialNumber) != 0) {
			t.Error("the revoked certificate is not listed")
		}
	}
	_, tsa := a.TSA()
	responses, crls, err = a.Evidence(t.Context(), tsa, r)
	if err != nil || len(responses) != 0 || len(crls) != 1 {
		t.Errorf("TSA: %d responses, %d CRLs, %v", len(responses), len(crls), err)
	}
	foreign := open(t, t.TempDir(), options())
	if responses, crls, err := foreign.Evidence(t.Context(), []*x509.Certificate{c}, r); err != nil ||
		len(responses)+len(crls) != 0 {
		t.Error("evidence for another authority's certificate")
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

// What is served begins a minute ago, for verifiers that chose their time before they asked; what
// goes into documents begins now.
func TestServedRevocationDataIsBackdated(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	a, err := Open(
		t.TempDir(),
		Options{
			Name:    "Signet",
			BaseURL: "http://127.0.0.1:1/pki",
			Now:     func() time.Time { return now },
			Rand:    rand.Reader,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.IssueSigner(Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	known := record{cert.SerialNumber.String(): {Known: true}}
	check := func(what string, from, want time.Time, err error) {
		t.Helper()
		if err != nil || !from.Equal(want) {
			t.Errorf("%s begins at %v, want %v (%v)", what, from, want, err)
		}
	}
	list := func(what string, der []byte, want time.Time) {
		t.Helper()
		l, err := x509.ParseRevocationList(der)
		check(what, l.ThisUpdate, want, err)
	}
	answer := func(what string, der []byte, want time.Time) {
		t.Helper()
		r, err := ocsp.ParseResponseForCert(der, cert, a.Issuing())
		check(what, r.ThisUpdate, want, err)
		check(what+" was produced, which", r.ProducedAt, now, err)
	}
	responses, crls, err := a.Evidence(t.Context(), []*x509.Certificate{cert}, known)
	if err != nil || len(responses) != 1 || len(crls) != 2 {
		t.Fatalf("evidence: %d, %d, %v", len(responses), len(crls), err)
	}
	answer("the answer in a document", responses[0], now)
	list("the list in a document", crls[0], now)
	list("the root's list in a document", crls[1], now)

	served := now.Add(-time.Minute)
	req, err := ocsp.CreateRequest(cert, a.Issuing(), nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.OCSP(t.Context(), req, known)
	if err != nil {
		t.Fatal(err)
	}
	answer("the answer served", der, served)
	if der, err = a.CRL(t.Context(), "issuing", known); err != nil {
		t.Fatal(err)
	}
	list("the list served", der, served)
	if der, err = a.RootCRL(); err != nil {
		t.Fatal(err)
	}
	list("the root's list served", der, served)
}

// A list serves for a second, as long as it says the same: a revocation is never late by that.
func TestCRLIsReused(t *testing.T) {
	now := time.Now().Truncate(time.Second)
	a, err := Open(
		t.TempDir(),
		Options{
			Name:    "Signet",
			BaseURL: "http://127.0.0.1:1/pki",
			Now:     func() time.Time { return now },
			Rand:    rand.Reader,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	crl := func(revoked ...Revoked) []byte {
		t.Helper()
		der, err := a.CRL(t.Context(), "issuing", listed(revoked))
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	first := crl()
	now = now.Add(900 * time.Millisecond)
	if !bytes.Equal(first, crl()) {
		t.Error("another list within the second")
	}
	revoked := Revoked{Serial: big.NewInt(7), At: now, Reason: 1}
	der := crl(revoked)
	list, err := x509.ParseRevocationList(der)
	if err != nil || len(list.RevokedCertificateEntries) != 1 {
		t.Errorf("a revocation is not listed at once: %v", err)
	}
	if !bytes.Equal(der, crl(revoked)) {
		t.Error("another list within the second")
	}
	root, err := a.RootCRL()
	if err != nil || bytes.Equal(root, der) {
		t.Errorf("the root has the other CA's list: %v", err)
	}
	now = now.Add(100 * time.Millisecond)
	next, err := x509.ParseRevocationList(crl(revoked))
	if err != nil || next.ThisUpdate.Equal(list.ThisUpdate) || next.Number.Cmp(list.Number) <= 0 {
		t.Errorf("the next second has the same list: %v", err)
	}
}

// listed is a record of revocations.
type listed []Revoked

func (l listed) Status(context.Context, *big.Int) (Status, error) {
	return Status{Known: true}, nil
}
func (l listed) Revoked(context.Context) ([]Revoked, error) { return l, nil }

// Programs keep the numbers of object identifiers in an int.
func TestPoliciesAreReadByAll(t *testing.T) {
	for _, policy := range []string{SignerPolicy, TimestampPolicy} {
		for number := range strings.SplitSeq(policy, ".") {
			if n, err := strconv.ParseInt(number, 10, 32); err != nil {
				t.Errorf("%s: %d: %v", policy, n, err)
			}
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
