package token_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/token"
)

// epoch is when the tests happen: half a second past a full second, so that rounding shows.
var epoch = time.Unix(1_760_000_000, 500_000_000)

// bench is a verifier with one party and everything around it.
type bench struct {
	*token.Verifier
	party    *partytest.Party
	registry *party.Registry
	keys     *party.Keys
	replay   *partytest.Replay
	now      time.Time
}

func newBench(t testing.TB, change ...func(*token.VerifierConfig)) *bench {
	t.Helper()
	b := &bench{party: partytest.Start(t), replay: new(partytest.Replay), now: epoch}
	b.party.Now = func() time.Time { return b.now }
	policy := safehttp.Policy{AllowPrivate: true}
	var err error
	if b.registry, err = party.NewRegistry(policy, b.party.Registration()); err != nil {
		t.Fatal(err)
	}
	clock := func() time.Time { return b.now }
	b.keys = party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}, Now: clock})
	config := token.VerifierConfig{
		Parties: b.registry, Keys: b.keys, Replay: b.replay, Now: clock,
		PublicURL: "https://sign.test",
	}
	for _, f := range change {
		f(&config)
	}
	b.Verifier = token.NewVerifier(config)
	return b
}

// verify judges a token of any call; the request of a result call is the party's.
func (b *bench) verify(jws string, call token.Call) (*token.Claims, *party.Party, error) {
	if call == token.Result {
		return b.VerifyResult(context.Background(), jws, b.party.ClientID, "r")
	}
	return b.Verify(context.Background(), jws, call)
}

// wantRefusal checks that err is the answer UNAUTHORIZED, has the cause, and repeats nothing of the
// token.
func wantRefusal(t *testing.T, err error, cause, jws string) {
	t.Helper()
	var answer *api.Error
	switch {
	case err == nil:
		t.Fatalf("accepted, want a refusal because of %q", cause)
	case !errors.As(err, &answer):
		t.Fatalf("%v is no answer", err)
	case answer != api.ErrUnauthorized:
		t.Fatalf("answered %v, want UNAUTHORIZED because of %q", answer, cause)
	case !strings.Contains(err.Error(), cause):
		t.Fatalf("cause %q, want %q", err, cause)
	}
	wantNothingOf(t, err, jws)
}

// wantNothingOf checks that an error holds neither a part of the token nor a claim that identifies
// a person or gives access.
func wantNothingOf(t *testing.T, err error, jws string) {
	t.Helper()
	text := err.Error()
	parts := strings.Split(jws, ".")
	for _, part := range parts {
		if len(part) > 8 && strings.Contains(text, part) {
			t.Errorf("the error %q holds a part of the token", text)
		}
	}
	if len(parts) < 2 {
		return
	}
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var claims map[string]any
	_ = json.Unmarshal(payload, &claims)
	for name, v := range claims {
		if s, ok := v.(string); ok && len(s) > 8 && strings.Contains(text, s) {
			t.Errorf("the error %q holds the claim %s", text, name)
		}
	}
}

var callsOf = []token.Call{token.Initiate, token.Result, token.Cancel}

func TestAccepted(t *testing.T) {
	b := newBench(t)
	for _, call := range callsOf {
		for _, alg := range []string{"ES256", "ES384", "ES512"} {
			jws := b.party.Token(call, b.party.Alg(alg))
			claims, rp, err := b.verify(jws, call)
			if err != nil {
				t.Fatalf("%s %s: %v", call, alg, err)
			}
			if rp.ClientID != b.party.ClientID || claims.ClientID != b.party.ClientID {
				t.Errorf("%s: party %q, client id %q", call, rp.ClientID, claims.ClientID)
			}
			if (call != token.Cancel) != (!claims.KeepUntil.IsZero() && claims.JTI != "") {
				t.Errorf("%s: jti %q, kept until %v", call, claims.JTI, claims.KeepUntil)
			}
			if got := claims.ExpiresAt.Sub(claims.IssuedAt); got != 120*time.Second ||
				claims.IssuedAt.Unix() != epoch.Unix() {
				t.Errorf("%s: issued %v, lifetime %v", call, claims.IssuedAt, got)
			}
		}
	}
	if n := b.party.Fetches(); n != 1 {
		t.Errorf("%d fetches of the JWKS, want 1", n)
	}
	if n := b.replay.Len(); n != 3 {
		t.Errorf(
			"%d ids used, want those of 3 result tokens: those of initiate are used up by what the calls do",
			n,
		)
	}
}

