package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// tokenRules are those of docs/contract.md, 2.1 to 2.3.
func tokenRules() []rule {
	return []rule{
		{"2.1.1", page, "Authorization holds one compact JWS and nothing else", judgeAuthorization},
		{"2.1.2", observed, "A prefix Bearer is refused", judgeBearer},
		{"2.1.3", decided, "Two Authorization headers are refused", judgeTwoHeaders},
		{"2.1.4", decided, "A token of more than 16 KiB is refused", judgeLongToken},
		{"2.2.1", page, "The RP's key has signed the token", judgeSignature},
		{
			"2.2.2", page, "alg is one of elliptic curves: not none, not a shared secret",
			judgeAlgorithm,
		},
		{"2.2.3", page, "kid is required and names a key of the JWKS", judgeKeyID},
		{"2.2.4", observed, "The signature is r and s, not DER", judgeSignatureForm},
		{"2.2.5", observed, "typ is absent, JWT or JOSE", judgeType},
		{
			"2.2.6", decided, "A header with a key or an extension is refused, others are ignored",
			judgeHeader,
		},
		{"2.2.7", decided, "The claims are one JSON object without doubled names", judgeObject},
		{"2.2.8", observed, "Every defect has the same answer on every call", judgeSameAnswer},
		{"2.2.9", decided, "Only authentic callers learn about arguments", judgeOrder},
		{"2.3.1", page, "iat and exp are required", judgeTimesRequired},
		{"2.3.2", page, "exp is after iat, by at most 120 seconds", judgeLifetime},
		{"2.3.3", decided, "A token is refused after exp, and if iat is ahead", judgeClock},
		{"2.3.4", page, "Times are seconds, with a fraction or without", judgeSeconds},
		{"2.3.5", page, "jti is a UUID, good once on initiate and result", judgeJTI},
		{"2.3.6", decided, "A refused initiate uses up its jti", judgeSpentJTI},
		{"2.3.7", observed, "A claim that the call has no rule for is ignored", judgeFurtherClaims},
		{
			"2.3.8", decided, "Claims of other calls are ignored, and do not replace its own",
			judgeOtherClaims,
		},
		{"2.3.9", decided, "nbf is optional and at most 10 seconds ahead", judgeNotBefore},
		{"2.3.10", observed, "aud, if present, names this server", judgeAudience},
	}
}

func judgeAuthorization(ctx context.Context, j *judge) {
	j.refusesTokens(
		ctx,
		with("no header", authorization(func(string) []string { return nil })),
		with(
			"two parts", finish(func(t string) string { return t[:strings.LastIndexByte(t, '.')] }),
		),
		with("a word", token("token")),
		with("JSON serialisation", finish(func(t string) string {
			p := strings.Split(t, ".")
			return fmt.Sprintf(`{"protected":%q,"payload":%q,"signature":%q}`, p[0], p[1], p[2])
		})),
		with("text after the token", finish(func(t string) string { return t + " x" })),
		with("a fourth part", finish(func(t string) string { return t + ".AAAA" })),
		with("padding", finish(func(t string) string { return t + "==" })),
	)
}

func judgeBearer(ctx context.Context, j *judge) {
	j.refusesTokens(
		ctx, with("Bearer", finish(func(t string) string { return "Bearer " + t })),
		with("bearer", finish(func(t string) string { return "bearer " + t })),
		with("JWT", finish(func(t string) string { return "JWT " + t })),
	)
}

func judgeTwoHeaders(ctx context.Context, j *judge) {
	j.refusesTokens(ctx,
		with("two headers", authorization(func(t string) []string { return []string{t, t} })),
		with("two tokens in one", finish(func(t string) string { return t + ", " + t })),
	)
}

func judgeLongToken(ctx context.Context, j *judge) {
	j.refusesTokens(ctx, with("17 KiB", claim("padding", strings.Repeat("x", 13<<10))))
}

func judgeSignature(ctx context.Context, j *judge) {
	foreign := j.foreignKey()
	j.refusesTokens(
		ctx,
		with("another key under this kid", key(foreign)),
		with("claims changed after signing", finish(changed)),
		with(
			"no signature",
			finish(func(t string) string { return t[:strings.LastIndexByte(t, '.')+1] }),
		),
		with("a signature of zeros", finish(withZeros)),
	)
}

func judgeAlgorithm(ctx context.Context, j *judge) {
	j.refusesTokens(ctx,
		with("alg none", finish(unsigned)), with("alg nOnE", finish(unsignedAs("nOnE"))),
		with("alg HS256", finish(j.sharedSecret)),
		with("alg HS256 with an empty secret", finish(emptySecret)),
	)
	if isP256(j.Party.Key) {
		j.refusesTokens(ctx, with("alg ES384 with a key on P-256", finish(j.anotherCurve)))
	}
}

