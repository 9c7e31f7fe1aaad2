package signettest_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/signettest"
)

// TestRelyingParty is what a relying party's own test looks like: package client against the
// sandbox, from initiate to the signed document, a webhook, and a cancel.
func TestRelyingParty(t *testing.T) {
	ctx := t.Context()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var shop *client.Client
	webhooks := make(chan *api.WebhookClaims, 1)
	mux := http.NewServeMux()
	jwks, err := client.JWKSHandler(client.Key{Signer: key, ID: "key-1"})
	if err != nil {
		t.Fatal(err)
	}
	mux.Handle("GET /jwks", jwks)
	mux.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		claims, err := shop.VerifyWebhook(r.Context(), r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		webhooks <- claims
	})
	server := httptest.NewServer(mux)
	defer server.Close()

	sandbox := signettest.Start(t, signettest.Party{
		ClientID: "shop", JWKSURL: server.URL + "/jwks", WebhookURL: server.URL + "/webhook",
	})
	shop, err = client.New(client.Config{
		BaseURL: sandbox.BaseURL, ClientID: "shop", Key: key, KeyID: "key-1",
	})
	if err != nil {
		t.Fatal(err)
	}
	initiate := func() *api.Initiated {
		t.Helper()
		in, err := shop.Initiate(ctx, client.Request{
			DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
			SignerUINHash: client.HashUIN(signettest.Signer),
		}, bytes.NewReader(pdftest.Minimal()))
		if err != nil {
			t.Fatal(err)
		}
		return in
	}

	signed := initiate()
	if err := sandbox.Act(ctx, signed.RequestID, signettest.Another, "open"); !errors.Is(
		err, api.ErrNoAccess,
	) {
		t.Errorf("another person opens it: %v", err)
	}
	if err := sandbox.Act(ctx, signed.RequestID, signettest.Signer, "open", "proceed"); err != nil {
		t.Fatal(err)
	}
	var refused *client.Error
	if err := shop.Cancel(ctx, signed.RequestID); !errors.As(err, &refused) ||
		refused.Code != api.CodeActiveSession ||
		refused.RetryAfter <= 0 {
		t.Errorf("cancel during the session: %v", err)
	}
	if err := sandbox.Act(ctx, signed.RequestID, signettest.Signer, "approve"); err != nil {
		t.Fatal(err)
	}
	if err := sandbox.WaitSigned(ctx, signed.RequestID); err != nil {
		t.Fatal(err)
	}
	result, err := shop.Result(ctx, signed.RequestID, signed.ExchangeCode)
	if err != nil {
		t.Fatal(err)
	}
	body, err := shop.Download(ctx, result.SignedDocURL)
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	document, err := io.ReadAll(body)
	if err != nil || !bytes.HasPrefix(document, pdftest.Minimal()) ||
		len(document) == len(pdftest.Minimal()) {
		t.Errorf("the signed document: %d bytes, %v", len(document), err)
	}
	select {
	case claims := <-webhooks:
		if claims.RequestID != signed.RequestID || claims.SignerInfo.SignerPartialUINFIN != "373D" {
			t.Errorf("webhook %+v", claims)
		}
	case <-time.After(time.Minute):
		t.Error("no webhook")
	}
	if err := shop.Cancel(ctx, signed.RequestID); !errors.Is(err, api.ErrAlreadySigned) {
		t.Errorf("cancel of a signed request: %v", err)
	}

	if err := sandbox.NextSigner(ctx, "", "wait"); err != nil {
		t.Fatal(err)
	}
	opened := initiate()
	for state := ""; state != "locked"; time.Sleep(5 * time.Millisecond) {
		if state, err = sandbox.State(ctx, opened.RequestID); err != nil {
			t.Fatal(err)
		}
	}
	if err := sandbox.Sign(ctx, opened.RequestID, "", "approve"); err != nil {
		t.Error(err)
	}
	if err := sandbox.WaitSigned(ctx, opened.RequestID); err != nil {
		t.Error(err)
	}

	lost := initiate()
	if err := sandbox.Inject(ctx, signettest.Fault{
		Kind: "error", Count: 1, RequestID: lost.RequestID,
	}); err != nil {
		t.Fatal(err)
	}
	if err := shop.Cancel(ctx, lost.RequestID); !errors.Is(err, api.ErrServerSide) {
		t.Errorf("cancel with a fault: %v", err)
	}
	if err := shop.Cancel(ctx, lost.RequestID); err != nil {
		t.Errorf("cancel after the fault: %v", err)
	}
	if err := sandbox.ClearFaults(ctx); err != nil {
		t.Error(err)
	}

	// At the exact end of a session a cancel is accepted.
	bound := initiate()
	if err := errors.Join(
		sandbox.Freeze(ctx, bound.RequestID),
		sandbox.Act(ctx, bound.RequestID, signettest.Signer, "open", "proceed"),
	); err != nil {
		t.Fatal(err)
	}
	end, session, err := sandbox.Ends(ctx, bound.RequestID)
	if err != nil || session.IsZero() || !session.Before(end) {
		t.Fatalf("the request ends at %s, its session at %s: %v", end, session, err)
	}
	if err := sandbox.SetTime(ctx, bound.RequestID, session.Add(-time.Microsecond)); err != nil {
		t.Fatal(err)
	}
	if err := shop.Cancel(ctx, bound.RequestID); !errors.Is(err, api.ErrActiveSession) {
		t.Errorf("cancel before the end of the session: %v", err)
	}
	if err := sandbox.SetTime(ctx, bound.RequestID, session); err != nil {
		t.Fatal(err)
	}
	if err := shop.Cancel(ctx, bound.RequestID); err != nil {
		t.Errorf("cancel at the end of the session: %v", err)
	}
	if err := errors.Join(
		sandbox.ResetTime(ctx, bound.RequestID), sandbox.Unfreeze(ctx, bound.RequestID),
	); err != nil {
		t.Error(err)
	}

	cancelled, other := initiate(), initiate()
	if err := sandbox.Age(ctx, cancelled.RequestID, 31*time.Minute); err != nil {
		t.Fatal(err)
	}
	if state, err := sandbox.State(ctx, other.RequestID); state != "created" || err != nil {
		t.Errorf("a request whose time was not moved is %s (%v)", state, err)
	}
	if err := sandbox.Advance(ctx, 10*time.Minute); err != nil {
		t.Fatal(err)
	}
	if state, err := sandbox.State(ctx, cancelled.RequestID); state != "expired" || err != nil {
		t.Errorf("after 31 minutes it is %s (%v)", state, err)
	}
	if err := shop.Cancel(ctx, cancelled.RequestID); err != nil {
		t.Errorf("cancel of an expired request: %v", err)
	}
	if err := shop.Cancel(ctx, cancelled.RequestID); !client.IsCancelled(err) {
		t.Errorf("the second cancel: %v", err)
	}
}

