package ui

import (
	"net/http"
	"strings"
)

// ErrorPages answers a browser that opens a page with the error page of the status where h answers
// with an error in plain text, as http.Error, http.ServeMux and http.CrossOriginProtection do.
// Other clients, and answers of any other type, are left alone. The header Allow is kept.
func (k *Kit) ErrorPages(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Accept"), "text/html") {
			h.ServeHTTP(w, r)
			return
		}
		held := &plainError{ResponseWriter: w}
		h.ServeHTTP(held, r)
		if held.status != 0 {
			k.Error(w, r, held.status, "")
		}
	})
}

// plainError holds back an error in plain text and lets every other answer pass.
type plainError struct {
	http.ResponseWriter
	status int // of the error, or 0
}

func (p *plainError) WriteHeader(status int) {
	kind := p.Header().Get("Content-Type")
	if status >= 400 && strings.HasPrefix(kind, "text/plain") {
		p.status = status
		return
	}
	p.ResponseWriter.WriteHeader(status)
}

func (p *plainError) Write(b []byte) (int, error) {
	if p.status != 0 {
		return len(b), nil
	}
	return p.ResponseWriter.Write(b)
}

// Unwrap gives http.ResponseController the real writer.
func (p *plainError) Unwrap() http.ResponseWriter { return p.ResponseWriter }

// Favicon answers /favicon.ico, which browsers ask for beside files that are no page: PDF, JSON and
// text. It must be mounted there.
func (k *Kit) Favicon() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "public, max-age=86400")
		http.Redirect(w, r, k.assets.url("icon-180.png"), http.StatusFound)
	})
}
