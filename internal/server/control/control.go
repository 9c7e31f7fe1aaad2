// Package control is the JSON API of the sandbox's control listener, for tests: it shows requests
// with their trail, jobs and calls, acts as signers with software phones, and moves the sandbox's
// clock.
//
// Start at [API.Handler]; softphone.go and clock.go have what the routes act on. The package
// changes requests by the operations of package request only. The listener is bound to loopback.
// `signet serve` does not use this package; the browser pages of the sandbox are in package
// sandbox.
package control

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
)

// API serves the control listener.
type API struct {
	Requests *request.Service
	Lister   request.Lister
	Phones   *SoftPhones
	Signers  *Signers
	Faults   *fault.Set
	Clock    *Clock
	Clocks   *Clocks
	Worker   *request.Worker
	Log      *slog.Logger

	Parties *party.Registry
	Keys    *party.Keys

	Recorder  *calllog.Recorder // holds records that are not in CallStore yet
	CallStore calllog.Store

	inbox inbox
}

// route is a call of the control listener.
type route struct {
	Call string `json:"call"` // method and path
	Does string `json:"does"`
	// Takes lists the parameters of the query; the call refuses others.
	Takes  []string `json:"takes,omitempty"`
	handle func(w http.ResponseWriter, r *http.Request) error
}

// anyQuery stands in [route.Takes] for a call that has no parameters and may have any query.
const anyQuery = "*"

// routes lists all calls, as GET / does.
func (c *API) routes() []route {
	return []route{
		{"GET /isalive", "answers when the sandbox is up", []string{anyQuery}, alive},
		{
			"GET /requests",
			"lists requests, newest first",
			[]string{"client_id", "state", "text", "limit"},
			c.list,
		},
		{
			"GET /requests/{request_id}",
			"state, trail, jobs and calls; wait=signed,expired answers when one of these states is reached, or after timeout=30s",
			[]string{"wait", "timeout"},
			c.show,
		},
		{
			"POST /requests/{request_id}/act",
			`a step of a signer: {"as": "S8979373D", "do": "open"}; then proceed, approve, reject or leave`,
			nil,
			c.act,
		},
		{"POST /requests/{request_id}/resend", "sends the webhook once more", nil, c.resend},
		{
			"GET /calls",
			"calls of relying parties and webhooks, newest first",
			[]string{"client_id", "call", "refused", "before", "limit"},
			c.calls,
		},
		{"GET /signers", "personas, behaviours, and the queue of signers", nil, c.Signers.show},
		{
			"POST /signers",
			`what the next signer does: {"do": "reject"}; with request_id: now`,
			nil,
			c.planSigner,
		},
		{"DELETE /signers", "empties the queue", nil, c.Signers.clear},
		{
			"GET /clock",
			"the sandbox's time, or that of a request or party",
			[]string{"request_id", "client_id"},
			c.clock,
		},
		{
			"POST /clock",
			`moves the clock of a request: {"advance": "31m", "request_id": "..."}; or of a party or the sandbox; or set, freeze, reset`,
			nil,
			c.moveClock,
		},
		{"GET /faults", "what goes wrong on purpose", nil, c.faults},
		{"POST /faults", `adds a fault: {"kind": "answer-lost", "count": 1}`, nil, c.addFault},
		{"DELETE /faults", "removes all faults", nil, c.clearFaults},
		{"DELETE /faults/{id}", "removes one", nil, c.removeFault},
		{
			"GET /changes",
			"in what the sandbox differs from a new one: clocks, faults and queue",
			nil,
			c.changes,
		},
		{"GET /parties", "relying parties, their problems and their cached keys", nil, c.parties},
		{
			"GET /diagnostics/{id}",
			"a refused call, check by check; the id is in the header Signet-Diagnostics",
			nil,
			c.diagnostics,
		},
		{
			"POST /webhooks/{client_id}",
			"receives webhooks for a party that registers this as its webhook_url",
			[]string{anyQuery},
			c.receive,
		},
		{
			"GET /webhooks/{client_id}",
			"the webhooks received; wait=1 answers when there are so many, or after timeout=30s",
			[]string{"wait", "timeout"},
			c.received,
		},
		{"DELETE /webhooks/{client_id}", "forgets them", nil, c.clearReceived},
		{
			"POST /reset",
			"clocks, faults, queue and received webhooks as at the start, or those of one party",
			[]string{"client_id"},
			c.reset,
		},
	}
}

func alive(w http.ResponseWriter, _ *http.Request) error {
	httpx.WriteJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	return nil
}

