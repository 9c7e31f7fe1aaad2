package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// webhookCmd receives, checks and sends webhooks.
type webhookCmd struct {
	Listen webhookListenCmd `cmd:"" help:"Receive webhooks and print them."`
	Verify webhookVerifyCmd `cmd:"" help:"Check the token of a webhook."`
	Send   webhookSendCmd   `cmd:"" help:"Send a webhook to a relying party, to try it out."`
}

// signedBy says whose webhooks are genuine.
type signedBy struct {
	KeysURL httpURL `help:"JWKS of the service." name:"keys-url" env:"SIGNET_KEYS_URL" default:"http://127.0.0.1:5156/.well-known/keys.json" placeholder:"URL"`
}

// client only verifies; its key signs nothing.
func (s signedBy) client() (*client.Client, error) {
	key, err := client.GenerateKey()
	if err != nil {
		return nil, err
	}
	return client.New(client.Config{
		BaseURL: "http://unused.invalid/", ClientID: "unused", Key: key.Signer, KeyID: key.ID,
		KeysURL: string(s.KeysURL),
	})
}

type webhookListenCmd struct {
	signedBy
	output
	Listen address `help:"Address to listen on." env:"-" default:"127.0.0.1:4001" placeholder:"ADDR"`
}

func (c *webhookListenCmd) Run(env *environment) error {
	sdk, err := c.client()
	if err != nil {
		return err
	}
	l, err := c.Listen.listen("--listen")
	if err != nil {
		return err
	}
	at := "http://" + l.Addr().String() + "/webhook"
	err = c.print(env.out, map[string]string{"webhook_url": at}, "webhooks at "+at)
	if err != nil {
		return err
	}
	genuine := sdk.WebhookHandler(func(_ context.Context, claims *api.WebhookClaims) error {
		return printClaims(env.out, claims)
	})
	return serveUntil(env.ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		status := &statusWriter{ResponseWriter: w}
		genuine.ServeHTTP(status, r)
		if status.code != http.StatusNoContent {
			fmt.Fprintf(
				env.errs, "%s %s: answered with %d\n", r.Method, printable(r.URL.Path), status.code,
			)
		}
	}))
}

// statusWriter remembers the status.
type statusWriter struct {
	http.ResponseWriter
	code int
}

func (w *statusWriter) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

type webhookVerifyCmd struct {
	signedBy
	output
	Token string `arg:"" help:"Token, a webhook's whole body, or - for standard input."`
}

func (c *webhookVerifyCmd) Run(env *environment) error {
	text, err := argument(c.Token)
	if err != nil {
		return err
	}
	var body api.Webhook
	if json.Unmarshal([]byte(text), &body) == nil && body.Token != "" {
		text = body.Token
	}
	if text = strings.TrimSpace(text); strings.Count(text, ".") != 2 {
		return usageError{errors.New(
			"that is no token, which has three parts with dots between them, nor a webhook's body, " +
				`{"token": "..."}`,
		)}
	}
	sdk, err := c.client()
	if err != nil {
		return err
	}
	claims, err := sdk.VerifyWebhookToken(env.ctx, text)
	if err != nil {
		return err
	}
	return printClaims(env.out, claims)
}

func printClaims(w io.Writer, claims *api.WebhookClaims) error {
	return output{JSON: true}.print(w, claims, "")
}
