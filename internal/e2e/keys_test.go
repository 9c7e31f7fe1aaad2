package e2e_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestRestartWithNewKeys checks that a relying party that is restarted with new keys, under a new
// kid or the old one, can call the sandbox at once, also while the sandbox's clock is stopped.
func TestRestartWithNewKeys(t *testing.T) {
	s := start(t)
	s.initiate(t)
	s.moved(t, `{"freeze": true}`)
	key := s.party.Key("ES256")
	for _, kid := range []string{key.Kid, "another"} {
		restarted := partytest.Start(t)
		jwk := restarted.Key("ES256").JWK()
		jwk["kid"] = kid
		s.party.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(partytest.JWKS(jwk))
		}))
		a := s.upload(t, restarted.Token(
			token.Initiate, partytest.Claim("client_id", s.party.ClientID),
			partytest.Header("kid", kid),
		), pdftest.Minimal())
		if a.status != http.StatusOK {
			t.Errorf(
				"new keys, kid %s: %d %s: %s", kid, a.status, a.body,
				a.header.Get("Signet-Explanation"),
			)
		}
	}
	a := s.upload(t, s.party.Token(token.Initiate), pdftest.Minimal())
	if got := a.header.Get("Signet-Explanation"); !strings.Contains(got, `its kids: "another"`) {
		t.Errorf("the explanation of an old key: %q", got)
	}
}

// TestKeysInConfiguration checks that a party without a server has its keys in the configuration.
func TestKeysInConfiguration(t *testing.T) {
	rp := partytest.Start(t)
	var keys []string
	for _, alg := range []string{"ES256", "ES384"} {
		text, err := json.Marshal(rp.Key(alg).JWK())
		if err != nil {
			t.Fatal(err)
		}
		keys = append(keys, string(text))
	}
	parties, err := config.ParseParties(fmt.Sprintf(
		`[{client_id: %s, redirect_url: "http://127.0.0.1/", jwks: {keys: [%s]}}]`,
		rp.ClientID, strings.Join(keys, ","),
	))
	if err != nil {
		t.Fatal(err)
	}
	c := configOf(rp)
	c.Parties = parties
	s := run(t, rp, c, nil, slog.New(slog.DiscardHandler))
	s.initiate(t)
	s.initiate(t, rp.Alg("ES384"))
	if n := rp.Fetches(); n != 0 {
		t.Errorf("%d fetches of a JWKS", n)
	}
	page := do(t, "GET", s.control+"/console/party/"+rp.ClientID, "", "", nil)
	if page.status != http.StatusOK || !strings.Contains(page.body, "(in the configuration)") {
		t.Errorf("the console's parties: %d", page.status)
	}
}