func judgeKeyID(ctx context.Context, j *judge) {
	unknown := j.Party.Key
	unknown.ID = "unknown-" + uuid.NewString()
	j.refusesTokens(ctx,
		with("no kid", func(c *call) { c.noKeyID = true }), with("an unknown kid", key(unknown)),
	)
	otherwise := j.Party.Key
	if otherwise.ID = strings.ToUpper(otherwise.ID); otherwise.ID != j.Party.Key.ID {
		j.refusesTokens(ctx, with("the kid in upper case", key(otherwise)))
	}
}

func judgeSignatureForm(ctx context.Context, j *judge) {
	j.refusesTokens(
		ctx, with("DER", finish(inDER)), with("a zero byte before r and s", finish(longer)),
	)
}

func judgeType(ctx context.Context, j *judge) {
	j.acceptsTokens(ctx,
		with("no typ", func(c *call) { delete(c.jose, "typ") }), with("jwt", member("typ", "jwt")),
		with("JOSE", member("typ", "JOSE")),
	)
	j.refusesTokens(ctx, with("dpop+jwt", member("typ", "dpop+jwt")))
}

func judgeHeader(ctx context.Context, j *judge) {
	foreign := j.foreignKey()
	set, err := client.JWKS(foreign)
	j.fail(err)
	jwks := struct {
		Keys []json.RawMessage `json:"keys"`
	}{make([]json.RawMessage, 1)}
	j.fail(json.Unmarshal(set, &jwks))
	certificate, err := certificateOf(foreign)
	j.fail(err)
	j.refusesTokens(ctx,
		with("jwk", key(foreign), member("jwk", jwks.Keys[0])),
		with("jku", member("jku", "https://keys.invalid/jwks")),
		with("x5c", member("x5c", []string{certificate})),
		with("x5c of another key", key(foreign), member("x5c", []string{certificate})),
		with("crit", member("crit", []string{"exp"})),
	)
	if j.hooks != nil {
		at := j.hooks.publish(set)
		j.refusesTokens(
			ctx, with("jku with another key", key(foreign), member("jku", at)),
			with("x5u", member("x5u", at)),
		)
		if n := j.hooks.fetched(); n > 0 {
			j.failf("the server fetches the URL of a header jku or x5u, %d times", n)
		}
	}
	j.acceptsTokens(ctx, with("x5t", member("x5t", "AAAA")))
}

func judgeObject(ctx context.Context, j *judge) {
	j.refusesTokens(ctx,
		with("an array", payload(func(p []byte) []byte { return []byte("[" + string(p) + "]") })),
		with("no JSON", payload(func(p []byte) []byte { return p[:len(p)-1] })),
		with("a doubled name", payload(func(p []byte) []byte {
			return append([]byte(`{"iat":0,`), p[1:]...)
		})),
		with("a name doubled at the end", payload(func(p []byte) []byte {
			return append(p[:len(p)-1:len(p)-1], `,"iat":0}`...)
		})),
		with("an equal claim twice", payload(func(p []byte) []byte {
			jti := claimsOfText(p)["jti"]
			return slices.Concat([]byte(`{"jti":`), jti, []byte(","), p[1:])
		})),
		with("an object after the claims", payload(func(p []byte) []byte {
			return append(p[:len(p):len(p)], "{}"...)
		})),
		with("nesting 9 deep", claim("deep", json.RawMessage(
			strings.Repeat("[", 9)+strings.Repeat("]", 9),
		))),
		with("65 claims", func(c *call) {
			for i := range 65 {
				c.claims[fmt.Sprintf("further_%d", i)] = i
			}
		}),
		with("not UTF-8", payload(func(p []byte) []byte {
			return append([]byte("{\"note\":\"\xff\","), p[1:]...)
		})),
	)
}

