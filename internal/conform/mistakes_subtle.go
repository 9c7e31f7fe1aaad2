package conform

import (
	"bytes"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// subtleMistakes are those that a judge does not see that makes only the plain calls of each rule.
// They are in the order of their rules.
func subtleMistakes() []Mistake {
	return []Mistake{
		{"accepts-bearer-in-lower-case", "2.1.2", spoil(accepts(func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "bearer ")
		})), nil},
		{"takes-the-first-of-two-tokens", "2.1.3", spoil(accepts(func(e *exchange) bool {
			return strings.Contains(e.authorization, ", ")
		})), nil},
		{"accepts-signature-of-zeros", "2.2.1", spoil(accepts(func(e *exchange) bool {
			signature, err := base64.RawURLEncoding.DecodeString(
				e.authorization[strings.LastIndexByte(e.authorization, '.')+1:],
			)
			return err == nil && len(signature) > 0 && len(bytes.Trim(signature, "\x00")) == 0
		})), nil},
		{"accepts-alg-nOnE", "2.2.2", spoil(accepts(func(e *exchange) bool {
			alg := text(e.jose["alg"])
			return alg != "none" && strings.EqualFold(alg, "none")
		})), nil},
		{"rounds-lifetimes", "2.3.2", spoil(accepts(func(e *exchange) bool {
			lifetime := e.time("exp") - e.time("iat")
			return lifetime > api.TokenLifetime && lifetime < api.TokenLifetime+1
		})), nil},
		{"compares-jti-by-case", "2.3.5", spoil(accepts(func(e *exchange) bool {
			jti := text(e.claims["jti"])
			return len(jti) == len(uuid.Nil.String()) && jti != strings.ToLower(jti)
		})), nil},
		{"shares-jti-between-parties", "2.3.5", sharesTokenIDs, nil},
		{"takes-one-token-twice-at-once", "2.3.5", takesTwiceAtOnce, nil},
		{"lets-parties-call-for-others", "3.2.1", callsForOthers, nil},
		{"says-201", "3.6.1", spoil(func(e *exchange) {
			if e.call == "initiate" && e.status == http.StatusOK {
				e.status = http.StatusCreated
			}
		}), nil},
		{"answers-in-text", "3.6.1", spoil(func(e *exchange) {
			if e.call == "initiate" && e.status == http.StatusOK {
				e.header.Set("Content-Type", "text/html")
			}
		}), nil},
		{"serves-an-unsigned-document", "4.5.2", spoil(func(e *exchange) {
			if e.isPDF() {
				e.body = bytes.ReplaceAll(e.body, []byte("/ByteRange"), []byte("/ByteRanke"))
			}
		}), nil},
		{"breaks-the-signature", "4.5.2", spoil(func(e *exchange) {
			if at := bytes.LastIndex(e.body, []byte("(D:2")); e.isPDF() && at > 0 {
				e.body[at+len("(D:")] = '3'
			}
		}), nil},
		{"accepts-another-partys-token", "5.1.2", takesOthersTokens, nil},
		{"accepts-part-of-exchange-code", "5.1.3", spoil(accepts(func(e *exchange) bool {
			n := len(text(e.claims["exchange_code"]))
			return n > 0 && n < len(uuid.Nil.String())
		})), nil},
		{"results-in-text", "5.2.1", spoil(func(e *exchange) {
			if e.call == "result" && e.status == http.StatusOK {
				e.header.Set("Content-Type", "text/plain")
			}
		}), nil},
		{"tells-the-whole-nric", "5.2.2", spoil(func(e *exchange) {
			e.body = bytes.Replace(e.body, []byte(`"`+signer[5:]+`"`), []byte(`"`+signer+`"`), 1)
		}), nil},
		{"results-while-sealing", "5.3.1", resultsWhileSealing, nil},
		{"serves-links-with-a-later-end", "5.4.2", changedLink(func(link, given *url.URL) bool {
			same := link.Query().Get("signature") == given.Query().Get("signature")
			return same && link.RawQuery != given.RawQuery
		}), nil},
		{"serves-any-document-by-one-link", "5.4.2", changedLink(func(link, given *url.URL) bool {
			return link.RawQuery == given.RawQuery && link.Path != given.Path
		}), nil},
		{"forgets-the-cancel-of-the-expired", "6.2.1", forgetsCancels, nil},
		{"cancels-with-204", "6.2.1", spoil(func(e *exchange) {
			if e.call == "cancel" && e.status == http.StatusOK {
				e.status = http.StatusNoContent
			}
		}), nil},
		{"publishes-one-kid-twice", "8.2.1", spoil(func(e *exchange) {
			if at := bytes.Index(e.body, []byte(`{"use"`)); e.call == "" && at > 0 {
				end := bytes.LastIndexByte(e.body, ']')
				first := e.body[at : at+bytes.IndexByte(e.body[at:], '}')+1]
				e.body = bytes.Join([][]byte{
					e.body[:end], append([]byte(","), first...),
					e.body[end:],
				}, nil)
			}
		}), nil},
		{"asks-to-wait-a-second", "12.1", spoil(func(e *exchange) {
			if e.header.Get("Retry-After") != "" {
				e.header.Set("Retry-After", "1")
			}
		}), nil},
	}
}

// sharesTokenIDs refuses a jti that another party has used.
func sharesTokenIDs(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	used := map[string]string{}
	return spoil(func(e *exchange) {
		mu.Lock()
		defer mu.Unlock()
		jti, client := text(e.claims["jti"]), text(e.claims["client_id"])
		if e.call != "initiate" || e.status != http.StatusOK {
			return
		}
		if before, ok := used[jti]; ok && before != client {
			e.refuse(
				http.StatusBadRequest, api.CodeUnauthorized, api.ErrUnauthorized.Description,
			)
		}
		used[jti] = client
	})(next)
}

// takesTwiceAtOnce takes a token again while the first call with it is not answered yet.
func takesTwiceAtOnce(next http.RoundTripper) http.RoundTripper {
	var mu sync.Mutex
	running, together := map[string]int{}, map[string]bool{}
	inner := spoil(func(e *exchange) {
		mu.Lock()
		both := together[e.authorization]
		mu.Unlock()
		if both && e.call == "initiate" && e.code() == api.CodeUnauthorized {
			e.succeed()
		}
	})(next)
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		token := r.Header.Get("Authorization")
		mu.Lock()
		running[token]++
		together[token] = together[token] || running[token] > 1
		mu.Unlock()
		defer func() {
			mu.Lock()
			running[token]--
			mu.Unlock()
		}()
		return inner.RoundTrip(r)
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
