package token_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// refused is one change to a good token and the cause that it must be refused for.
type refused struct {
	name  string
	call  token.Call
	edit  partytest.Edit
	cause string
}

func raw(text string) json.RawMessage { return json.RawMessage(text) }

func refusedEdits(b *bench) []refused {
	at := epoch.Unix()
	out := []refused{
		{
			"header jku",
			token.Initiate,
			partytest.Header("jku", "https://evil.example"),
			"jku is refused",
		},
		{
			"header jwk",
			token.Initiate,
			partytest.Header("jwk", b.party.Key("ES256").JWK()),
			"jwk is refused",
		},
		{
			"header x5u",
			token.Initiate,
			partytest.Header("x5u", "https://evil.example"),
			"x5u is refused",
		},
		{"header x5c", token.Initiate, partytest.Header("x5c", []string{"AAAA"}), "x5c is refused"},
		{
			"header crit",
			token.Initiate,
			partytest.Header("crit", []string{"exp"}),
			"crit is refused",
		},
		{
			"header crit empty",
			token.Initiate,
			partytest.Header("crit", []string{}),
			"crit is refused",
		},
		{"header crit null", token.Initiate, partytest.Header("crit", nil), "crit is refused"},
		{"header b64", token.Initiate, partytest.Header("b64", true), "b64 is refused"},
		{"header b64 false", token.Initiate, partytest.Header("b64", false), "b64 is refused"},
		{"typ DPoP", token.Initiate, partytest.Header("typ", "dpop+jwt"), "typ is neither"},
		{
			"typ with a long s", token.Initiate, partytest.Header("typ", "JO\u017fE"), "typ is neither",
		},
		{"nonce number", token.Initiate, partytest.Header("nonce", 5), "not of its type"},
		{"typ null", token.Initiate, partytest.Header("typ", nil), "typ is neither"},
		{"typ number", token.Initiate, partytest.Header("typ", 1), "typ is neither"},
		{"alg absent", token.Initiate, partytest.NoHeader("alg"), "alg is missing"},
		{
			"alg number",
			token.Initiate,
			partytest.Header("alg", 256),
			"alg is missing or not a string",
		},
		{
			"alg null",
			token.Initiate,
			partytest.Header("alg", nil),
			"alg is missing or not a string",
		},
		{"alg none", token.Initiate, partytest.Header("alg", "none"), "alg is not ES256"},
		{"alg None", token.Initiate, partytest.Header("alg", "None"), "alg is not ES256"},
		{"alg empty", token.Initiate, partytest.Header("alg", ""), "alg is not ES256"},
		{"alg HS256", token.Initiate, partytest.Header("alg", "HS256"), "alg is not ES256"},
		{"alg RS256", token.Initiate, partytest.Header("alg", "RS256"), "alg is not ES256"},
		{"alg PS256", token.Initiate, partytest.Header("alg", "PS256"), "alg is not ES256"},
		{"alg EdDSA", token.Initiate, partytest.Header("alg", "EdDSA"), "alg is not ES256"},
		{"alg ES256K", token.Initiate, partytest.Header("alg", "ES256K"), "alg is not ES256"},
		{"alg in lower case", token.Initiate, partytest.Header("alg", "es256"), "alg is not ES256"},
		{"kid absent", token.Initiate, partytest.NoHeader("kid"), "kid is missing"},
		{"kid empty", token.Initiate, partytest.Header("kid", ""), "kid is missing"},
		{
			"kid number",
			token.Initiate,
			partytest.Header("kid", 7),
			"kid is missing or not a string",
		},
		{
			"kid null",
			token.Initiate,
			partytest.Header("kid", nil),
			"kid is missing or not a string",
		},
		{
			"kid long",
			token.Initiate,
			partytest.Header("kid", strings.Repeat("k", 257)),
			"kid is longer",
		},
		{
			"kid unknown",
			token.Initiate,
			partytest.Header("kid", "an-unknown-key"),
			"no usable key with the token's kid",
		},
		{
			"kid in another case",
			token.Initiate,
			partytest.Header("kid", strings.ToLower(b.party.Key("ES256").Kid)),
			"no usable key",
		},
		{
			"kid of another curve",
			token.Initiate,
			partytest.Header("kid", b.party.Key("ES384").Kid),
			"needs a key on P-256, this one is on P-384",
		},

		{
			"exp - iat = 0",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": at + 5, "exp": at + 5}),
			"exp: not after iat",
		},
		{
			"exp before iat",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": at + 9, "exp": at + 8}),
			"exp: not after iat",
		},
		{
			"exp - iat = 121",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": at, "exp": at + 121}),
			"exp: 121 s after iat, the most is 120 s",
		},
		{
			"exp very far",
			token.Initiate,
			partytest.Claim("exp", 99999999999),
			"s after iat, the most is 120 s",
		},
		{
			"expired",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": at - 120, "exp": at}),
			"expired 500ms ago",
		},
		{
			"iat 11 s ahead",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": at + 11, "exp": at + 100}),
			"ahead of our clock",
		},

		{"jti no UUID", token.Initiate, partytest.Claim("jti", "1234"), "jti: not a UUID"},
		{
			"jti without hyphens",
			token.Initiate,
			partytest.Claim("jti", strings.ReplaceAll(uuid.NewString(), "-", "")),
			"jti: not a UUID",
		},
		{
			"jti in braces",
			token.Initiate,
			partytest.Claim("jti", "{"+uuid.NewString()+"}"),
			"jti: not a UUID",
		},
		{
			"jti URN",
			token.Initiate,
			partytest.Claim("jti", "urn:uuid:"+uuid.NewString()),
			"jti: not a UUID",
		},
		{
			"jti with another letter",
			token.Initiate,
			partytest.Claim("jti", "g"+uuid.NewString()[1:]),
			"jti: not a UUID",
		},
		{
			"jti with hyphens elsewhere",
			token.Initiate,
			partytest.Claim("jti", "0000000-00000-0000-0000-000000000000"),
			"jti: not a UUID",
		},
		{"jti number", token.Result, partytest.Claim("jti", 5), "jti: not a UUID"},
		{"jti null", token.Result, partytest.Claim("jti", nil), "jti: not a UUID"},
		{"jti absent", token.Initiate, partytest.NoClaim("jti"), "jti: missing"},
		{"jti absent on result", token.Result, partytest.NoClaim("jti"), "jti: missing"},

		{"client_id absent", token.Initiate, partytest.NoClaim("client_id"), "client_id: missing"},
		{"client_request is not for initiate", token.Initiate, func(d *partytest.Draft) {
			delete(d.Claims, "client_id")
			d.Claims["client_request"] = b.party.ClientID
		}, "client_id: missing"},
		{
			"client_id that is not registered",
			token.Initiate,
			partytest.Claim("client_id", "unknown-client"),
			"no relying party has this client id",
		},
		{
			"client_id number",
			token.Initiate,
			partytest.Claim("client_id", 5),
			"client_id: not a client id",
		},
		{
			"client_id null",
			token.Initiate,
			partytest.Claim("client_id", nil),
			"client_id: not a client id",
		},
		{
			"client_id empty",
			token.Initiate,
			partytest.Claim("client_id", ""),
			"client_id: not a client id",
		},
		{
			"client_id long",
			token.Initiate,
			partytest.Claim("client_id", strings.Repeat("a", 129)),
			"client_id: not a client id",
		},
		{
			"client_id with a space",
			token.Initiate,
			partytest.Claim("client_id", b.party.ClientID+" "),
			"client_id: not a client id",
		},
		{
			"client_id with a NUL",
			token.Initiate,
			partytest.Claim("client_id", b.party.ClientID+"\x00"),
			"client_id: not a client id",
		},
		{"client_id in another case of the member", token.Initiate, func(d *partytest.Draft) {
			d.Claims["Client_ID"] = d.Claims["client_id"]
			delete(d.Claims, "client_id")
		}, "client_id: missing"},

		{
			"cancel without client",
			token.Cancel,
			partytest.NoClaim("client_id"),
			"client_id or client_request: missing",
		},
		{
			"cancel with two clients",
			token.Cancel,
			partytest.Claim("client_request", "another-client"),
			"client_id and client_request: they differ",
		},
		{
			"cancel with client_request null",
			token.Cancel,
			partytest.Claim("client_request", nil),
			"client_request: not a client id",
		},
		{
			"result without exchange_code",
			token.Result,
			partytest.NoClaim("exchange_code"),
			"exchange_code: missing",
		},
		{
			"result with exchange_code null",
			token.Result,
			partytest.Claim("exchange_code", nil),
			"exchange_code: not a code",
		},
		{
			"result with exchange_code empty",
			token.Result,
			partytest.Claim("exchange_code", ""),
			"exchange_code: not a code",
		},
		{
			"result with exchange_code number",
			token.Result,
			partytest.Claim("exchange_code", 12345678),
			"exchange_code: not a code",
		},
		{
			"result with exchange_code long",
			token.Result,
			partytest.Claim("exchange_code", strings.Repeat("a", 65)),
			"exchange_code: not a code",
		},
		{
			"result with another client_id",
			token.Result,
			partytest.Claim("client_id", "another-client"),
			"not the party that the request belongs to",
		},

		{
			"deep nesting",
			token.Initiate,
			partytest.Claim("custom", raw(strings.Repeat("[", 8)+strings.Repeat("]", 8))),
			"nested deeper",
		},
		{
			"token too long",
			token.Initiate,
			partytest.Claim("custom", strings.Repeat("x", 13_000)),
			"longer than 16384 bytes",
		},
		{
			"duplicate inside a claim",
			token.Initiate,
			partytest.Claim("custom", raw(`{"a":1,"b":{"a":1,"\u0061":2}}`)),
			"same name",
		},
	}
	many := make(map[string]any)
	for i := range 65 {
		many[fmt.Sprint("c", i)] = i
	}
	out = append(
		out,
		refused{"very many claims", token.Initiate, partytest.Claims(many), "more than 64 members"},
	)

	// Every form of a claim that is no time in seconds, on every call.
	for _, call := range callsOf {
		for _, claim := range []string{"iat", "exp"} {
			out = append(out, refused{
				claim + " absent", call, partytest.NoClaim(claim),
				"claim " + claim + ": missing",
			})
			for form, cause := range map[string]string{
				"null": "not a number", "true": "not a number", `"1760000000"`: "not a number", "[1760000000]": "not a number",
				`{"t":1760000000}`: "not a number", "-1760000000": "not a number", "-0.5": "not a number",
				"1760000000000": "milliseconds", "1e11": "milliseconds",
				"99999999999999999999": "milliseconds", "1e999": "milliseconds",
			} {
				out = append(out, refused{
					claim + " " + form,
					call,
					partytest.Claim(claim, raw(form)),
					"claim " + claim + ": " + map[string]string{
						"not a number": "not a number of seconds",
						"milliseconds": "too large for seconds since 1970",
					}[cause],
				})
			}
		}
	}
	out = append(
		out,
		refused{
			"exp - iat = 120.001",
			token.Initiate,
			partytest.Claims(
				map[string]any{"iat": raw("1760000000"), "exp": raw("1760000120.001")},
			),
			"exp: 120.000999",
		},
		refused{
			"exp - iat = 0, with fractions",
			token.Initiate,
			partytest.Claims(
				map[string]any{"iat": raw("1760000000.7"), "exp": raw("1760000000.7")},
			),
			"exp: not after iat",
		},
		refused{
			"expired by a fraction", token.Initiate,
			partytest.Claims(map[string]any{"iat": raw("1759999990"), "exp": raw("1760000000.4")}),
			"expired 100ms ago",
		},
		refused{
			"iat 10.6 s ahead", token.Initiate,
			partytest.Claims(map[string]any{"iat": raw("1760000011.1"), "exp": raw("1760000100")}),
			"ahead of our clock",
		},
	)
	return out
}

