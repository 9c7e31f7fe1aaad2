package rpapi

import (
	"cmp"
	"errors"
	"net/http"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/server/httpx"
	"github.com/signet-sign/signet/internal/server/security"
	"github.com/signet-sign/signet/internal/token"
)

// call has the facts about a call that its handler finds out, for the record.
type call struct {
	authentic bool   // the token or the link is genuine
	party     string // client id, if the token does not name it
	requestID string // if neither path nor token names it
	aside     bool   // a repeated use of a link, which the first one records

	check token.Check // that the handler is at, after those of the token
}

// judged sets authentic from the error of token.Verifier. The verifier refuses an argument only if
// the token is authentic.
func (c *call) judged(err error) {
	if c.authentic = err == nil; c.authentic {
		return
	}
	var refusal *api.Error
	c.authentic = errors.As(err, &refusal) && refusal.Code == api.CodeClientSide
}

// recorded makes an http.Handler of h that records each call after answering it. A call that is not
// recorded costs one reading of the clock.
func (a *API) recorded(
	j httpx.JSON, kind calllog.Kind, h func(http.ResponseWriter, *http.Request, *call) error,
) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		begin := time.Now()
		var c call
		err := h(w, r, &c)
		diagnosis := diagnose(r, kind, c, err)
		if err != nil {
			if j.Explain && diagnosis != nil {
				w.Header().Set(HeaderDiagnostics, diagnosis.ID)
			}
			j.Refuse(w, r, explained(err, kind, diagnosis))
			c.noteRefusal(r, kind, diagnosis, err)
		}
		a.tell(r, kind, c, diagnosis, err)
		if a.Calls.Wants(err != nil) && !c.aside {
			a.record(w, r, kind, c, j.Status, time.Since(begin), diagnosis, err)
		}
	})
}

// noteRefusal makes the refusal of a token a security event.
func (c *call) noteRefusal(
	r *http.Request, kind calllog.Kind, diagnosis *calllog.Diagnosis, err error,
) {
	refusal, _ := httpx.Refusal(err)
	if kind == calllog.Download || refusal.Code != api.CodeUnauthorized {
		return
	}
	e := security.Event{Action: security.Token, Actor: c.party, Method: "token", Failed: true}
	if diagnosis != nil {
		e.Reason = string(diagnosis.Check)
	}
	security.Note(r.Context(), e)
}

// Answer is the outcome of a call.
type Answer struct {
	Call      calllog.Kind
	Party     string // client id; "" if the call did not prove it
	RequestID string // "" if it has none
	Code      string // of a refusal; "" if the call was accepted
	Check     string // that failed; "" if it is not known
}

// tell calls Answered with the outcome.
func (a *API) tell(
	r *http.Request, kind calllog.Kind, c call, diagnosis *calllog.Diagnosis, err error,
) {
	if a.Answered == nil {
		return
	}
	answer := Answer{Call: kind, RequestID: cmp.Or(r.PathValue("request_id"), c.requestID)}
	if c.authentic {
		answer.Party = c.party
	}
	if err != nil {
		refusal, _ := httpx.Refusal(err)
		answer.Code = refusal.Code
	}
	if diagnosis != nil {
		answer.Check = string(diagnosis.Check)
	}
	a.Answered(r.Context(), answer)
}

// NoAnswer is the error code of a call whose caller closed the connection.
const NoAnswer = "NO_ANSWER"

func (a *API) record(
	w http.ResponseWriter, r *http.Request, kind calllog.Kind, c call, status func(string) int,
	took time.Duration, diagnosis *calllog.Diagnosis, err error,
) {
	rec := calllog.Record{
		Took: took, Kind: kind, Party: c.party, Authentic: c.authentic, RequestID: c.requestID,
		Status: http.StatusOK, Diagnosis: diagnosis,
	}
	if id := r.PathValue("request_id"); id != "" {
		rec.RequestID = id
	}
	if refusal, reason := httpx.Refusal(err); refusal == api.ErrServerSide &&
		r.Context().Err() != nil {
		rec.Status, rec.Error = 0, NoAnswer
		rec.Description = "The caller went away before there was an answer"
	} else if err != nil {
		rec.Status, rec.Error = status(refusal.Code), refusal.Code
		rec.Description, rec.Reason = refusal.Description, reason
		if wait := w.Header().Get("Retry-After"); wait != "" {
			rec.Reason = "Retry-After: " + wait + " s"
		}
	}
	compact := ""
	if kind != calllog.Download {
		compact = r.Header.Get("Authorization")
		if len(r.Header.Values("Authorization")) > 1 {
			compact, rec.Reason = "", "there is more than one Authorization header"
		}
	}
	a.Calls.Record(rec, compact)
}