func TestAcceptedClaims(t *testing.T) {
	b := newBench(t)
	hash := fmt.Sprintf("%X", sha256.Sum256([]byte("S8979373D")))
	jti := strings.ToUpper(uuid.NewString())
	claims, _, err := b.verify(b.party.Token(token.Initiate,
		partytest.Claims(map[string]any{
			"doc_name": "  Lease 12/2026.pdf ", "signer_uin_hash": hash, "jti": jti,
			"x": "ignored", "y": nil, "page": -1, // V3.0 claims do not count beside sign_locations
			"sign_locations": json.RawMessage(
				`[ {"page":1,"x":0,"y":0.9999,"width":0.2,"height":[1]} ,
				{"y":5.0E-4,"x":0.50000,"page":12} ]`,
			),
			"iss": "another", "aud": []string{"a", "https://sign.test/api/v3"}, "sub": "x",
			"webhook_url": "https://elsewhere.example",
		})), token.Initiate)
	if err != nil {
		t.Fatal(err)
	}
	if claims.DocName != "Lease 12/2026.pdf" || claims.SignerUINHash != strings.ToLower(hash) ||
		claims.JTI != strings.ToLower(jti) {
		t.Errorf("%+v", claims)
	}
	want := []api.Location{{Page: 1, X: 0, Y: 0.9999}, {Page: 12, X: 0.5, Y: 0.0005}}
	if len(claims.Locations) != 2 || claims.Locations[0] != want[0] ||
		claims.Locations[1] != want[1] {
		t.Errorf("locations %v, want %v", claims.Locations, want)
	}

	id, code := "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", uuid.NewString()
	claims, _, err = b.verify(
		b.party.Token(token.Cancel, partytest.Claim("request_id", id)), token.Cancel,
	)
	if err != nil || claims.RequestID != id || claims.JTI != "" {
		t.Errorf("cancel: %+v, %v", claims, err)
	}
	claims, _, err = b.verify(
		b.party.Token(token.Result, partytest.Claim("exchange_code", code)), token.Result,
	)
	if err != nil || claims.ExchangeCode != code {
		t.Errorf("result: %+v, %v", claims, err)
	}
}

