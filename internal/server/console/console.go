// Package console is what operators see below /console/: sign requests with everything that
// happened to them, relying parties (to register, change and test), and what the program has been
// doing. It is the sandbox's inspector, too.
//
// Start at [Console.Handler]. The console is mounted on the control listener only, which operators
// keep on an address of their own; in the service it also asks for a password (auth.go). It decides
// nothing: cancelling is request.Service.CancelFor in the relying party's name, with the same rule
// and the same audit, and every refusal is shown as it is.
//
// No page and no bundle holds an NRIC or its hash, a session's id, an exchange code, a link's
// signature, a token, or the query of a registered URL: see evidence.go, scrub.go and package
// calllog.
package console

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/ui"
)

// Console serves the operators.
type Console struct {
	Requests *request.Service
	Lister   request.Lister
	Parties  *party.Registry
	Diagnose party.Diagnoser

	// Registrar changes relying parties; Keys is what this node has cached of their keys.
	Registrar *party.Registrar
	Keys      *party.Keys
	PublicURL string // where signers and relying parties find us
	Kit       *ui.Kit
	Now       func() time.Time
	Log       *slog.Logger

	// Certificates are the authorities' that evidence is checked with.
	Certificates []*x509.Certificate

	// Metrics reads what the metrics say now.
	Metrics func() (Metrics, error)

	// Calls are the records of relying parties' calls; Recorder holds those that are about to be
	// written, and may be nil.
	Calls    calllog.Store
	Recorder *calllog.Recorder

	// Streams tell open pages of changes.
	Streams httpx.Streams

	// Password is what operators log in with; empty: nobody is asked, which only a listener on
	// loopback allows.
	Password string
}

// Metrics is what the overview shows of the program's metrics, counted since it began.
type Metrics struct {
	Routes   []Route           // busiest first
	Webhooks map[string]uint64 // attempts by request.JobStatus afterwards
	Sealing  []Sealing         // in order; the last one is without bound
}

// Sealing is how many sealings took at most so long, and longer than the one before; UpTo 0: any
// longer time.
type Sealing struct {
	UpTo time.Duration
	N    uint64
}

// patience is how long a page may look for what was asked: a search through years of requests is
// given up, not waited for.
const patience = 15 * time.Second

// Handler serves everything below Base. It needs the kit's /static/ beside it, and
// http.CrossOriginProtection around it: browsers send the password along with whatever another site
// makes them post.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/{$}", c.handle(c.overview))
	mux.HandleFunc("GET /console/requests", c.handle(c.requests))
	mux.HandleFunc("GET /console/requests/{request_id}", c.handle(c.request))
	mux.HandleFunc("GET /console/requests/{request_id}/events", c.handle(c.follow))
	mux.HandleFunc("POST /console/requests/{request_id}/cancel", c.handle(c.cancel))
	mux.HandleFunc("POST /console/requests/{request_id}/resend", c.handle(c.resend))
	mux.HandleFunc("POST /console/requests/{request_id}/seal", c.handle(c.sealAgain))
	mux.HandleFunc("POST /console/requests/{request_id}/abort", c.handle(c.abort))
	mux.HandleFunc("GET /console/requests/{request_id}/evidence.zip", c.handle(c.evidence))
	mux.HandleFunc("GET /console/calls", c.handle(c.calls))
	mux.HandleFunc("GET /console/calls/{id}", c.handle(c.call))
	c.partyRoutes(mux)
	mux.HandleFunc(
		"GET /console/",
		func(w http.ResponseWriter, r *http.Request) { c.Kit.Error(w, r, http.StatusNotFound, "") },
	)
	return c.guard(mux)
}

// handle turns errors into pages.
func (c *Console) handle(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := h(w, r)
		switch {
		case err == nil, r.Context().Err() != nil:
		case errors.Is(err, api.ErrNoRecord), errors.Is(err, party.ErrUnknown):
			c.Kit.Error(w, r, http.StatusNotFound, "")
		default:
			c.Log.ErrorContext(r.Context(), "console page failed", "route", r.Pattern, "err", err)
			c.Kit.Error(w, r, http.StatusInternalServerError, "")
		}
	}
}

// partyName is what a relying party is called; one that is registered no more goes by its client
// id.
func (c *Console) partyName(ctx context.Context, clientID string) string {
	if p, err := c.Parties.Party(ctx, clientID); err == nil {
		return p.Name
	}
	return clientID
}
