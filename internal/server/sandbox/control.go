package sandbox

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/signer"
)

// Control is the second listener of the sandbox, on loopback: tests look at requests, act as
// signers, and move the clock.
type Control struct {
	Requests *request.Service
	Phones   *SoftPhones
	Clock    *Clock
	Drain    func(ctx context.Context) error // does all that is due
	Log      *slog.Logger

	Recorder  *calllog.Recorder // what CallStore is about to be asked for may still wait here
	CallStore calllog.Store
}

// Handler returns the routes.
func (c *Control) Handler() http.Handler {
	mux := http.NewServeMux()
	j := httpx.JSON{Status: controlStatus, Log: c.Log}
	mux.HandleFunc("GET /isalive", func(w http.ResponseWriter, r *http.Request) {
		httpx.WriteJSON(w, http.StatusOK, map[string]string{"status": "alive"})
	})
	mux.Handle("GET /requests/{request_id}", j.Handle(c.show))
	mux.Handle("POST /requests/{request_id}/act", j.Handle(c.act))
	mux.Handle("GET /clock", j.Handle(c.clock))
	mux.Handle("POST /clock", j.Handle(c.advance))
	return mux
}

// controlStatus: what the state refuses is a conflict, what the caller wrote wrongly is a bad
// request.
func controlStatus(code string) int {
	switch code {
	case api.CodeClientSide:
		return http.StatusBadRequest
	case codeNotFound:
		return http.StatusNotFound
	case api.CodeServerSide:
		return http.StatusInternalServerError
	}
	return http.StatusConflict
}

// codeNotFound is the control listener's own: here an unknown id need not look like a foreign one.
const codeNotFound = "NOT_FOUND"

// RequestView is a request as the control listener shows it.
type RequestView struct {
	RequestID     string          `json:"request_id"`
	State         request.State   `json:"state"`
	ClientID      string          `json:"client_id"`
	ExpiresAt     time.Time       `json:"expires_at"`
	SessionEndsAt *time.Time      `json:"session_ends_at"` // null: no session
	Signer        *string         `json:"signer"`          // NRIC or FIN; null: not opened yet
	Events        []request.Event `json:"events"`
	// webhook deliveries and other work, with their attempts
	Jobs []request.Job `json:"jobs"`
	// of relying parties, oldest first: what they sent, and why it was refused
	Calls []calllog.Record `json:"calls"`
}

func (c *Control) show(w http.ResponseWriter, r *http.Request) error {
	req, err := c.Requests.Get(r.Context(), r.PathValue("request_id"))
	if err != nil {
		return notFound(err)
	}
	v := RequestView{
		RequestID: req.ID, State: req.State, ClientID: req.ClientID, ExpiresAt: req.ExpiresAt,
	}
	if req.State.InSession() {
		v.SessionEndsAt = &req.Session.EndsAt
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

func (c *Control) act(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		As string `json:"as"`
		Do string `json:"do"`
	}
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	p, ok := Persona(in.As)
	if !ok {
		uin := signer.Normalize(in.As)
		if !signer.ValidUIN(uin) {
			return api.ErrClientSide(`"as" must be an NRIC or FIN with the right check letter`)
		}
		// as many signers as a test wants
		p = signer.Person{UIN: uin, Name: "SANDBOX PERSON " + uin[5:]}
	}
	if err := c.Phones.act(r.Context(), r.PathValue("request_id"), p, in.Do); err != nil {
		return notFound(err)
	}
	return c.show(w, r)
}

func (c *Control) clock(w http.ResponseWriter, r *http.Request) error {
	httpx.WriteJSON(w, http.StatusOK, map[string]time.Time{"now": c.Clock.Now().UTC()})
	return nil
}

// advance moves the clock forward and returns when all that became due has run.
func (c *Control) advance(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Advance string `json:"advance"`
	}
	if err := httpx.ReadJSON(w, r, &in); err != nil {
		return err
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil || d < 0 || d > 10*365*24*time.Hour {
		return api.ErrClientSide(
			`"advance" must be a duration such as "31m", and the clock does not go back`,
		)
	}
	c.Clock.Advance(d)
	if err := c.Drain(r.Context()); err != nil {
		return err
	}
	return c.clock(w, r)
}

// notFound lets an unknown id be a 404.
func notFound(err error) error {
	if errors.Is(err, api.ErrNoRecord) {
		return &api.Error{Code: codeNotFound, Description: api.ErrNoRecord.Description}
	}
	return err
}
