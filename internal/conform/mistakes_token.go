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
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// tokenMistakes are about the rules of tokens: 2.1 to 2.3.
func tokenMistakes() []Mistake {
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
		lenient("accepts-bearer", "2.1.2", func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "Bearer ")
		}),
		lenient("accepts-bearer-in-lower-case", "2.1.2", func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "bearer ")
		}),
		lenient("accepts-another-scheme", "2.1.2", func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "JWT ")
		}),
		lenient("accepts-bearer-on-cancel", "2.1.2", of("cancel", func(e *exchange) bool {
			return strings.HasPrefix(e.authorization, "Bearer ")
		})),
		lenient("takes-the-first-of-two-tokens", "2.1.3", func(e *exchange) bool {
			return strings.Contains(e.authorization, ", ")
		}),
		lenient("ignores-signature", "2.2.1", signedByAlgorithm("ES256")),
		lenient("accepts-signature-of-zeros", "2.2.1", func(e *exchange) bool {
			signature, err := base64.RawURLEncoding.DecodeString(
				e.authorization[strings.LastIndexByte(e.authorization, '.')+1:],
			)
			return err == nil && len(signature) > 0 && len(bytes.Trim(signature, "\x00")) == 0
		}),
		lenient(
			"ignores-signatures-of-cancels", "2.2.1", of("cancel", signedByAlgorithm("ES256")),
		),
		lenient(
			"ignores-signatures-of-results", "2.2.1", of("result", signedByAlgorithm("ES256")),
		),
		lenient("accepts-alg-none", "2.2.2", signedByAlgorithm("none")),
		lenient("accepts-shared-secret", "2.2.2", signedByAlgorithm("HS256")),
		lenient("accepts-alg-nOnE", "2.2.2", func(e *exchange) bool {
			alg := text(e.jose["alg"])
			return alg != "none" && strings.EqualFold(alg, "none")
		}),
		lenient("accepts-alg-none-on-cancel", "2.2.2", of("cancel", signedByAlgorithm("none"))),
		lenient("accepts-an-empty-secret", "2.2.2", func(e *exchange) bool {
			return e.hasMAC(nil)
		}),
		lenient("accepts-alg-of-another-curve", "2.2.2", signedByAlgorithm("ES384")),
		lenient("accepts-unknown-kid", "2.2.3", func(e *exchange) bool {
			return strings.HasPrefix(text(e.jose["kid"]), "unknown-")
		}),
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
		lenient("trusts-jwk-header", "2.2.6", func(e *exchange) bool {
			return e.jose["jwk"] != nil
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
		answers("says-what-is-wrong", "2.2.8", func(e *exchange) {
			if e.code() == api.CodeUnauthorized && e.claims["exp"] == nil {
				e.refuse(http.StatusBadRequest, api.CodeUnauthorized, "exp is missing")
			}
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
		answers("judges-arguments-first", "2.2.9", func(e *exchange) {
			if e.code() == api.CodeUnauthorized && e.claims["doc_name"] == nil &&
				e.call == "initiate" {
				e.refuse(http.StatusBadRequest, api.CodeClientSide, "doc_name is missing")
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
		lenient("accepts-no-exp", "2.3.1", func(e *exchange) bool {
			return e.claims["exp"] == nil
		}),
		lenient("accepts-no-exp-on-cancel", "2.3.1", of("cancel", func(e *exchange) bool {
			return e.claims["exp"] == nil
		})),
		lenient("accepts-an-hour", "2.3.2", func(e *exchange) bool {
			return e.time("exp")-e.time("iat") > api.TokenLifetime
		}),
		lenient("rounds-lifetimes", "2.3.2", func(e *exchange) bool {
			lifetime := e.time("exp") - e.time("iat")
			return lifetime > api.TokenLifetime && lifetime < api.TokenLifetime+1
		}),
		lenient("accepts-an-hour-on-cancel", "2.3.2", of("cancel", func(e *exchange) bool {
			return e.time("exp")-e.time("iat") > api.TokenLifetime
		})),
		lenient("accepts-exp-at-iat", "2.3.2", func(e *exchange) bool {
			return e.time("exp") == e.time("iat")
		}),
		lenient("accepts-expired", "2.3.3", func(e *exchange) bool {
			return e.time("exp") < float64(time.Now().Unix())
		}),
		lenient("accepts-expired-cancels", "2.3.3", of("cancel", func(e *exchange) bool {
			return e.time("exp") < e.now()
		})),
		lenient("accepts-tokens-of-the-future", "2.3.3", func(e *exchange) bool {
			return e.time("iat") > e.now()+10 && e.time("iat") < 1e11
		}),
		lenient("accepts-cancels-of-the-future", "2.3.3", func(e *exchange) bool {
			return e.call == "cancel" && e.time("iat") > e.now()+10 && e.time("iat") < 1e11
		}),
		lenient("accepts-milliseconds", "2.3.4", func(e *exchange) bool {
			return e.time("exp") > 1e12
		}),
		answers("refuses-fractions", "2.3.4", func(e *exchange) {
			if bytes.ContainsRune(e.claims["iat"], '.') {
				e.refuse(
					http.StatusBadRequest, api.CodeUnauthorized, api.ErrUnauthorized.Description,
				)
			}
		}),
		lenient("accepts-milliseconds-on-cancel", "2.3.4", of("cancel", func(e *exchange) bool {
			return e.time("exp") > 1e12
		})),
		strict("refuses-exponents", "2.3.4", func(e *exchange) bool {
			return bytes.ContainsAny(e.claims["iat"], "eE")
		}),
		lenient("accepts-used-jti", "2.3.5", func(e *exchange) bool {
			return len(text(e.claims["jti"])) == len(uuid.Nil.String())
		}),
		lenient("accepts-no-jti", "2.3.5", func(e *exchange) bool {
			return e.claims["jti"] == nil
		}),
		lenient("compares-jti-by-case", "2.3.5", func(e *exchange) bool {
			jti := text(e.claims["jti"])
			return len(jti) == len(uuid.Nil.String()) && jti != strings.ToLower(jti)
		}),
		{"shares-jti-between-parties", "2.3.5", sharesTokenIDs, nil},
		{"takes-one-token-twice-at-once", "2.3.5", takesTwiceAtOnce, nil},
		remembers("keeps-jti-of-each-call-apart", "2.3.5", func() func(*exchange) {
			used := map[string]string{} // calls by jti
			return func(e *exchange) {
				jti := text(e.claims["jti"])
				first := used[jti]
				if jti == "" || e.call != "initiate" && e.call != "result" {
					return
				}
				if first == "" && e.code() != api.CodeUnauthorized {
					used[jti] = e.call
				}
				if first != "" && first != e.call && e.code() == api.CodeUnauthorized {
					e.succeed()
				}
			}
		}),
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
		answers("refuses-further-claims", "2.3.7", func(e *exchange) {
			if e.claims["sub"] != nil {
				e.refuse(
					http.StatusBadRequest, api.CodeUnauthorized, api.ErrUnauthorized.Description,
				)
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
		lenient("accepts-any-audience", "2.3.10", func(e *exchange) bool {
			return e.claims["aud"] != nil
		}),
		lenient("compares-aud-by-its-beginning", "2.3.10", func(e *exchange) bool {
			return strings.HasSuffix(text(e.claims["aud"]), ".invalid") &&
				!strings.Contains(text(e.claims["aud"]), "other")
		}),
		strict("refuses-lists-of-aud", "2.3.10", func(e *exchange) bool {
			return bytes.HasPrefix(e.claims["aud"], []byte("["))
		}),
	}
}

func signedByAlgorithm(alg string) func(*exchange) bool {
	return func(e *exchange) bool { return text(e.jose["alg"]) == alg }
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
