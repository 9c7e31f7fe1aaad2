// Shop is a relying party in Go, with package client.
//
//	shop serve ADDRESS PORT    serves the public key at /jwks and takes webhooks at /webhook
//	shop initiate FILE.pdf     prints the answer: signing_url, request_id, exchange_code
//	shop cancel REQUEST_ID     cancels, and tries again while that can help
//
// The environment: SIGN_URL (base URL of the API), SIGN_KEYS (URL of the service's JWKS),
// CLIENT_ID, KEY_FILE (private P-256 key, PEM), FOLDER (of documents: ID.pdf as it was uploaded,
// ID.signed.pdf as it was signed).
package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

func main() {
	log.SetFlags(0)
	if err := run(context.Background(), os.Args[1:]); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, args []string) error {
	text, err := os.ReadFile(os.Getenv("KEY_FILE"))
	if err != nil {
		return err
	}
	s := shop{folder: cmp.Or(os.Getenv("FOLDER"), ".")}
	if s.key, err = client.ParseKey(text); err != nil {
		return err
	}
	s.Client, err = client.New(client.Config{
		BaseURL: os.Getenv("SIGN_URL"), ClientID: os.Getenv("CLIENT_ID"),
		Key: s.key.Signer, KeyID: s.key.ID, KeysURL: os.Getenv("SIGN_KEYS"),
	})
	if err != nil {
		return err
	}
	switch {
	case len(args) == 3 && args[0] == "serve":
		return s.serve(net.JoinHostPort(args[1], args[2]))
	case len(args) == 2 && args[0] == "initiate":
		return s.initiate(ctx, args[1])
	case len(args) == 2 && args[0] == "cancel":
		return s.cancel(ctx, args[1])
	}
	return errors.New("usage: shop serve ADDRESS PORT | initiate FILE.pdf | cancel REQUEST_ID")
}

type shop struct {
	*client.Client
	key    client.Key
	folder string
}

func (s shop) initiate(ctx context.Context, file string) error {
	pdf, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	r, err := s.Initiate(ctx, client.Request{
		DocName: filepath.Base(file), Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}, bytes.NewReader(pdf))
	if err != nil {
		return err
	}
	if err := os.WriteFile(s.file(r.RequestID, ".pdf"), pdf, 0o600); err != nil {
		return err
	}
	code := []byte(r.ExchangeCode)
	if err := os.WriteFile(s.file(r.RequestID, ".code"), code, 0o600); err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

func (s shop) cancel(ctx context.Context, requestID string) error {
	ctx, stop := context.WithTimeout(ctx, 5*time.Minute)
	defer stop()
	err := s.CancelWhenIdle(ctx, requestID)
	if err == nil {
		fmt.Println("{}")
	}
	return err
}

func (s shop) serve(addr string) error {
	jwks, err := client.JWKSHandler(s.key)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	mux := http.NewServeMux()
	mux.Handle("GET /", jwks)
	mux.Handle("POST /", s.WebhookHandler(s.signed))
	server := &http.Server{Handler: mux, ReadTimeout: 30 * time.Second}
	return server.Serve(l)
}

// signed takes a webhook that is genuine. The download does not delay the answer.
func (s shop) signed(_ context.Context, claims *api.WebhookClaims) error {
	uploaded, err := os.ReadFile(s.file(claims.RequestID, ".pdf"))
	if err != nil {
		return err
	}
	go func() {
		err := s.download(claims, claims.SignedDocURL, uploaded)
		for n := 0; n < 2 && err != nil && !errors.Is(err, fs.ErrExist); n++ {
			time.Sleep(time.Second)
			var link string
			if link, err = s.anotherLink(claims.RequestID); err == nil {
				err = s.download(claims, link, uploaded)
			}
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			log.Print("download: ", err)
		}
	}()
	return nil
}

// anotherLink returns another link to a signed document, for a link is valid for two minutes.
func (s shop) anotherLink(requestID string) (string, error) {
	code, err := os.ReadFile(s.file(requestID, ".code"))
	if err != nil {
		return "", err
	}
	result, err := s.Result(context.Background(), requestID, string(code))
	if err != nil {
		return "", err
	}
	return result.SignedDocURL, nil
}

// download stores the signed document and prints the claims. A webhook may come twice, also after
// the program was started again, so a file that exists is an error.
func (s shop) download(claims *api.WebhookClaims, link string, uploaded []byte) error {
	if _, err := os.Stat(s.file(claims.RequestID, ".signed.pdf")); err == nil {
		return fs.ErrExist
	}
	stream, err := s.Download(context.Background(), link)
	if err != nil {
		return err
	}
	defer stream.Close()
	signed, err := io.ReadAll(stream)
	if err != nil {
		return err
	}
	// The signature is appended to the uploaded bytes, so they are the beginning.
	if !bytes.HasPrefix(signed, uploaded) {
		return errors.New("not the document that was uploaded")
	}
	file, err := os.OpenFile(
		s.file(claims.RequestID, ".signed.pdf"), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600,
	)
	if err != nil {
		return err
	}
	if _, err := file.Write(signed); err != nil {
		return errors.Join(err, file.Close())
	}
	return errors.Join(file.Close(), json.NewEncoder(os.Stdout).Encode(claims))
}

// file returns the name of a document's file.
func (s shop) file(requestID, suffix string) string {
	return filepath.Join(s.folder, filepath.Base(requestID)+suffix)
}
