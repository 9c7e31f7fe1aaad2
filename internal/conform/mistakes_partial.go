package conform

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// answers is a mistake in the answers of single calls.
func answers(name, rule string, change func(*exchange)) Mistake {
	return Mistake{name, rule, spoil(change), nil}
}

// lenient is the mistake to accept a refused call for which when holds.
func lenient(name, rule string, when func(*exchange) bool) Mistake {
	return answers(name, rule, accepts(when))
}

// strict is the mistake to refuse a call for which when holds.
func strict(name, rule string, when func(*exchange) bool) Mistake {
	return answers(name, rule, func(e *exchange) {
		if e.call != "" && e.call != "act" && when(e) {
			e.refuse(http.StatusBadRequest, api.CodeClientSide, "That is not allowed")
		}
	})
}

// remembers is a mistake that depends on earlier calls: state makes the function that changes the
// answers, one at a time.
func remembers(name, rule string, state func() func(*exchange)) Mistake {
	return Mistake{name, rule, func(next http.RoundTripper) http.RoundTripper {
		var mu sync.Mutex
		change := state()
		return spoil(func(e *exchange) {
			mu.Lock()
			defer mu.Unlock()
			change(e)
		})(next)
	}, nil}
}

// partialMistakes are those of servers that follow a rule in one call, coordinate or spelling, and
// not in another. They are in the order of their rules.
func partialMistakes() []Mistake {
	return slices.Concat(partialTokenMistakes(), partialClaimMistakes(), partialInitiateMistakes())
}

