package httpx

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/api"
)

// JSON adapts handlers that answer JSON and return errors. An error that is an [api.Error] becomes
// that body; any other becomes SERVER_SIDE_ERROR, and its text goes to the log and nowhere else.
type JSON struct {
	Status  func(code string) int // HTTP status of an error code; nil: api.Status
	Explain bool                  // adds the cause of a refusal as a header: only for the sandbox
	Log     *slog.Logger
}

// HeaderExplanation carries the cause of a refusal in the sandbox.
const HeaderExplanation = "Signet-Explanation"

// Handle makes an http.Handler of h. h must not have written anything when it returns an error.
func (j JSON) Handle(h func(w http.ResponseWriter, r *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := h(w, r); err != nil {
			j.Refuse(w, r, err)
		}
	})
}

// Refuse answers with err.
func (j JSON) Refuse(w http.ResponseWriter, r *http.Request, err error) {
	var refusal *api.Error
	if !errors.As(err, &refusal) {
		if r.Context().Err() != nil {
			return // nobody is listening any more
		}
		j.Log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
		refusal = api.ErrServerSide
	} else {
		j.Log.DebugContext(r.Context(), "request refused", "route", r.Pattern, "err", err)
		if j.Explain {
			w.Header().Set(HeaderExplanation, oneLine(err.Error()))
		}
	}
	status := api.Status
	if j.Status != nil {
		status = j.Status
	}
	WriteJSON(w, status(refusal.Code), refusal)
}

// Refusal is what [JSON.Refuse] says for err, and the reason behind it, which it does not say: ""
// if there is no more to know. For no error there is none.
func Refusal(err error) (refusal *api.Error, reason string) {
	if err == nil {
		return nil, ""
	}
	if !errors.As(err, &refusal) {
		return api.ErrServerSide, "an error of ours, which is in the log"
	}
	reason, found := strings.CutPrefix(err.Error(), refusal.Code+" because ")
	if !found {
		reason = ""
	}
	return refusal, reason
}

// Refused reports whether err is a refusal of the domain, rather than a fault.
func Refused(err error) bool {
	_, ok := errors.AsType[*api.Error](err)
	return ok
}

// WriteJSON answers with v.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // our own types: cannot happen
		http.Error(
			w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError,
		)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	w.Write(append(body, '\n'))
}

// ReadJSON decodes a request's JSON body of at most 64 KiB into v.
func ReadJSON(w http.ResponseWriter, r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 64<<10)).Decode(v); err != nil {
		return api.ErrClientSide("The body is not the JSON that this call takes").Because("%w", err)
	}
	return nil
}

// oneLine makes text fit a header.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}
