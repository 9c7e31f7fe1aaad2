package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/keydir"
)

// webhookSendCmd sends a webhook to a relying party, in a service's place.
type webhookSendCmd struct {
	output
	URL       httpURL       `arg:"" help:"Webhook URL of the relying party." example:"http://127.0.0.1:4000/webhook"`
	As        string        `help:"What to send: ${enum}." default:"genuine" enum:"genuine,forged,expired,unsigned"`
	Listen    address       `help:"Address of the JWKS and the document." env:"-" default:"127.0.0.1:4002" placeholder:"ADDR"`
	Key       string        `help:"Private key on P-256. Default: a new one." placeholder:"FILE" type:"existingfile"`
	KeyID     string        `help:"kid of the key. Default: the JWK's, or the thumbprint." placeholder:"KID"`
	RequestID string        `help:"Request that was signed. Default: a new id." placeholder:"ID"`
	Document  string        `help:"PDF that the link leads to." placeholder:"FILE" type:"existingfile"`
	Signer    string        `help:"Name of the signer." default:"TAN XIAO HUI" placeholder:"NAME"`
	Serve     time.Duration `help:"How long to serve both after the answer." default:"0s" placeholder:"TIME"`
}

// Help says what the exit status means.
func (*webhookSendCmd) Help() string {
	return "All but a genuine webhook are to be refused; a forged one is signed by a key that is not " +
		"in the JWKS. The JWKS is at every path of --listen. The exit status is 0 if a genuine webhook " +
		"is answered with 2xx within 2 seconds, or another one is refused."
}

// sent is the answer to a webhook.
type sent struct {
	RequestID string `json:"request_id"`
	Status    int    `json:"status"`
	Millis    int64  `json:"milliseconds"`
}

// documentPath is where the document is on the address of the JWKS.
const documentPath = "/signed.pdf"

func (c *webhookSendCmd) Run(env *environment) error {
	key, err := client.GenerateKey()
	if err == nil && c.Key != "" {
		key, err = readKey(c.Key, c.KeyID)
	}
	if err != nil {
		return err
	}
	jwks, err := client.JWKSHandler(key)
	if err != nil {
		return err
	}
	l, err := c.Listen.listen("--listen")
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(env.ctx)
	defer stop()
	served := make(chan error, 1)
	go func() {
		served <- serveUntil(ctx, l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == documentPath && c.Document != "" {
				http.ServeFile(w, r, c.Document)
				return
			}
			jwks.ServeHTTP(w, r)
		}))
	}()
	answer, err := c.send(ctx, key, "http://"+l.Addr().String()+documentPath)
	if err != nil {
		return err
	}
	err = c.print(env.out, answer, fmt.Sprintf(
		"%s: answered %d after %d ms", answer.RequestID, answer.Status, answer.Millis,
	))
	if err != nil {
		return err
	}
	select {
	case err := <-served:
		return err
	case <-env.ctx.Done():
	case <-time.After(c.Serve):
	}
	return c.judge(answer)
}

// send makes the webhook and posts it.
func (c *webhookSendCmd) send(ctx context.Context, key client.Key, link string) (sent, error) {
	answer := sent{RequestID: c.RequestID}
	if answer.RequestID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return answer, err
		}
		answer.RequestID = api.RequestIDPrefix + id.String()
	}
	now := time.Now()
	iat := now.Unix()
	if c.As == "expired" {
		iat -= 3600
	}
	token, err := c.token(key, api.WebhookClaims{
		RequestType: api.RequestTypeSignedDocURL, SignedDocURL: link, RequestID: answer.RequestID,
		SignerInfo: api.SignerInfo{
			SignerName: c.Signer, SignerPartialUINFIN: "373D", SignedAt: now.UnixMilli(),
		},
		Iat: iat, Exp: iat + api.URLLifetime,
	})
	if err != nil {
		return answer, err
	}
	body, err := json.Marshal(api.Webhook{Token: token})
	if err != nil {
		return answer, err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, string(c.URL), bytes.NewReader(body))
	if err != nil {
		return answer, err
	}
	r.Header.Set("Content-Type", "application/json")
	poster := &http.Client{
		Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	resp, err := poster.Do(r)
	if err != nil {
		return answer, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // the answer's body has no effect
	answer.Status, answer.Millis = resp.StatusCode, time.Since(now).Milliseconds()
	return answer, nil
}

// token signs the claims, or does what the webhook is to be refused for.
func (c *webhookSendCmd) token(key client.Key, claims api.WebhookClaims) (string, error) {
	switch c.As {
	case "unsigned":
		payload, err := json.Marshal(claims)
		if err != nil {
			return "", err
		}
		encode := base64.RawURLEncoding.EncodeToString
		return encode([]byte(`{"alg":"none","typ":"JWT"}`)) + "." + encode(payload) + ".", nil
	case "forged":
		other, err := client.GenerateKey()
		if err != nil {
			return "", err
		}
		key.Signer = other.Signer
	}
	return keydir.SignJWT(key.Signer, key.ID, claims)
}

// judge compares the answer with the one that docs/contract.md, 7.1.3 demands.
func (c *webhookSendCmd) judge(answer sent) error {
	const most = 2000
	accepted := answer.Status >= 200 && answer.Status <= 299
	switch {
	case c.As != "genuine" && accepted:
		return fmt.Errorf("the relying party accepts a webhook that is %s", c.As)
	case c.As == "genuine" && !accepted:
		return fmt.Errorf(
			"the relying party refuses a genuine webhook; its JWKS URL has to be http://%s/",
			c.Listen,
		)
	case c.As == "genuine" && answer.Millis > most:
		return fmt.Errorf("the answer took %d ms; a service waits %d", answer.Millis, most)
	}
	return nil
}
