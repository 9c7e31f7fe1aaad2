// Package pki serves the CRLs, OCSP answers and issuer certificates that certificates in signed
// documents refer to, below /pki.
//
// Start at [PKI.Routes]. The package only translates between HTTP and package ca, which issues
// certificates, CRLs and OCSP answers.
package pki

import (
	"crypto/x509"
	"encoding/base64"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// Base is the path below the public URL.
const Base = "/pki"

// PKI serves an authority's public data.
type PKI struct {
	Authority   *ca.Authority
	Revocations ca.Revocations
	Log         *slog.Logger
}

// maxOCSP bounds an OCSP request. A request about one certificate has about a hundred bytes.
const maxOCSP = 4 << 10

// Routes adds the paths that package ca writes into certificates.
func (p *PKI) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET "+Base+ca.PathRootCert, cert(p.Authority.Root()))
	mux.HandleFunc("GET "+Base+ca.PathRootCRL, func(w http.ResponseWriter, r *http.Request) {
		der, err := p.Authority.RootCRL()
		p.answer(w, r, "application/pkix-crl", der, err)
	})
	// The files of issuing CAs, which may be added while the service runs.
	mux.HandleFunc("GET "+Base+"/{file}", p.issuing)
	mux.HandleFunc("POST "+Base+ca.PathOCSP, func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxOCSP))
		if err != nil {
			http.Error(
				w, http.StatusText(http.StatusRequestEntityTooLarge),
				http.StatusRequestEntityTooLarge,
			)
			return
		}
		p.ocsp(w, r, request)
	})
	// RFC 6960, appendix A.1: a GET contains the request in base64, in which slashes may be
	// unescaped.
	mux.HandleFunc(
		"GET "+Base+ca.PathOCSP+"/{request...}",
		func(w http.ResponseWriter, r *http.Request) {
			request, err := base64.StdEncoding.DecodeString(r.PathValue("request"))
			if err != nil || len(request) > maxOCSP {
				http.Error(w, http.StatusText(http.StatusBadRequest), http.StatusBadRequest)
				return
			}
			p.ocsp(w, r, request)
		},
	)
}

// issuing answers the certificate or the CRL of an issuing CA.
func (p *PKI) issuing(w http.ResponseWriter, r *http.Request) {
	file := r.PathValue("file")
	if name, ok := strings.CutSuffix(file, ".crl"); ok {
		der, err := p.Authority.CRL(r.Context(), name, p.Revocations)
		if errors.Is(err, fs.ErrNotExist) {
			http.NotFound(w, r)
			return
		}
		p.answer(w, r, "application/pkix-crl", der, err)
		return
	}
	name, ok := strings.CutSuffix(file, ".cer")
	c, err := p.Authority.IssuingNamed(name)
	if !ok || err != nil {
		http.NotFound(w, r)
		return
	}
	cert(c)(w, r)
}

func (p *PKI) ocsp(w http.ResponseWriter, r *http.Request, request []byte) {
	der, err := p.Authority.OCSP(r.Context(), request, p.Revocations)
	if err != nil {
		level := slog.LevelError
		switch {
		case errors.Is(err, ca.ErrNotIssued):
			level = slog.LevelWarn
		case errors.Is(err, ca.ErrQuestion): // which anyone can send
			level = slog.LevelDebug
		}
		p.Log.Log(r.Context(), level, "OCSP request", "err", err)
	}
	p.answer(w, r, "application/ocsp-response", der, nil)
}

func (p *PKI) answer(w http.ResponseWriter, r *http.Request, kind string, der []byte, err error) {
	if err != nil {
		status := httpx.Fault(w, r, p.Log, "revocation data", err)
		http.Error(w, http.StatusText(status), status)
		return
	}
	w.Header().Set("Content-Type", kind)
	w.Header().Set("Cache-Control", "public, max-age=30")
	w.Write(der)
}

func cert(c *x509.Certificate) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/pkix-cert")
		w.Header().Set("Cache-Control", "public, max-age=86400")
		w.Write(c.Raw)
	}
}