// TestTolerated checks what strictness must not refuse.
func TestTolerated(t *testing.T) {
	b := newBench(t)
	cases := []struct {
		name string
		call token.Call
		edit partytest.Edit
	}{
		{"no typ", token.Initiate, partytest.NoHeader("typ")},
		{"typ in lower case", token.Initiate, partytest.Header("typ", "jwt")},
		{"typ JOSE", token.Initiate, partytest.Header("typ", "JOSE")},
		{"other header members", token.Initiate, partytest.Header("x5t", "AAAA")},
		{
			"iat 10 s ahead",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": epoch.Unix() + 10, "exp": epoch.Unix() + 100}),
		},
		{
			"iat long ago",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": epoch.Unix() - 119, "exp": epoch.Unix() + 1}),
		},
		{
			"lifetime of 1 s",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": epoch.Unix(), "exp": epoch.Unix() + 1}),
		},
		{
			"jti of version 7",
			token.Initiate,
			partytest.Claim("jti", uuid.Must(uuid.NewV7()).String()),
		},
		{"nbf 10 s ahead", token.Initiate, partytest.Claim("nbf", epoch.Unix()+10)},
		{"nbf of the past", token.Cancel, partytest.Claim("nbf", 0)},
		{"aud of this service", token.Result, partytest.Claim("aud", "https://sign.test")},
		{"request_id on initiate", token.Initiate, partytest.Claim("request_id", "x")},
		{
			"nested claim",
			token.Initiate,
			partytest.Claim("custom", map[string]any{"a": []any{1, "]}", map[string]any{"a": 2}}}),
		},
		{"result with its client_id", token.Result, partytest.Claim("client_id", b.party.ClientID)},
		{"cancel with client_request only", token.Cancel, func(d *partytest.Draft) {
			delete(d.Claims, "client_id")
			d.Claims["client_request"] = b.party.ClientID
		}},
		{
			"cancel with both, equal",
			token.Cancel,
			partytest.Claim("client_request", b.party.ClientID),
		},
		{"cancel with a jti that is no UUID", token.Cancel, partytest.Claim("jti", "same")},
		{"cancel with the jti again", token.Cancel, partytest.Claim("jti", "same")},
		{
			"initiate with an exchange code",
			token.Initiate,
			partytest.Claim("exchange_code", uuid.NewString()),
		},
		{
			"initiate with an exchange code that is null",
			token.Initiate,
			partytest.Claim("exchange_code", nil),
		},
		{"result with a document name", token.Result, partytest.Claim("doc_name", "a.pdf")},
		{"cancel with a document name", token.Cancel, partytest.Claim("doc_name", "a.pdf")},
		{
			"cancel with an exchange code",
			token.Cancel,
			partytest.Claim("exchange_code", uuid.NewString()),
		},
		{"cancel with places", token.Cancel, partytest.Claim("sign_locations", []any{})},
		{
			"times with fractions, as Date.now()/1000",
			token.Initiate,
			partytest.Claims(
				map[string]any{"iat": raw("1760000000.123"), "exp": raw("1760000120.123")},
			),
		},
		{
			"times with fractions, as time.time()",
			token.Cancel,
			partytest.Claims(
				map[string]any{"iat": raw("1759999999.9876542"), "exp": raw("1760000119.9876542")},
			),
		},
		{
			"times written 1.0",
			token.Result,
			partytest.Claims(
				map[string]any{"iat": raw("1760000000.0"), "exp": raw("1760000120.00")},
			),
		},
		{
			"times with an exponent",
			token.Initiate,
			partytest.Claims(map[string]any{"iat": raw("1.76e9"), "exp": raw("176000012E1")}),
		},
		{"cancel of an id of another service", token.Cancel, partytest.Claim("request_id", "abc")},
	}
	for _, c := range cases {
		if _, _, err := b.verify(b.party.Token(c.call, c.edit), c.call); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}

	v30 := func(d *partytest.Draft) {
		delete(d.Claims, "sign_locations")
		maps.Copy(d.Claims, map[string]any{"x": 0.5, "y": 0.25, "page": 3})
	}
	claims, _, err := b.verify(b.party.Token(token.Initiate, v30), token.Initiate)
	if err != nil || len(claims.Locations) != 1 ||
		claims.Locations[0] != (api.Location{Page: 3, X: 0.5, Y: 0.25}) {
		t.Errorf("V3.0 claims: %+v, %v", claims, err)
	}

	twenty := make([]any, api.MaxLocations)
	for i := range twenty {
		twenty[i] = map[string]any{
			"page": i + 1, "x": 0.1, "y": 0.1, "width": 0.123456789,
			"height": 0.123456789,
		}
	}
	if _, _, err := b.verify(b.party.Token(token.Initiate, partytest.Claim("sign_locations", twenty),
		partytest.Claim("doc_name", strings.Repeat("字", 85))), token.Initiate); err != nil {
		t.Errorf("20 locations and a name of 255 bytes: %v", err)
	}
}

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
			out = append(
				out,
				refused{
					claim + " absent", call, partytest.NoClaim(claim),
					"claim " + claim + ": missing",
				},
			)
			for form, cause := range map[string]string{
				"null": "not a number", "true": "not a number", `"1760000000"`: "not a number", "[1760000000]": "not a number",
				`{"t":1760000000}`: "not a number", "-1760000000": "not a number", "-0.5": "not a number",
				"1760000000000": "milliseconds", "1e11": "milliseconds",
				"99999999999999999999": "milliseconds", "1e999": "milliseconds",
			} {
				out = append(
					out,
					refused{
						claim + " " + form,
						call,
						partytest.Claim(claim, raw(form)),
						"claim " + claim + ": " + map[string]string{
							"not a number": "not a number of seconds",
							"milliseconds": "too large for seconds since 1970",
						}[cause],
					},
				)
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
	}{{token.Cancel, nil}, {token.Initiate, nil}, {token.Result, nil}, {token.Result, nil}, {token.Initiate, api.ErrUnauthorized}, {token.Cancel, nil}} {
		if _, _, err := b.verify(jws, step.call); !errors.Is(err, step.want) {
			t.Errorf("a token with all claims on %s: %v, want %v", step.call, err, step.want)
		}
	}
}

