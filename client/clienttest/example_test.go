package clienttest_test

import (
	"context"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/client/clienttest"
)

// A test of a receiver: it takes a genuine webhook and refuses a forged one.
func ExampleStart() {
	var t *testing.T // of the test

	service := clienttest.Start(t)
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	shop, err := client.New(client.Config{
		BaseURL: "http://127.0.0.1:1/api/v3", ClientID: "shop", Key: key.Signer, KeyID: key.ID,
		KeysURL: service.KeysURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	taken := ""
	receiver := shop.WebhookHandler(func(_ context.Context, claims *api.WebhookClaims) error {
		taken += claims.RequestID
		return nil
	})
	receiver.ServeHTTP(
		httptest.NewRecorder(), service.Webhook(clienttest.Claims("signv3-1", time.Now())),
	)
	receiver.ServeHTTP(
		httptest.NewRecorder(), service.Forged(clienttest.Claims("signv3-2", time.Now())),
	)
	if taken != "signv3-1" {
		t.Errorf("taken: %q", taken)
	}
}
