package e2e_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestMockPass makes the calls that the official demo relying party makes with its MockPass
// configuration: V3.0 claims below /sign-v3, a result call without Content-Type, and a webhook that
// is verified against /sign-v3/jwks.
func TestMockPass(t *testing.T) {
	rp := partytest.Start(t)
	c := configOf(rp)
	registered := c.Parties[0]
	c.Parties = nil
	s := run(t, rp, c, map[string]string{
		"SIGNV3_CLIENT_ID":           registered.ClientID,
		"SIGNV3_CLIENT_JWKS_URL":     registered.JWKSURL,
		"SIGNV3_CLIENT_REDIRECT_URI": registered.RedirectURL,
		"SIGNV3_CLIENT_WEBHOOK_URL":  registered.WebhookURL,
	}, slog.New(slog.DiscardHandler))
	base := s.url + "/sign-v3"
	key := rp.Key("ES256")
	compact := func(claims map[string]any) string {
		now := s.now().Unix()
		claims["jti"], claims["iat"], claims["exp"] = uuid.NewString(), now, now+120
		header, err := json.Marshal(map[string]any{"alg": "ES256", "kid": key.Kid})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := json.Marshal(claims)
		if err != nil {
			t.Fatal(err)
		}
		return key.Sign(header, payload)
	}

	// The button: the answer's three members are what the demo keeps and redirects to.
	a := do(t, "POST", base+"/sign-requests", compact(map[string]any{
		"client_id": registered.ClientID, "doc_name": "dummy.pdf", "x": 0.5, "y": 0.5, "page": 1,
	}), "application/octet-stream", bytes.NewReader(pdftest.Minimal()))
	var in api.Initiated
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != 200 ||
		in.SigningURL == "" ||
		in.ExchangeCode == "" {
		t.Fatalf("initiate: %d %s", a.status, a.body)
	}
	result := func() answer {
		return do(
			t, "GET", base+"/sign-requests/"+in.RequestID+"/signed_doc",
			compact(map[string]any{"exchange_code": in.ExchangeCode}), "", nil,
		)
	}
	if a := result(); !a.is(400, "DOCUMENT_NOT_SIGNED", "Document has not been signed") {
		t.Errorf("before the signature: %d %s", a.status, a.body)
	}
	s.must(t, in.RequestID, alice, "open", "proceed", "approve")

	// The webhook, verified as the demo does it: the key by its kid from /sign-v3/jwks.
	hook, err := rp.WaitWebhook(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	keys := do(t, "GET", base+"/jwks", "", "", nil)
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(keys.body), &set); err != nil || keys.status != 200 {
		t.Fatalf("jwks: %d %s", keys.status, keys.body)
	}
	jws, err := jose.ParseSignedCompact(hook.Token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(set)
	if err != nil {
		t.Fatalf("the webhook does not verify against /sign-v3/jwks: %v", err)
	}
	var claims api.WebhookClaims
	if err := json.Unmarshal(payload, &claims); err != nil || claims.RequestID != in.RequestID ||
		claims.RequestType != "signed_doc_url" {
		t.Errorf("claims %+v, %v", claims, err)
	}

	// Both ways to the file.
	var r api.Result
	if a := result(); json.Unmarshal([]byte(a.body), &r) != nil || a.status != 200 {
		t.Fatalf("result: %d %s", a.status, a.body)
	}
	for _, link := range []string{claims.SignedDocURL, r.SignedDocURL} {
		resp, err := http.Get(link)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 ||
			!strings.HasPrefix(string(body), string(pdftest.Minimal())) {
			t.Errorf("download: %d, %d bytes, %v", resp.StatusCode, len(body), err)
		}
	}

	// Cancel is newer than MockPass and has its path here all the same.
	if a := do(t, "POST", base+"/sign-requests/cancel", compact(map[string]any{"client_id": registered.ClientID, "request_id": in.RequestID}), "application/json", nil); !a.is(
		400, "DOCUMENT_ALREADY_SIGNED", "Document has already been signed",
	) {
		t.Errorf("cancel: %d %s", a.status, a.body)
	}
}

// TestRelyingPartyIsDown checks that calls are refused while a party's keys cannot be fetched,
// which is not a fault of the service (docs/contract.md, 14.26).
func TestRelyingPartyIsDown(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Strictness = "real" })
	for name, handler := range map[string]http.HandlerFunc{
		"500":     func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) },
		"no JSON": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("<html>")) },
		"no keys": func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(`{"keys":[]}`)) },
	} {
		s.party.ServeJWKS(handler)
		if a := s.cancel(t, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"); !a.is(
			400, "UNAUTHORIZED", "Unauthorized.",
		) {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
		s.advance(t, "1m") // the failure is remembered for a while
	}
	s.party.ServeJWKS(nil)
	s.initiate(t)
	// An unknown kid is not looked up again: the rule for rotation is to publish an hour ahead.
	fetches := s.party.Fetches()
	if a := s.upload(t, s.party.Token(token.Initiate, partytest.Header("kid", "brand-new")), pdftest.Minimal()); !a.is(
		400, "UNAUTHORIZED", "Unauthorized.",
	) {
		t.Errorf("unknown kid: %d %s", a.status, a.body)
	}
	if n := s.party.Fetches(); n != fetches {
		t.Errorf("the unknown kid cost %d fetches", n-fetches)
	}
	s.advance(t, "61m")
	s.initiate(t)
	if n := s.party.Fetches(); n != fetches+1 {
		t.Errorf("after an hour the keys were fetched %d times", n-fetches)
	}
}