// newVerifierLike shares everything but the memory of used ids.
func newVerifierLike(b *bench) *bench {
	c := *b
	c.replay = new(partytest.Replay)
	c.Verifier = token.NewVerifier(token.VerifierConfig{
		Parties: b.registry, Keys: b.keys, Replay: c.replay, Now: func() time.Time { return b.now },
	})
	return &c
}

// TestNotBefore checks that a token is refused more than 10 s before its nbf.
func TestNotBefore(t *testing.T) {
	b := newBench(t)
	for _, call := range callsOf {
		jws := b.party.Token(call, partytest.Claim("nbf", epoch.Unix()+60))
		b.now = time.Unix(epoch.Unix()+50, -1)
		_, _, err := b.verify(jws, call)
		wantRefusal(t, err, "claim nbf: 10s ahead", jws)
		b.now = time.Unix(epoch.Unix()+50, 0)
		if _, _, err := b.verify(jws, call); err != nil {
			t.Errorf("%s, 10 s ahead: %v", call, err)
		}
		for _, malformed := range []any{"1760000000", nil, -1, true, 1760000000000} {
			jws := b.party.Token(call, partytest.Claim("nbf", malformed))
			_, _, err := b.verify(jws, call)
			wantRefusal(t, err, "claim nbf: ", jws)
		}
		b.now = epoch
	}
}

// TestAudience checks that a token that names its audience is refused unless it names this service.
func TestAudience(t *testing.T) {
	b := newBench(t)
	local := newBench(
		t,
		func(c *token.VerifierConfig) { c.Local, c.PublicURL = true, "http://127.0.0.1:5156" },
	)
	for _, c := range []struct {
		name           string
		aud            any
		service, local bool // accepted
	}{
		{"public URL", "https://sign.test", true, false},
		{"with a slash", "https://sign.test/", true, false},
		{"with its port", "https://SIGN.test:443", true, false},
		{"API base", "https://sign.test/api/v3", true, false},
		{"call", "https://sign.test/api/v3/sign-requests", true, false},
		{"host", "sign.test", true, false},
		{"one of many", []string{"urn:other", "https://sign.test"}, true, false},
		{"Singpass", "https://app.sign.singpass.gov.sg/api/v3", true, true},
		{"Singpass, staging", []string{"https://staging.sign.singpass.gov.sg"}, true, true},
		{"host of Singpass", "app.sign.singpass.gov.sg", true, true},
		{"local name", "http://localhost:5156/sign-v3", false, true},
		{"local address", "http://192.168.1.7:5156", false, true},
		{"another service", "https://other.test", false, false},
		{"another scheme", "http://sign.test", false, false},
		{"another port", "https://sign.test:8443", false, false},
		{"another domain", "https://sign.test.evil.test", false, false},
		{"a user", "https://sign.test@evil.test", false, false},
		{"like Singpass", "https://evilsingpass.gov.sg", false, false},
		{"Singpass without TLS", "http://app.sign.singpass.gov.sg", false, false},
		{"a word", "signet", false, false},
		{"a URN", "urn:example:sign", false, false},
		{"no text", "", false, false},
		{"no member", []string{}, false, false},
		{"a number", 7, false, false},
		{"null", nil, false, false},
		{"a list with null", []any{"https://sign.test", nil}, false, false},
		{"a list with a number", []any{"https://sign.test", 7}, false, false},
		{"an object", map[string]any{"aud": "https://sign.test"}, false, false},
	} {
		for _, call := range callsOf {
			for bench, want := range map[*bench]bool{b: c.service, local: c.local} {
				jws := bench.party.Token(call, partytest.Claim("aud", c.aud))
				_, _, err := bench.verify(jws, call)
				if !want {
					wantRefusal(t, err, "claim aud: ", jws)
				} else if err != nil {
					t.Errorf("%s on %s: %v", c.name, call, err)
				}
			}
		}
	}
}

