package httpx

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/security"
)

// JSON makes handlers of functions that answer JSON and return errors. An [api.Error] is answered
// with its body. Any other error is answered with SERVER_SIDE_ERROR, and its text is only logged.
type JSON struct {
	Status  func(code string) int // HTTP status of an error code; nil means api.Status
	Explain bool                  // send the cause of a refusal in a header; only for the sandbox
	Log     *slog.Logger
}

// HeaderExplanation is the header for the cause of a refusal. Only the sandbox sends it.
const HeaderExplanation = "Signet-Explanation"

// Handle makes an http.Handler of h, which must not write anything before it returns an error.
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
		refusal = api.ErrServerSide
		if Fault(w, r, j.Log, "request failed", err) == http.StatusServiceUnavailable {
			refusal = api.ErrUnavailable
		}
	} else {
		j.Log.DebugContext(r.Context(), "request refused", "route", r.Pattern, "err", err)
		if j.Explain {
			w.Header().Set(HeaderExplanation, oneLine(err.Error()))
		}
	}
	security.Note(r.Context(), security.Event{Reason: refusal.Code})
	status := api.Status
	if j.Status != nil {
		status = j.Status
	}
	WriteJSON(w, status(refusal.Code), refusal)
}

// Refusal returns the refusal that [JSON.Refuse] answers for err, and the cause that it does not
// send, or "". For a nil err it returns nil.
func Refusal(err error) (refusal *api.Error, reason string) {
	if err == nil {
		return nil, ""
	}
	if !errors.As(err, &refusal) {
		if unavailable(err) {
			return api.ErrUnavailable, "the database or the disk was away"
		}
		return api.ErrServerSide, "an error of ours, which is in the log"
	}
	reason, found := strings.CutPrefix(err.Error(), refusal.Code+" because ")
	if !found {
		reason = ""
	}
	return refusal, reason
}

// Refused reports whether err is a refusal by package request rather than a fault.
func Refused(err error) bool {
	_, ok := errors.AsType[*api.Error](err)
	return ok
}

// WriteJSON writes v as JSON.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot happen with the types of this program
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

// oneLine returns s in a form that a header can contain.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return ' '
		}
		return r
	}, s)
}

// Pretty lays a JSON text out for people: members in their order, two spaces for each level, and no
// needless escapes, so that a URL can be copied ("&", not "\\u0026"). A text that is not JSON is
// returned as it is.
func Pretty(text string) string {
	v := jsontext.Value(text)
	if v.Format(jsontext.WithIndent("  ")) != nil {
		return text
	}
	return string(v)
}
