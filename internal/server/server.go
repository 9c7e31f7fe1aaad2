// Package server runs HTTP listeners: timeouts, limits, cross-origin protection, graceful stop. It
// has no routes. The packages below it are the edges, one for each kind of caller:
//
//	rpapi    relying parties' programs: the Sign V3 API
//	pki      verifiers of signatures: CRLs, OCSP, issuer certificates
//	portal   the signer's browser
//	phone    the signer's phone
//	login    OpenID Connect, for portal and phone
//	console  operators
//	control  tests: the API of the sandbox's control listener
//	sandbox  developers: personas, identity provider, demo relying party
//
// Package limit bounds what one client may take. Package security writes the events of all edges
// that matter for security to the log.
//
// Each edge holds its handlers, its view models (views*.go) and its templates; start at its method
// Routes or Handler. All edges use two more packages: httpx (JSON, event streams, PDF files) and ui
// (rendering of pages, browser bundles, languages). Edges that answer only JSON or bytes do not
// import ui. Package app mounts the edges.
package server

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// cut is how long the handlers of connections that were closed may take to notice it.
const cut = 5 * time.Second

// A Server answers requests. Every listener of the service has one.
type Server struct {
	Handler http.Handler
	TLS     *tls.Config // nil: connections are in clear text
	Limits  Limits
	// Grace is how long answers may take to finish at the end.
	Grace time.Duration
	Log   *slog.Logger
}

// Serve answers on l until ctx ends. Then it stops accepting, and waits up to Grace for answers to
// finish before it closes their connections; event streams have to end by themselves. When it
// returns no handler runs, unless one does not notice that its connection is closed.
func (srv *Server) Serve(ctx context.Context, l net.Listener) error {
	limits := newLimiter(srv.Limits)
	l = limits.listener(l)
	if srv.TLS != nil {
		l = tls.NewListener(l, srv.TLS)
	}
	h := limits.handler(srv.Handler)
	var handlers sync.WaitGroup
	s := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handlers.Add(1)
			defer handlers.Done()
			if len(r.TransferEncoding) > 0 {
				// net/http takes a request with a length and in chunks, and does not tell. A proxy
				// that goes by the length would have sent the next client's request inside it
				// (RFC 9112, section 6.1).
				w.Header().Set("Connection", "close")
			}
			if strings.Contains(r.Header.Get("Range"), ",") {
				// net/http answers each of thousands of ranges in a part of its own: 16,000 took
				// 0.3 s of a processor, and an answer that the client does not read keeps all of
				// the document that it has decrypted. Servers may ignore the header (RFC 9110,
				// section 14.2); viewers of PDF files ask for one range.
				r.Header.Del("Range")
			}
			h.ServeHTTP(w, r)
		}),
		// "OPTIONS *" passes the limits and gets the headers as all other requests.
		DisableGeneralOptionsHandler: true,

		ConnContext:       withConn,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       60 * time.Second, // initiate sets a deadline by the size of the upload
		WriteTimeout:      5 * time.Minute,  // for a slow download; event streams remove it
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10, // a token with 20 locations takes 4 KiB
		ErrorLog:          slog.NewLogLogger(srv.Log.Handler(), slog.LevelDebug),
	}
	stopped := make(chan error, 1)
	go func() {
		<-ctx.Done()
		deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), srv.Grace)
		defer cancel()
		stopped <- s.Shutdown(deadline)
	}()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	if err := <-stopped; err == nil {
		return nil
	}
	err := s.Close()
	ended := make(chan struct{})
	go func() {
		handlers.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(cut):
	}
	return err
}

// Protect refuses cross-site requests of browsers (http.CrossOriginProtection). Programs of relying
// parties and phones send neither Origin nor Sec-Fetch-Site and are accepted.
func Protect(h http.Handler) http.Handler { return http.NewCrossOriginProtection().Handler(h) }

// maxBody bounds the bodies of requests to pages: forms and JSON.
const maxBody = 64 << 10

// Bodies bounds the bodies of requests to 64 KiB, except those to the paths in files, whose
// handlers take files and bound them. Without it net/http reads a form of any size, and leaves its
// files on the disk.
func Bodies(h http.Handler, files ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(files, r.URL.Path) {
			r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		}
		h.ServeHTTP(w, r)
	})
}

// Headers sets the headers that restrict what browsers do with an answer which is not a page;
// handlers of pages and files replace those that differ. With https it tells browsers to use only
// https for two years (RFC 6797), which they ignore in answers to http.
func Headers(h http.Handler, https bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		if https {
			header.Set("Strict-Transport-Security", "max-age=63072000")
		}
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		header.Set("X-Frame-Options", "DENY") // for browsers without frame-ancestors
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Cache-Control", "no-store")
		h.ServeHTTP(w, r)
	})
}

// LocalHost answers only requests whose Host header names this machine: a loopback address or
// localhost. Under DNS rebinding, where an attacker's name resolves to 127.0.0.1, the header holds
// the attacker's name.
func LocalHost(h http.Handler) http.Handler {
	const refusal = "This listener is for this machine: call it as localhost or 127.0.0.1. For others, " +
		"start it with a control token"
	return hosts(h, refusal, func(host string, ip netip.Addr) bool {
		return host == "localhost" || ip.IsLoopback()
	})
}

// OwnHost answers only requests whose Host header is own, localhost or an IP address. It is for a
// listener on a developer's machine that containers and phones reach too. DNS rebinding requires
// another name.
func OwnHost(h http.Handler, own string) http.Handler {
	const refusal = "The Host header names another host than public_url: start the sandbox with " +
		"--public-url and the URL that you call, or call it as localhost or by its address"
	return hosts(h, refusal, func(host string, ip netip.Addr) bool {
		return strings.EqualFold(host, own) || host == "localhost" || ip.IsValid()
	})
}

// hosts answers requests whose Host header is allowed. allowed gets the name without the port and,
// if it is one, the IP address.
func hosts(
	h http.Handler, refusal string, allowed func(host string, ip netip.Addr) bool,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		host = strings.Trim(host, "[]")
		ip, _ := netip.ParseAddr(host) // invalid for a name
		if !allowed(host, ip) {
			httpx.WriteJSON(w, http.StatusMisdirectedRequest, api.ErrClientSide(refusal))
			return
		}
		h.ServeHTTP(w, r)
	})
}
