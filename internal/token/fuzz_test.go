package token_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// FuzzVerify feeds the verifier any text as a token: it does not panic, answers only with answers,
// repeats nothing, and accepts only what this test has signed, to the byte.
func FuzzVerify(f *testing.F) {
	b := newBench(f)
	b.replay = nil
	b.Verifier = token.NewVerifier(token.VerifierConfig{
		// so that a token can be tried again
		Parties: b.registry, Keys: b.keys, Now: b.party.Now, Lenient: true,
	})
	signed := make(map[string]bool)
	for _, call := range callsOf {
		for _, alg := range []string{"ES256", "ES384", "ES512"} {
			jws := b.party.Token(call, b.party.Alg(alg))
			signed[jws] = true
			f.Add(jws, int(call))
			f.Add(jws[:len(jws)-1], int(call))
		}
		for _, edit := range []partytest.Edit{partytest.Header("alg", "none"), partytest.Header("jwk", "x"), partytest.Claim("exp", 1e11)} {
			f.Add(b.party.Token(call, edit), int(call))
		}
	}
	f.Add("Bearer x", 0)
	f.Add("..", 1)
	f.Fuzz(func(t *testing.T, jws string, n int) {
		call := callsOf[uint(n)%uint(len(callsOf))]
		claims, rp, err := b.verify(jws, call)
		if err == nil {
			if !signed[jws] || claims == nil || rp == nil {
				t.Fatalf("accepted for %s: %q", call, jws)
			}
			return
		}
		var answer *api.Error
		if !errors.As(err, &answer) || claims != nil || rp != nil {
			t.Fatalf("%v, %v, %v", claims, rp, err)
		}
		if answer != api.ErrUnauthorized && !signed[jws] {
			t.Fatalf("answered %v to a token without a valid signature", answer)
		}
		wantNothingOf(t, err, jws)
	})
}

// FuzzClaims signs any payload: what is accepted must say the same to another reader of JSON.
func FuzzClaims(f *testing.F) {
	b := newBench(f)
	key := b.party.Key("ES256")
	header := []byte(`{"alg":"ES256","kid":"` + key.Kid + `"}`)
	for _, call := range callsOf {
		payload, err := json.Marshal(b.party.Draft(call).Claims)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(payload, int(call))
		f.Add(bytes.ReplaceAll(payload, []byte(`"`), []byte(` "`)), int(call))
	}
	f.Add([]byte(`{"a":[{"b":"\"}]"}],"a":1}`), 0)
	f.Fuzz(func(t *testing.T, payload []byte, n int) {
		call := callsOf[uint(n)%uint(len(callsOf))]
		jws := key.Sign(header, payload)
		claims, _, err := newVerifierLike(b).verify(jws, call)
		if err != nil {
			wantNothingOf(t, err, jws)
			return
		}
		var again map[string]any
		d := json.NewDecoder(bytes.NewReader(payload))
		d.UseNumber()
		if err := d.Decode(&again); err != nil {
			t.Fatalf("accepted %q: %v", payload, err)
		}
		same := isTime(again["iat"], claims.IssuedAt) && isTime(again["exp"], claims.ExpiresAt)
		switch call {
		case token.Initiate:
			name, _ := again["doc_name"].(string)
			same = same && strings.TrimSpace(name) == claims.DocName &&
				again["client_id"] == claims.ClientID
		case token.Result:
			same = same && again["exchange_code"] == claims.ExchangeCode
		case token.Cancel:
			same = same && again["request_id"] == claims.RequestID
		}
		if !same {
			t.Errorf("accepted %q as %+v", payload, claims)
		}
	})
}

// isTime reports whether a JSON number is a time in seconds, to the microsecond.
func isTime(v any, at time.Time) bool {
	n, ok := v.(json.Number)
	if !ok {
		return false
	}
	exact, ok := new(big.Rat).SetString(string(n))
	if !ok {
		return false
	}
	off := exact.Sub(exact, big.NewRat(at.UnixNano(), 1e9))
	return off.Abs(off).Cmp(big.NewRat(1, 1e6)) < 0
}

func BenchmarkVerify(b *testing.B) {
	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		b.Run(alg, func(b *testing.B) {
			bench := newBench(b)
			jws := bench.party.Token(token.Cancel, bench.party.Alg(alg))
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := bench.verify(jws, token.Cancel); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	// What a forger costs: the signature of a well-formed token that expired, and 16 KiB of
	// nothing.
	b.Run("expired", func(b *testing.B) {
		bench := newBench(b)
		jws := bench.party.Token(token.Cancel, partytest.Claims(map[string]any{"iat": 1, "exp": 2}))
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := bench.verify(jws, token.Cancel); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	b.Run("nested", func(b *testing.B) {
		bench := newBench(b)
		payload := []byte(`{"a":` + strings.Repeat("[", 5900) + strings.Repeat("]", 5900) + `}`)
		jws := bench.party.Key("ES256").Sign([]byte(`{"alg":"ES256","kid":"x"}`), payload)
		if len(jws) > 16<<10 || len(jws) < 15<<10 {
			b.Fatal(len(jws))
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := bench.verify(jws, token.Cancel); err == nil {
				b.Fatal("accepted")
			}
		}
	})
	b.Run("members", func(b *testing.B) {
		bench := newBench(b)
		payload := []byte(
			`{"a":[` + strings.TrimSuffix(strings.Repeat(`{"b":{"c":1}},`, 840), ",") + `]}`,
		)
		jws := bench.party.Key("ES256").Sign([]byte(`{"alg":"ES256","kid":"x"}`), payload)
		if len(jws) > 16<<10 || len(jws) < 15<<10 {
			b.Fatal(len(jws))
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := bench.verify(jws, token.Cancel); err == nil {
				b.Fatal("accepted")
			}
		}
	})
}
