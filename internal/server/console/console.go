// Package console serves the operators' pages below /console/: sign requests with their trails,
// relying parties (to register, change and test), relying parties' calls, and metrics. The sandbox
// serves the same pages as its inspector.
//
// Start at [Console.Handler]. The console is mounted on the control listener only, which operators
// keep on a separate address; in the service it also requires a password (auth.go).
//
// The console makes no decisions about requests. Package request does: a cancel is
// request.Service.CancelFor in the relying party's name, with the same rule and the same audit, and
// pages show each refusal unchanged. Package party changes relying parties, and package calllog
// records calls.
//
// No page and no bundle contains an NRIC of a signer or its hash, a session id, an exchange code, a
// link's signature, a token, or the query of a registered URL: see evidence.go, scrub.go and
// package calllog.
package console

import (
	"context"
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/limit"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
)

// Console serves the operators' pages.
type Console struct {
	Requests *request.Service
	Lister   request.Lister
	Parties  *party.Registry
	Diagnose party.Diagnoser

	// Registrar changes relying parties; Keys is this node's cache of their keys.
	Registrar *party.Registrar
	Keys      *party.Keys
	PublicURL string // base URL that signers and relying parties use
	Kit       *ui.Kit
	Now       func() time.Time
	Log       *slog.Logger

	// Certificates returns the authorities' certificates, to check evidence with.
	Certificates func() []*x509.Certificate

	// Issued is the register of issued certificates; Signers revokes them.
	Issued  audit.Certificates
	Signers *signer.Service

	// People does what operators do for a person.
	People *person.Service

	// Metrics returns the present values of the metrics.
	Metrics func() (Metrics, error)

	// Calls are the records of relying parties' calls; Recorder, which may be nil, holds those that
	// are not written yet.
	Calls    calllog.Store
	Recorder *calllog.Recorder

	// Audit is the log that holds the events of all trails.
	Audit *audit.Log

	// Doctor checks the service and everything that it depends on, faults first. It is nil in a
	// sandbox.
	Doctor func(ctx context.Context) []Finding

	// Control makes a call of the sandbox's control listener. It is nil in the service.
	Control func(*http.Request) (*http.Response, error)

	// Streams notify open pages of changes.
	Streams httpx.Streams

	// Password is the password of all operators, who are admins with it. If it is empty and Login
	// is nil the console requires none, which is allowed only on a loopback listener.
	Password string

	// Failures limits wrong passwords from one address; nil: no limit.
	Failures *limit.Failures

	// Login, if not nil, logs operators in by OpenID Connect; its Config.Accept is
	// [Console.Accept]. RoleClaim is the claim with the names of an operator's groups or roles, and
	// Roles says which role a name gives.
	Login     Login
	URL       string // base URL that operators use
	RoleClaim string
	Roles     map[string]Role

	// Sessions are those that Accept begins, on all nodes.
	Sessions *operator.Sessions
}

// Login sends an operator's browser to the identity provider. Package login implements it.
type Login interface {
	Begin(w http.ResponseWriter, r *http.Request, scope, returnTo string)
	Routes(mux *http.ServeMux)
}

// Metrics are the metrics that the overview shows, counted since the program started.
type Metrics struct {
	Routes   []Route           // busiest first
	Webhooks map[string]uint64 // attempts by the request.JobStatus that they led to
	Sealing  []Sealing         // ascending; the last one has no upper bound
}

// Sealing is the number N of sealings that took at most UpTo and more than the UpTo before it. UpTo
// 0 means no upper bound.
type Sealing struct {
	UpTo time.Duration
	N    uint64
}

// evidenceFile is the last segment of the evidence's path.
const evidenceFile = "evidence.zip"

// documentFile is the last segment of the document's path.
const documentFile = "document.pdf"

// auditFile is the last segment of the path of the audit log.
const auditFile = "audit.jsonl"

// pageTimeout bounds the queries and calls of one page, such as a search through years of requests.
const pageTimeout = 15 * time.Second

// doctorTimeout bounds the checks of the service. Each call to another server has a bound of its
// own.
const doctorTimeout = 2 * time.Minute

