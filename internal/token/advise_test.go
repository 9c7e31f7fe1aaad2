package token_test

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"slices"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// TestFailedCheck checks that each refusal names its check, and the check that it names is one of
// the call's.
func TestFailedCheck(t *testing.T) {
	b := newBench(t)
	for _, c := range refusedEdits(b) {
		jws := b.party.Token(c.call, c.edit)
		_, _, err := b.verify(jws, c.call)
		check := token.FailedCheck(err)
		want := token.CheckClaims
		switch {
		case strings.Contains(err.Error(), "header"):
			want = token.CheckHeader
		case strings.Contains(err.Error(), ": key: "):
			want = token.CheckKey
		case strings.Contains(err.Error(), "party: "):
			want = token.CheckParty
		case strings.Contains(err.Error(), "payload"):
			want = token.CheckPayload
		}
		if check == "" || want != token.CheckClaims && check != want {
			t.Errorf("%s: %v: check %q", c.name, err, check)
		}
	}
	if got := token.FailedCheck(nil); got != "" {
		t.Errorf("no error: %q", got)
	}
}

// TestAdviceForEach checks that each refusal of a token comes with advice, and each check has advice
// for a mistake that no other advice is about.
func TestAdviceForEach(t *testing.T) {
	b := newBench(t)
	good := b.party.Token(token.Initiate)
	for _, check := range token.Checks() {
		if got := token.Advise(good, token.Initiate, check, "a mistake"); !sentence(got) {
			t.Errorf("%s: advice %q", check, got)
		}
	}
	for _, c := range refusedEdits(b) {
		jws := b.party.Token(c.call, c.edit)
		_, _, err := b.verify(jws, c.call)
		if got := token.Advise(jws, c.call, token.FailedCheck(err), err.Error()); !sentence(got) {
			t.Errorf("%s: %v: advice %q", c.name, err, got)
		}
	}
	jws := b.party.Token(token.Initiate, partytest.Claim("aud", "https://elsewhere.example"))
	if _, _, err := b.verify(jws, token.Initiate); !strings.Contains(err.Error(), "https://sign.test") {
		t.Errorf("%v does not name the service", err)
	}
}

// sentence reports whether a text is one.
func sentence(text string) bool { return len(text) > 10 && strings.HasSuffix(text, ".") }

