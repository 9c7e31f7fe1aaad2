package conform

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/api"
)

// cancelMistakes are about the rules of cancel: 6, with 11.2 and 12.1.
func cancelMistakes() []Mistake {
	return []Mistake{
		strict("requires-a-body-of-cancels", "6.1.1", func(e *exchange) bool {
			return e.call == "cancel" && len(e.sent) == 0
		}),
		strict("requires-a-type-of-cancels", "6.1.2", func(e *exchange) bool {
			return e.call == "cancel" && e.request.Header.Get("Content-Type") == ""
		}),
		strict("knows-client_id-only", "6.1.3", func(e *exchange) bool {
			return e.call == "cancel" && e.claims["client_id"] == nil
		}),
		answers("lets-parties-cancel-for-others", "6.1.3", func(e *exchange) {
			if id := text(e.claims["client_id"]); e.call == "cancel" && id == "bank" &&
				e.code() == api.CodeUnauthorized {
				e.refuse(http.StatusBadRequest, api.CodeClientSide, api.ErrNoRecord.Description)
			}
		}),
		answers("cancels-by-a-query", "6.1.4", func(e *exchange) {
			if e.call == "cancel" && bytes.HasPrefix(e.claims["request_id"], []byte("{")) {
				e.succeed()
			}
		}),
		strict("refuses-a-jti-that-was-used", "6.1.5", func(e *exchange) bool {
			return e.call == "cancel" && strings.HasPrefix(text(e.claims["jti"]), "used-")
		}),
		answers("cancels-with-a-body", "6.2.1", func(e *exchange) {
			if e.call == "cancel" && e.status == http.StatusOK {
				e.body = []byte("{}")
			}
		}),
		{"forgets-the-cancel-of-the-expired", "6.2.1", forgetsCancels, nil},
		answers("cancels-with-204", "6.2.1", func(e *exchange) {
			if e.call == "cancel" && e.status == http.StatusOK {
				e.status = http.StatusNoContent
			}
		}),
		forgetful("keeps-what-was-rejected", "6.2.1", func(e *exchange, h *history) {
			if e.call == "cancel" && h.answered[e.requestID()+"reject"] > 0 {
				e.refuse(http.StatusBadRequest, api.CodeClientSide, api.ErrNoRecord.Description)
			}
		}),
		forgetful("keeps-what-has-expired", "6.2.1", func(e *exchange, h *history) {
			if e.call == "cancel" && h.aged[e.requestID()] > 30*time.Minute {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}),
		forgetful("keeps-what-was-opened", "6.2.1", func(e *exchange, h *history) {
			id := e.requestID()
			if e.call == "cancel" && h.answered[id+"open"] > 0 && h.answered[id+"proceed"] == 0 {
				e.refuse(
					http.StatusBadRequest, api.CodeActiveSession, api.ErrActiveSession.Description,
				)
			}
		}),
		answers("cancels-in-a-session", "6.2.2", cancels(api.CodeActiveSession)),
		{"cancels-while-sealing", "6.2.2", cancelsLater, nil},
		forgetful("keeps-what-the-signer-has-left", "6.2.2", func(e *exchange, h *history) {
			if e.call == "cancel" && h.answered[e.requestID()+"leave"] > 0 {
				e.refuse(
					http.StatusBadRequest, api.CodeActiveSession, api.ErrActiveSession.Description,
				)
			}
		}),
		answers("names-the-session-otherwise", "6.2.2", func(e *exchange) {
			if e.code() == api.CodeActiveSession {
				e.set("error", "ACTIVE_SESSION")
			}
		}),
		forgetful("ends-sessions-by-a-refused-cancel", "6.2.2", func(e *exchange, h *history) {
			if e.call == "act" && e.step() == "approve" &&
				h.answered[e.requestID()+api.CodeActiveSession] > 0 {
				e.fail()
			}
		}),
		answers("cancels-the-signed", "6.2.3", cancels(api.CodeAlreadySigned)),
		forgetful("cancels-the-signed-after-an-hour", "6.2.3", func(e *exchange, h *history) {
			if e.code() == api.CodeAlreadySigned && h.aged[e.requestID()] > time.Hour {
				e.succeed()
			}
		}),
		answers("cancels-twice", "6.2.4", cancels(api.CodeAlreadyCancelled)),
		answers("changes-a-text", "6.2.4", func(e *exchange) {
			if e.code() == api.CodeAlreadyCancelled {
				e.set("error_description", "Request has already been cancelled")
			}
		}),
		forgetful("cancels-again-what-would-have-expired", "6.2.4",
			func(e *exchange, h *history) {
				if e.code() == api.CodeAlreadyCancelled &&
					h.aged[e.requestID()] > 30*time.Minute {
					e.succeed()
				}
			}),
		answers("cancels-the-unknown", "6.2.5", cancels(api.CodeClientSide)),
		answers("takes-an-id-for-a-pattern", "6.2.5", func(e *exchange) {
			if strings.HasSuffix(text(e.claims["request_id"]), "%") {
				e.succeed()
			}
		}),
		answers("refuses-long-ids-otherwise", "6.2.5", func(e *exchange) {
			if len(text(e.claims["request_id"])) > 1000 {
				e.refuse(http.StatusInternalServerError, api.CodeServerSide, "Too long")
			}
		}),
		{"tells-of-other-parties", "6.2.6", tellsOfOthers, nil},
		forgetful("signs-the-cancelled", "6.3.1", func(e *exchange, h *history) {
			if e.call == "" && e.request.Method == http.MethodGet {
				h.answered["GET"]++
			}
			if e.code() == api.CodeCancelled && h.answered["GET"] > 0 {
				e.status, e.body = http.StatusOK, []byte(`{"signed_doc_url":"x"}`)
			}
		}),
		forgetful("opens-the-cancelled", "6.3.1", func(e *exchange, h *history) {
			if e.call == "act" && h.answered[e.requestID()+"cancel"] > 0 {
				e.status, e.body = http.StatusOK, []byte("{}")
			}
		}),
		sendsFor("sends-a-webhook-for-a-cancel", "6.3.2", func(e *exchange) bool {
			return e.call == "cancel" && e.status == http.StatusOK
		}),
		answers("takes-two-cancels", "11.2", cancels(api.CodeAlreadyCancelled)),
		answers("lets-both-win", "11.2", func(e *exchange) {
			switch {
			case e.code() == api.CodeActiveSession:
				e.succeed()
			case e.call == "act" && e.step() == "proceed":
				e.status, e.body = http.StatusOK, []byte("{}")
			}
		}),
		answers("sends-no-retry-after", "12.1", func(e *exchange) { e.header.Del("Retry-After") }),
		answers("asks-to-wait-a-second", "12.1", func(e *exchange) {
			if e.header.Get("Retry-After") != "" {
				e.header.Set("Retry-After", "1")
			}
		}),
		answers("writes-a-date-in-retry-after", "12.1", func(e *exchange) {
			if e.header.Get("Retry-After") != "" {
				e.header.Set("Retry-After", time.Now().UTC().Format(http.TimeFormat))
			}
		}),
		remembers("sends-no-retry-after-while-sealing", "12.1", func() func(*exchange) {
			approved := map[string]bool{}
			return func(e *exchange) {
				if e.call == "act" && e.step() == "approve" {
					approved[e.requestID()] = true
				}
				if approved[e.requestID()] {
					e.header.Del("Retry-After")
				}
			}
		}),
	}
}

// cancels answers a refused cancel as if it had taken effect.
func cancels(code string) func(*exchange) {
	return func(e *exchange) {
		if e.call == "cancel" && e.code() == code {
			e.succeed()
		}
	}
}

// cancelsLater answers the third refusal for a session, and later ones, as if the cancel had taken
// effect: the first two are for a request whose signer has not approved yet.
func cancelsLater(next http.RoundTripper) http.RoundTripper {
	var refused atomic.Int32
	return spoil(func(e *exchange) {
		if e.code() == api.CodeActiveSession && refused.Add(1) > 2 {
			e.succeed()
		}
	})(next)
}

// tellsOfOthers answers differently for requests that exist.
func tellsOfOthers(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	made := map[string]bool{}
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		if id := (&answer{body: e.body}).member("request_id"); id != "" {
			made[id] = true
		}
		if e.call == "cancel" && e.code() == api.CodeClientSide &&
			made[text(e.claims["request_id"])] {
			e.refuse(
				http.StatusBadRequest, api.CodeClientSide, "The record belongs to another party",
			)
		}
	})(next)
}

// forgetsCancels answers results of requests that were cancelled after their end as before.
func forgetsCancels(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	expired := map[string]bool{}
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		if e.call != "result" {
			return
		}
		switch path := e.request.URL.Path; {
		case e.code() == api.CodeExpired:
			expired[path] = true
		case e.code() == api.CodeCancelled && expired[path]:
			e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
		}
	})(next)
}
