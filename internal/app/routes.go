package app

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/server"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/phone"
	"github.com/signet-sign/signet/internal/server/pki"
	"github.com/signet-sign/signet/internal/server/portal"
	"github.com/signet-sign/signet/internal/server/sandbox"
	"github.com/signet-sign/signet/internal/server/ui"
)

func (a *App) streams() httpx.Streams {
	return httpx.Streams{Watcher: a.store, Stopping: a.stop, Open: a.openStreams}
}

// routes mounts the pages and files that service and sandbox share; public adds the calls of
// relying parties.
func (a *App) routes(mux *http.ServeMux) {
	a.portal.Routes(mux)
	(&phone.Phone{
		People:   a.people,
		Requests: a.sign, Signers: a.signers, Parties: a.parties, Kit: a.kit, Login: a.login,
		Streams:   a.streams(),
		PublicURL: a.Config.PublicURL, Log: a.log,
	}).Routes(mux)
	a.login.Routes(mux)
	mux.Handle("GET "+parts.ClientKeysPath, a.clientKeys)
	(&pki.PKI{Authority: a.authority, Revocations: a.signers, Log: a.log}).Routes(mux)
	mux.Handle("GET /static/", a.kit.Static())
	mux.Handle("GET /favicon.ico", a.kit.Favicon())
	mux.Handle("GET /logos/{file}", a.logos())
}

// logos serves the logos of relying parties to signers and operators.
func (a *App) logos() http.Handler {
	return ui.Logos(a.log, func(ctx context.Context, name string) ([]byte, error) {
		png, err := a.parties.Logo(ctx, name)
		if errors.Is(err, party.ErrNoLogo) {
			return nil, nil
		}
		return png, err
	})
}

// public returns the handler of the public listener: relying parties' calls, and pages with
// cross-site protection.
func (a *App) public() http.Handler {
	pages := server.Bodies(a.handler, portal.VerifyPath, sandbox.DemoRequestsPath)
	h := a.rpapi.Handler(a.kit.ErrorPages(server.Protect(pages)), a.apiBases...)
	if a.automatic != nil { // in the sandbox
		h = a.mockSign(h)
	}
	if a.faults != nil {
		h = a.faults.Handler(a.owner, h)
	}
	if a.ownHost != "" {
		h = server.OwnHost(h, a.ownHost)
	}
	return h
}

// server returns the server of one listener, with limits of its own. name is the listener's in the
// metrics.
func (a *App) server(
	name string, h http.Handler, secure *tls.Config, grace time.Duration,
) *server.Server {
	for _, by := range []server.Limit{
		server.ByConnections, server.ByRequests, server.ByResets, server.ByTurns,
	} {
		a.metrics.Limited(name, string(by), 0) // so that the first one is an increase
	}
	return &server.Server{
		Handler: h, TLS: secure, Grace: grace, Log: a.log,
		Limits: server.Limits{
			Connections: a.Config.Connections, PerAddress: a.Config.ConnectionsPerAddress,
			Trusted: a.Config.Proxies(),
			Refused: func(by server.Limit) { a.metrics.Limited(name, string(by), 1) },
		},
	}
}

// Names of the listeners in the metrics.
const (
	publicName   = "public"
	controlName  = "control"
	redirectName = "redirect" // from http to https
)

// How many requests of one client address a listener works on at the same time, for each
// processor, and how long a turn lasts at most. Relying parties call from one address: fewer turns
// would let fewer changes share a flush of the database.
const (
	turnsPerProcessor = 32
	longestTurn       = 250 * time.Millisecond
)

// inTurn wraps the handler of a listener, so that no client makes the others wait. name is the
// listener's in the metrics.
func (a *App) inTurn(name string, h http.Handler) http.Handler {
	a.metrics.Waits(name, 0)
	turns := &limit.Turns{
		Each: a.turns, Waiting: a.Config.ConnectionsPerAddress, Longest: longestTurn,
		Waits:   func(n int) { a.metrics.Waits(name, n) },
		Refused: func() { a.metrics.Limited(name, string(server.ByTurns), 1) },
	}
	return turns.Handler(h, httpx.JSON{Log: a.log}.Refuse)
}

// front wraps the handler of a listener. It finds the client's address, writes
// security events, and adds the headers for browsers.
func (a *App) front(h http.Handler) http.Handler {
	h = server.Proxied(a.security.Observe(h), a.Config.Proxies())
	// Browsers remember the header for the host, as localhost, and it is another developer's too.
	lasting := strings.HasPrefix(a.Config.PublicURL, "https://") && !a.Config.TLS
	return server.Headers(h, lasting)
}

// healthRoutes returns the handler of the service's control listener.
func (a *App) healthRoutes() (http.Handler, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /isalive", func(w http.ResponseWriter, r *http.Request) {
		httpx.WriteJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.HandleFunc("GET /livez", a.health.Live)
	mux.HandleFunc("GET /readyz", a.health.Ready)
	if a.Config.HasConsole() {
		return mux, a.consoleRoutes(
			mux, http.RedirectHandler("/console/", http.StatusSeeOther), http.NotFoundHandler(),
		)
	}
	metrics := a.metrics.Handler()
	if a.Config.MetricsToken != "" {
		metrics = a.guardMetrics(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("WWW-Authenticate", "Bearer")
			w.WriteHeader(http.StatusUnauthorized)
		}))
	}
	mux.Handle("GET /metrics", metrics)
	return mux, nil
}