func TestRefused(t *testing.T) {
	b := newBench(t)
	cases := refusedEdits(b)
	for _, c := range cases {
		t.Run(c.call.String()+"/"+c.name, func(t *testing.T) {
			jws := b.party.Token(c.call, c.edit)
			_, _, err := b.verify(jws, c.call)
			wantRefusal(t, err, c.cause, jws)
		})
	}
	if len(cases) < 80 {
		t.Errorf("only %d cases", len(cases))
	}
	if n := b.replay.Len(); n != 0 {
		t.Errorf("%d ids used up by refused tokens", n)
	}
}

// TestTokenOfAnotherCall checks that a token that lacks what a call asks for is refused by it, and
// one that has the claims of all calls is good for each, with its jti for one of initiate and
// result.
func TestTokenOfAnotherCall(t *testing.T) {
	b := newBench(t)
	for made, wants := range map[token.Call]map[token.Call]error{
		token.Initiate: {token.Initiate: nil, token.Result: api.ErrUnauthorized, token.Cancel: api.ErrNoRecord},
		token.Result:   {token.Initiate: api.ErrUnauthorized, token.Result: nil, token.Cancel: api.ErrUnauthorized},
		token.Cancel:   {token.Initiate: api.ErrUnauthorized, token.Result: api.ErrUnauthorized, token.Cancel: nil},
	} {
		for used, want := range wants {
			if _, _, err := b.verify(b.party.Token(made), used); !errors.Is(err, want) {
				t.Errorf("a token for %s on %s: %v, want %v", made, used, err, want)
			}
		}
	}
	all := make(map[string]any)
	for _, call := range callsOf {
		maps.Copy(all, b.party.Draft(call).Claims)
	}
	jws := b.party.Token(token.Initiate, func(d *partytest.Draft) { d.Claims = all })
	for _, step := range []struct {
		call token.Call
		want error
	}{
		{token.Cancel, nil},
		{token.Initiate, nil},
		{token.Result, nil},
		{token.Result, nil},
		{token.Initiate, api.ErrUnauthorized},
		{token.Cancel, nil},
	} {
		if _, _, err := b.verify(jws, step.call); !errors.Is(err, step.want) {
			t.Errorf("a token with all claims on %s: %v, want %v", step.call, err, step.want)
		}
	}
}
