package partytest_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/token"
)

// TestPartyIsOrdinary checks the party with an independent library, because tests
// against the party must not depend on mistakes of this package.
func TestPartyIsOrdinary(t *testing.T) {
	p := partytest.Start(t)
	registration := p.Registration()
	if err := registration.Validate(safehttp.Policy{AllowPrivate: true}); err != nil {
		t.Error(err)
	}
	answer, err := http.Get(registration.JWKSURL)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != 3 || p.Fetches() != 1 {
		t.Fatalf("%d keys, %d fetches, %v", len(set.Keys), p.Fetches(), err)
	}
	for _, alg := range []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512} {
		jws, err := jose.ParseSignedCompact(
			p.Token(token.Initiate, p.Alg(string(alg))), []jose.SignatureAlgorithm{alg},
		)
		if err != nil {
			t.Fatal(err)
		}
		keys := set.Key(jws.Signatures[0].Header.KeyID)
		if len(keys) != 1 || !keys[0].Valid() || !keys[0].IsPublic() {
			t.Fatalf("%s: keys %v", alg, keys)
		}
		if _, err := jws.Verify(keys[0]); err != nil {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

func TestWebhooksAreRecorded(t *testing.T) {
	p := partytest.Start(t)
	p.AnswerWebhooks(
		func(n int) int { return []int{http.StatusServiceUnavailable, http.StatusNoContent}[n] },
	)
	type outcome struct {
		hook partytest.Webhook
		err  error
	}
	second := make(chan outcome)
	go func() {
		hook, err := p.WaitWebhook(t.Context(), 1)
		second <- outcome{hook, err}
	}()
	for i, body := range []string{`{"token":"a.b.c"}`, `nonsense`} {
		answer, err := http.Post(
			p.Registration().WebhookURL, "application/json", strings.NewReader(body),
		)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if got := p.Webhooks()[i]; got.Status != answer.StatusCode || string(got.Body) != body {
			t.Errorf("recorded %+v, answered %d", got, answer.StatusCode)
		}
	}
	if hooks := p.Webhooks(); hooks[0].Token != "a.b.c" || hooks[1].Token != "" ||
		hooks[0].Header.Get("Content-Type") != "application/json" {
		t.Errorf("%+v", hooks)
	}
	if got := <-second; got.err != nil || string(got.hook.Body) != "nonsense" {
		t.Errorf("waited for %+v", got)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	if _, err := p.WaitWebhook(ctx, 2); err == nil {
		t.Error("a webhook that never came")
	}
}