// Handler returns the routes.
func (c *API) Handler() http.Handler {
	mux := http.NewServeMux()
	j := httpx.JSON{Status: controlStatus, Log: c.Log}
	for _, r := range c.routes() {
		if !slices.Contains(r.Takes, anyQuery) {
			r.handle = httpx.Takes(r.handle, r.Takes...)
		}
		mux.Handle(r.Call, j.Handle(r.handle))
	}
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		httpx.WriteJSON(w, http.StatusOK, map[string]any{"calls": c.routes()})
	})
	mux.Handle("/", j.Handle(func(w http.ResponseWriter, r *http.Request) error {
		if methods := methodsOf(mux, r); len(methods) > 0 {
			w.Header().Set("Allow", strings.Join(methods, ", "))
			return &api.Error{
				Code:        codeMethod,
				Description: "The call takes " + strings.Join(methods, " and "),
			}
		}
		if strings.Contains(r.Header.Get("Accept"), "text/html") {
			http.NotFound(w, r) // the listener makes a page of it for the person
			return nil
		}
		return &api.Error{Code: codeNotFound, Description: "No such call; GET / lists them"}
	}))
	return mux
}

// methodsOf returns the methods that the path of r accepts.
func methodsOf(mux *http.ServeMux, r *http.Request) (methods []string) {
	for _, method := range []string{http.MethodDelete, http.MethodGet, http.MethodPost} {
		_, pattern := mux.Handler(&http.Request{Method: method, URL: r.URL, Host: r.Host})
		if pattern != "/" {
			methods = append(methods, method)
		}
	}
	return methods
}

// ID is an id in the body of a call, or "" if the body has none. An empty one is refused: with a
// variable of a script that is not set, a call for one request would act on all.
type ID string

// UnmarshalText reads the id.
func (id *ID) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		return errors.New("an id is empty: give it, or leave the member out")
	}
	*id = ID(text)
	return nil
}

// known returns an error unless a party and a request with these ids exist; "" is none.
func (c *API) known(ctx context.Context, clientID, requestID string) error {
	if clientID != "" {
		if _, err := c.Parties.Party(ctx, clientID); err != nil {
			return &api.Error{
				Code: codeNotFound, Description: "No relying party has this client_id",
			}
		}
	}
	if requestID != "" {
		if _, err := c.Requests.Get(ctx, requestID); err != nil {
			return notFound(err)
		}
	}
	return nil
}

// controlStatus returns the HTTP status of an error code: 409 for what the state refuses, 400 for
// an invalid call.
func controlStatus(code string) int {
	switch code {
	case api.CodeClientSide:
		return http.StatusBadRequest
	case codeNotFound:
		return http.StatusNotFound
	case codeMethod:
		return http.StatusMethodNotAllowed
	case api.CodeServerSide, api.CodeUnavailable:
		return api.Status(code)
	}
	return http.StatusConflict
}

// Codes of the control listener only, which does not hide whether an id exists.
const (
	codeNotFound = "NOT_FOUND"
	codeMethod   = "METHOD_NOT_ALLOWED"
)

// RequestView is a request as the control listener shows it.
type RequestView struct {
	RequestID     string        `json:"request_id"`
	State         request.State `json:"state"`
	ClientID      string        `json:"client_id"`
	Clock         ClockView     `json:"clock"` // the request's, which the next two times are by
	ExpiresAt     time.Time     `json:"expires_at"`
	SessionEndsAt *time.Time    `json:"session_ends_at"` // null if there is no session
	// NRIC or FIN; null if no person has opened it
	Signer *string         `json:"signer"`
	Events []request.Event `json:"events"`
	// Jobs are webhook deliveries and other jobs with their attempts.
	Jobs []request.Job `json:"jobs"`
	// Calls are those of relying parties with the reasons of refusals, oldest first.
	Calls []calllog.Record `json:"calls"`
}

func (c *API) show(w http.ResponseWriter, r *http.Request) error {
	if err := c.await(w, r, r.PathValue("request_id")); err != nil {
		return notFound(err)
	}
	req, err := c.Requests.Get(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return notFound(err)
	}
	clock := c.Clocks.of(req.ID)
	v := RequestView{
		RequestID: req.ID, State: req.State, ClientID: req.ClientID,
		Clock: clock.view(c.now()), ExpiresAt: req.ExpiresAt.Add(clock.Ahead),
	}
	if req.State.InSession() {
		ends := req.Session.EndsAt.Add(clock.Ahead)
		v.SessionEndsAt = &ends
	}
	if req.Signer != nil {
		v.Signer = &req.Signer.UIN
	}
	if v.Events, err = c.Requests.Store.Events(r.Context(), req.ID); err != nil {
		return err
	}
	if v.Jobs, err = c.Requests.Outbox.Jobs(r.Context(), req.ID); err != nil {
		return err
	}
	if v.Calls, err = calllog.OfRequest(r.Context(), c.CallStore, c.Recorder, req.ID); err != nil {
		return err
	}
	httpx.WriteJSON(w, http.StatusOK, v)
	return nil
}

func (c *API) act(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		As string `json:"as"`
		Do string `json:"do"`
	}
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	p, err := c.Signers.Persona(in.As)
	if err != nil {
		return err
	}
	if err := c.Phones.act(r.Context(), r.PathValue("request_id"), p.Person, in.Do); err != nil {
		return notFound(err)
	}
	return c.show(w, r)
}

// notFound returns err with codeNotFound if it is about an unknown id.
func notFound(err error) error {
	if errors.Is(err, api.ErrNoRecord) {
		return &api.Error{Code: codeNotFound, Description: "No request has this id"}
	}
	return err
}