// Handler serves everything below [Base]. It has to be mounted beside the kit's /static/, and
// inside http.CrossOriginProtection, because browsers send the password with cross-site posts too.
func (c *Console) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /console/{$}", c.handle(c.overview))
	mux.HandleFunc("GET /console/requests", c.handle(c.requests))
	mux.HandleFunc("GET /console/requests.csv", c.handle(c.requestsCSV))
	mux.HandleFunc("GET /console/requests/{request_id}", c.handle(c.request))
	mux.HandleFunc("GET /console/requests/{request_id}/events", c.handle(c.follow))
	mux.HandleFunc("POST /console/requests/{request_id}/cancel", c.actOn("cancel", c.cancel))
	mux.HandleFunc("POST /console/requests/{request_id}/resend", c.actOn("resend", c.Requests.Resend))
	mux.HandleFunc("POST /console/requests/{request_id}/seal", c.actOn("seal", c.Requests.SealAgain))
	mux.HandleFunc("POST /console/requests/{request_id}/abort", c.actOn("abort", c.Requests.Abort))
	mux.HandleFunc("GET /console/requests/{request_id}/signatures", c.handle(c.signatures))
	mux.HandleFunc("GET /console/requests/{request_id}/"+evidenceFile, c.handle(c.evidence))
	mux.HandleFunc("GET /console/requests/{request_id}/"+documentFile, c.handle(c.document))
	mux.HandleFunc("GET /console/"+auditFile, c.handle(c.exportAudit))
	mux.HandleFunc("GET /console/webhooks", c.handle(c.webhooks))
	mux.HandleFunc("POST /console/webhooks/resend", c.handle(c.resendAll))
	mux.HandleFunc("POST /console/webhooks/resume", c.handle(c.resume))
	mux.HandleFunc("GET /console/calls", c.handle(c.calls))
	mux.HandleFunc("GET /console/calls/{id}", c.handle(c.call))
	c.partyRoutes(mux)
	c.peopleRoutes(mux)
	c.controlRoutes(mux)
	c.apiRoutes(mux)
	mux.HandleFunc("GET /console/"+doctorPath, c.doctor(false))
	mux.HandleFunc("POST /console/"+doctorPath, c.doctor(true))
	mux.HandleFunc("GET /console/certificates", c.handle(c.certificates))
	mux.HandleFunc("POST /console/certificates/revoke", c.handle(c.revokeCertificate))
	mux.HandleFunc("GET /console/sessions", c.handle(c.listSessions))
	mux.HandleFunc("POST /console/sessions/token", c.handle(c.beginToken))
	mux.HandleFunc("POST /console/sessions/end", c.handle(c.endSession))
	mux.HandleFunc("POST /console/logout", c.handle(c.logout))
	mux.HandleFunc(
		"GET /console/",
		func(w http.ResponseWriter, r *http.Request) { c.Kit.Error(w, r, http.StatusNotFound, "") },
	)
	outside := http.NewServeMux()
	outside.Handle("/console/", c.Guard(mux))
	if c.Login != nil {
		c.Login.Routes(outside)
		outside.HandleFunc("GET /console/login", c.login)
	}
	return outside
}

// maxBody bounds the body of a form: a logo, or URLs with each byte escaped, certificates and the
// other fields.
const maxBody = party.MaxLogo + 64<<10

// handle returns a handler that bounds the body and shows h's error as a page.
func (c *Console) handle(h func(w http.ResponseWriter, r *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		err := h(w, r)
		switch {
		case err == nil:
		case r.Context().Err() != nil: // the browser has closed the connection
			w.WriteHeader(http.StatusServiceUnavailable)
		case errors.Is(err, api.ErrNoRecord), errors.Is(err, party.ErrUnknown):
			c.Kit.Error(w, r, http.StatusNotFound, "")
		default:
			c.Kit.Error(w, r, httpx.Fault(w, r, c.Log, "console page failed", err), "")
		}
	}
}

// show shows a page.
func (c *Console) show(w http.ResponseWriter, r *http.Request, page ui.Page) error {
	c.Kit.Show(w, r, c.Log, http.StatusOK, page)
	return nil
}

// partyName returns a relying party's name, or its client id if it is no longer registered.
func (c *Console) partyName(ctx context.Context, clientID string) string {
	if p, err := c.Parties.Party(ctx, clientID); err == nil {
		return p.Name
	}
	return clientID
}
