package conform

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// resultMistakes are about the rules of the result and of its links: 5.
func resultMistakes() []Mistake {
	return []Mistake{
		answers("knows-no-v30-path", "5.1.1", func(e *exchange) {
			if strings.HasSuffix(e.request.URL.Path, "/signed_doc") {
				e.refuse(http.StatusNotFound, api.CodeClientSide, "No such call")
			}
		}),
		{"accepts-another-partys-token", "5.1.2", takesOthersTokens, nil},
		lenient("accepts-any-exchange-code", "5.1.3", func(e *exchange) bool {
			return e.claims["exchange_code"] != nil
		}),
		lenient("accepts-part-of-exchange-code", "5.1.3", func(e *exchange) bool {
			n := len(text(e.claims["exchange_code"]))
			return n > 0 && n < len(uuid.Nil.String())
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
		answers("tells-which-ids-exist", "5.1.4", func(e *exchange) {
			if e.call == "result" && e.code() == api.CodeUnauthorized {
				e.refuse(http.StatusNotFound, "NOT_FOUND", "Not found")
			}
		}),
		forgetful("repeats-with-another-link", "5.1.6", func(e *exchange, h *history) {
			if link := (&answer{body: e.body}).member("signed_doc_url"); e.call == "result" &&
				link != "" && h.answered[e.requestID()+"result"] > 1 {
				e.set("signed_doc_url", link+"&n="+uuid.NewString())
			}
		}),
		remembers("refuses-the-same-token-again", "5.1.6", func() func(*exchange) {
			answered := map[string]bool{}
			return func(e *exchange) {
				if e.call != "result" || e.status != http.StatusOK {
					return
				}
				if answered[e.authorization] {
					e.refuse(http.StatusBadRequest, api.CodeUnauthorized, "Unauthorized.")
				}
				answered[e.authorization] = true
			}
		}),
		answers("renames-signer-info", "5.2.1", func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"signer_info"`), []byte(`"signerInfo"`))
		}),
		answers("results-in-text", "5.2.1", func(e *exchange) {
			if e.call == "result" && e.status == http.StatusOK {
				e.header.Set("Content-Type", "text/plain")
			}
		}),
		answers("signs-in-seconds", "5.2.2", func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				r.SignerInfo.SignedAt /= 1000
				e.body, _ = json.Marshal(r)
			}
		}),
		answers("tells-the-whole-nric", "5.2.2", func(e *exchange) {
			e.body = bytes.Replace(e.body, []byte(`"`+signer[5:]+`"`), []byte(`"`+signer+`"`), 1)
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
		answers("tells-the-first-characters-of-the-nric", "5.2.2", func(e *exchange) {
			e.body = bytes.Replace(
				e.body, []byte(`"`+signer[5:]+`"`), []byte(`"`+signer[:4]+`"`), 1,
			)
		}),
		answers("writes-the-time-in-text", "5.2.2", func(e *exchange) {
			e.body = signedAt.ReplaceAll(e.body, []byte(`"signed_at":"$1"`))
		}),
		answers("writes-exp-in-text", "5.2.3", func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				e.set("exp", strconv.FormatInt(r.Exp, 10))
			}
		}),
		remembers("gives-the-exp-of-the-first-link", "5.2.3", func() func(*exchange) {
			ends := map[string]int64{}
			return func(e *exchange) {
				var r api.Result
				if e.call != "result" || json.Unmarshal(e.body, &r) != nil || r.Exp == 0 {
					return
				}
				if ends[e.requestID()] == 0 {
					ends[e.requestID()] = r.Exp
				}
				e.set("exp", ends[e.requestID()])
			}
		}),
		answers("expires-in-milliseconds", "5.2.3", func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				e.set("exp", r.Exp*1000)
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
		answers("says-expired-for-unsigned", "5.3.1", func(e *exchange) {
			if e.code() == api.CodeNotSigned {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}),
		{"results-while-sealing", "5.3.1", resultsWhileSealing, nil},
		forgetful("says-expired-after-a-rejection", "5.3.1", func(e *exchange, h *history) {
			if e.code() == api.CodeNotSigned && h.answered[e.requestID()+"reject"] > 0 {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}),
		answers("never-expires", "5.3.2", func(e *exchange) {
			if e.code() == api.CodeExpired {
				saysUnsigned(e)
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
			if e.code() == api.CodeCancelled && h.aged[e.requestID()] > 30*time.Minute {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}),
		// A cancel that a queue executes, or a replica shows, a moment after its answer.
		forgetful("cancels-a-moment-later", "5.3.4", func(e *exchange, h *history) {
			if e.code() == api.CodeCancelled && h.answered[e.requestID()+api.CodeCancelled] == 1 {
				saysUnsigned(e)
			}
		}),
		answers("knows-no-head", "5.4.1", func(e *exchange) {
			if e.request.Method == http.MethodHead {
				e.refuse(http.StatusMethodNotAllowed, api.CodeClientSide, "No such call")
			}
		}),
		answers("knows-no-ranges", "5.4.1", func(e *exchange) {
			if e.status == http.StatusPartialContent {
				e.status = http.StatusOK
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
		{"serves-links-for-ever", "5.4.2", forEver, nil},
		{"serves-links-with-a-later-end", "5.4.2", changedLink(func(link, given *url.URL) bool {
			same := link.Query().Get("signature") == given.Query().Get("signature")
			return same && link.RawQuery != given.RawQuery
		}), nil},
		{"serves-any-document-by-one-link", "5.4.2", changedLink(func(link, given *url.URL) bool {
			return link.RawQuery == given.RawQuery && link.Path != given.Path
		}), nil},
		forgetful("ends-links-after-a-minute", "5.4.2", func(e *exchange, h *history) {
			if e.isPDF() && h.moved > time.Minute {
				e.refuse(http.StatusForbidden, api.CodeUnauthorized, "Over")
			}
		}),
		servesLinksOfWebhooks(),
		forgetful("ends-links-with-the-hour", "5.4.3", func(e *exchange, h *history) {
			if id := h.links[e.request.URL.String()]; h.aged[id] > time.Hour {
				e.refuse(http.StatusForbidden, api.CodeUnauthorized, "Over")
			}
		}),
		answers("lets-documents-be-cached", "5.4.4", func(e *exchange) {
			e.header.Set("Cache-Control", "public, max-age=3600")
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
	}
}

var signedAt = regexp.MustCompile(`"signed_at":(\d+)`)

// takesOthersTokens takes the token of any registered party for a result.
func takesOthersTokens(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	own := ""
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		kid := text(e.jose["kid"])
		if own == "" {
			own = kid
		}
		if e.call == "result" && e.code() == api.CodeUnauthorized && kid != own && kid != "" &&
			!strings.HasPrefix(kid, "unknown-") {
			e.succeed()
		}
	})(next)
}

// resultsWhileSealing gives a link before the document is signed.
func resultsWhileSealing(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	refused := 0
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		if e.code() != api.CodeNotSigned {
			return
		}
		if refused++; refused > 3 {
			e.status, e.body = http.StatusOK, []byte(`{"signed_doc_url":"https://sign.invalid/"}`)
		}
	})(next)
}

// forEver serves each document again that its URL was once answered with.
func forEver(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	served := map[string][]byte{}
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		url := e.request.URL.String()
		if e.call == "result" { // the link, whose document it has not served yet
			if link := (&answer{body: e.body}).member("signed_doc_url"); link != "" {
				served[link] = []byte("%PDF-")
			}
		}
		if document := served[url]; document != nil && e.status == http.StatusForbidden {
			e.status, e.body = http.StatusOK, document
		}
	})(next)
}

// changedLink serves a PDF at a refused link if like says that it resembles one that was given.
func changedLink(like func(link, given *url.URL) bool) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		var mu sync.Mutex
		var given []*url.URL
		return spoil(func(e *exchange) {
			mu.Lock()
			defer mu.Unlock()
			link, err := url.Parse((&answer{body: e.body}).member("signed_doc_url"))
			if e.call == "result" && err == nil && link.Host != "" {
				given = append(given, link)
			}
			if e.status != http.StatusForbidden {
				return
			}
			for _, g := range given {
				if like(e.request.URL, g) {
					e.status, e.body = http.StatusOK, []byte("%PDF-")
				}
			}
		})(next)
	}
}

// servesLinksOfWebhooks serves the link of a webhook again when it is over.
func servesLinksOfWebhooks() Mistake {
	var mu sync.Mutex
	given := map[string]bool{}
	return Mistake{
		"serves-links-of-webhooks-for-ever", "5.4.2", spoil(func(e *exchange) {
			mu.Lock()
			defer mu.Unlock()
			if e.status == http.StatusForbidden && given[e.request.URL.String()] {
				e.status, e.body = http.StatusOK, []byte("%PDF-")
			}
		}), delivers(func(d *delivery) {
			mu.Lock()
			given[text(claimsOf(d.hook.Token)["signed_doc_url"])] = true
			mu.Unlock()
			d.pass()
		}),
	}
}

// saysUnsigned says that the document is not signed.
func saysUnsigned(e *exchange) {
	e.refuse(http.StatusBadRequest, api.CodeNotSigned, api.ErrNotSigned.Description)
}
