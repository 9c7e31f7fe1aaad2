package conform

import (
	"bytes"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
)

// signerMistakes are about the rules of the signer, of the way back and of the signed document:
// 3.3, 3.8.2 and 4.
func signerMistakes() []Mistake {
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
				saysUnsigned(e)
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
		answers("comes-back-without-status", "4.4.1", func(e *exchange) {
			to, _, _ := strings.Cut(e.header.Get("Location"), "&status=")
			e.header.Set("Location", to)
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
		answers("rewrites-the-document", "4.5.1", func(e *exchange) {
			if e.isPDF() {
				e.body = bytes.Replace(e.body, []byte("A document"), []byte("B document"), 1)
			}
		}),
		answers("serves-an-unsigned-document", "4.5.2", func(e *exchange) {
			if e.isPDF() {
				e.body = bytes.ReplaceAll(e.body, []byte("/ByteRange"), []byte("/ByteRanke"))
			}
		}),
		answers("breaks-the-signature", "4.5.2", func(e *exchange) {
			if at := bytes.LastIndex(e.body, []byte("(D:2")); e.isPDF() && at > 0 {
				e.body[at+len("(D:")] = '3'
			}
		}),
		answers("serves-a-document-cut-short", "4.5.2", func(e *exchange) {
			if e.isPDF() {
				e.body = e.body[:len(e.body)-len(e.body)/8]
			}
		}),
		answers("signs-without-a-timestamp", "4.5.2", func(e *exchange) {
			at := bytes.LastIndex(e.body, []byte("/ByteRange")) // that of the document timestamp
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
