package ca

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

// clocked returns options with a clock that the test moves.
func clocked() (Options, *time.Time) {
	o, now := options(), noon
	o.Now = func() time.Time { return now }
	return o, &now
}

// answerOf returns the OCSP status of a certificate by an authority.
func answerOf(
	t *testing.T, a *Authority, c, issuer *x509.Certificate, r Revocations,
) *ocsp.Response {
	t.Helper()
	request, err := ocsp.CreateRequest(c, issuer, nil)
	if err != nil {
		t.Fatal(err)
	}
	der, err := a.OCSP(t.Context(), request, r)
	if err != nil && !errors.Is(err, ErrNotIssued) {
		t.Fatal(err)
	}
	response, err := ocsp.ParseResponseForCert(der, c, issuer)
	if err != nil {
		t.Fatal(err)
	}
	return response
}

func issueOne(t *testing.T, a *Authority) *x509.Certificate {
	t.Helper()
	c, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestRotate opens one directory twice, as two nodes do, and rotates on the first.
func TestRotate(t *testing.T) {
	o, now := clocked()
	dir := t.TempDir()
	a, b := open(t, dir, o), open(t, dir, o)
	old := issueOne(t, a)
	oldCA := a.Issuing()
	if made, err := a.Rotate(PartIssuing); err != nil || len(made) != 2 {
		t.Fatal(made, err)
	}
	*now = now.Add(takeUp - time.Second)
	if c := issueOne(t, a); !issued(c, oldCA) {
		t.Error("the new issuing CA issues before all nodes know it")
	}
	*now = now.Add(time.Second)
	fresh := issueOne(t, a)
	newCA := a.Issuing()
	if !issued(fresh, newCA) || newCA.Equal(oldCA) ||
		newCA.Subject.CommonName != "Signet Issuing CA 2" ||
		fresh.CRLDistributionPoints[0] != "http://pki.example/issuing-2.crl" ||
		fresh.IssuingCertificateURL[0] != "http://pki.example/issuing-2.cer" {
		t.Errorf("after a minute %q issues, with %v", newCA.Subject, fresh.CRLDistributionPoints)
	}
	r := record{}
	for _, c := range []*x509.Certificate{old, fresh} {
		r[c.SerialNumber.String()] = Status{
			Known: true, RevokedAt: noon, Reason: 1, Issuer: c.AuthorityKeyId,
		}
	}
	// The second node has not called Reload.
	for _, node := range []*Authority{b, a} {
		for _, test := range []struct{ cert, issuer *x509.Certificate }{{old, oldCA}, {fresh, newCA}} {
			if s := answerOf(t, node, test.cert, test.issuer, r).Status; s != ocsp.Revoked {
				t.Errorf(
					"OCSP status of a certificate of %q: %d", test.issuer.Subject.CommonName, s,
				)
			}
			chain, err := node.ChainOf(test.cert)
			if err != nil || len(chain) != 2 || !chain[0].Equal(test.issuer) {
				t.Errorf("chain of a certificate of %q: %v", test.issuer.Subject.CommonName, err)
			}
		}
		for name, want := range map[string]*x509.Certificate{"issuing": old, "issuing-2": fresh} {
			der, err := node.CRL(t.Context(), name, issuersOf{r, old, fresh})
			if err != nil {
				t.Fatal(err)
			}
			list, err := x509.ParseRevocationList(der)
			if err != nil || len(list.RevokedCertificateEntries) != 1 ||
				list.RevokedCertificateEntries[0].SerialNumber.Cmp(want.SerialNumber) != 0 {
				t.Errorf("%s.crl: %v, %v", name, list.RevokedCertificateEntries, err)
			}
		}
		responses, lists, err := node.Evidence(
			t.Context(), []*x509.Certificate{old, fresh}, issuersOf{r, old, fresh},
		)
		if err != nil || len(responses) != 2 || len(lists) != 3 {
			t.Errorf("evidence: %d responses, %d lists, %v", len(responses), len(lists), err)
		}
	}
	// The old issuing CA says nothing of the other's certificates.
	stranger := *fresh
	if s := answerOf(t, a, &stranger, oldCA, r).Status; s != ocsp.Unknown {
		t.Errorf("the old issuing CA answers %d for the other's serial number", s)
	}
	if _, err := a.CRL(t.Context(), "issuing-3", r); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a third issuing CA: %v", err)
	}
}

// issuersOf is a record that knows the issuers of the revoked certificates.
type issuersOf struct {
	record
	old, fresh *x509.Certificate
}

