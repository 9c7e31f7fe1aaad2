package signettest_test

import (
	"bytes"
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/signettest"
)

// A test of a relying party: a document is signed, and the webhook says so.
func ExampleStart() {
	var t *testing.T // of the test

	ctx := t.Context()
	sandbox := signettest.Start(t)
	shop := sandbox.Client()
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
}

// A test of what a relying party does when the answer to its cancel is lost.
func ExampleSandbox_Inject() {
	var t *testing.T // of the test

	ctx := t.Context()
	sandbox := signettest.Start(t)
	shop := sandbox.Client()
	request, err := shop.Initiate(ctx, client.Request{
		DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}, bytes.NewReader(sandbox.SamplePDF()))
	if err != nil {
		t.Fatal(err)
	}
	lost := signettest.Fault{Kind: "answer-lost", Call: "cancel", Count: 1}
	if err := sandbox.Inject(ctx, lost); err != nil {
		t.Fatal(err)
	}
	if err := shop.CancelWhenIdle(ctx, request.RequestID); err != nil {
		t.Error("the cancel took effect, and is reported as failed:", err)
	}
}

// A test of what a relying party does when the signer does not sign within half an hour, without waiting.
func ExampleSandbox_Age() {
	var t *testing.T // of the test

	ctx := t.Context()
	sandbox := signettest.Start(t)
	shop := sandbox.Client()
	request, err := shop.Initiate(ctx, client.Request{
		DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}, bytes.NewReader(sandbox.SamplePDF()))
	if err != nil {
		t.Fatal(err)
	}
	if err := sandbox.Age(ctx, request.RequestID, 31*time.Minute); err != nil {
		t.Fatal(err)
	}
	_, err = shop.Result(ctx, request.RequestID, request.ExchangeCode)
	if !errors.Is(err, api.ErrExpired) {
		t.Errorf("the result of an expired request: %v", err)
	}
}
