package token_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"testing"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/token"
)

// TestResultOfNoRequest checks that a token for a request that does not exist is refused, also one
// that a known key has signed, and only after a signature was verified, as one for a request that
// exists is.
func TestResultOfNoRequest(t *testing.T) {
	b := newBench(t)
	for alg, curve := range map[string]elliptic.Curve{
		"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521(),
	} {
		good := b.party.Token(token.Result, b.party.Alg(alg))
		_, _, err := b.VerifyResult(t.Context(), good, "", "r")
		wantRefusal(t, err, "does not verify", good)
		if check := token.FailedCheck(err); check != token.CheckSignature {
			t.Errorf("%s: refused because of the %s", alg, check)
		}
		// The key that stands for the missing one is no secret.
		raw := make([]byte, (curve.Params().BitSize+7)/8)
		raw[len(raw)-1] = 1
		one, err := ecdsa.ParseRawPrivateKey(curve, raw)
		if err != nil {
			t.Fatal(err)
		}
		forged := b.party.Token(token.Result, b.party.Alg(alg), func(d *partytest.Draft) {
			d.Key.Private = one
		})
		_, _, err = b.VerifyResult(t.Context(), forged, "", "r")
		wantRefusal(t, err, "no relying party has the request", forged)
	}
	late := b.party.Token(token.Result, partytest.Claim("exp", b.now.Unix()-900))
	_, _, err := b.VerifyResult(t.Context(), late, "", "r")
	wantRefusal(t, err, "exp", late)
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
	v := token.NewVerifier(token.VerifierConfig{
		Parties: registry,
		Keys:    party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}}),
		Replay:  replay,
	})
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
