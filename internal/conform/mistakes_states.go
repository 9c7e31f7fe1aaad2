package conform

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// history is what a mistake remembers of requests. Times are those of the requests' clocks.
type history struct {
	made     map[string]int // requests by id, in their order
	answered map[string]int // calls with one outcome: "cancel", "result", a code or a step
	aged     map[string]time.Duration
	moved    time.Duration // the clock of the whole sandbox
	links    map[string]string
}

// note adds an exchange.
func (h *history) note(e *exchange) {
	id := e.requestID()
	switch {
	case e.request.URL.Path == "/clock":
		var change struct {
			Advance   string `json:"advance"`
			RequestID string `json:"request_id"`
		}
		_ = json.Unmarshal(e.sent, &change)        // empty if it is no advance
		d, _ := time.ParseDuration(change.Advance) // 0 is a reset
		if change.RequestID != "" {
			h.aged[change.RequestID] += d
		} else {
			h.moved = d
		}
	case e.call == "initiate" && e.status == http.StatusOK:
		h.made[(&answer{body: e.body}).member("request_id")] = len(h.made) + 1
	case e.call == "act" && e.status == http.StatusOK:
		h.answered[id+e.step()]++
	case e.call != "" && e.status == http.StatusOK:
		h.answered[id+e.call]++
	case e.code() != "":
		h.answered[id+e.code()]++
	}
	if link := (&answer{body: e.body}).member("signed_doc_url"); e.call == "result" && link != "" {
		h.links[link] = id
	}
}

// forgetful is a mistake that depends on the history of requests, which already has the exchange.
func forgetful(name, rule string, change func(*exchange, *history)) Mistake {
	return remembers(name, rule, func() func(*exchange) {
		h := &history{
			made: map[string]int{}, answered: map[string]int{}, aged: map[string]time.Duration{},
			links: map[string]string{},
		}
		return func(e *exchange) {
			h.note(e)
			change(e, h)
		}
	})
}

// requestID is the id of the request that the call is about, or "".
func (e *exchange) requestID() string {
	parts := strings.Split(e.request.URL.Path, "/")
	switch e.call {
	case "cancel":
		return text(e.claims["request_id"])
	case "result", "act":
		return parts[len(parts)-2]
	}
	return ""
}

// step is what a signer does.
func (e *exchange) step() string {
	var in struct{ Do string }
	_ = json.Unmarshal(e.sent, &in) // "" if it is no step
	return in.Do
}

// fail answers a signer's step with a refusal.
func (e *exchange) fail() { e.refuse(http.StatusConflict, "NOT_ALLOWED", "This is over") }