func partialTokenMistakes() []Mistake {
	of := func(call string, when func(*exchange) bool) func(*exchange) bool {
		return func(e *exchange) bool { return e.call == call && when(e) }
	}
	return []Mistake{
		lenient("accepts-text-after-the-token", "2.1.1", func(e *exchange) bool {
			return strings.HasSuffix(e.authorization, " x")
		}),
		lenient("accepts-a-fourth-part", "2.1.1", func(e *exchange) bool {
			return strings.Count(e.authorization, ".") == 3
		}),
		lenient("accepts-padding", "2.1.1", func(e *exchange) bool {
			return strings.Contains(e.authorization, "=")
		}),
		lenient("accepts-another-scheme", "2.1.2", func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "JWT ")
		}),
		lenient("accepts-bearer-on-cancel", "2.1.2", of("cancel", func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "Bearer ")
		})),
		lenient(
			"ignores-signatures-of-cancels", "2.2.1", of("cancel", signedByAlgorithm("ES256")),
		),
		lenient(
			"ignores-signatures-of-results", "2.2.1", of("result", signedByAlgorithm("ES256")),
		),
		lenient("accepts-alg-none-on-cancel", "2.2.2", of("cancel", signedByAlgorithm("none"))),
		lenient("accepts-an-empty-secret", "2.2.2", func(e *exchange) bool {
			return e.hasMAC(nil)
		}),
		lenient("accepts-alg-of-another-curve", "2.2.2", signedByAlgorithm("ES384")),
		remembers("ignores-the-case-of-kid", "2.2.3", func() func(*exchange) {
			own := ""
			return func(e *exchange) {
				kid := text(e.jose["kid"])
				if own == "" {
					own = kid
				}
				if kid != own && strings.EqualFold(kid, own) {
					accepts(func(*exchange) bool { return true })(e)
				}
			}
		}),
		lenient("accepts-signatures-of-65-bytes", "2.2.4", func(e *exchange) bool {
			return len(e.signature()) == 65
		}),
		strict("requires-typ", "2.2.5", func(e *exchange) bool {
			return e.jose != nil && e.jose["typ"] == nil
		}),
		lenient("accepts-any-typ", "2.2.5", func(e *exchange) bool {
			return text(e.jose["typ"]) == "dpop+jwt"
		}),
		lenient("fetches-jku", "2.2.6", func(e *exchange) bool {
			r, err := http.NewRequestWithContext(
				context.Background(), http.MethodGet, text(e.jose["jku"]), http.NoBody,
			)
			if err != nil || r.URL.Host == "" {
				return false
			}
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				return false
			}
			defer resp.Body.Close()
			var set jose.JSONWebKeySet
			err = json.NewDecoder(resp.Body).Decode(&set)
			return err == nil && slices.ContainsFunc(set.Keys, e.signedBy)
		}),
		lenient("trusts-x5c", "2.2.6", func(e *exchange) bool {
			var chain [][]byte
			if json.Unmarshal(e.jose["x5c"], &chain) != nil || len(chain) == 0 {
				return false
			}
			certificate, err := x509.ParseCertificate(chain[0])
			return err == nil && e.signedBy(jose.JSONWebKey{Key: certificate.PublicKey})
		}),
		lenient("ignores-crit", "2.2.6", func(e *exchange) bool { return e.jose["crit"] != nil }),
		strict("refuses-unknown-headers", "2.2.6", func(e *exchange) bool {
			return e.jose["x5t"] != nil
		}),
		lenient("takes-the-last-of-two-claims", "2.2.7", func(e *exchange) bool {
			return strings.HasPrefix(e.payload(), `{"iat":0,`)
		}),
		lenient("takes-the-first-of-two-claims", "2.2.7", func(e *exchange) bool {
			return strings.HasSuffix(e.payload(), `,"iat":0}`)
		}),
		lenient("takes-one-of-two-equal-claims", "2.2.7", func(e *exchange) bool {
			return strings.Count(e.payload(), `"jti":`) == 2
		}),
		lenient("ignores-what-follows-the-claims", "2.2.7", func(e *exchange) bool {
			return strings.HasSuffix(e.payload(), "}{}")
		}),
		lenient("reads-claims-of-any-depth", "2.2.7", func(e *exchange) bool {
			return strings.Contains(e.payload(), strings.Repeat("[", 9))
		}),
		lenient("reads-any-number-of-claims", "2.2.7", func(e *exchange) bool {
			return len(e.claims) > 64
		}),
		answers("says-that-the-kid-is-unknown", "2.2.8", func(e *exchange) {
			if strings.HasPrefix(text(e.jose["kid"]), "unknown-") {
				e.set("error_description", "Unknown kid")
			}
		}),
		answers("says-that-the-client-is-unknown", "2.2.8", func(e *exchange) {
			if e.call == "initiate" && uuid.Validate(text(e.claims["client_id"])) == nil {
				e.set("error_description", "Unknown client")
			}
		}),
		answers("says-that-the-exchange-code-is-wrong", "2.2.8", func(e *exchange) {
			if e.call == "result" && e.code() == api.CodeUnauthorized &&
				e.claims["exchange_code"] != nil {
				e.set("error_description", "Wrong exchange code")
			}
		}),
		answers("judges-the-type-first", "2.2.9", func(e *exchange) {
			if e.call == "initiate" && e.code() == api.CodeUnauthorized &&
				e.request.Header.Get("Content-Type") == "application/json" {
				e.refuse(http.StatusBadRequest, api.CodeClientSide, "Content-Type is wrong")
			}
		}),
		answers("judges-the-type-of-cancels-first", "2.2.9", func(e *exchange) {
			if e.call == "cancel" && e.code() == api.CodeUnauthorized &&
				e.request.Header.Get("Content-Type") == "application/pdf" {
				e.refuse(http.StatusBadRequest, api.CodeClientSide, "Content-Type is wrong")
			}
		}),
		lenient("accepts-no-exp-on-cancel", "2.3.1", of("cancel", func(e *exchange) bool {
			return e.claims["exp"] == nil
		})),
		lenient("accepts-an-hour-on-cancel", "2.3.2", of("cancel", func(e *exchange) bool {
			return e.time("exp")-e.time("iat") > api.TokenLifetime
		})),
		lenient("accepts-exp-at-iat", "2.3.2", func(e *exchange) bool {
			return e.time("exp") == e.time("iat")
		}),
		lenient("accepts-expired-cancels", "2.3.3", of("cancel", func(e *exchange) bool {
			return e.time("exp") < e.now()
		})),
		lenient("accepts-milliseconds-on-cancel", "2.3.4", of("cancel", func(e *exchange) bool {
			return e.time("exp") > 1e12
		})),
		strict("refuses-exponents", "2.3.4", func(e *exchange) bool {
			return bytes.ContainsAny(e.claims["iat"], "eE")
		}),
	}
}