// TestMockPassAutoSign checks that a script that was written for MockPass works with --auto-sign: a
// GET of the signing URL, before or after the automatic signature, goes back to the relying party
// when the webhook has arrived.
func TestMockPassAutoSign(t *testing.T) {
	s := start(t, func(c *config.Config) { c.AutoSign = 2 * time.Second })
	for i, wait := range []string{"", "signed"} {
		in := s.initiate(t)
		if wait != "" {
			s.settled(t, in.RequestID, wait)
		}
		resp, err := http.DefaultTransport.RoundTrip(
			httptest.NewRequestWithContext(t.Context(), http.MethodGet, in.SigningURL, nil),
		)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		back := s.party.URL() + "/redirect?request_id=" + in.RequestID + "&status=success"
		if to := resp.Header.Get("Location"); resp.StatusCode != http.StatusFound || to != back {
			t.Errorf("%q: %d, to %s", wait, resp.StatusCode, to)
		}
		if n := len(s.party.Webhooks()); n != i+1 {
			t.Errorf("%q: %d webhooks, want %d", wait, n, i+1)
		}
		if a := s.result(t, in); a.status != http.StatusOK {
			t.Errorf("%q: result: %d %s", wait, a.status, a.body)
		}
	}
}

// TestMockPassSigningURL checks that a GET of MockPass's signing URL signs and goes back, as in
// MockPass; a browser gets to the page, and so does a GET without a known id.
func TestMockPassSigningURL(t *testing.T) {
	s := start(t)
	get := func(id, accept string) (status int, to string) {
		t.Helper()
		r, err := http.NewRequest(http.MethodGet, s.url+"/sign-v3/sign?request_id="+id, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept", accept)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode, resp.Header.Get("Location")
	}
	id := s.initiate(t).RequestID
	if status, to := get(id, "text/html,*/*"); status != http.StatusFound || to != "/sign/"+id {
		t.Errorf("a browser: %d, to %s", status, to)
	}
	if got := s.view(t, id).State; got != "created" {
		t.Errorf("after the browser it is %s", got)
	}
	back := s.party.URL() + "/redirect?request_id=" + id + "&status=success"
	if status, to := get(id, "*/*"); status != http.StatusFound || to != back {
		t.Errorf("a program: %d, to %s", status, to)
	}
	if got := s.view(t, id).State; got != "signed" {
		t.Errorf("after the program it is %s", got)
	}
	if status, to := get("x%2Fy", "*/*"); status != http.StatusFound || to != "/sign/x%2Fy" {
		t.Errorf("an unknown id: %d, to %s", status, to)
	}
	if a := do(t, http.MethodPost, s.url+"/sign-v3/sign", "", "", nil); a.status != http.StatusNotFound {
		t.Errorf("POST: %d", a.status)
	}
}
