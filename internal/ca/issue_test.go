package ca

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

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

// TestSerialNumber checks that the UIN cannot be found from a certificate by trying all, unless the
// authority is told to use the real service's form.
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

// TestSignersSecretRotates opens an authority on two nodes, and rotates the secret of the hashes in
// signers' certificates beside them. Both go on with the old one, and then use the next one, without
// a restart. Certificates of before can still be checked.
func TestSignersSecretRotates(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	nodes := []*Authority{open(t, dir, options()), open(t, dir, options())}
	person := Subject{"S8979373D", "TAN AH KOW"}
	by := func(a *Authority, file string) bool {
		t.Helper()
		cert, err := a.IssueSigner(person, &phone(t).PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		secret, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil {
			t.Fatal(err)
		}
		uid := attribute(t, cert, oidUID)
		sum := hmac.New(sha256.New, secret)
		sum.Write([]byte(uid + person.UIN))
		return cert.Subject.SerialNumber == "373D "+hex.EncodeToString(sum.Sum(nil))
	}
	keys, err := keydir.Open(dir, rand.Reader)
	if err == nil {
		err = keys.Rotate("signers")
	}
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range append(nodes, open(t, dir, options())) {
		if !by(a, "signers.secret") {
			t.Errorf("node %d uses the next secret before all know it", i)
		}
	}
	past := time.Now().Add(-2 * time.Minute)
	if err := os.Chtimes(filepath.Join(dir, "signers-2.secret"), past, past); err != nil {
		t.Fatal(err)
	}
	for i, a := range nodes {
		for deadline := time.Now().Add(time.Minute); !by(a, "signers-2.secret"); {
			if time.Now().After(deadline) {
				t.Fatalf("node %d does not use the next secret", i)
			}
			time.Sleep(500 * time.Millisecond)
		}
	}
}

// attribute returns an attribute of a certificate's subject.
func attribute(t *testing.T, cert *x509.Certificate, oid asn1.ObjectIdentifier) string {
	t.Helper()
	for _, name := range cert.Subject.Names {
		if name.Type.Equal(oid) {
			return name.Value.(string)
		}
	}
	t.Fatalf("no %v in %v", oid, cert.Subject)
	return ""
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
		"no key":          {good, nil}, "P-384": {good, &p384.PublicKey},
		"off the curve": {good, off}, "infinity": {good, infinity},
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
