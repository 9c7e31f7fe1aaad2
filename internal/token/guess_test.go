package token_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	_ "crypto/sha1"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/token"
)

func explaining(c *token.VerifierConfig) { c.Explain = true }

// mistake is a wrong way to sign.
type mistake struct {
	name   string
	sum    func(header, payload []byte) []byte // that is signed
	order  func(r, s []byte) []byte
	cause  string
	remedy string // a part of it
}

func sum(h crypto.Hash, texts ...string) []byte {
	d := h.New()
	d.Write([]byte(strings.Join(texts, "")))
	return d.Sum(nil)
}

func turned(b []byte) []byte {
	b = slices.Clone(b)
	slices.Reverse(b)
	return b
}

// mistakes are the wrong ways to sign with one algorithm.
func mistakes(alg string) []mistake {
	h := map[string]crypto.Hash{
		"ES256": crypto.SHA256, "ES384": crypto.SHA384, "ES512": crypto.SHA512,
	}[alg]
	input := partytest.SigningInput
	over := func(text func(header, payload string) string) func(header, payload []byte) []byte {
		return func(header, payload []byte) []byte { return sum(h, text(string(header), string(payload))) }
	}
	as := func(e *base64.Encoding) func(header, payload []byte) []byte {
		return over(func(header, payload string) string {
			return e.EncodeToString([]byte(header)) + "." + e.EncodeToString([]byte(payload))
		})
	}
	b64 := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	list := []mistake{
		{
			"swapped", nil, func(r, s []byte) []byte { return slices.Concat(s, r) },
			"it verifies with r and s swapped", "Send r first",
		},
		{
			"little-endian", nil, func(r, s []byte) []byte { return slices.Concat(turned(r), turned(s)) },
			"in reverse order", "big-endian",
		},
		{
			"newline", over(func(a, b string) string { return input([]byte(a), []byte(b)) + "\n" }), nil,
			"a newline at its end", "printf",
		},
		{"payload", over(func(_, b string) string { return b64(b) }), nil, "the payload alone", "first two parts"},
		{"JSON of claims", over(func(_, b string) string { return b }), nil, "the JSON of the claims", "first two parts"},
		{
			"JSON", over(func(a, b string) string { return a + "." + b }), nil,
			"the JSON of header and claims, not", "first two parts",
		},
		{"JSON without dot", over(func(a, b string) string { return a + b }), nil, "one after the other", "first two parts"},
		{
			"half encoded", over(func(a, b string) string { return b64(a) + "." + b }), nil,
			"the header in base64url and the claims in JSON", "first two parts",
		},
		{"no dot", over(func(a, b string) string { return b64(a) + b64(b) }), nil, "without the dot", "first two parts"},
		{
			"last dot", over(func(a, b string) string { return b64(a) + "." + b64(b) + "." }), nil,
			"a dot after them", "first two parts",
		},
		{"padded", as(base64.URLEncoding), nil, "in base64url with padding", "without padding"},
		{"standard", as(base64.StdEncoding), nil, "standard base64 with padding", "base64url"},
		{"standard without padding", as(base64.RawStdEncoding), nil, "standard base64 without", "base64url"},
		{
			"twice", func(a, b []byte) []byte { return sum(h, string(sum(h, input(a, b)))) }, nil,
			"the hash of the hash", "takes the text",
		},
		{
			"hexadecimal", func(a, b []byte) []byte { return sum(h, hex.EncodeToString(sum(h, input(a, b)))) }, nil,
			"the hash in hexadecimal", "takes the text",
		},
		{"no hash", func(a, b []byte) []byte { return []byte(input(a, b)) }, nil, "without a hash", "NONEwithECDSA"},
	}
	for _, other := range []crypto.Hash{crypto.SHA1, crypto.SHA256, crypto.SHA384, crypto.SHA512} {
		if other == h {
			continue
		}
		list = append(list, mistake{
			other.String(), func(a, b []byte) []byte { return sum(other, input(a, b)) }, nil,
			"it is one with " + other.String(), "the hash of alg",
		})
	}
	return list
}

