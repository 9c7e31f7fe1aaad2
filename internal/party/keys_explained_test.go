package party_test

import (
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// TestFailedRefetchExplained checks that a refusal says that the newest JWKS could not be used, and
// why, while older keys are in use, and which keys of the JWKS are ignored.
func TestFailedRefetchExplained(t *testing.T) {
	b := newKeyBench(t, func(c *party.KeysConfig) { c.RefetchUnknownKid = true })
	unknown := partytest.Header("kid", "unknown")
	private := b.party.Key("ES384").JWK()
	private["d"] = private["x"]
	for _, c := range []struct {
		status      int
		body, cause string
	}{
		{200, `<html>`, "; a newer fetch failed: JWKS: not valid JSON"},
		{404, ``, "; a newer fetch failed: JWKS: "},
		{200, `[]`, "; a newer fetch failed: JWKS: there is no array keys"},
		{
			200, string(partytest.JWKS(private)),
			"; a newer fetch failed: JWKS: no usable key (ignored keys[0]: ",
		},
		{
			200, string(partytest.JWKS(b.party.Key("ES256").JWK(), private)),
			`; ignored are keys[1]: `,
		},
	} {
		b.party.ServeJWKS(nil)
		b.advance(time.Hour)
		if err := b.cancel(); err != nil {
			t.Fatal(err)
		}
		b.party.ServeJWKS(serve(c.status, []byte(c.body)))
		b.advance(2 * time.Minute)
		wantCause(t, b.cancel(unknown), c.cause)
		if err := b.cancel(); err != nil {
			t.Errorf("%s: a known key: %v", c.body, err)
		}
	}
	b.party.ServeJWKS(nil)
	b.advance(2 * time.Minute)
	_ = b.cancel(unknown)
	if got, _ := b.keys.Cached(b.registered()); got.Failed != nil || len(got.Keys) == 0 {
		t.Errorf("after a fetch that succeeded: %+v", got)
	}
}
