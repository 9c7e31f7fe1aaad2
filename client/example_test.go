package client_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// exampleService replaces Signet: one request, which the signer is signing when the first
// cancel comes.
func exampleService() *httptest.Server {
	cancels := 0
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/sign-requests", func(w http.ResponseWriter, r *http.Request) {
		document, _ := io.ReadAll(r.Body)
		fmt.Printf("the service got %d bytes\n", len(document))
		_, _ = io.WriteString(
			w,
			`{"signing_url":"https://sign.example/sign/signv3-0199cc9c","request_id":"signv3-0199cc9c","exchange_code":"secret"}`,
		)
	})
	mux.HandleFunc(
		"POST /api/v3/sign-requests/cancel",
		func(w http.ResponseWriter, r *http.Request) {
			if cancels++; cancels > 1 {
				return
			}
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(
				w,
				`{"error":"ACTIVE_SESSION_ONGOING","error_description":"Request cannot be cancelled due to an active sign session"}`,
			)
		},
	)
	mux.HandleFunc(
		"GET /api/v3/sign-requests/{id}/signed-doc",
		func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			_, _ = io.WriteString(
				w,
				`{"error":"DOCUMENT_NOT_SIGNED","error_description":"Document has not been signed"}`,
			)
		},
	)
	return httptest.NewServer(mux)
}

func exampleClient(service *httptest.Server) *client.Client {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		log.Fatal(err)
	}
	c, err := client.New(client.Config{
		BaseURL:  service.URL + "/api/v3",
		ClientID: "my-client-id",
		Key:      key,
		KeyID:    "2026-03", // as in the JWKS that you registered
	})
	if err != nil {
		log.Fatal(err)
	}
	return c
}

// Ask the person with this NRIC to sign in the lower left of page 2.
func ExampleClient_Initiate() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service)

	document := bytes.NewReader([]byte("%PDF-1.7 ..."))
	initiated, err := c.Initiate(context.Background(), client.Request{
		DocName:       "Tenancy agreement.pdf",
		Locations:     []api.Location{{Page: 2, X: 0.12, Y: 0.1}},
		SignerUINHash: client.HashUIN("S8979373D"),
	}, document)
	if err != nil {
		log.Fatal(err) // errors.As finds a *client.Error that says what is wrong with the document
	}
	fmt.Println("redirect the signer to", initiated.SigningURL)
	// Output:
	// the service got 12 bytes
	// redirect the signer to https://sign.example/sign/signv3-0199cc9c
}

// Cancel a request, and distinguish the outcomes.
func ExampleClient_Cancel() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service)

	err := c.Cancel(context.Background(), "signv3-0199cc9c")
	var refusal *client.Error
	switch {
	case err == nil || client.IsCancelled(err):
		fmt.Println("it can no longer be signed")
	case errors.Is(err, api.ErrAlreadySigned):
		fmt.Println("too late: fetch the signed document")
	case errors.Is(err, api.ErrActiveSession) && errors.As(err, &refusal):
		fmt.Println("the signer is signing; try again in", refusal.RetryAfter)
	case errors.Is(err, api.ErrNoRecord):
		fmt.Println("no such request")
	default:
		log.Fatal(err)
	}
	// Output: the signer is signing; try again in 1s
}

// Take a request back as soon as the signer is done, but wait five minutes at most.
func ExampleClient_CancelWhenIdle() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service)

	ctx, stop := context.WithTimeout(context.Background(), 5*time.Minute)
	defer stop()
	switch err := c.CancelWhenIdle(ctx, "signv3-0199cc9c"); {
	case err == nil:
		fmt.Println("cancelled")
	case errors.Is(err, api.ErrAlreadySigned):
		fmt.Println("the signer was faster")
	default:
		log.Fatal(err)
	}
	// Output: cancelled
}

// Ask for the document when a webhook seems to be lost.
func ExampleClient_Result() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service)

	result, err := c.Result(context.Background(), "signv3-0199cc9c", "secret")
	switch {
	case err == nil:
		fmt.Println("signed by", result.SignerInfo.SignerName)
	case errors.Is(err, api.ErrNotSigned):
		fmt.Println("not signed yet")
	default:
		log.Fatal(err)
	}
	// Output: not signed yet
}

// Receive webhooks. The answer must come within two seconds, so the download waits until after it.
func ExampleClient_VerifyWebhook() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service)

	jobs := make(chan *api.WebhookClaims, 100)
	mux := http.NewServeMux()
	mux.HandleFunc("POST /webhook", func(w http.ResponseWriter, r *http.Request) {
		claims, err := c.VerifyWebhook(r.Context(), r)
		switch {
		case errors.Is(err, client.ErrInvalidWebhook):
			w.WriteHeader(http.StatusBadRequest)
		case err != nil:
			w.WriteHeader(http.StatusServiceUnavailable) // comes again
		default:
			jobs <- claims // a worker downloads claims.SignedDocURL, once for each claims.RequestID
			w.WriteHeader(http.StatusNoContent)
		}
	})

	forged := httptest.NewRecorder()
	mux.ServeHTTP(
		forged,
		httptest.NewRequest(http.MethodPost, "/webhook", bytes.NewReader([]byte(`{"token":"x"}`))),
	)
	fmt.Println("a forged webhook is answered with", forged.Code)
	// Output: a forged webhook is answered with 400
}