func TestTimesAtTheEdge(t *testing.T) {
	b := newBench(t)
	jws := b.party.Token(token.Cancel) // exp = the full second + 120
	for _, c := range []struct {
		at time.Time
		ok bool
	}{
		{time.Unix(epoch.Unix()-10, 0), true},
		{time.Unix(epoch.Unix()-10, -1), false},
		{time.Unix(epoch.Unix()+120, 0), true},
		{time.Unix(epoch.Unix()+120, 1), false},
	} {
		b.now = c.at
		if _, _, err := b.verify(jws, token.Cancel); (err == nil) != c.ok {
			t.Errorf("at %v: %v", c.at.Sub(epoch), err)
		}
	}
}

func TestReplay(t *testing.T) {
	b := newBench(t)
	for _, call := range []token.Call{token.Initiate, token.Result} {
		jws := b.party.Token(call)
		claims, _, err := b.verify(jws, call)
		if err != nil {
			t.Fatal(err)
		}
		if call == token.Initiate { // whose request uses it up
			if n := b.replay.Len(); n != 0 {
				t.Errorf("%d ids used up before the call", n)
			}
			if err := b.Spend(t.Context(), claims); err != nil {
				t.Fatal(err)
			}
		}
		until, used := b.replay.Until(b.party.ClientID, claims.JTI)
		if !used || !until.Equal(claims.ExpiresAt.Add(time.Minute)) {
			t.Errorf("%s: remembered until %v, exp is %v", call, until, claims.ExpiresAt)
		}
		if call == token.Initiate { // see TestResultRepeated
			_, _, err = b.verify(jws, call)
			wantRefusal(t, err, "jti: used before", jws)
		}

		again := b.party.Token(call, partytest.Claim("jti", strings.ToUpper(claims.JTI)))
		_, _, err = b.verify(again, call)
		wantRefusal(t, err, "jti: used before", again)
	}

	// A cancel is repeated after a lost answer, and the second one must be judged by the state of
	// the request.
	jws := b.party.Token(token.Cancel, partytest.Claim("jti", uuid.NewString()))
	for range 2 {
		if _, _, err := b.verify(jws, token.Cancel); err != nil {
			t.Error(err)
		}
	}

	b.replay.Fail(errors.New("disk full"))
	_, _, err := b.verify(b.party.Token(token.Initiate), token.Initiate)
	var answer *api.Error
	if err == nil || errors.As(err, &answer) {
		t.Errorf("with a broken store: %v, want an error of our own", err)
	}
}