func judgeSameAnswer(ctx context.Context, j *judge) {
	foreign := j.foreignKey()
	open := j.openRequest(ctx)
	unknown := j.Party.Key
	unknown.ID = "unknown-" + uuid.NewString()
	// A wrong exchange code is a defect of a token for the result only.
	foreignUnlessResult := func(c *call) {
		if c.name != "result" {
			c.key = foreign
		}
	}
	var first *answer
	calls := []maker{j.initiate, j.resultOf(open)}
	if j.cancels {
		calls = append(calls, j.cancelOf(open.RequestID))
	}
	for _, what := range calls {
		for _, v := range []variant{
			with("no token", authorization(func(string) []string { return nil })),
			with("another key", key(foreign)), with("alg none", finish(unsigned)),
			with("no exp", without("exp")), with("an expired token", times(-200, -90)),
			with("an unknown kid", key(unknown)),
			with(
				"an unknown client_id", claim("client_id", uuid.NewString()),
				without("client_request"),
			),
			with(
				"a wrong exchange code", claim("exchange_code", uuid.NewString()),
				foreignUnlessResult,
			),
		} {
			a := j.do(ctx, what(v.edits...))
			if first == nil {
				first = a
			}
			if a.code() != api.CodeUnauthorized || a.status != first.status ||
				!bytes.Equal(a.body, first.body) {
				j.failf("%s: %s is answered %s, and %s %s", v.name, a.call, a, first.call, first)
			}
		}
	}
}

func judgeOrder(ctx context.Context, j *judge) {
	foreign := j.foreignKey()
	unauthorized := refusedAs(api.CodeUnauthorized)
	j.each(ctx, j.initiate, unauthorized,
		with("no doc_name, another key", without("doc_name"), key(foreign)),
		with("no PDF, another key", body([]byte("text")), key(foreign)),
		with("JSON as Content-Type, another key", header("Content-Type", "application/json"),
			key(foreign)),
	)
	if j.cancels {
		j.each(ctx, j.cancelOf(unknownID()), unauthorized,
			with("an unknown id, another key", key(foreign)),
			with("a PDF as Content-Type, another key", header("Content-Type", "application/pdf"),
				key(foreign)),
		)
	}
}

func judgeTimesRequired(ctx context.Context, j *judge) {
	j.refusesTokens(
		ctx, with("no iat", without("iat")), with("no exp", without("exp")),
		with("null for exp", claim("exp", nil)),
	)
}

func judgeLifetime(ctx context.Context, j *judge) {
	j.acceptsTokens(ctx, with("120 s", times(0, 120)))
	now := time.Now().Unix()
	rest := with("120.9 s", claim("iat", now), claim("exp", float64(now)+api.TokenLifetime+0.9))
	j.refusesTokens(ctx,
		rest, with("121 s", times(0, 121)), with("an hour", times(0, 3600)),
		with("exp before iat", times(5, -5)), with("exp at iat", times(5, 5)),
	)
}

func judgeClock(ctx context.Context, j *judge) {
	j.acceptsTokens(
		ctx, with("iat 5 s ahead", times(5, 60)), with("exp in 10 s", times(-100, 10)),
	)
	j.refusesTokens(ctx,
		with("exp 5 s ago", times(-60, -5)), with("iat 60 s ahead", times(60, 120)),
	)
}

func judgeSeconds(ctx context.Context, j *judge) {
	now := time.Now()
	at := func(iat, exp any) []edit { return []edit{claim("iat", iat), claim("exp", exp)} }
	j.acceptsTokens(ctx,
		with("fractions", at(float64(now.UnixMilli())/1000, float64(now.UnixMilli())/1000+100)...),
		with("written .0", at(
			json.RawMessage(fmt.Sprintf("%d.0", now.Unix())),
			json.RawMessage(fmt.Sprintf("%d.0", now.Unix()+100)),
		)...),
		with("written with an exponent", at(
			json.RawMessage(fmt.Sprintf("%de-1", now.Unix()*10)),
			json.RawMessage(fmt.Sprintf("%dE-1", (now.Unix()+100)*10)),
		)...),
	)
	j.refusesTokens(ctx,
		with("milliseconds", at(now.UnixMilli(), now.UnixMilli()+100_000)...),
		with("strings", at(fmt.Sprint(now.Unix()), fmt.Sprint(now.Unix()+100))...),
	)
}

