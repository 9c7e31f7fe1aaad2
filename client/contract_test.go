package client_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/token"
)

// The service's own verifier takes the tokens of every algorithm and reads what the client meant.
func TestVerifierTakesTheTokens(t *testing.T) {
	rp := partytest.Start(t)
	policy := safehttp.Policy{AllowPrivate: true}
	registry, err := party.NewRegistry(policy, rp.Registration())
	if err != nil {
		t.Fatal(err)
	}
	verifier := token.NewVerifier(token.VerifierConfig{
		Parties: registry,
		Keys:    party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}}),
		Replay:  new(partytest.Replay),
	})
	var authorization string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		authorization = r.Header.Get("Authorization")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer server.Close()

	for _, alg := range []string{"ES256", "ES384", "ES512"} {
		k := rp.Key(alg)
		c := newClient(t, server.URL, func(c *client.Config) {
			c.ClientID, c.Key, c.KeyID = rp.ClientID, k.Private, k.Kid
		})
		const id, code = "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", "8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"

		_, _ = c.Initiate(t.Context(), client.Request{
			DocName: "Lease.pdf", SignerUINHash: client.HashUIN("S8979373D"),
			Locations: []api.Location{{Page: 1, X: 0.57, Y: 0.00019}, {Page: 2, X: 1 / 3.0, Y: 0}},
		}, strings.NewReader("%PDF"))
		claims, _, err := verifier.Verify(t.Context(), authorization, token.Initiate)
		if err != nil {
			t.Fatalf("%s: initiate: %v", alg, err)
		}
		if claims.DocName != "Lease.pdf" || claims.SignerUINHash != client.HashUIN("S8979373D") ||
			len(claims.Locations) != 2 ||
			claims.Locations[0].X != 0.57 ||
			claims.Locations[0].Y != 0.0001 ||
			claims.Locations[1].X != 0.3333 ||
			claims.ExpiresAt.Sub(claims.IssuedAt) != 2*time.Minute {
			t.Errorf("%s: initiate: %+v", alg, claims)
		}

		_, _ = c.Result(t.Context(), id, code)
		if claims, _, err := verifier.VerifyResult(t.Context(), authorization, rp.ClientID, "r"); err != nil ||
			claims.ExchangeCode != code {
			t.Errorf("%s: result: %+v, %v", alg, claims, err)
		}

		_ = c.Cancel(t.Context(), id)
		if claims, _, err := verifier.Verify(t.Context(), authorization, token.Cancel); err != nil ||
			claims.RequestID != id ||
			claims.ClientID != rp.ClientID {
			t.Errorf("%s: cancel: %+v, %v", alg, claims, err)
		}
	}
}
