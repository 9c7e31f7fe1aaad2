package conform

import (
	"bytes"
	"net/http"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// initiateMistakes are about the rules of initiate: 2.4, 3.1, 3.2, 3.4, 3.6 and 3.7.
func initiateMistakes() []Mistake {
	name := func(e *exchange) string { return text(e.claims["doc_name"]) }
	return []Mistake{
		answers("ignores-id-case", "2.4.2", func(e *exchange) {
			if id := text(e.claims["request_id"]); e.call == "cancel" && id != strings.ToLower(id) {
				e.succeed()
			}
		}),
		answers("ignores-id-case-of-results", "2.4.2", func(e *exchange) {
			if e.call == "result" && strings.Contains(e.request.URL.Path, "/SIGNV3-") {
				e.succeed()
			}
		}),
		strict("refuses-chunked-bodies", "3.1.1", func(e *exchange) bool {
			return e.call == "initiate" && e.request.ContentLength < 0
		}),
		strict("refuses-expect", "3.1.1", func(e *exchange) bool {
			return e.request.Header.Get("Expect") != ""
		}),
		lenient("accepts-any-type", "3.1.2", func(e *exchange) bool {
			return e.request.Header.Get("Content-Type") != "application/octet-stream"
		}),
		lenient("accepts-pdf-as-type", "3.1.2", func(e *exchange) bool {
			return e.request.Header.Get("Content-Type") == "application/pdf"
		}),
		lenient("accepts-forms", "3.1.2", func(e *exchange) bool {
			return strings.HasPrefix(e.request.Header.Get("Content-Type"), "multipart/")
		}),
		lenient("inflates-bodies", "3.1.5", func(e *exchange) bool {
			return bytes.HasPrefix(e.sent, []byte{0x1f, 0x8b})
		}),
		strict("refuses-identity-as-encoding", "3.1.5", func(e *exchange) bool {
			return e.request.Header.Get("Content-Encoding") == "identity"
		}),
		{"lets-parties-call-for-others", "3.2.1", callsForOthers, nil},
		remembers("ignores-the-case-of-client-ids", "3.2.1", func() func(*exchange) {
			own := ""
			return func(e *exchange) {
				id := text(e.claims["client_id"])
				if own == "" {
					own = id
				}
				if id != own && strings.EqualFold(id, own) && e.call == "initiate" {
					e.succeed()
				}
			}
		}),
		lenient("accepts-no-name", "3.2.2", func(e *exchange) bool {
			return e.claims["doc_name"] == nil
		}),
		lenient("takes-a-list-for-a-name", "3.2.2", func(e *exchange) bool {
			return bytes.HasPrefix(e.claims["doc_name"], []byte("["))
		}),
		strict("counts-bytes", "3.2.3", func(e *exchange) bool { return len(name(e)) > 255 }),
		strict("counts-utf-16", "3.2.3", func(e *exchange) bool {
			return len(utf16.Encode([]rune(name(e)))) > 255
		}),
		lenient("shows-invisible-characters", "3.2.3", func(e *exchange) bool {
			return strings.ContainsRune(name(e), '\u200b')
		}),
		lenient("shows-isolates", "3.2.3", func(e *exchange) bool {
			return strings.ContainsRune(name(e), '\u2066')
		}),
		lenient("accepts-21-places", "3.2.4", func(e *exchange) bool {
			return len(e.places()) > api.MaxLocations
		}),
		lenient("reads-places-from-a-string", "3.2.4", func(e *exchange) bool {
			return text(e.claims["sign_locations"]) != ""
		}),
		strict("prefers-claims-of-v30", "3.2.5", func(e *exchange) bool {
			return e.time("x") == 0.95 && e.claims["sign_locations"] != nil
		}),
		lenient("takes-0-for-a-missing-x", "3.2.5", func(e *exchange) bool {
			return e.claims["x"] == nil && e.claims["y"] != nil
		}),
		lenient("accepts-5-decimals", "3.2.6", func(e *exchange) bool {
			return len(e.places()) == 1 && len(e.places()[0].X) > len("0.1234")
		}),
		lenient("checks-the-decimals-of-x-only", "3.2.6", func(e *exchange) bool {
			return len(e.places()) == 1 && len(e.places()[0].Y) > len("0.1234")
		}),
		lenient("checks-the-first-fractions-only", "3.2.6", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		lenient("checks-the-first-page-only", "3.2.7", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		lenient("takes-page-1-for-none", "3.2.7", func(e *exchange) bool {
			return len(e.places()) == 1 &&
				!bytes.Contains(e.claims["sign_locations"], []byte("page"))
		}),
		lenient("accepts-pages-that-are-not-there", "3.2.7", func(e *exchange) bool {
			return bytes.Contains(e.claims["sign_locations"], []byte(`"page":2`))
		}),
		lenient("accepts-equal-places", "3.2.8", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		lenient("takes-0-for-null", "3.2.10", func(e *exchange) bool {
			return bytes.Contains(e.claims["sign_locations"], []byte("null"))
		}),
		strict("refuses-hashes-in-upper-case", "3.4.1", func(e *exchange) bool {
			hash := text(e.claims["signer_uin_hash"])
			return hash != strings.ToLower(hash)
		}),
		lenient("accepts-any-hash", "3.4.2", func(e *exchange) bool {
			return e.claims["signer_uin_hash"] != nil
		}),
		lenient("accepts-any-64-characters", "3.4.2", func(e *exchange) bool {
			return len(text(e.claims["signer_uin_hash"])) == 64
		}),
		lenient("accepts-hashes-in-base64", "3.4.2", func(e *exchange) bool {
			return len(text(e.claims["signer_uin_hash"])) == 44
		}),
		answers("writes-camel-case", "3.6.1", func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"request_id"`), []byte(`"requestId"`))
		}),
		answers("says-201", "3.6.1", func(e *exchange) {
			if e.call == "initiate" && e.status == http.StatusOK {
				e.status = http.StatusCreated
			}
		}),
		answers("answers-in-text", "3.6.1", func(e *exchange) {
			if e.call == "initiate" && e.status == http.StatusOK {
				e.header.Set("Content-Type", "text/html")
			}
		}),
		answers("writes-a-relative-url", "3.6.1", func(e *exchange) {
			if link := (&answer{body: e.body}).member("signing_url"); link != "" {
				e.set("signing_url", link[strings.LastIndexByte(link, '/'):])
			}
		}),
		answers("writes-a-number-for-the-code", "3.6.1", func(e *exchange) {
			if e.call == "initiate" && e.status == http.StatusOK {
				e.set("exchange_code", 123456)
			}
		}),
		gives("gives-one-exchange-code", "exchange_code"),
		gives("gives-one-signing-url", "signing_url"),
		gives("gives-one-request-id", "request_id"),
		answers("refuses-with-415", "3.7.1", func(e *exchange) {
			if e.call == "initiate" && e.code() == api.CodeClientSide &&
				e.request.Header.Get("Content-Type") != "application/octet-stream" {
				e.status = http.StatusUnsupportedMediaType
			}
		}),
		answers("names-no-claim", "3.7.1", func(e *exchange) {
			if e.code() == api.CodeClientSide {
				e.set("error_description", "Bad request")
			}
		}),
	}
}

// gives is the mistake to answer each initiate with the member of the first answer.
func gives(name, member string) Mistake {
	return remembers(name, "3.6.1", func() func(*exchange) {
		first := ""
		return func(e *exchange) {
			if e.call != "initiate" || e.status != http.StatusOK {
				return
			}
			if first == "" {
				first = (&answer{body: e.body}).member(member)
			}
			e.set(member, first)
		}
	})
}

// callsForOthers takes the first party's key for tokens that name another registered party.
func callsForOthers(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	own := ""
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		client := text(e.claims["client_id"])
		if own == "" {
			own = client
		}
		if e.call == "initiate" && e.code() == api.CodeUnauthorized && client != own &&
			client != "" && uuid.Validate(client) != nil {
			e.succeed()
		}
	})(next)
}
