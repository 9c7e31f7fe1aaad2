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

// newVerifierLike shares everything but the memory of used ids.
func newVerifierLike(b *bench) *bench {
	c := *b
	c.replay = new(partytest.Replay)
	c.Verifier = token.NewVerifier(token.VerifierConfig{
		Parties: b.registry, Keys: b.keys, Replay: c.replay, Now: func() time.Time { return b.now },
	})
	return &c
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

func (brokenParties) Party(context.Context, string) (*party.Party, error) {
	return nil, errors.New("database is away")
}