func (r issuersOf) Revoked(ctx context.Context) ([]Revoked, error) {
	list, err := r.record.Revoked(ctx)
	for i := range list {
		list[i].Issuer = r.old.AuthorityKeyId
		if list[i].Serial.Cmp(r.fresh.SerialNumber) == 0 {
			list[i].Issuer = r.fresh.AuthorityKeyId
		}
	}
	return list, err
}

// TestRotateAfterACrash checks that a rotation that ended in the middle is not used, and the next
// call completes it.
func TestRotateAfterACrash(t *testing.T) {
	o, now := clocked()
	whole := t.TempDir()
	if _, err := open(t, whole, o).Rotate(PartIssuing); err != nil {
		t.Fatal(err)
	}
	added := []string{"issuing-2.key", "issuing-2.crt", "ocsp-2.key", "ocsp-2.crt"}
	for n := range added {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		files, _ := filepath.Glob(filepath.Join(dir, "*"))
		for _, f := range files {
			if err := os.Chmod(f, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range added[n:] {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		a := open(t, dir, o)
		*now = now.Add(2 * takeUp)
		if a.Issuing().Subject.CommonName != "Signet Issuing CA 1" {
			t.Errorf("without %v the new issuing CA is in use", added[n:])
		}
		if _, err := a.Rotate(PartIssuing); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(2 * takeUp)
		if name := a.Issuing().Subject.CommonName; name != "Signet Issuing CA 2" {
			t.Errorf("without %v, after the second call, %q is in use", added[n:], name)
		}
		kept, err := os.ReadFile(filepath.Join(dir, added[0]))
		first, err2 := os.ReadFile(filepath.Join(whole, added[0]))
		if n > 0 && (err != nil || err2 != nil || !bytes.Equal(kept, first)) {
			t.Error("the second call made another key")
		}
	}
}

// TestRotateServices checks that the responder and the time-stamping unit change, and the
// certificates stay.
func TestRotateServices(t *testing.T) {
	o, _ := clocked()
	a := open(t, t.TempDir(), o)
	c := issueOne(t, a)
	r := record{c.SerialNumber.String(): {Known: true}}
	first := answerOf(t, a, c, a.Issuing(), r).Certificate
	_, stamps := a.TSA()
	for _, part := range []Part{PartOCSP, PartTSA} {
		if made, err := a.Rotate(part); err != nil || len(made) != 1 {
			t.Fatal(made, err)
		}
	}
	if again := answerOf(t, a, c, a.Issuing(), r); again.Certificate.Equal(first) ||
		again.Status != ocsp.Good {
		t.Errorf(
			"after the rotation %q answers %d", again.Certificate.Subject.CommonName, again.Status,
		)
	}
	if _, next := a.TSA(); next[0].Equal(stamps[0]) {
		t.Error("the old time-stamping unit is in use")
	}
	if a.Issuing().Subject.CommonName != "Signet Issuing CA 1" {
		t.Error("the issuing CA has changed")
	}
}

func TestRevokeIssuing(t *testing.T) {
	o, now := clocked()
	dir := t.TempDir()
	a, b := open(t, dir, o), open(t, dir, o)
	old := issueOne(t, a)
	if err := a.RevokeIssuing(big.NewInt(1), 2); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an unknown CA: %v", err)
	}
	if _, err := a.Rotate(PartIssuing); err != nil {
		t.Fatal(err)
	}
	number := new(big.Int)
	for range 2 { // twice is once
		if err := a.RevokeIssuing(a.List()[1].SerialNumber, 2); err != nil {
			t.Fatal(err)
		}
		*now = now.Add(time.Second)
	}
	if err := b.Reload(); err != nil {
		t.Fatal(err)
	}
	for _, node := range []*Authority{a, b} {
		der, err := node.RootCRL()
		if err != nil {
			t.Fatal(err)
		}
		list, err := x509.ParseRevocationList(der)
		if err != nil || list.CheckSignatureFrom(node.Root()) != nil ||
			len(list.RevokedCertificateEntries) != 1 {
			t.Fatalf("the root's CRL: %v, %v", list, err)
		}
		e := list.RevokedCertificateEntries[0]
		if e.SerialNumber.Cmp(a.List()[1].SerialNumber) != 0 || e.ReasonCode != 2 ||
			!e.RevocationTime.Equal(noon) {
			t.Errorf("the line is %+v", e)
		}
		if list.Number.Cmp(number) < 0 {
			t.Error("the number of the list falls")
		}
		number = list.Number
		if _, err := node.ChainOf(old); !errors.Is(err, ErrIssuerRevoked) {
			t.Errorf("the chain of its certificates: %v", err)
		}
		// The new one issues at once: there is no other.
		if c := issueOne(t, node); c.Issuer.CommonName != "Signet Issuing CA 2" {
			t.Errorf("%q issues", c.Issuer.CommonName)
		}
	}
}

// organisation is an authority of its own, with a CA between its root and Signet's.
type organisation struct {
	root, between         *x509.Certificate
	rootKey, betweenKey   *ecdsa.PrivateKey
	rootList, betweenList []byte
}

func newOrganisation(t *testing.T) organisation {
	t.Helper()
	made := func(name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		c := &x509.Certificate{
			SerialNumber: big.NewInt(noon.Unix()), Subject: pkix.Name{CommonName: name}, IsCA: true,
			NotBefore: noon.AddDate(-1, 0, 0), NotAfter: noon.AddDate(9, 0, 0),
			BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		}
		if parent == nil {
			parent, by = c, key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, by)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(der)
		if err != nil {
			t.Fatal(err)
		}
		return cert, key
	}
	list := func(by *x509.Certificate, key *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateRevocationList(rand.Reader, &x509.RevocationList{
			Number: big.NewInt(1), ThisUpdate: noon.AddDate(0, -1, 0),
			NextUpdate: noon.AddDate(0, 1, 0),
		}, by, key)
		if err != nil {
			t.Fatal(err)
		}
		return encodeList(der)
	}
	var g organisation
	g.root, g.rootKey = made("Example Root", nil, nil)
	g.between, g.betweenKey = made("Example Policy CA", g.root, g.rootKey)
	g.rootList, g.betweenList = list(g.root, g.rootKey), list(g.between, g.betweenKey)
	return g
}

// sign issues a certificate as the request asks, with a change.
func (g organisation) sign(t *testing.T, request []byte, change func(*x509.Certificate)) []byte {
	t.Helper()
	block, _ := pem.Decode(request)
	in, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if err := in.CheckSignature(); err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(77), Subject: pkix.Name{CommonName: "Example Signing CA"},
		NotBefore: noon.AddDate(0, -1, 0), NotAfter: noon.AddDate(5, 0, 0),
		ExtraExtensions: in.Extensions, SubjectKeyId: in.RawSubjectPublicKeyInfo[40:60],
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, g.between, in.PublicKey, g.betweenKey)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// TestInstallUnderOrganisation installs an issuing CA that an organisation's own CA has signed.
func TestInstallUnderOrganisation(t *testing.T) {
	o, now := clocked()
	dir := t.TempDir()
	requests, err := PrepareOffline(folder(t, dir), o)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, o); !errors.Is(err, ErrIncomplete) {
		t.Errorf("before the installation: %v", err)
	}
	g, other := newOrganisation(t), newOrganisation(t)
	same := func(*x509.Certificate) {}
	good := g.sign(t, requests, same)
	all := [][]byte{good, encodeCertificates(g.root, g.between), g.rootList, g.betweenList}
	for name, parts := range map[string][][]byte{
		"no root":        {good, encodeCertificates(g.between), g.rootList, g.betweenList},
		"no CA between":  {good, encodeCertificates(g.root), g.rootList},
		"no list":        {good, encodeCertificates(g.root, g.between), g.betweenList},
		"another's list": {good, encodeCertificates(g.root, g.between), other.rootList},
		"another's root": {good, encodeCertificates(other.root, g.between), other.rootList},
		"not for CRLs": append([][]byte{g.sign(t, requests, func(c *x509.Certificate) {
			c.ExtraExtensions, c.IsCA, c.BasicConstraintsValid, c.KeyUsage = nil, true, true, x509.KeyUsageCertSign
		})}, all[1:]...),
		"no CA":             append([][]byte{g.sign(t, requests, func(c *x509.Certificate) { c.ExtraExtensions = nil })}, all[1:]...),
		"ended":             append([][]byte{g.sign(t, requests, func(c *x509.Certificate) { c.NotAfter = noon.AddDate(0, 0, -1) })}, all[1:]...),
		"of another key":    append([][]byte{other.sign(t, requests, same)}, all[1:]...),
		"a key in the file": append([][]byte{pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY"})}, all...),
	} {
		if certs, err := Install(folder(t, dir), o, bytes.Join(parts, nil)); err == nil {
			t.Errorf("%s: %d certificates installed", name, len(certs))
		}
		if _, err := Open(dir, o); !errors.Is(err, ErrIncomplete) {
			t.Errorf("%s: it left something: %v", name, err)
		}
	}
	if certs, err := Install(folder(t, dir), o, bytes.Join(all, nil)); err != nil ||
		len(certs) != 1 {
		t.Fatalf("%d certificates, %v", len(certs), err)
	}
	a := open(t, dir, o)
	if key, _ := a.TSA(); key != nil {
		t.Error("there is a time-stamping unit that was not installed")
	}
	c := issueOne(t, a)
	chain, err := a.ChainOf(c)
	if err != nil || len(chain) != 3 || !chain[1].Equal(g.between) || !chain[2].Equal(g.root) {
		t.Errorf("the chain has %d certificates, %v", len(chain), err)
	}
	if _, err := c.Verify(x509.VerifyOptions{
		Roots: a.Roots(), Intermediates: poolOf(chain[:2]...), CurrentTime: noon,
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny},
	}); err != nil {
		t.Error(err)
	}
	responses, lists, err := a.Evidence(
		t.Context(), append(chain, c), record{c.SerialNumber.String(): {Known: true}},
	)
	if err != nil || len(responses) != 1 || len(lists) != 3 {
		t.Errorf("evidence: %d responses, %d lists, %v", len(responses), len(lists), err)
	}
	if end := a.ListEnd(); !end.Equal(noon.AddDate(0, 1, 0)) {
		t.Errorf("the list ends at %v", end)
	}
	if _, err := a.Rotate(PartIssuing); !errors.Is(err, ErrOffline) {
		t.Errorf("rotation without the root: %v", err)
	}

	// The next one, and a time-stamping unit, without the CAs that are known.
	next, err := Requests(folder(t, dir), o, PartIssuing)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Requests(folder(t, dir), o, PartIssuing); err != nil ||
		!bytes.Equal(publicOf(t, again), publicOf(t, next)) {
		t.Errorf("the second request is for another key (%v)", err)
	}
	if _, err := Install(folder(t, dir), o, append(g.sign(t, next, same), encodeCertificates(g.between)...)); err != nil {
		t.Fatal(err)
	}
	*now = now.Add(2 * takeUp)
	if err := a.Reload(); err != nil {
		t.Fatal(err)
	}
	if fresh := issueOne(t, a); bytes.Equal(fresh.AuthorityKeyId, c.AuthorityKeyId) {
		t.Error("the old issuing CA issues")
	}
	if _, lists, err := a.Evidence(t.Context(), []*x509.Certificate{c}, record{c.SerialNumber.String(): {Known: true}}); err != nil ||
		len(lists) != 3 {
		t.Errorf("the lists of the CAs above were lost: %d, %v", len(lists), err)
	}
}

func publicOf(t *testing.T, request []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(request)
	in, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return in.RawSubjectPublicKeyInfo
}

func poolOf(certs ...*x509.Certificate) *x509.CertPool {
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// TestSignRequests signs on the root's machine, installs here, and revokes there.
func TestSignRequests(t *testing.T) {
	o, now := clocked()
	dir, rootDir := t.TempDir(), t.TempDir()
	requests, err := PrepareOffline(folder(t, dir), o)
	if err != nil {
		t.Fatal(err)
	}
	text, signed, err := SignRequests(folder(t, rootDir), o, requests)
	if err != nil || len(signed) != 2 {
		t.Fatalf("%d signed, %v", len(signed), err)
	}
	if certs, err := Install(folder(t, dir), o, text); err != nil || len(certs) != 2 {
		t.Fatalf("%d installed, %v", len(certs), err)
	}
	a := open(t, dir, o)
	if _, stamps := a.TSA(); len(stamps) != 2 || !stampingOnly(stamps[0]) {
		t.Errorf("the time-stamping unit: %v", stamps)
	}
	before, err := a.RootCRL()
	if err != nil {
		t.Fatal(err)
	}
	*now = now.Add(time.Hour)
	text, _, err = SignRequests(
		folder(t, rootDir), o, nil, Revoked{Serial: a.Issuing().SerialNumber, At: *now, Reason: 1},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Install(folder(t, dir), o, text); err != nil {
		t.Fatal(err)
	}
	// A later list keeps the line, and an older list is not installed over it.
	if text, _, err = SignRequests(folder(t, rootDir), o, nil); err != nil {
		t.Fatal(err)
	}
	for _, list := range [][]byte{text, encodeList(before)} {
		if _, err := Install(folder(t, dir), o, list); err != nil {
			t.Fatal(err)
		}
		if err := a.Reload(); err != nil {
			t.Fatal(err)
		}
		if _, err := a.IssueSigner(Subject{"S8979373D", "TAN"}, &phone(t).PublicKey); err == nil {
			t.Error("the revoked CA issues")
		}
	}
	if _, _, err := SignRequests(folder(t, rootDir), o, []byte("nonsense")); err == nil {
		t.Error("nonsense is signed")
	}
}

func stampingOnly(c *x509.Certificate) bool {
	return len(c.ExtKeyUsage) == 1 && c.ExtKeyUsage[0] == x509.ExtKeyUsageTimeStamping
}