// TestOwnParty checks the relying party that Start registers: its client, its key and its webhooks.
func TestOwnParty(t *testing.T) {
	ctx := t.Context()
	sandbox := signettest.Start(t)
	key := sandbox.Key()
	own, err := client.New(client.Config{
		BaseURL: sandbox.BaseURL, ClientID: signettest.ClientID, Key: key.Signer, KeyID: key.ID,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, shop := range []*client.Client{sandbox.Client(), own} {
		request, err := shop.Initiate(ctx, client.Request{
			DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(sandbox.SamplePDF()))
		if err != nil {
			t.Fatal(err)
		}
		if err := sandbox.Sign(ctx, request.RequestID, signettest.Signer, "approve"); err != nil {
			t.Fatal(err)
		}
		webhook, err := sandbox.TakeWebhook(ctx)
		if err != nil {
			t.Fatal(err)
		}
		claims, err := shop.VerifyWebhook(ctx, webhook)
		if err != nil || claims.RequestID != request.RequestID {
			t.Errorf("the webhook: %+v, %v", claims, err)
		}
		if err := shop.Cancel(ctx, request.RequestID); !errors.Is(err, api.ErrAlreadySigned) {
			t.Errorf("cancel: %v", err)
		}
	}
	none, stop := context.WithTimeout(ctx, 10*time.Millisecond)
	defer stop()
	if r, err := sandbox.TakeWebhook(none); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a third webhook: %v, %v", r, err)
	}
}
