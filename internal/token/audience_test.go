package token_test

import (
	"testing"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

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
