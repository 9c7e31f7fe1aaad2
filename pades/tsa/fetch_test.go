package tsa

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"golang.org/x/crypto/ocsp"

	"github.com/signet-sign/signet/internal/ca"
)

// register is a CA's record; revoked is what it says about everybody.
type register struct{ revoked time.Time }

func (r register) Status(context.Context, *big.Int) (ca.Status, error) {
	return ca.Status{Known: true, RevokedAt: r.revoked, Reason: 1}, nil
}
func (r register) Revoked(context.Context) ([]ca.Revoked, error) { return nil, nil }

func TestFetcher(t *testing.T) {
	mux := http.NewServeMux()
	srv := httptest.NewServer(mux)
	defer srv.Close()
	authority, err := ca.Open(
		t.TempDir(),
		ca.Options{Name: "Foreign", BaseURL: srv.URL, Now: time.Now, Rand: rand.Reader},
	)
	if err != nil {
		t.Fatal(err)
	}
	other, err := ca.Open(
		t.TempDir(),
		ca.Options{Name: "Foreign", BaseURL: srv.URL, Now: time.Now, Rand: rand.Reader},
	)
	if err != nil {
		t.Fatal(err)
	}
	old, err := ca.Open(
		t.TempDir(),
		ca.Options{
			Name: "Foreign", BaseURL: srv.URL,
			Now: func() time.Time { return time.Now().AddDate(0, -2, 0) }, Rand: rand.Reader,
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	mode, asked := "", 0
	mux.HandleFunc("POST "+ca.PathOCSP, func(w http.ResponseWriter, r *http.Request) {
		asked++
		request, _ := io.ReadAll(r.Body)
		switch mode {
		case "no OCSP":
			http.Error(w, "away", http.StatusNotFound)
			return
		case "try later":
			_, _ = w.Write(ocsp.TryLaterErrorResponse)
			return
		}
		response, _ := authority.OCSP(r.Context(), request, register{})
		_, _ = w.Write(response)
	})
	list := func(by func() *ca.Authority) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if mode == "huge" {
				_, _ = w.Write(make([]byte, maxCRL+1))
				return
			}
			der, _ := by().RootCRL()
			_, _ = w.Write(der)
		}
	}
	by := authority
	mux.HandleFunc("GET "+ca.PathRootCRL, list(func() *ca.Authority { return by }))
	signer, err := authority.IssueSigner(
		ca.Subject{UIN: "S8979373D", Name: "TAN AH KOW"}, &key.PublicKey,
	)
	if err != nil {
		t.Fatal(err)
	}
	_, unit := authority.TSA()
	f := &Fetcher{HTTP: srv.Client(), Now: time.Now}
	fetch := func(certs ...*x509.Certificate) (r, l int, err error) {
		responses, lists, err := f.Evidence(t.Context(), certs)
		return len(responses), len(lists), err
	}

	// OCSP for the signer, the list for the issuing CA; the root needs nothing.
	if r, l, err := fetch(append([]*x509.Certificate{signer}, authority.Chain()...)...); r != 1 ||
		l != 1 ||
		err != nil {
		t.Errorf("%d responses, %d lists, %v", r, l, err)
	}
	if _, _, err := fetch(append([]*x509.Certificate{signer}, authority.Chain()...)...); asked != 1 ||
		err != nil {
		t.Errorf("asked %d times, %v", asked, err)
	}
	if r, l, err := fetch(unit...); r != 0 || l != 1 || err != nil {
		t.Errorf("unit: %d responses, %d lists, %v", r, l, err)
	}
	f.Now = func() time.Time { return time.Now().Add(2 * time.Hour) } // beyond what is remembered
	if _, _, err := fetch(append([]*x509.Certificate{signer}, authority.Chain()...)...); asked != 2 ||
		err != nil {
		t.Errorf("asked %d times, %v", asked, err)
	}
	f.Skip = authority.Chain
	if r, l, err := fetch(append(unit, signer)...); r != 0 || l != 0 || err != nil {
		t.Errorf("skipped: %d responses, %d lists, %v", r, l, err)
	}
	for name, set := range map[string]func(){
		"the list of another authority of the same name": func() { by = other },
		"an old list":     func() { by = old },
		"a list too long": func() { mode = "huge" },
	} {
		f = &Fetcher{HTTP: srv.Client(), Now: time.Now}
		by, mode = authority, ""
		set()
		if _, _, err := fetch(unit...); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, mode = range []string{"no OCSP", "try later"} {
		f = &Fetcher{HTTP: srv.Client(), Now: time.Now}
		if _, _, err := fetch(signer, authority.Issuing()); err == nil {
			t.Errorf("%s: accepted", mode)
		}
	}
	f = &Fetcher{HTTP: srv.Client(), Now: time.Now}
	srv.Close()
	if _, _, err := fetch(unit...); err == nil {
		t.Error("no server, but accepted")
	}
}
