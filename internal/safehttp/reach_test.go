package safehttp

import (
	"crypto/x509"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestReach(t *testing.T) {
	asked := http.HandlerFunc(
		func(http.ResponseWriter, *http.Request) { t.Error("a request was sent") },
	)
	plain, secure := httptest.NewServer(asked), httptest.NewTLSServer(asked)
	defer plain.Close()
	defer secure.Close()
	roots := x509.NewCertPool()
	roots.AddCert(secure.Certificate())
	private := Policy{AllowPrivate: true, Roots: roots}

	got, err := private.Reach(t.Context(), plain.URL+"/hook?secret=1")
	if err != nil || got.Addr != plain.Listener.Addr().String() || got.TLS != "" {
		t.Errorf("http: %+v, %v", got, err)
	}
	got, err = private.Reach(t.Context(), secure.URL)
	if err != nil || got.TLS != "TLS 1.3" || got.Subject == "" ||
		!got.NotAfter.Equal(secure.Certificate().NotAfter) {
		t.Errorf("https: %+v, %v", got, err)
	}
	if _, err := (Policy{AllowPrivate: true}).Reach(t.Context(), secure.URL); err == nil {
		t.Error("a certificate of an unknown authority was accepted")
	}
	if _, err := (Policy{}).Reach(t.Context(), plain.URL); !errors.Is(err, ErrURL) {
		t.Errorf("http by the strict policy: %v", err)
	}
	if _, err := (Policy{}).Reach(t.Context(), "https://localhost/"); !errors.Is(err, ErrAddress) {
		t.Errorf("a name of this machine by the strict policy: %v", err)
	}
	if _, err := private.Reach(t.Context(), "http://127.0.0.1:1/"); err == nil {
		t.Error("no server listens there")
	}
}