// TestAdvise checks that the usual mistakes are told from each other, and the advice quotes no
// value.
func TestAdvise(t *testing.T) {
	b := newBench(t)
	good := b.party.Token(token.Initiate)
	without := func(claim, as string, v any) string {
		return b.party.Token(token.Initiate, partytest.NoClaim(claim), partytest.Claim(as, v))
	}
	der := func() string {
		input := good[:strings.LastIndexByte(good, '.')]
		key := b.party.Key("ES256")
		signature, err := ecdsa.SignASN1(rand.Reader, key.Private, key.Digest(input))
		if err != nil {
			t.Fatal(err)
		}
		return input + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	signed := func(change func(rs []byte) string) string {
		input := good[:strings.LastIndexByte(good, '.')]
		return input + "." + change(b.party.Key("ES256").Signature(input))
	}
	raw := base64.RawURLEncoding.EncodeToString
	place := func(claim string, v any) string {
		return b.party.Token(token.Initiate, partytest.Claim("sign_locations", []any{
			map[string]any{"page": 1, "x": 0.1, "y": 0.1, claim: v},
		}))
	}
	for _, c := range []struct {
		name, authorization string
		check               token.Check
		advice              string // a part of it
	}{
		{"nothing", "", token.CheckAuthorization, "Send one header Authorization"},
		{"Bearer", "Bearer " + good, token.CheckAuthorization, "Send the token alone"},
		{"JWE", "a.b.c.d.e", token.CheckAuthorization, "do not encrypt"},
		{"half a token", "abc", token.CheckAuthorization, "compact form"},
		{
			"HS256", b.party.Token(token.Initiate, partytest.Header("alg", "HS256")),
			token.CheckHeader, "not with a shared secret",
		},
		{
			"RS256", b.party.Token(token.Initiate, partytest.Header("alg", "RS256")),
			token.CheckHeader, "an EC key on P-256",
		},
		{"no kid", b.party.Token(token.Initiate, partytest.NoHeader("kid")), token.CheckHeader, "Put the kid"},
		{"jwk", b.party.Token(token.Initiate, partytest.Header("jwk", "x")), token.CheckHeader, "Leave the key out"},
		{"DER", der(), token.CheckForm, "in DER, as openssl makes it"},
		{"hexadecimal", signed(hex.EncodeToString), token.CheckForm, "is in hexadecimal"},
		{
			"no leading zero", signed(func(rs []byte) string { return raw(rs[1:]) }),
			token.CheckForm, "has lost its leading zeros",
		},
		{
			"signs", signed(func(rs []byte) string { return raw(append([]byte{0}, rs...)) }),
			token.CheckForm, "Remove the zero byte",
		},
		{
			"hexadecimal in base64url",
			signed(func(rs []byte) string { return raw([]byte(hex.EncodeToString(rs))) }),
			token.CheckForm, "hexadecimal text in base64url",
		},
		{
			"base64 twice",
			signed(func(rs []byte) string {
				return raw([]byte(base64.StdEncoding.EncodeToString(rs)))
			}),
			token.CheckForm, "in base64 twice",
		},
		{
			"HMAC", signed(func(rs []byte) string { return raw(rs[:32]) }), token.CheckForm,
			"those of HS256",
		},
		{
			"RSA", signed(func(rs []byte) string { return raw(slices.Repeat(rs, 4)) }),
			token.CheckForm, "one of RSA",
		},
		{"JSON", `"` + good + `"`, token.CheckAuthorization, "without quotes"},
		{"bytes of Python", "b'" + good + "'", token.CheckAuthorization, "decode() them first"},
		{"padding", good + "==", token.CheckAuthorization, "without padding"},
		{
			"standard base64", signed(func(rs []byte) string {
				return "+" + base64.StdEncoding.EncodeToString(rs)[1:]
			}),
			token.CheckAuthorization, "- and _ instead of + and /",
		},
		{"no signature", signed(func([]byte) string { return "" }), token.CheckForm, "as its third part"},
		{"typ", b.party.Token(token.Initiate, partytest.Header("typ", "at+jwt")), token.CheckHeader, "Leave typ out"},
		{
			"crit", b.party.Token(token.Initiate, partytest.Header("crit", []string{"b64"})),
			token.CheckHeader, "Leave crit",
		},
		{"no iat", b.party.Token(token.Initiate, partytest.NoClaim("iat")), token.CheckClaims, "Add iat"},
		{"no exp", b.party.Token(token.Initiate, partytest.NoClaim("exp")), token.CheckClaims, "Add iat"},
		{"no jti", b.party.Token(token.Initiate, partytest.NoClaim("jti")), token.CheckClaims, "Add jti"},
		{"iss", without("client_id", "iss", b.party.ClientID), token.CheckClaims, "iss and sub are not read"},
		{
			"space",
			b.party.Token(token.Initiate, partytest.Claim("client_id", b.party.ClientID+" ")),
			token.CheckClaims, "without spaces",
		},
		{"decimals", place("x", 0.30000000000000004), token.CheckArguments, "Round x and y"},
		{"points", place("y", 200), token.CheckArguments, "Divide points"},
		{"text for a number", place("page", "1"), token.CheckArguments, "without quotes"},
		{
			"JSON in JSON", b.party.Token(token.Initiate, partytest.Claim("sign_locations", "[]")),
			token.CheckArguments, "not a string with its JSON",
		},
		{
			"one place",
			b.party.Token(token.Initiate, partytest.Claim("sign_locations", map[string]any{})),
			token.CheckArguments, "also for one place",
		},
		{
			"NRIC", b.party.Token(token.Initiate, partytest.Claim("signer_uin_hash", "S8979373D")),
			token.CheckArguments, "64 hexadecimal digits",
		},
		{
			"line break", b.party.Token(token.Initiate, partytest.Claim("doc_name", "a\nb")),
			token.CheckArguments, "Remove line breaks",
		},
		{
			"no name", b.party.Token(token.Initiate, partytest.Claim("doc_name", "")),
			token.CheckArguments, "1 to 255 characters",
		},
		{
			"pageNumber",
			b.party.Token(token.Initiate, partytest.Claim("sign_locations", []any{
				map[string]any{"pageNumber": 1, "x": 0.1, "y": 0.1},
			})),
			token.CheckArguments, "the members page, x and y",
		},
		{
			"compressed",
			b.party.Key("ES256").Sign(
				[]byte(`{"alg":"ES256","kid":"key-1","zip":"DEF"}`), []byte("x\x9c\xab\x56"),
			),
			token.CheckPayload, "uncompressed",
		},
		{
			"a lifetime after a time",
			b.party.Token(token.Initiate, partytest.Claim("exp", 120)), token.CheckTimes,
			"not as a lifetime",
		},
		{
			"a lifetime after 0",
			b.party.Token(token.Initiate, partytest.Claims(map[string]any{"iat": 0, "exp": 120})),
			token.CheckTimes, "not as a lifetime",
		},
		{"half a signature", good[:len(good)-40], token.CheckForm, "JOSE library"},
		{
			"milliseconds",
			b.party.Token(token.Initiate, partytest.Claim("iat", epoch.UnixMilli())),
			token.CheckClaims, "Divide by 1000",
		},
		{
			"text", b.party.Token(token.Initiate, partytest.Claim("iat", "now")), token.CheckClaims,
			"as numbers of seconds",
		},
		{"jti", b.party.Token(token.Initiate, partytest.Claim("jti", "1")), token.CheckClaims, "crypto.randomUUID()"},
		{
			"client_request", without("client_id", "client_request", b.party.ClientID),
			token.CheckClaims, "client_request is a claim of cancel",
		},
		{
			"clientId", without("client_id", "clientId", b.party.ClientID), token.CheckClaims,
			"Write the claim as client_id",
		},
		{"docName", without("doc_name", "docName", "lease.pdf"), token.CheckArguments, "Write the claim as doc_name"},
		{
			"sign-locations", without("sign_locations", "sign-locations", []int{}),
			token.CheckArguments, "Write the claim as sign_locations",
		},
		{
			"no doc_name", b.party.Token(token.Initiate, partytest.NoClaim("doc_name")),
			token.CheckArguments, "Add doc_name",
		},
		{
			"five minutes", b.party.Token(token.Initiate, partytest.Claim("exp", epoch.Unix()+300)),
			token.CheckTimes, "iat + 120",
		},
		{
			"no lifetime", b.party.Token(token.Initiate, partytest.Claim("exp", epoch.Unix())),
			token.CheckTimes, "after iat",
		},
		{
			"yesterday",
			b.party.Token(token.Initiate, partytest.Claims(map[string]any{"iat": epoch.Unix() - 86400, "exp": epoch.Unix() - 86300})),
			token.CheckTimes, "set the clock",
		},
		{
			"aud",
			b.party.Token(token.Initiate, partytest.Claim("aud", "https://elsewhere.example")),
			token.CheckAudience, "Leave aud out",
		},
		{
			"stranger", b.party.Token(token.Initiate, partytest.Claim("client_id", "stranger")),
			token.CheckParty, "Register the client id",
		},
		{
			"kid", b.party.Token(token.Initiate, partytest.Header("kid", "other")), token.CheckKey,
			"Publish the public key under",
		},
		{
			"another key",
			b.party.Token(token.Initiate, func(d *partytest.Draft) { d.Key = partytest.Start(t).Key("ES256") }),
			token.CheckSignature, "belongs to your private key",
		},
	} {
		_, _, err := b.verify(c.authorization, token.Initiate)
		if err == nil {
			t.Errorf("%s: accepted", c.name)
			continue
		}
		check := token.FailedCheck(err)
		got := token.Advise(c.authorization, token.Initiate, check, err.Error())
		if check != c.check || !strings.Contains(got, c.advice) {
			t.Errorf("%s: %v\n check %q, advice %q", c.name, err, check, got)
		}
	}
	for cause, advice := range map[string]string{
		"key: no usable key; a newer fetch failed: JWKS: not valid JSON":      "answer 200",
		"key: no usable key; a newer fetch failed: JWKS: (ignored keys[0]: x": "Mend the key",
		"key: ES256 needs a key on P-256, this one is on P-384":               "ES384 for P-384",
	} {
		if got := token.Advise(good, token.Initiate, token.CheckKey, cause); !strings.Contains(got, advice) {
			t.Errorf("%s: %q", cause, got)
		}
	}
	got := token.Advise(good, token.Cancel, token.CheckArguments, "claim request_id: missing")
	if !strings.Contains(got, "the body of cancel has no effect") {
		t.Errorf("a cancel with its id in the body: %q", got)
	}
	got = token.Advise(good, token.Result, token.CheckClaims, "claim exchange_code: missing")
	if !strings.Contains(got, "from the answer of initiate") {
		t.Errorf("a result without code: %q", got)
	}
	if _, _, err := b.verify(b.party.Token(token.Result), token.Result); err != nil {
		t.Fatal(err)
	}
	jws := b.party.Token(token.Result)
	_, _, _ = b.verify(jws, token.Result)
	_, _, err := b.VerifyResult(t.Context(), jws, b.party.ClientID, "another request")
	got = token.Advise(jws, token.Result, token.FailedCheck(err), err.Error())
	if token.FailedCheck(err) != token.CheckJTI || !strings.Contains(got, "new UUID") {
		t.Errorf("used twice: %v: %q", err, got)
	}
}