// token makes the token that this mistake makes.
func (m mistake) token(t *testing.T, key partytest.Key, header, payload []byte) string {
	input := partytest.SigningInput(header, payload)
	digest := key.Digest(input)
	if m.sum != nil {
		digest = m.sum(header, payload)
	}
	r, s, err := ecdsa.Sign(rand.Reader, key.Private, digest)
	if err != nil {
		t.Fatal(err)
	}
	size := (key.Private.Curve.Params().BitSize + 7) / 8
	first, second := r.FillBytes(make([]byte, size)), s.FillBytes(make([]byte, size))
	signature := slices.Concat(first, second)
	if m.order != nil {
		signature = m.order(first, second)
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

// TestWrongSignature checks that each way to sign wrongly is named, with its remedy, and only where
// refusals are explained, and that a signature of something else gets no guess.
func TestWrongSignature(t *testing.T) {
	b, silent := newBench(t, explaining), newBench(t)
	silent.party, silent.Verifier = b.party, token.NewVerifier(token.VerifierConfig{
		Parties: b.registry, Keys: b.keys, Replay: b.replay, PublicURL: "https://sign.test",
		Now: b.party.Now,
	})
	tried := make(map[string]bool)
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		// Both parts need padding, and have characters that only one alphabet has.
		d := b.party.Draft(token.Initiate, b.party.Alg(alg), partytest.Header("x", "??>>~~"),
			partytest.Claim("doc_name", "??>>~~.pdf"))
		for len(marshal(t, d.Header))%3 == 0 {
			d.Header["x"] = d.Header["x"].(string) + "~"
		}
		for len(marshal(t, d.Claims))%3 == 0 {
			d.Claims["doc_name"] = "~" + d.Claims["doc_name"].(string)
		}
		header, payload := marshal(t, d.Header), marshal(t, d.Claims)
		list := mistakes(alg)
		if alg != "ES256" { // whose curves are slow
			list = list[len(list)-3:] // other hashes
		}
		for _, m := range list {
			jws := m.token(t, d.Key, header, payload)
			_, _, err := b.verify(jws, token.Initiate)
			wantRefusal(t, err, m.cause, jws)
			advice := token.Advise(jws, token.Initiate, token.FailedCheck(err), err.Error())
			if token.FailedCheck(err) != token.CheckSignature || !strings.Contains(advice, m.remedy) {
				t.Errorf("%s, %s: %v, advice %q", alg, m.name, err, advice)
			}
			for _, cause := range token.Guesses() {
				tried[cause] = tried[cause] || strings.Contains(err.Error(), "; "+cause)
			}
			_, _, err = silent.verify(jws, token.Initiate)
			if strings.Contains(err.Error(), m.cause) {
				t.Errorf("%s: the service looks for the cause: %v", m.name, err)
			}
			set := partytest.JWKS(d.Key.JWK())
			err = token.JudgeSignature(t.Context(), jws, set)
			if err == nil || !strings.Contains(err.Error(), m.cause) {
				t.Errorf("%s, judged with the JWKS: %v", m.name, err)
			}
		}
		good := d.Key.Sign(header, payload)
		if err := token.JudgeSignature(t.Context(), good, partytest.JWKS(d.Key.JWK())); err != nil {
			t.Errorf("a good token: %v", err)
		}
		jws := partytest.SigningInput(header, payload) + good[strings.LastIndexByte(good, '.'):]
		if _, _, err := b.verify(jws, token.Initiate); err != nil {
			t.Fatalf("the good token: %v", err)
		}
		other := mistake{sum: func([]byte, []byte) []byte { return sum(crypto.SHA256, "other") }}
		jws = other.token(t, d.Key, header, payload)
		_, _, err := b.verify(jws, token.Initiate)
		wantRefusal(t, err, "with the key that kid names; the JWKS was fetched", jws)
	}
	for _, cause := range token.Guesses() {
		if !tried[cause] {
			t.Errorf("no token makes the guess %q", cause)
		}
	}
}

func marshal(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestWrongKey checks that a key is recognised that the token does not name: another one of the
// JWKS, one that was withdrawn, and one of another party.
func TestWrongKey(t *testing.T) {
	b := newBench(t, explaining)
	other := partytest.Start(t)
	policy := safehttp.Policy{AllowPrivate: true}
	registry, err := party.NewRegistry(policy, b.party.Registration(), other.Registration())
	if err != nil {
		t.Fatal(err)
	}
	b.Verifier = token.NewVerifier(token.VerifierConfig{
		Parties: registry, Keys: b.keys, Replay: b.replay, Now: b.party.Now, Explain: true,
		PublicURL: "https://sign.test",
	})
	registration := other.Registration()
	stranger := &registration
	good, second := b.party.Key("ES256"), other.Key("ES256")
	second.Kid = "second"
	want := func(jws string, check token.Check, cause, remedy string) {
		t.Helper()
		_, _, err := b.verify(jws, token.Cancel)
		wantRefusal(t, err, cause, jws)
		advice := token.Advise(jws, token.Cancel, token.FailedCheck(err), err.Error())
		if token.FailedCheck(err) != check || !strings.Contains(advice, remedy) {
			t.Errorf("%v: check %q, advice %q", err, token.FailedCheck(err), advice)
		}
	}
	signed := func(key partytest.Key, kid string) string {
		return b.party.Token(token.Cancel, func(d *partytest.Draft) {
			d.Key, d.Header["kid"] = key, kid
		})
	}
	serve := func(keys ...map[string]any) {
		b.now = b.now.Add(time.Hour) // the lifetime of a set
		b.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Write(partytest.JWKS(keys...))
		}))
	}

	serve(good.JWK(), second.JWK())
	present := `the signature is that of another key of the JWKS ("second")`
	want(signed(second, good.Kid), token.CheckSignature, present, "Set the token's kid")
	want(signed(second, "none"), token.CheckKey, present, "Set the token's kid")

	serve(good.JWK())
	before := `the signature is that of a key that the JWKS no longer has ("second")`
	want(signed(second, good.Kid), token.CheckSignature, before, "Sign with a key of the JWKS")
	want(signed(second, "second"), token.CheckKey, before, "Sign with a key of the JWKS")
	serve(second.JWK(), good.JWK())
	if _, _, err := b.verify(signed(second, "second"), token.Cancel); err != nil {
		t.Errorf("the key is published again: %v", err)
	}

	serve(good.JWK())
	if err := b.keys.Fetch(t.Context(), stranger); err != nil {
		t.Fatal(err)
	}
	third := other.Key("ES384")
	jws := b.party.Token(token.Cancel, b.party.Alg("ES384"), func(d *partytest.Draft) { d.Key = third })
	want(jws, token.CheckKey, "the signature is that of a key of another relying party ("+other.ClientID+")",
		"Put the client id into the token")
}
