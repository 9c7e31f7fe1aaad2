package client_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// Make a key, keep it, and serve its public half at the JWKS URL that is registered.
func ExampleJWKSHandler() {
	key, err := client.GenerateKey() // or signet keys new, once
	if err != nil {
		log.Fatal(err)
	}
	kept, err := key.PEM() // to a file that only the relying party reads
	if err != nil {
		log.Fatal(err)
	}

	key, err = client.ParseKey(kept) // at each start
	if err != nil {
		log.Fatal(err)
	}
	jwks, err := client.JWKSHandler(key)
	if err != nil {
		log.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("GET /jwks.json", jwks)

	answer := httptest.NewRecorder()
	mux.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/jwks.json", http.NoBody))
	fmt.Println(answer.Code, answer.Header().Get("Content-Type"))
	fmt.Println("private:", bytes.Contains(answer.Body.Bytes(), []byte(`"d":`)))
	// Output:
	// 200 application/json
	// private: false
}

// Receive webhooks with the handler that verifies them, and answers those that come twice.
func ExampleClient_WebhookHandler() {
	service := exampleService()
	defer service.Close()
	c := exampleClient(service)

	jobs := make(chan *api.WebhookClaims, 100)
	mux := http.NewServeMux()
	mux.Handle("POST /webhook", c.WebhookHandler(
		func(_ context.Context, claims *api.WebhookClaims) error {
			select {
			case jobs <- claims: // a worker downloads claims.SignedDocURL within two minutes
				return nil
			default:
				return errors.New("too many downloads wait") // the webhook comes again
			}
		},
	))

	forged := httptest.NewRecorder()
	mux.ServeHTTP(forged, httptest.NewRequest(
		http.MethodPost, "/webhook", bytes.NewReader([]byte(`{"token":"x"}`)),
	))
	fmt.Println("a forged webhook is answered with", forged.Code)
	// Output: a forged webhook is answered with 400
}

// Download the document of a webhook or a result. What was read counts only if the end was reached.
func ExampleClient_Download() {
	documents := httptest.NewServer(http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("expires") == "1" {
				w.WriteHeader(http.StatusForbidden)
				return
			}
			_, _ = io.WriteString(w, "%PDF-1.7 ...")
		},
	))
	defer documents.Close()
	c := exampleClient(documents)

	download := func(url string) ([]byte, error) {
		stream, err := c.Download(context.Background(), url)
		if err != nil {
			return nil, err
		}
		defer stream.Close()
		return io.ReadAll(stream) // a file is better for large documents
	}
	document, err := download(documents.URL + "/documents/signv3-0199cc9c?expires=2")
	fmt.Println(len(document), "bytes,", err)

	_, err = download(documents.URL + "/documents/signv3-0199cc9c?expires=1")
	var refusal *client.Error
	if errors.As(err, &refusal) && refusal.Status == http.StatusForbidden {
		fmt.Println("the two minutes are over: Result has a new URL")
	}
	// Output:
	// 12 bytes, <nil>
	// the two minutes are over: Result has a new URL
}