// TestResultRepeated checks that the token of a result call is good again for the same request
// while it lives, and tells when it was first used. For another request, in another token, or after
// another use, its jti is used up.
func TestResultRepeated(t *testing.T) {
	b := newBench(t)
	result := func(jws, request string) (*token.Claims, error) {
		claims, _, err := b.VerifyResult(t.Context(), jws, b.party.ClientID, request)
		return claims, err
	}
	jws := b.party.Token(token.Result)
	first, err := result(jws, "a")
	if err != nil || !first.FirstUsed.Equal(epoch.Truncate(time.Second)) {
		t.Fatalf("%+v, %v", first, err)
	}
	b.now = epoch.Add(90 * time.Second)
	again, err := result(jws, "a")
	if err != nil || !again.FirstUsed.Equal(first.FirstUsed) {
		t.Errorf("again: %+v, %v", again, err)
	}
	_, err = result(jws, "b")
	wantRefusal(t, err, "jti: used before", jws)
	jti := partytest.Claim("jti", first.JTI)
	other := b.party.Token(token.Result, jti, partytest.Claim("another", "claim"))
	_, err = result(other, "a")
	wantRefusal(t, err, "jti: used before", other)
	upload := b.party.Token(token.Initiate, jti)
	_, _, err = b.verify(upload, token.Initiate)
	wantRefusal(t, err, "jti: used before", upload)
	b.now = epoch.Add(121 * time.Second)
	_, err = result(jws, "a")
	wantRefusal(t, err, "exp", jws)

	b = newBench(t)
	upload = b.party.Token(token.Initiate)
	claims, _, err := b.verify(upload, token.Initiate)
	if err == nil {
		err = b.Spend(t.Context(), claims)
	}
	if err != nil {
		t.Fatal(err)
	}
	spent := b.party.Token(token.Result, partytest.Claim("jti", claims.JTI))
	for range 2 {
		_, err = result(spent, "a")
		wantRefusal(t, err, "jti: used before", spent)
	}
}

func TestForgedTokenUsesNothingUp(t *testing.T) {
	b := newBench(t)
	jws := b.party.Token(token.Initiate)
	forged := jws[:len(jws)-10] + strings.Repeat("A", 10)
	if _, _, err := b.verify(forged, token.Initiate); err == nil {
		t.Fatal("accepted")
	}
	if _, _, err := b.verify(jws, token.Initiate); err != nil {
		t.Errorf("the true token after the forged one: %v", err)
	}
}