// stateMistakes are about the states of requests, the way back, the result and its links. They are
// in the order of their rules.
func stateMistakes() []Mistake {
	const unsigned, gone = api.CodeNotSigned, api.CodeCancelled
	notSigned := func(e *exchange) {
		e.refuse(http.StatusBadRequest, unsigned, api.ErrNotSigned.Description)
	}
	return []Mistake{
		answers("opens-to-every-person", "3.3.2", func(e *exchange) {
			if e.call == "act" && e.step() == "open" {
				e.status, e.body = http.StatusOK, []byte("{}")
			}
		}),
		answers("locks-to-no-person", "3.3.3", func(e *exchange) {
			if e.call == "act" && e.step() == "open" {
				e.status, e.body = http.StatusOK, []byte("{}")
			}
		}),
		answers("keeps-requests-open", "3.3.4", func(e *exchange) {
			if e.code() == api.CodeExpired {
				notSigned(e)
			}
		}),
		strict("refuses-signed-documents", "3.3.5", sends("/ByteRange")),
		answers("takes-the-box-from-the-top", "3.8.2", func(e *exchange) {
			if e.isPDF() { // 0.1 of 842 pt from the top
				e.body = bytes.ReplaceAll(e.body, []byte(" 84.2 "), []byte(" 697 "))
			}
		}),
		forgetful("takes-a-rejection-for-the-end", "4.2.3", func(e *exchange, h *history) {
			if e.call == "act" && e.step() == "proceed" && h.answered[e.requestID()+"reject"] > 0 {
				e.fail()
			}
		}),
		forgetful("keeps-sessions-for-ten-minutes", "4.3.2", func(e *exchange, h *history) {
			if e.call == "cancel" && h.answered[e.requestID()+"proceed"] > 0 &&
				e.status == http.StatusOK {
				e.refuse(
					http.StatusBadRequest, api.CodeActiveSession, api.ErrActiveSession.Description,
				)
			}
		}),
		forgetful("ends-sessions-with-the-request", "4.3.3", func(e *exchange, h *history) {
			if e.call == "act" && e.step() == "approve" && h.aged[e.requestID()] > 30*time.Minute {
				e.fail()
			}
		}),
		answers("comes-back-as-cancelled", "4.4.1", back(func(to string) string {
			return strings.Replace(to, "status=success", "status=cancelled", 1)
		})),
		answers("loses-the-query-of-the-redirect-url", "4.4.3", back(func(to string) string {
			at, query := strings.IndexByte(to, '?'), strings.Index(to, "request_id=")
			return to[:at+1] + to[query:]
		})),
		answers("sorts-the-query-of-the-redirect-url", "4.4.3", back(func(to string) string {
			u, err := url.Parse(to)
			if err != nil {
				return to
			}
			u.RawQuery = u.Query().Encode()
			return u.String()
		})),
		answers("adds-a-second-question-mark", "4.4.3", back(func(to string) string {
			return strings.Replace(to, "&request_id=", "?request_id=", 1)
		})),
		answers("serves-a-document-cut-short", "4.5.2", func(e *exchange) {
			if e.isPDF() {
				e.body = e.body[:len(e.body)-len(e.body)/8]
			}
		}),
		answers("signs-without-a-time-stamp", "4.5.2", func(e *exchange) {
			at := bytes.LastIndex(e.body, []byte("/ByteRange")) // that of the document time stamp
			stamped := bytes.Index(e.body, []byte("060b2a864886f70d010910020e"))
			if !e.isPDF() || at < 0 || stamped < 0 {
				return
			}
			end := bytes.Index(e.body[stamped:], []byte("%%EOF\n")) + stamped + len("%%EOF\n")
			e.body = bytes.Clone(e.body[:end])
			e.body[stamped+25] = 'f'
		}),
		answers("makes-a-signature-for-each-place", "4.5.3", func(e *exchange) {
			if e.isPDF() { // one widget shows no signature
				e.body = bytes.Replace(e.body, []byte("/FT /Sig"), []byte("/FT /Sit"), 1)
			}
		}),
		forgetful("takes-any-exchange-code-of-the-signed", "5.1.3",
			func(e *exchange, h *history) {
				id := e.requestID()
				if e.call == "result" && e.code() == api.CodeUnauthorized &&
					e.claims["exchange_code"] != nil && h.answered[id+"result"] > 0 {
					e.status, e.body = http.StatusOK, []byte(`{"signed_doc_url":"x"}`)
				}
			}),
		lenient("ignores-the-case-of-exchange-codes", "5.1.3", func(e *exchange) bool {
			code := text(e.claims["exchange_code"])
			return e.call == "result" && code != strings.ToLower(code)
		}),
		lenient("queries-by-the-exchange-code", "5.1.3", func(e *exchange) bool {
			return bytes.HasPrefix(e.claims["exchange_code"], []byte("{"))
		}),
		forgetful("repeats-with-another-link", "5.1.6", func(e *exchange, h *history) {
			if link := (&answer{body: e.body}).member("signed_doc_url"); e.call == "result" &&
				link != "" && h.answered[e.requestID()+"result"] > 1 {
				e.set("signed_doc_url", link+"&n="+uuid.NewString())
			}
		}),
		forgetful("signs-again-at-each-call", "5.2.2", func(e *exchange, h *history) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				r.SignerInfo.SignedAt += int64(h.answered[e.requestID()+"result"])
				e.body, _ = json.Marshal(r)
			}
		}),
		answers("hides-the-name", "5.2.2", func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				r.SignerInfo.SignerName = ""
				e.body, _ = json.Marshal(r)
			}
		}),
		remembers("gives-one-link", "5.2.3", func() func(*exchange) {
			links := map[string]string{}
			return func(e *exchange) {
				link := (&answer{body: e.body}).member("signed_doc_url")
				if e.call != "result" || link == "" {
					return
				}
				if first := links[e.requestID()]; first != "" {
					e.set("signed_doc_url", first)
					return
				}
				links[e.requestID()] = link
			}
		}),
		answers("gives-links-for-ten-minutes", "5.2.3", func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				e.set("exp", r.Exp+480)
			}
		}),
		forgetful("says-expired-after-a-rejection", "5.3.1", func(e *exchange, h *history) {
			if e.code() == unsigned && h.answered[e.requestID()+"reject"] > 0 {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}),
		answers("never-expires", "5.3.2", func(e *exchange) {
			if e.code() == api.CodeExpired {
				notSigned(e)
			}
		}),
		answers("gives-access-for-a-day", "5.3.3", func(e *exchange) {
			if e.code() == api.CodeSignedAccessExpired {
				e.status, e.body = http.StatusOK, []byte(`{"signed_doc_url":"x"}`)
			}
		}),
		forgetful("ends-access-after-half-an-hour", "5.3.3", func(e *exchange, h *history) {
			if e.call == "result" && h.aged[e.requestID()] > 30*time.Minute {
				e.refuse(http.StatusBadRequest, api.CodeSignedAccessExpired, "Over")
			}
		}),
		forgetful("lets-cancelled-requests-expire", "5.3.4", func(e *exchange, h *history) {
			if e.code() == gone && h.aged[e.requestID()] > 30*time.Minute {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}),
		// A cancel that a queue executes, or a replica shows, a moment after its answer.
		forgetful("cancels-a-moment-later", "5.3.4", func(e *exchange, h *history) {
			if e.code() == gone && h.answered[e.requestID()+gone] == 1 {
				notSigned(e)
			}
		}),
		remembers("serves-a-link-once", "5.4.1", func() func(*exchange) {
			served := map[string]bool{}
			return func(e *exchange) {
				link := e.request.URL.String()
				if served[link] {
					e.refuse(http.StatusForbidden, api.CodeUnauthorized, "Used")
				}
				served[link] = e.isPDF()
			}
		}),
		answers("serves-other-bytes-for-a-range", "5.4.1", func(e *exchange) {
			if e.status == http.StatusPartialContent {
				e.body = bytes.Repeat([]byte("x"), len(e.body))
			}
		}),
		answers("knows-no-conditions", "5.4.1", func(e *exchange) {
			if e.status == http.StatusNotModified {
				e.status, e.body = http.StatusOK, []byte("%PDF-")
			}
		}),
		forgetful("ends-links-after-a-minute", "5.4.2", func(e *exchange, h *history) {
			if e.isPDF() && h.moved > time.Minute {
				e.refuse(http.StatusForbidden, api.CodeUnauthorized, "Over")
			}
		}),
		forgetful("ends-links-with-the-hour", "5.4.3", func(e *exchange, h *history) {
			if id := h.links[e.request.URL.String()]; h.aged[id] > time.Hour {
				e.refuse(http.StatusForbidden, api.CodeUnauthorized, "Over")
			}
		}),
		answers("shows-documents-in-the-browser", "5.4.4", func(e *exchange) {
			e.header.Set("Content-Disposition", strings.Replace(
				e.header.Get("Content-Disposition"), "attachment", "inline", 1))
		}),
		answers("gives-all-documents-one-name", "5.4.4", func(e *exchange) {
			if e.isPDF() {
				e.header.Set("Content-Disposition", `attachment; filename="document.pdf"`)
			}
		}),
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
		forgetful("ends-sessions-by-a-refused-cancel", "6.2.2", func(e *exchange, h *history) {
			if e.call == "act" && e.step() == "approve" &&
				h.answered[e.requestID()+api.CodeActiveSession] > 0 {
				e.fail()
			}
		}),
		forgetful("cancels-the-signed-after-an-hour", "6.2.3", func(e *exchange, h *history) {
			if e.code() == api.CodeAlreadySigned && h.aged[e.requestID()] > time.Hour {
				e.succeed()
			}
		}),
		forgetful("cancels-again-what-would-have-expired", "6.2.4",
			func(e *exchange, h *history) {
				if e.code() == api.CodeAlreadyCancelled &&
					h.aged[e.requestID()] > 30*time.Minute {
					e.succeed()
				}
			}),
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
		forgetful("signs-the-cancelled", "6.3.1", func(e *exchange, h *history) {
			if e.call == "" && e.request.Method == http.MethodGet {
				h.answered["GET"]++
			}
			if e.code() == gone && h.answered["GET"] > 0 {
				e.status, e.body = http.StatusOK, []byte(`{"signed_doc_url":"x"}`)
			}
		}),
		forgetful("opens-the-cancelled", "6.3.1", func(e *exchange, h *history) {
			if e.call == "act" && h.answered[e.requestID()+"cancel"] > 0 {
				e.status, e.body = http.StatusOK, []byte("{}")
			}
		}),
		answers("results-of-v30-lack-members", "10.2", func(e *exchange) {
			var r api.Result
			if strings.HasSuffix(e.request.URL.Path, "/signed_doc") &&
				json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				e.body = []byte(`{"signed_doc_url":"` + r.SignedDocURL + `"}`)
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

// back changes the URL that the browser comes back to.
func back(change func(to string) string) func(*exchange) {
	return func(e *exchange) {
		if to := e.header.Get("Location"); strings.Contains(to, "request_id=") {
			e.header.Set("Location", change(to))
		}
	}
}
