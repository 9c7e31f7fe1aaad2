package conform

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// Mistake is a mistake of a server, planted between the server and the judge: it changes the
// server's answers or webhooks. A judge that is worth its name finds it.
type Mistake struct {
	Name string
	Rule string // that must fail

	transport func(http.RoundTripper) http.RoundTripper // of the judge's calls; may be nil
	webhook   func(http.Handler) http.Handler           // of the receiver; may be nil
}

// Mistakes returns all planted mistakes.
func Mistakes() []Mistake {
	return slices.Concat(
		plainMistakes(), subtleMistakes(), partialMistakes(), stateMistakes(), webhookMistakes(),
	)
}

// plainMistakes are in the order of their rules.
func plainMistakes() []Mistake {
	return []Mistake{
		{"accepts-bearer", "2.1.2", spoil(accepts(func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "Bearer ")
		})), nil},
		{"ignores-signature", "2.2.1", spoil(accepts(signedByAlgorithm("ES256"))), nil},
		{"accepts-alg-none", "2.2.2", spoil(accepts(signedByAlgorithm("none"))), nil},
		{"accepts-shared-secret", "2.2.2", spoil(accepts(signedByAlgorithm("HS256"))), nil},
		{"accepts-unknown-kid", "2.2.3", spoil(accepts(func(e *exchange) bool {
			return strings.HasPrefix(text(e.jose["kid"]), "unknown-")
		})), nil},
		{"trusts-jwk-header", "2.2.6", spoil(accepts(func(e *exchange) bool {
			return e.jose["jwk"] != nil
		})), nil},
		{"says-what-is-wrong", "2.2.8", spoil(func(e *exchange) {
			if e.code() == api.CodeUnauthorized && e.claims["exp"] == nil {
				e.refuse(http.StatusBadRequest, api.CodeUnauthorized, "exp is missing")
			}
		}), nil},
		{"judges-arguments-first", "2.2.9", spoil(func(e *exchange) {
			if e.code() == api.CodeUnauthorized && e.claims["doc_name"] == nil &&
				e.call == "initiate" {
				e.refuse(http.StatusBadRequest, api.CodeClientSide, "doc_name is missing")
			}
		}), nil},
		{"accepts-no-exp", "2.3.1", spoil(accepts(func(e *exchange) bool {
			return e.claims["exp"] == nil
		})), nil},
		{"accepts-an-hour", "2.3.2", spoil(accepts(func(e *exchange) bool {
			return e.time("exp")-e.time("iat") > api.TokenLifetime
		})), nil},
		{"accepts-expired", "2.3.3", spoil(accepts(func(e *exchange) bool {
			return e.time("exp") < float64(time.Now().Unix())
		})), nil},
		{"accepts-milliseconds", "2.3.4", spoil(accepts(func(e *exchange) bool {
			return e.time("exp") > 1e12
		})), nil},
		{"refuses-fractions", "2.3.4", spoil(func(e *exchange) {
			if bytes.ContainsRune(e.claims["iat"], '.') {
				e.refuse(
					http.StatusBadRequest, api.CodeUnauthorized, api.ErrUnauthorized.Description,
				)
			}
		}), nil},
		{"accepts-used-jti", "2.3.5", spoil(accepts(func(e *exchange) bool {
			return len(text(e.claims["jti"])) == len(uuid.Nil.String())
		})), nil},
		{"accepts-no-jti", "2.3.5", spoil(accepts(func(e *exchange) bool {
			return e.claims["jti"] == nil
		})), nil},
		{"refuses-further-claims", "2.3.7", spoil(func(e *exchange) {
			if e.claims["sub"] != nil {
				e.refuse(
					http.StatusBadRequest, api.CodeUnauthorized, api.ErrUnauthorized.Description,
				)
			}
		}), nil},
		{"accepts-any-audience", "2.3.10", spoil(accepts(func(e *exchange) bool {
			return e.claims["aud"] != nil
		})), nil},
		{"refuses-in-text", "2.5.1", spoil(func(e *exchange) {
			if e.code() != "" {
				e.header.Set("Content-Type", "text/plain")
				e.body = []byte(e.code())
			}
		}), nil},
		{"adds-trace-id", "2.5.1", spoil(func(e *exchange) {
			if e.code() != "" {
				e.set("trace_id", "1")
			}
		}), nil},
		{"refuses-with-422", "2.5.2", spoil(func(e *exchange) {
			if e.code() == api.CodeClientSide {
				e.status = http.StatusUnprocessableEntity
			}
		}), nil},
		{"forbids-with-403", "2.5.3", spoil(func(e *exchange) {
			if e.code() == api.CodeUnauthorized {
				e.status = http.StatusForbidden
			}
		}), nil},
		{"answers-404-in-html", "2.6.1", spoil(func(e *exchange) {
			if e.status == http.StatusNotFound {
				e.header.Set("Content-Type", "text/html")
				e.body = []byte("<h1>Not found</h1>")
			}
		}), nil},
		{"ignores-id-case", "2.4.2", spoil(func(e *exchange) {
			if id := text(e.claims["request_id"]); e.call == "cancel" && id != strings.ToLower(id) {
				e.succeed()
			}
		}), nil},
		{"accepts-any-type", "3.1.2", spoil(accepts(func(e *exchange) bool {
			return e.request.Header.Get("Content-Type") != "application/octet-stream"
		})), nil},
		{"accepts-no-name", "3.2.2", spoil(accepts(func(e *exchange) bool {
			return e.claims["doc_name"] == nil
		})), nil},
		{"accepts-21-places", "3.2.4", spoil(accepts(func(e *exchange) bool {
			return len(e.places()) > api.MaxLocations
		})), nil},
		{"accepts-5-decimals", "3.2.6", spoil(accepts(func(e *exchange) bool {
			return len(e.places()) == 1 && len(e.places()[0].X) > len("0.1234")
		})), nil},
		{"accepts-any-hash", "3.4.2", spoil(accepts(func(e *exchange) bool {
			return e.claims["signer_uin_hash"] != nil
		})), nil},
		{"accepts-large-documents", "3.5.1", spoil(accepts(func(e *exchange) bool {
			return len(e.sent) >= api.MaxDocumentBytes
		})), nil},
		{"accepts-no-pdf", "3.5.2", spoil(accepts(func(e *exchange) bool {
			return !bytes.HasPrefix(e.sent, []byte("%PDF-"))
		})), nil},
		{"writes-camel-case", "3.6.1", spoil(func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"request_id"`), []byte(`"requestId"`))
		}), nil},
		{"accepts-boxes-off-the-page", "3.8.3", spoil(accepts(func(e *exchange) bool {
			return len(e.places()) == 1
		})), nil},
		{"comes-back-without-status", "4.4.1", spoil(func(e *exchange) {
			to, _, _ := strings.Cut(e.header.Get("Location"), "&status=")
			e.header.Set("Location", to)
		}), nil},
		{"rewrites-the-document", "4.5.1", spoil(func(e *exchange) {
			if e.isPDF() {
				e.body = bytes.Replace(e.body, []byte("A document"), []byte("B document"), 1)
			}
		}), nil},
		{"knows-no-v30-path", "5.1.1", spoil(func(e *exchange) {
			if strings.HasSuffix(e.request.URL.Path, "/signed_doc") {
				e.refuse(http.StatusNotFound, api.CodeClientSide, "No such call")
			}
		}), nil},
		{"accepts-any-exchange-code", "5.1.3", spoil(accepts(func(e *exchange) bool {
			return e.claims["exchange_code"] != nil
		})), nil},
		{"tells-which-ids-exist", "5.1.4", spoil(func(e *exchange) {
			if e.call == "result" && e.code() == api.CodeUnauthorized {
				e.refuse(http.StatusNotFound, "NOT_FOUND", "Not found")
			}
		}), nil},
		{"renames-signer-info", "5.2.1", spoil(func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"signer_info"`), []byte(`"signerInfo"`))
		}), nil},
		{"signs-in-seconds", "5.2.2", spoil(func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				r.SignerInfo.SignedAt /= 1000
				e.body, _ = json.Marshal(r)
			}
		}), nil},
		{"expires-in-milliseconds", "5.2.3", spoil(func(e *exchange) {
			var r api.Result
			if e.call == "result" && json.Unmarshal(e.body, &r) == nil && r.Exp != 0 {
				e.set("exp", r.Exp*1000)
			}
		}), nil},
		{"says-expired-for-unsigned", "5.3.1", spoil(func(e *exchange) {
			if e.code() == api.CodeNotSigned {
				e.refuse(http.StatusBadRequest, api.CodeExpired, api.ErrExpired.Description)
			}
		}), nil},
		{"knows-no-ranges", "5.4.1", spoil(func(e *exchange) {
			if e.status == http.StatusPartialContent {
				e.status = http.StatusOK
			}
		}), nil},
		{"serves-links-for-ever", "5.4.2", forEver, nil},
		{"lets-documents-be-cached", "5.4.4", spoil(func(e *exchange) {
			e.header.Set("Cache-Control", "public, max-age=3600")
		}), nil},
		{"cancels-with-a-body", "6.2.1", spoil(func(e *exchange) {
			if e.call == "cancel" && e.status == http.StatusOK {
				e.body = []byte("{}")
			}
		}), nil},
		{"cancels-in-a-session", "6.2.2", spoil(cancels(api.CodeActiveSession)), nil},
		{"cancels-while-sealing", "6.2.2", cancelsLater, nil},
		{"names-the-session-otherwise", "6.2.2", spoil(func(e *exchange) {
			if e.code() == api.CodeActiveSession {
				e.set("error", "ACTIVE_SESSION")
			}
		}), nil},
		{"cancels-the-signed", "6.2.3", spoil(cancels(api.CodeAlreadySigned)), nil},
		{"cancels-twice", "6.2.4", spoil(cancels(api.CodeAlreadyCancelled)), nil},
		{"changes-a-text", "6.2.4", spoil(func(e *exchange) {
			if e.code() == api.CodeAlreadyCancelled {
				e.set("error_description", "Request has already been cancelled")
			}
		}), nil},
		{"cancels-the-unknown", "6.2.5", spoil(cancels(api.CodeClientSide)), nil},
		{"tells-of-other-parties", "6.2.6", tellsOfOthers, nil},
		{"never-sends-webhooks", "7.1.1", nil, spoilWebhook(func(w *webhook) { w.drop = true })},
		{"writes-Token", "7.1.2", nil, spoilWebhook(func(w *webhook) { w.member = "Token" })},
		{"sends-accepted-webhooks-again", "7.1.3", nil, sendsTwice},
		{"tries-once", "7.1.4", nil, spoilWebhook(func(w *webhook) { w.drop = w.attempt > 0 })},
		{"follows-redirects", "7.1.5", nil, followsRedirects},
		{"signs-with-another-key", "7.2.1", nil, spoilWebhook(func(w *webhook) { w.sign = true })},
		{"adds-a-claim", "7.2.2", nil, spoilWebhook(func(w *webhook) {
			w.claims["status"], w.sign = json.RawMessage(`"signed"`), true
		})},
		{"sends-milliseconds", "7.2.3", nil, spoilWebhook(func(w *webhook) {
			for _, name := range []string{"iat", "exp"} {
				w.claims[name] = append(bytes.Clone(w.claims[name]), "000"...)
			}
			w.sign = true
		})},
		{"publishes-keys-without-use", "8.2.1", spoil(func(e *exchange) {
			e.body = bytes.ReplaceAll(e.body, []byte(`"use":"sig",`), nil)
		}), nil},
		{"takes-two-cancels", "11.2", spoil(cancels(api.CodeAlreadyCancelled)), nil},
		{
			"sends-no-retry-after", "12.1",
			spoil(func(e *exchange) { e.header.Del("Retry-After") }), nil,
		},
	}
}