func TestCheapRefusalsFetchNothing(t *testing.T) {
	b := newBench(t)
	for _, edit := range []partytest.Edit{
		partytest.Header("alg", "none"),
		partytest.Claim("exp", epoch.Unix()-1),
		partytest.Claim("jti", "x"),
		partytest.Claim("client_id", "unknown"),
		partytest.Claim("custom", strings.Repeat("x", 20_000)),
	} {
		if _, _, err := b.verify(b.party.Token(token.Initiate, edit), token.Initiate); err == nil {
			t.Error("accepted")
		}
	}
	if n := b.party.Fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

func TestLenient(t *testing.T) {
	b := newBench(t, func(c *token.VerifierConfig) { c.Lenient = true })
	jws := b.party.Token(token.Initiate, partytest.NoClaim("exp"))
	for range 2 {
		claims, _, err := b.verify(jws, token.Initiate)
		if err != nil || claims.ExpiresAt.Sub(claims.IssuedAt) != 120*time.Second {
			t.Fatalf("%+v, %v", claims, err)
		}
	}
	b.now = b.now.Add(2 * time.Minute)
	_, _, err := b.verify(jws, token.Initiate)
	wantRefusal(t, err, "expired", jws)

	// Lenient is about exp and jti and nothing else.
	b.now = epoch
	for _, c := range refusedEdits(b) {
		if strings.HasSuffix(c.name, "exp absent") {
			continue
		}
		jws := b.party.Token(c.call, c.edit)
		if _, _, err := b.verify(jws, c.call); err == nil {
			t.Errorf("lenient accepts %s: %s", c.call, c.name)
		}
	}
}

func TestParties(t *testing.T) {
	b := newBench(t)
	other := partytest.Start(t)
	other.Now = b.party.Now
	policy := safehttp.Policy{AllowPrivate: true}
	if err := b.registry.Replace(policy, b.party.Registration(), other.Registration()); err != nil {
		t.Fatal(err)
	}

	// Signed by one party in the name of another.
	forged := other.Token(token.Initiate, partytest.Claim("client_id", b.party.ClientID),
		partytest.Header("kid", b.party.Key("ES256").Kid))
	_, _, err := b.verify(forged, token.Initiate)
	wantRefusal(t, err, "does not verify", forged)

	// A result token of one party for the request of another.
	result := other.Token(token.Result)
	_, _, err = b.verify(result, token.Result)
	wantRefusal(t, err, "no usable key", result)
	if _, _, err := b.VerifyResult(t.Context(), result, other.ClientID, "r"); err != nil {
		t.Error(err)
	}

	// The same jti of two parties is two ids.
	jti := partytest.Claim("jti", uuid.NewString())
	for _, p := range []*partytest.Party{b.party, other} {
		if _, _, err := b.verify(p.Token(token.Initiate, jti), token.Initiate); err != nil {
			t.Errorf("a jti of two parties: %v", err)
		}
	}

	// A party that is gone, and one whose registration cannot be looked up.
	if err := b.registry.Replace(policy, other.Registration()); err != nil {
		t.Fatal(err)
	}
	jws := b.party.Token(token.Result)
	_, _, err = b.verify(jws, token.Result)
	wantRefusal(t, err, "no relying party", jws)

	broken := newBench(t, func(c *token.VerifierConfig) { c.Parties = brokenParties{} })
	_, _, err = broken.verify(broken.party.Token(token.Cancel), token.Cancel)
	var answer *api.Error
	if err == nil || errors.As(err, &answer) {
		t.Errorf("with broken parties: %v, want an error of our own", err)
	}
	if _, _, err := b.Verify(t.Context(), jws, token.Result); err == nil ||
		errors.As(err, &answer) {
		t.Errorf("Verify of a result token: %v, want an error of our own", err)
	}
}

type brokenParties struct{}

func (brokenParties) Party(context.Context, string) (*party.Party, error) {
	return nil, errors.New("database is away")
}

// TestDisabled checks that all calls of a disabled party are refused, with a reason for the log,
// and cost it no jti.
func TestDisabled(t *testing.T) {
	rp := partytest.Start(t)
	registered := rp.Registration()
	registered.Disabled = true
	policy := safehttp.Policy{AllowPrivate: true}
	registry, err := party.NewRegistry(policy, registered)
	if err != nil {
		t.Fatal(err)
	}
	replay := new(partytest.Replay)
	v := token.NewVerifier(
		token.VerifierConfig{
			Parties: registry,
			Keys:    party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}}),
			Replay:  replay,
		},
	)
	tokens := map[token.Call]string{
		token.Initiate: rp.Token(token.Initiate), token.Cancel: rp.Token(token.Cancel),
		token.Result: rp.Token(token.Result),
	}
	verify := func(call token.Call) (err error) {
		if call == token.Result {
			_, _, err = v.VerifyResult(t.Context(), tokens[call], rp.ClientID, "r")
		} else {
			_, _, err = v.Verify(t.Context(), tokens[call], call)
		}
		return err
	}
	for call := range tokens {
		err := verify(call)
		wantRefusal(t, err, "an operator has disabled", tokens[call])
		if !errors.Is(err, party.ErrDisabled) {
			t.Errorf("%s: %v", call, err)
		}
	}
	if rp.Fetches() != 0 {
		t.Error("the keys of a disabled party were fetched")
	}
	registered.Disabled = false
	if err := registry.Replace(policy, registered); err != nil {
		t.Fatal(err)
	}
	for call := range tokens {
		if err := verify(call); err != nil {
			t.Errorf("%s, enabled again: %v", call, err)
		}
	}
}
