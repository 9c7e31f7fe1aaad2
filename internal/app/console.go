package app

import (
	"context"
	"crypto/rand"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
)

// consoleRoutes mounts the operators' console. At the listener's root, start answers browsers and
// elsewhere all other clients.
func (a *App) consoleRoutes(mux *http.ServeMux, start, elsewhere http.Handler) {
	_, stamps := a.authority.TSA()
	certificates := a.authority.Chain()
	for _, c := range stamps {
		if !slices.ContainsFunc(certificates, c.Equal) {
			certificates = append(certificates, c)
		}
	}
	c := &console.Console{
		Requests: a.sign, Lister: a.store, Parties: a.parties,
		Diagnose: party.Diagnoser{Policy: a.Config.policy(5 * time.Second)},
		Registrar: &party.Registrar{
			Registry: a.parties, Store: a.store, Policy: a.Config.policy(0), Now: a.now,
			Rand: rand.Reader,
		},
		Keys: a.partyKeys, PublicURL: a.Config.PublicURL,
		Kit: a.kit, Now: a.now, Log: a.log, Certificates: certificates, Metrics: a.consoleMetrics,
		Calls: a.store, Recorder: a.calls, Audit: a.audit, Streams: a.streams(),
		Password: a.Config.ConsolePassword,
	}
	mux.Handle(console.Base, c.Handler())
	mux.Handle("GET /console", http.RedirectHandler(console.Base, http.StatusSeeOther))
	mux.Handle("GET /static/", a.kit.Static())
	mux.Handle("GET /favicon.ico", a.kit.Favicon())
	mux.Handle("GET /logos/{file}", a.logos())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			start.ServeHTTP(w, r)
			return
		}
		elsewhere.ServeHTTP(w, r)
	})
}

// consoleMetrics returns the metrics that the console shows.
func (a *App) consoleMetrics() (console.Metrics, error) {
	s, err := a.metrics.Snapshot()
	if err != nil {
		return console.Metrics{}, err
	}
	m := console.Metrics{Webhooks: s.Jobs[string(request.JobWebhook)]}
	for _, b := range s.Sealing {
		m.Sealing = append(m.Sealing, console.Sealing{UpTo: b.UpTo, N: b.Count})
	}
	for _, r := range s.Routes {
		route := console.Route{Route: r.Route, N: r.Count, Refused: r.Refused, Failed: r.Failed}
		if r.Count > 0 {
			route.Mean = time.Duration(r.Seconds / float64(r.Count) * float64(time.Second))
		}
		m.Routes = append(m.Routes, route)
	}
	return m, nil
}

// counted returns a handler of jobs that also measures them.
func (a *App) counted(h request.Handler) request.Handler {
	return func(ctx context.Context, job *request.Job) []request.Event {
		events := h(ctx, job)
		a.metrics.Attempted(string(job.Kind), string(job.Status))
		return events
	}
}
