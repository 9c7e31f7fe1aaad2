package clienttest_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/client/clienttest"
)

// newShop returns a service, and a relying party that takes its webhooks.
func newShop(t *testing.T) (*clienttest.Service, *client.Client) {
	t.Helper()
	service := clienttest.Start(t)
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	shop, err := client.New(client.Config{
		BaseURL: "http://sign.example/api/v3", ClientID: "shop", Key: key.Signer, KeyID: key.ID,
		KeysURL: service.KeysURL,
	})
	if err != nil {
		t.Fatal(err)
	}
	return service, shop
}

// TestWebhookHandler checks that the handler takes what is genuine once, and refuses the rest.
func TestWebhookHandler(t *testing.T) {
	service, shop := newShop(t)
	var handled []string
	var fail error
	h := shop.WebhookHandler(func(_ context.Context, claims *api.WebhookClaims) error {
		handled = append(handled, claims.RequestID)
		return fail
	})
	answer := func(r *http.Request) int {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Code
	}
	claims := clienttest.Claims("signv3-1", time.Now())
	for name, r := range map[string]*http.Request{
		"forged": service.Forged(claims), "expired": service.Expired(claims),
		"unsigned": service.Unsigned(claims),
	} {
		if status := answer(r); status != http.StatusBadRequest || len(handled) != 0 {
			t.Errorf("%s: %d, handled %v", name, status, handled)
		}
	}
	fail = errors.New("the database is away")
	if status := answer(service.Webhook(claims)); status != http.StatusInternalServerError {
		t.Errorf("failed: %d", status)
	}
	fail = nil
	for range 3 {
		if status := answer(service.Webhook(claims)); status != http.StatusNoContent {
			t.Errorf("genuine: %d", status)
		}
	}
	if status := answer(service.Webhook(clienttest.Claims("signv3-2", time.Now()))); status !=
		http.StatusNoContent || len(handled) != 3 || handled[2] != "signv3-2" {
		t.Errorf("%d, handled %v", status, handled)
	}
}

// TestTogether checks that two webhooks of one request that come at once are handled once.
func TestTogether(t *testing.T) {
	service, shop := newShop(t)
	begun, finish := make(chan struct{}), make(chan struct{})
	h := shop.WebhookHandler(func(context.Context, *api.WebhookClaims) error {
		close(begun) // a second time would panic
		<-finish
		return nil
	})
	claims := clienttest.Claims("signv3-1", time.Now())
	first := make(chan int, 1)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, service.Webhook(claims))
		first <- w.Code
	}()
	<-begun
	w := httptest.NewRecorder()
	h.ServeHTTP(w, service.Webhook(claims))
	close(finish)
	if got := <-first; w.Code != http.StatusServiceUnavailable || got != http.StatusNoContent {
		t.Errorf("%d while the other is handled, which is answered %d", w.Code, got)
	}
}