func partialClaimMistakes() []Mistake {
	return []Mistake{
		lenient("accepts-jti-in-braces", "2.3.5", func(e *exchange) bool {
			return strings.HasPrefix(text(e.claims["jti"]), "{")
		}),
		lenient("accepts-jti-without-hyphens", "2.3.5", func(e *exchange) bool {
			return len(text(e.claims["jti"])) == 32
		}),
		lenient("accepts-numbers-as-jti", "2.3.5", func(e *exchange) bool {
			return e.time("jti") != 0
		}),
		remembers("forgets-jti-of-results", "2.3.5", func() func(*exchange) {
			used := map[string]bool{}
			return func(e *exchange) {
				jti := text(e.claims["jti"])
				if e.call == "result" {
					used[jti] = true
				} else if used[jti] {
					accepts(func(e *exchange) bool { return e.call == "initiate" })(e)
				}
			}
		}),
		remembers("forgets-jti-after-a-minute", "2.3.5", func() func(*exchange) {
			later := false
			return func(e *exchange) {
				if e.request.URL.Path == "/clock" {
					later = bytes.Contains(e.sent, []byte("advance"))
				} else if later && e.code() == api.CodeUnauthorized {
					e.succeed()
				}
			}
		}),
		remembers("keeps-jti-of-refused-documents", "2.3.6", func() func(*exchange) {
			refused := map[string]bool{}
			return func(e *exchange) {
				jti := text(e.claims["jti"])
				if refused[jti] && e.code() == api.CodeUnauthorized {
					e.succeed()
				}
				refused[jti] = e.code() == api.CodeClientSide && e.claims["doc_name"] != nil
			}
		}),
		strict("refuses-claims-that-are-objects", "2.3.7", func(e *exchange) bool {
			for _, v := range e.claims {
				if bytes.HasPrefix(v, []byte("{")) {
					return true
				}
			}
			return false
		}),
		strict("refuses-an-exchange-code-on-cancel", "2.3.8", func(e *exchange) bool {
			return e.call == "cancel" && e.claims["exchange_code"] != nil
		}),
		lenient("takes-tokens-of-results-for-cancel", "2.3.8", func(e *exchange) bool {
			return e.call == "cancel" && e.claims["exchange_code"] != nil &&
				e.claims["client_id"] == nil
		}),
		lenient("accepts-nbf-ahead", "2.3.9", func(e *exchange) bool {
			return e.time("nbf") > e.now()
		}),
		lenient("compares-aud-by-its-beginning", "2.3.10", func(e *exchange) bool {
			return strings.HasSuffix(text(e.claims["aud"]), ".invalid") &&
				!strings.Contains(text(e.claims["aud"]), "other")
		}),
		strict("refuses-lists-of-aud", "2.3.10", func(e *exchange) bool {
			return bytes.HasPrefix(e.claims["aud"], []byte("["))
		}),
		answers("ignores-id-case-of-results", "2.4.2", func(e *exchange) {
			if e.call == "result" && strings.Contains(e.request.URL.Path, "/SIGNV3-") {
				e.succeed()
			}
		}),
		answers("answers-413-in-html", "2.5.1", func(e *exchange) {
			if e.call == "initiate" && len(e.sent) >= api.MaxDocumentBytes {
				e.status, e.body = http.StatusRequestEntityTooLarge, []byte("<h1>Too large</h1>")
				e.header.Set("Content-Type", "text/html")
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
		answers("forbids-cancels-in-other-words", "2.5.3", func(e *exchange) {
			if e.call == "cancel" && e.code() == api.CodeUnauthorized {
				e.set("error_description", "Unauthorised")
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
	}
}

func partialInitiateMistakes() []Mistake {
	name := func(e *exchange) string { return text(e.claims["doc_name"]) }
	return []Mistake{
		strict("refuses-chunked-bodies", "3.1.1", func(e *exchange) bool {
			return e.call == "initiate" && e.request.ContentLength < 0
		}),
		strict("refuses-expect", "3.1.1", func(e *exchange) bool {
			return e.request.Header.Get("Expect") != ""
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
		lenient("reads-places-from-a-string", "3.2.4", func(e *exchange) bool {
			return text(e.claims["sign_locations"]) != ""
		}),
		strict("prefers-claims-of-v30", "3.2.5", func(e *exchange) bool {
			return e.time("x") == 0.95 && e.claims["sign_locations"] != nil
		}),
		lenient("takes-0-for-a-missing-x", "3.2.5", func(e *exchange) bool {
			return e.claims["x"] == nil && e.claims["y"] != nil
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
		lenient("accepts-any-64-characters", "3.4.2", func(e *exchange) bool {
			return len(text(e.claims["signer_uin_hash"])) == 64
		}),
		lenient("accepts-hashes-in-base64", "3.4.2", func(e *exchange) bool {
			return len(text(e.claims["signer_uin_hash"])) == 44
		}),
		strict("refuses-5-mb", "3.5.1", func(e *exchange) bool { return len(e.sent) > 5_000_000 }),
		lenient("looks-at-the-first-bytes-only", "3.5.2", func(e *exchange) bool {
			return bytes.HasPrefix(e.sent, []byte("%PDF-"))
		}),
		strict("refuses-a-line-after-the-end", "3.5.2", func(e *exchange) bool {
			return bytes.HasSuffix(e.sent, []byte("EOF\r\n\r\n"))
		}),
		lenient("accepts-encrypted-documents", "3.5.3", sends("/Encrypt")),
		lenient("accepts-hybrid-documents", "3.5.4", sends("/XRefStm")),
		lenient("accepts-boxes-on-signatures", "3.5.6", sends("/ByteRange")),
		lenient("accepts-small-pages", "3.5.7", sends("[0 0 200 50]")),
		lenient("accepts-scripts", "3.5.9", sends("/JavaScript")),
		lenient("looks-for-open-actions-only", "3.5.9", sends("/Names <<")),
		lenient("accepts-launch-actions", "3.5.9", sends("/Launch")),
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
		lenient("ignores-the-rotation", "3.8.1", sends("/Rotate")),
		lenient("ignores-the-crop-box", "3.8.1", sends("/CropBox")),
		strict("ignores-the-rotation-of-landscapes", "3.8.1", func(e *exchange) bool {
			return sends("/Rotate")(e) && len(e.places()) == 1 && e.places()[0].X > "0.6"
		}),
		lenient("checks-the-first-box-only", "3.8.3", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		lenient("accepts-boxes-that-overlap", "3.8.4", func(e *exchange) bool {
			return len(e.places()) == 2
		}),
		strict("refuses-boxes-that-touch", "3.8.4", func(e *exchange) bool {
			return len(e.places()) == 3
		}),
	}
}

// sends reports whether the body has a text.
func sends(text string) func(*exchange) bool {
	return func(e *exchange) bool { return bytes.Contains(e.sent, []byte(text)) }
}

// payload is the text of the token's claims.
func (e *exchange) payload() string {
	parts := strings.Split(e.authorization, ".")
	if len(parts) != 3 {
		return ""
	}
	text, _ := base64.RawURLEncoding.DecodeString(parts[1])
	return string(text)
}

// signature is the decoded signature of the token.
func (e *exchange) signature() []byte {
	raw, _ := base64.RawURLEncoding.DecodeString(
		e.authorization[strings.LastIndexByte(e.authorization, '.')+1:],
	)
	return raw
}

// signedBy reports whether a key verifies the token.
func (e *exchange) signedBy(key jose.JSONWebKey) bool {
	jws, err := jose.ParseSignedCompact(e.authorization, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return false
	}
	_, err = jws.Verify(key)
	return err == nil
}

// hasMAC reports whether the signature of the token is its HMAC with a secret.
func (e *exchange) hasMAC(secret []byte) bool {
	signed := e.authorization[:max(0, strings.LastIndexByte(e.authorization, '.'))]
	return hmac.Equal(e.signature(), hs256(signed, secret))
}

// hs256 is the HMAC of a text.
func hs256(text string, secret []byte) []byte {
	mac := hmac.New(sha256.New, secret)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
