package ca

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"math/big"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"
)

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
	if der, err := a.OCSP(t.Context(), []byte("x"), record{}); !errors.Is(err, ErrQuestion) ||
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

// What is served begins a minute ago, for verifiers that chose their time before they asked; what
// goes into documents begins now.
func TestServedRevocationDataIsBackdated(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	o := options()
	o.Now = func() time.Time { return now }
	a := open(t, t.TempDir(), o)
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
	o := options()
	o.Now = func() time.Time { return now }
	a := open(t, t.TempDir(), o)
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
