package cms

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"testing"
	"time"
)

// line is a root, a CA below it and an end entity.
type line struct{ root, ca, leaf *x509.Certificate }

func newLine(t *testing.T, now time.Time) line {
	t.Helper()
	var last *x509.Certificate
	var lastKey *ecdsa.PrivateKey
	next := func(serial int64, name string, isCA bool, life time.Duration) *x509.Certificate {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(life),
			IsCA: isCA, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
			ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageTimeStamping},
		}
		if isCA {
			c.KeyUsage, c.ExtKeyUsage = x509.KeyUsageCertSign|x509.KeyUsageCRLSign, nil
		}
		parent, signer := last, lastKey
		if parent == nil {
			parent, signer = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, signer)
		if err != nil {
			t.Fatal(err)
		}
		if last, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		lastKey = key
		return last
	}
	return line{
		next(1, "root", true, 20*time.Hour), next(2, "ca", true, 10*time.Hour),
		next(3, "leaf", false, 5*time.Hour),
	}
}

// A memo only saves work: it refuses what x509 refuses, with any contents.
func TestMemo(t *testing.T) {
	now := time.Now()
	l, other := newLine(t, now), newLine(t, now)
	roots, others := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(l.root)
	others.AddCert(other.root)
	all := []*x509.Certificate{l.ca, l.root}
	tampered, err := x509.ParseCertificate(
		bytes.Replace(l.leaf.Raw, []byte("leaf"), []byte("loaf"), 1),
	)
	if err != nil {
		t.Fatal(err)
	}
	const stamping, any = x509.ExtKeyUsageTimeStamping, x509.ExtKeyUsageAny
	for _, memo := range []*Memo{nil, new(Memo)} {
		for round := range 2 {
			chain, err := memo.Chain(l.leaf, all, roots, now, stamping)
			if err != nil || len(chain) != 3 || !chain[1].Equal(l.ca) {
				t.Fatalf("round %d: %d certificates, %v", round, len(chain), err)
			}
			for name, f := range map[string]func() ([]*x509.Certificate, error){
				"another root":    func() ([]*x509.Certificate, error) { return memo.Chain(l.leaf, all, others, now, stamping) },
				"no intermediate": func() ([]*x509.Certificate, error) { return memo.Chain(l.leaf, nil, roots, now, stamping) },
				"another CA": func() ([]*x509.Certificate, error) {
					return memo.Chain(l.leaf, []*x509.Certificate{other.ca}, roots, now, stamping)
				},
				"too early": func() ([]*x509.Certificate, error) {
					return memo.Chain(l.leaf, all, roots, now.Add(-2*time.Hour), stamping)
				},
				"after the leaf": func() ([]*x509.Certificate, error) {
					return memo.Chain(l.leaf, all, roots, now.Add(7*time.Hour), stamping)
				},
				"another purpose": func() ([]*x509.Certificate, error) {
					return memo.Chain(l.leaf, all, roots, now, x509.ExtKeyUsageServerAuth)
				},
				"a tampered leaf": func() ([]*x509.Certificate, error) { return memo.Chain(tampered, all, roots, now, any) },
				"an untrusted root": func() ([]*x509.Certificate, error) {
					return memo.Chain(other.leaf, []*x509.Certificate{other.ca, other.root}, roots, now, any)
				},
			} {
				if chain, err := f(); err == nil {
					t.Errorf("round %d: %s: %d certificates", round, name, len(chain))
				}
			}
			if err := memo.CheckCertificate(l.leaf, l.ca); err != nil {
				t.Errorf("round %d: %v", round, err)
			}
			if memo.CheckCertificate(l.leaf, other.ca) == nil ||
				memo.CheckCertificate(tampered, l.ca) == nil ||
				memo.CheckCertificate(l.leaf, l.leaf) == nil {
				t.Errorf("round %d: a signature by another key", round)
			}
		}
	}
}

// Good news is kept, bad news is not, and neither without bounds.
func TestMemoRemembers(t *testing.T) {
	issuer := newLine(t, time.Now()).ca
	var memo Memo
	calls := 0
	check := func(err error) func() error { return func() error { calls++; return err } }
	bad := errors.New("bad")
	for range 3 {
		if err := memo.once([]byte("good"), issuer, check(nil)); err != nil {
			t.Fatal(err)
		}
		if err := memo.once([]byte("bad"), issuer, check(bad)); !errors.Is(err, bad) {
			t.Fatal(err)
		}
	}
	if calls != 1+3 {
		t.Errorf("%d checks, want 1 of what is good and 3 of what is bad", calls)
	}
	for i := range 2 * maxRemembered {
		_ = memo.once(fmt.Append(nil, i), issuer, check(nil))
	}
	if n := len(memo.signed); n > maxRemembered {
		t.Errorf("%d entries", n)
	}
}

// TestIssuers offers many certificates with one name and key to a chain, as authorities of a document
// or as authorities of each other.
func TestIssuers(t *testing.T) {
	now := time.Now()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	made := int64(0)
	issue := func(name, by string) *x509.Certificate {
		made++
		c := &x509.Certificate{
			SerialNumber: big.NewInt(made), Subject: pkix.Name{CommonName: name},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
			IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
		}
		parent := &x509.Certificate{Subject: pkix.Name{CommonName: by}}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, key)
		if err != nil {
			t.Fatal(err)
		}
		if c, err = x509.ParseCertificate(der); err != nil {
			t.Fatal(err)
		}
		return c
	}
	several := func(n int, name, by string) (out []*x509.Certificate) {
		for range n {
			out = append(out, issue(name, by))
		}
		return out
	}
	root, leaf := issue("root", "root"), issue("leaf", "ca")
	roots := x509.NewCertPool()
	roots.AddCert(root)
	each := several(4, "ca", "other")
	for name, tc := range map[string]struct {
		offered []*x509.Certificate
		want    error
	}{
		"a few":                {offered: several(8, "ca", "root")},
		"one many times":       {offered: slices.Repeat(several(1, "ca", "root"), 999)},
		"many of a name":       {offered: several(999, "unrelated", "root"), want: x509.UnknownAuthorityError{}},
		"as many as are tried": {offered: several(maxIssuers, "ca", "root")},
		"two that have certified each other": {offered: []*x509.Certificate{
			issue("ca", "other"), issue("other", "ca"), issue("ca", "root"),
		}},
		"many":            {offered: several(maxIssuers+1, "ca", "root"), want: ErrIssuers},
		"of each other":   {offered: append(each, several(4, "other", "ca")...), want: ErrIssuers},
		"few of no root":  {offered: each, want: x509.UnknownAuthorityError{}},
		"many of no root": {offered: several(maxIssuers+1, "ca", "other"), want: ErrIssuers},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := new(Memo).Chain(leaf, tc.offered, roots, now, x509.ExtKeyUsageAny)
			var unknown x509.UnknownAuthorityError
			switch {
			case errors.Is(tc.want, ErrIssuers) != errors.Is(err, ErrIssuers):
				t.Errorf("%v", err)
			case tc.want == nil && err != nil:
				t.Error(err)
			case errors.As(tc.want, &unknown) && !errors.As(err, &unknown):
				t.Errorf("%v", err)
			}
		})
	}
}