func judgeJTI(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	unauthorized := refusedAs(api.CodeUnauthorized)
	id := uuid.NewString()
	for _, what := range []maker{j.initiate, j.resultOf(open)} {
		j.each(ctx, what, unauthorized,
			with("no jti", without("jti")), with("a jti that is no UUID", claim("jti", "token-1")),
			with("a jti in braces", claim("jti", "{"+id+"}")),
			with("a jti without hyphens", claim("jti", strings.ReplaceAll(id, "-", ""))),
			with("a number as jti", claim("jti", 7)),
		)
	}
	same := claim("jti", id)
	j.each(ctx, j.initiate, accepted, with("a jti", same))
	again := []variant{
		with("the jti again", same), with("the jti again, in another token", same, times(-1, 60)),
		with("the jti again, in upper case", claim("jti", strings.ToUpper(id))),
	}
	j.each(ctx, j.initiate, unauthorized, again...)
	j.each(ctx, j.resultOf(open), unauthorized, again[1])
	same = claim("jti", uuid.NewString())
	j.each(ctx, j.resultOf(open), authentic, with("a jti", same))
	j.each(
		ctx, j.resultOf(open), unauthorized,
		with("the jti again, in another token", same, times(-1, 60)),
	)
	j.each(ctx, j.initiate, unauthorized, with("the jti of a result call", same))
	if j.Other != nil {
		j.each(ctx, j.initiate, accepted, with(
			"the jti of another party", claim("jti", id), claim("client_id", j.Other.ClientID),
			key(j.Other.Key),
		))
	}
	compact := token(j.makeToken(j.initiate()))
	took := 0
	for _, a := range together(4, func() *answer { return j.do(ctx, j.initiate(compact)) }) {
		if a.status == http.StatusOK {
			took++
		}
	}
	if took != 1 {
		j.failf("%d of 4 calls at once with one token are answered 200", took)
	}
	if j.Control == "" {
		return
	}
	compact = token(j.makeToken(j.initiate()))
	j.each(ctx, j.initiate, accepted, with("a token", compact))
	j.later(ctx, 100*time.Second, func() {
		j.each(ctx, j.initiate, unauthorized, with("the token again, 100 s later", compact))
	})
}

func judgeSpentJTI(ctx context.Context, j *judge) {
	for _, v := range []variant{
		with("no doc_name", without("doc_name")), with("no PDF", body([]byte("text"))),
	} {
		same := claim("jti", uuid.NewString())
		j.each(ctx, j.initiate, refused, with(v.name, append(v.edits, same)...))
		again := with("the jti of a call with "+v.name, same)
		j.each(ctx, j.initiate, refusedAs(api.CodeUnauthorized), again)
	}
}

func judgeFurtherClaims(ctx context.Context, j *judge) {
	j.acceptsTokens(
		ctx,
		with(
			"iss, sub and others", claim("iss", "x"), claim("sub", "y"),
			claim("scope", []string{"z"}),
		),
		with("an object", claim("cnf", map[string]any{"jkt": "x"})),
		with(
			"URLs",
			claim("webhook_url", "https://x.invalid/"),
			claim("redirect_url", "https://x.invalid/"),
		),
	)
}

func judgeOtherClaims(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	ofCancel := with("claims of cancel", claim("request_id", open.RequestID),
		claim("client_request", j.Party.ClientID))
	j.each(ctx, j.initiate, accepted, ofCancel)
	j.each(ctx, j.resultOf(open), authentic, ofCancel)
	j.acceptsTokens(ctx, with("claims of V3.0 and V3.2", locationOfBoth...))
	// Tokens without what the call needs.
	unauthorized := refusedAs(api.CodeUnauthorized)
	compact := func(c *call) variant {
		return with("a token of "+c.name, token(j.makeToken(c)))
	}
	j.each(ctx, j.initiate, unauthorized, compact(j.resultOf(open)()))
	j.each(
		ctx, j.resultOf(open), unauthorized,
		compact(j.initiate()), compact(j.cancelOf(open.RequestID)()),
	)
	if j.cancels {
		j.each(ctx, j.cancelOf(unknownID()), noRecord,
			with("an exchange code", claim("exchange_code", uuid.NewString())),
			with("a document", claim("doc_name", "a.pdf")),
			compact(j.initiate()),
		)
		j.each(ctx, j.cancelOf(""), unauthorized, compact(j.resultOf(open)()))
	}
}

func judgeNotBefore(ctx context.Context, j *judge) {
	now := time.Now().Unix()
	j.acceptsTokens(ctx, with("nbf now", claim("nbf", now)))
	j.refusesTokens(ctx, with("nbf 60 s ahead", claim("nbf", now+60)))
}

func judgeAudience(ctx context.Context, j *judge) {
	const other = "https://other.invalid/api/v3"
	base, _, _ := strings.Cut(strings.TrimPrefix(j.BaseURL, "http"), "/api")
	j.acceptsTokens(
		ctx, with("the base URL", claim("aud", j.BaseURL)),
		with("one of a list", claim("aud", []string{other, j.BaseURL})),
	)
	j.refusesTokens(
		ctx, with("another server", claim("aud", other)),
		with("a list of others", claim("aud", []string{other})),
		with("a host that begins like this one", claim("aud", "http"+base+".invalid")),
	)
}