// exchange is a call and its answer, which a mistake changes before the judge sees it.
type exchange struct {
	call          string // "initiate", "result", "cancel", or "act" of a signer; "" is another
	request       *http.Request
	sent          []byte
	authorization string
	jose, claims  map[string]json.RawMessage

	status int
	header http.Header
	body   []byte
}

// spoil changes each answer.
func spoil(change func(*exchange)) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper {
		return roundTripper(func(r *http.Request) (*http.Response, error) {
			e := &exchange{request: r, authorization: r.Header.Get("Authorization")}
			var err error
			if r.Body != nil {
				if e.sent, err = io.ReadAll(r.Body); err != nil {
					return nil, err
				}
				r.Body = io.NopCloser(bytes.NewReader(e.sent))
			}
			compact := strings.TrimPrefix(e.authorization, "Bearer ")
			e.claims = claimsOf(compact)
			head, _, _ := strings.Cut(compact, ".")
			raw, _ := base64.RawURLEncoding.DecodeString(head)
			_ = json.Unmarshal(raw, &e.jose) // nil if it is no token
			switch {
			case strings.HasSuffix(r.URL.Path, api.PathCancel):
				e.call = "cancel"
			case strings.HasSuffix(r.URL.Path, api.PathRequest):
				e.call = "initiate"
			case strings.Contains(r.URL.Path, api.PathRequest):
				e.call = "result"
			case strings.HasSuffix(r.URL.Path, "/act"):
				e.call = "act"
			}
			resp, err := next.RoundTrip(r)
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			if e.body, err = io.ReadAll(resp.Body); err != nil {
				return nil, err
			}
			e.status, e.header = resp.StatusCode, resp.Header
			change(e)
			if r.Method != http.MethodHead {
				e.header.Set("Content-Length", strconv.Itoa(len(e.body)))
				resp.ContentLength = int64(len(e.body))
			}
			resp.StatusCode, resp.Header = e.status, e.header
			resp.Status = fmt.Sprintf("%d %s", e.status, http.StatusText(e.status))
			resp.Body = io.NopCloser(bytes.NewReader(e.body))
			return resp, nil
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// code is the error of the answer, or "".
func (e *exchange) code() string { return (&answer{body: e.body}).code() }

// now is the time in seconds.
func (e *exchange) now() float64 { return float64(time.Now().Unix()) }

// time is a claim that is a number, or 0.
func (e *exchange) time(name string) (n float64) {
	_ = json.Unmarshal(e.claims[name], &n)
	return n
}

// places are the sign_locations, if they are numbers.
func (e *exchange) places() (list []struct{ X, Y json.Number }) {
	_ = json.Unmarshal(e.claims["sign_locations"], &list)
	return list
}

func (e *exchange) isPDF() bool { return bytes.HasPrefix(e.body, []byte("%PDF-")) }

// set sets a member of the answer.
func (e *exchange) set(name string, value any) {
	object := (&answer{body: e.body}).members()
	text, err := json.Marshal(value)
	if err != nil || object == nil {
		return
	}
	object[name] = text
	e.body, _ = json.Marshal(object)
}

func (e *exchange) refuse(status int, code, description string) {
	e.status = status
	e.body, _ = json.Marshal(api.Error{Code: code, Description: description})
	e.header.Set("Content-Type", "application/json")
}

// succeed answers as if the call was authentic and right.
func (e *exchange) succeed() {
	switch e.call {
	case "initiate":
		e.status = http.StatusOK
		e.body, _ = json.Marshal(api.Initiated{
			SigningURL: "https://sign.invalid/", RequestID: unknownID(), ExchangeCode: "x",
		})
	case "result":
		e.refuse(http.StatusBadRequest, api.CodeNotSigned, api.ErrNotSigned.Description)
	case "cancel":
		e.status, e.body = http.StatusOK, nil
	}
}

// accepts answers refused calls for which when holds as if they were right.
func accepts(when func(*exchange) bool) func(*exchange) {
	return func(e *exchange) {
		if code := e.code(); (code == api.CodeUnauthorized || code == api.CodeClientSide) &&
			when(e) {
			e.succeed()
		}
	}
}

func signedByAlgorithm(alg string) func(*exchange) bool {
	return func(e *exchange) bool { return text(e.jose["alg"]) == alg }
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

// webhook is a webhook that a mistake changes before the receiver sees it.
type webhook struct {
	claims  map[string]json.RawMessage
	member  string // of the body that holds the token
	attempt int    // how many came before with this token
	drop    bool   // it never arrives
	sign    bool   // with a key that the server does not publish
}

// spoilWebhook changes each webhook.
func spoilWebhook(change func(*webhook)) func(http.Handler) http.Handler {
	return func(next http.Handler) http.Handler {
		var mu sync.Mutex
		attempts := map[string]int{}
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			var in api.Webhook
			if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
				return
			}
			hook := &webhook{claims: claimsOf(in.Token), member: "token"}
			mu.Lock()
			hook.attempt = attempts[in.Token]
			attempts[in.Token]++
			mu.Unlock()
			change(hook)
			if hook.drop {
				w.WriteHeader(http.StatusNoContent)
				return
			}
			if hook.sign {
				signed, err := resigned(in.Token, hook.claims)
				if err != nil {
					http.Error(w, err.Error(), http.StatusInternalServerError)
					return
				}
				in.Token = signed
			}
			body, _ := json.Marshal(map[string]string{hook.member: in.Token})
			r.Body = io.NopCloser(bytes.NewReader(body))
			next.ServeHTTP(w, r)
		})
	}
}

// resigned signs claims with a new key under the kid of a token.
func resigned(compact string, claims map[string]json.RawMessage) (string, error) {
	jws, err := jose.ParseSignedCompact(compact, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return "", err
	}
	key, err := client.GenerateKey()
	if err != nil {
		return "", err
	}
	key.ID = jws.Signatures[0].Protected.KeyID
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	c := call{
		key: key, jose: map[jose.HeaderKey]any{jose.HeaderType: "JWT"},
		payload: func([]byte) []byte { return payload },
	}
	return c.compact()
}

// sendsTwice sends each webhook a second time.
func sendsTwice(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		for _, to := range []http.ResponseWriter{w, &unsent{header: http.Header{}}} {
			r.Body = io.NopCloser(bytes.NewReader(text))
			next.ServeHTTP(to, r)
		}
	})
}

// followsRedirects follows the redirects that the receiver answers with.
func followsRedirects(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		r.Body = io.NopCloser(bytes.NewReader(text))
		answer := &unsent{header: http.Header{}}
		next.ServeHTTP(answer, r)
		if to := answer.header.Get("Location"); to != "" {
			r.URL.Path, r.Body = to, io.NopCloser(bytes.NewReader(text))
			next.ServeHTTP(answer, r)
		}
		w.WriteHeader(answer.status)
	})
}

// unsent is an answer that the server does not see.
type unsent struct {
	header http.Header
	status int
}

func (u *unsent) Header() http.Header         { return u.header }
func (u *unsent) WriteHeader(status int)      { u.status = status }
func (u *unsent) Write(p []byte) (int, error) { return len(p), nil }
