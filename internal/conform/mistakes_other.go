package conform

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/api"
)

// otherMistakes are about rules of all calls: 2.5, 2.6 and 10.2.
func otherMistakes() []Mistake {
	return []Mistake{
		answers("refuses-in-text", "2.5.1", func(e *exchange) {
			if e.code() != "" {
				e.header.Set("Content-Type", "text/plain")
				e.body = []byte(e.code())
			}
		}),
		answers("adds-trace-id", "2.5.1", func(e *exchange) {
			if e.code() != "" {
				e.set("trace_id", "1")
			}
		}),
		answers("answers-413-in-html", "2.5.1", func(e *exchange) {
			if e.call == "initiate" && len(e.sent) >= api.MaxDocumentBytes {
				e.status, e.body = http.StatusRequestEntityTooLarge, []byte("<h1>Too large</h1>")
				e.header.Set("Content-Type", "text/html")
			}
		}),
		answers("refuses-with-422", "2.5.2", func(e *exchange) {
			if e.code() == api.CodeClientSide {
				e.status = http.StatusUnprocessableEntity
			}
		}),
		answers("answers-413", "2.5.2", func(e *exchange) {
			if e.call == "initiate" && len(e.sent) >= api.MaxDocumentBytes {
				e.refuse(http.StatusRequestEntityTooLarge, api.CodeClientSide, "Too large")
			}
		}),
		answers("answers-404-to-unknown-ids", "2.5.2", func(e *exchange) {
			if e.call == "cancel" && e.code() == api.CodeClientSide {
				e.status = http.StatusNotFound
			}
		}),
		answers("forbids-with-403", "2.5.3", func(e *exchange) {
			if e.code() == api.CodeUnauthorized {
				e.status = http.StatusForbidden
			}
		}),
		answers("forbids-cancels-in-other-words", "2.5.3", func(e *exchange) {
			if e.call == "cancel" && e.code() == api.CodeUnauthorized {
				e.set("error_description", "Unauthorised")
			}
		}),
		answers("answers-404-in-html", "2.6.1", func(e *exchange) {
			if e.status == http.StatusNotFound {
				e.header.Set("Content-Type", "text/html")
				e.body = []byte("<h1>Not found</h1>")
			}
		}),
		answers("redirects-to-the-path-without-slash", "2.6.1", func(e *exchange) {
			if e.status == http.StatusNotFound && strings.HasSuffix(e.request.URL.Path, "/") {
				e.status, e.body = http.StatusPermanentRedirect, nil
				e.header.Set("Location", strings.TrimSuffix(e.request.URL.Path, "/"))
			}
		}),
		answers("answers-unknown-results-in-html", "2.6.1", func(e *exchange) {
			if e.status == http.StatusNotFound && e.request.Method == http.MethodGet {
				e.header.Set("Content-Type", "text/html")
				e.body = []byte("Cannot GET " + e.request.URL.Path)
			}
		}),
		answers("allows-what-it-refuses", "2.6.2", func(e *exchange) {
			if e.status == http.StatusMethodNotAllowed {
				e.header.Set("Allow", e.request.Method)
			}
		}),
		answers("forbids-results-of-other-origins", "2.6.3", func(e *exchange) {
			if e.call == "result" && e.request.Header.Get("Origin") != "" {
				e.refuse(http.StatusForbidden, "FORBIDDEN", "Cross-origin request")
			}
		}),
		answers("results-of-v30-lack-members", "10.2", func(e *exchange) {
			var r api.Result
			if strings.HasSuffix(e.request.URL.Path, "/signed_doc") &&
				json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				e.body = []byte(`{"signed_doc_url":"` + r.SignedDocURL + `"}`)
			}
		}),
	}
}
