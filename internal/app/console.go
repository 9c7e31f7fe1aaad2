package app

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/login"
	"github.com/signet-sign/signet/internal/server/rpapi"
)

// consoleRoutes mounts the operators' console. At the listener's root, start answers browsers and
// elsewhere all other clients.
func (a *App) consoleRoutes(mux *http.ServeMux, start, elsewhere http.Handler) error {
	c := &console.Console{
		Requests: a.sign, Lister: a.store, Parties: a.parties,
		Diagnose: party.Diagnoser{Policy: a.Config.Policy(5 * time.Second)},
		Registrar: &party.Registrar{
			Registry: a.parties, Store: a.store, Policy: a.Config.Policy(0), Now: a.now,
			Rand: rand.Reader, FourEyes: a.Config.ConsoleFourEyes,
		},
		Keys: a.partyKeys, PublicURL: a.Config.PublicURL,
		Kit: a.kit, Now: a.now, Log: a.log, Certificates: a.authority.Certificates, Issued: a.store,
		Signers: a.signers, People: a.personActs(),
		Metrics: a.consoleMetrics,
		Calls:   a.store, Recorder: a.calls, Audit: a.audit, Streams: a.streams(),
		Password: a.Config.ConsolePassword,
		Failures: &limit.Failures{PerMinute: *a.Config.FailedLoginsPerAddress},
		Sessions: &operator.Sessions{Store: a.store, Now: a.now},
	}
	if a.wall == nil { // the service
		c.Doctor = a.doctor
	} else {
		c.Control = func(r *http.Request) (*http.Response, error) {
			return serveLocally(elsewhere, r)
		}
	}
	if err := a.operatorLogin(c); err != nil {
		return err
	}
	mux.Handle("GET /metrics", a.guardMetrics(c.Guard(a.metrics.Handler())))
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
	return nil
}

// doctor returns the findings of all checks for the console, faults first.
func (a *App) doctor(ctx context.Context) (list []console.Finding) {
	for _, f := range a.Doctor().Diagnose(ctx) {
		list = append(list, console.Finding{
			Check: f.Check, Level: string(f.Level), Text: f.Text, Remedy: f.Remedy,
		})
	}
	worse := map[string]int{
		string(doctor.Fault): 0, string(doctor.Warning): 1, string(doctor.OK): 2,
	}
	slices.SortStableFunc(list, func(a, b console.Finding) int {
		return worse[a.Level] - worse[b.Level]
	})
	return list
}

// operatorLogin has operators log in by OpenID Connect, if that is configured.
func (a *App) operatorLogin(c *console.Console) (err error) {
	own := &a.Config
	if own.ConsoleOIDCIssuer == "" {
		return nil
	}
	if own.ConsolePassword != "" {
		a.log.Warn(
			"console_password is for the first start: remove it once operators log in by OpenID Connect",
		)
	}
	secret, err := a.keys.Ring("console", parts.SecretOverlap)
	if err != nil {
		return err
	}
	c.URL, c.RoleClaim = own.ConsoleURL, own.ConsoleRoleClaim
	if c.Roles, err = own.ParseConsoleRoles(); err != nil {
		return err
	}
	transport, err := config.Transport("console_oidc_roots", own.ConsoleOIDCRoots)
	if err != nil {
		return err
	}
	operators := parts.ConsoleLogin(own, a.clientKeys)
	operators.Failures, operators.Secrets, operators.Ended = c.Failures, secret.Secrets, a.store
	operators.Transport, operators.Accept = a.tracedTransport(transport), c.Accept
	operators.Now, operators.Log = a.now, a.log
	operators.Failed = func(w http.ResponseWriter, r *http.Request, _ string, why login.Failure) {
		status := http.StatusForbidden
		switch why {
		case login.Unavailable:
			status = http.StatusServiceUnavailable
		case login.TooMany:
			status = http.StatusTooManyRequests
		}
		c.LoginFailed(w, r, status)
	}
	c.Login, err = login.New(operators)
	return err
}

// guardMetrics opens the metrics for the bearer token, and otherwise asks next.
func (a *App) guardMetrics(next http.Handler) http.Handler {
	token := a.Config.MetricsToken
	if token == "" {
		return next
	}
	want := sha256.Sum256([]byte("Bearer " + token))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got := sha256.Sum256([]byte(r.Header.Get("Authorization")))
		if subtle.ConstantTimeCompare(got[:], want[:]) == 1 {
			a.metrics.Handler().ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
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

// answered counts a refused call of a relying party, and adds to the log what the call came to.
func (a *App) answered(ctx context.Context, answer rpapi.Answer) {
	outcome := answer.Code
	if outcome == "" {
		outcome = "accepted"
	} else {
		a.metrics.Refused(string(answer.Call), answer.Code, answer.Check)
	}
	obs.Note(
		ctx, slog.String("call", string(answer.Call)), slog.String("party", answer.Party),
		slog.String("request_id", answer.RequestID), slog.String("outcome", outcome),
		slog.String("check", answer.Check),
	)
}

// counted returns a handler of jobs that also measures them.
func (a *App) counted(h request.Handler) request.Handler {
	return func(ctx context.Context, job *request.Job) []request.Event {
		events := h(ctx, job)
		a.metrics.Attempted(string(job.Kind), string(job.Status))
		return events
	}
}
