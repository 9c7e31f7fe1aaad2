package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
)

// webhookRules are those of docs/contract.md, 7 and 8.2.
func webhookRules() []rule {
	return []rule{
		{"7.1.1", page, "A webhook is sent when a document is signed", judgeWebhookSent},
		{"7.1.2", page, `The body is {"token": "..."}, as application/json`, judgeWebhookBody},
		{"7.1.3", page, "Any 2xx within 2 seconds is an answer", judgeWebhookAnswers},
		{"7.1.4", page, "There are 3 attempts, 2 seconds apart", judgeWebhookAttempts},
		{
			"7.1.5", decided, "All attempts have one token; redirects are not followed",
			judgeWebhookAgain,
		},
		{
			"7.2.1", page, "The token verifies with the server's keys: ES256, JWT, kid",
			judgeWebhookToken,
		},
		{"7.2.2", page, "The claims are those of the contract, and no others", judgeWebhookClaims},
		{"7.2.3", page, "exp is 120 seconds after iat; the link works", judgeWebhookTimes},
		{"8.2.1", page, "The server's keys are on P-256, with use, alg and kid", judgeKeys},
	}
}

// aWebhook is the first webhook of the signed request.
func (j *judge) aWebhook(ctx context.Context) (*arrival, error) {
	if j.hooks == nil {
		return nil, cannotTell("no webhooks are received")
	}
	r, err := j.signedRequest(ctx)
	if err != nil {
		return nil, err
	}
	return j.firstWebhook(ctx, r)
}

// firstWebhook waits for the first webhook of a request that has just been signed.
func (j *judge) firstWebhook(ctx context.Context, r *request) (*arrival, error) {
	list, err := j.hooks.await(ctx, r.RequestID, 1, 10*time.Second)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, errors.New("no webhook arrives within 10 s of the signature")
	}
	j.shown = list[:1]
	return &list[0], nil
}

func judgeWebhookSent(ctx context.Context, j *judge) error {
	a, err := j.aWebhook(ctx)
	if err == nil && a.method != http.MethodPost {
		err = fmt.Errorf("the method is %s", a.method)
	}
	return err
}

func judgeWebhookBody(ctx context.Context, j *judge) error {
	a, err := j.aWebhook(ctx)
	if err != nil {
		return err
	}
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("Content-Type is %q", a.header.Get("Content-Type"))
	}
	if a.header.Get("Authorization") != "" {
		return errors.New("there is an Authorization header")
	}
	return hasMembers(a.body, "token")
}

// deliveries are the webhooks of three requests that the receiver answers in different ways, with
// what arrived until no further attempt came.
type deliveries struct {
	refused  []arrival // an error, a redirect, an error
	accepted []arrival // 202 at once
	slow     []arrival // the first after 3 s
	err      error
}

// deliver has three requests signed. All rules share what arrives.
func (j *judge) deliver(ctx context.Context) (*deliveries, error) {
	if j.hooks == nil {
		return nil, cannotTell("no webhooks are received")
	}
	if j.tried == nil {
		j.tried = new(deliveries)
		j.tried.err = j.tried.fill(ctx, j)
	}
	return j.tried, j.tried.err
}

func (d *deliveries) fill(ctx context.Context, j *judge) error {
	failed := reply{status: http.StatusInternalServerError}
	all := []struct {
		arrived *[]arrival
		want    int // attempts
		replies []reply
		request *request
	}{
		{&d.refused, 3, []reply{
			failed, {status: http.StatusTemporaryRedirect, location: redirected}, failed,
		}, nil},
		{&d.accepted, 1, []reply{{status: http.StatusAccepted}}, nil},
		{&d.slow, 2, []reply{{after: 3 * time.Second}}, nil},
	}
	for i := range all {
		r, err := j.newRequest(ctx)
		if err != nil {
			return err
		}
		j.hooks.plan(r.RequestID, all[i].replies...)
		if err := j.sign(ctx, r); err != nil {
			return err
		}
		all[i].request = r
	}
	var err error
	for _, c := range all {
		if *c.arrived, err = j.hooks.await(ctx, c.request.RequestID, c.want, 15*time.Second); err != nil {
			return err
		}
	}
	if err := sleep(ctx, 3*time.Second); err != nil { // does a further one come?
		return err
	}
	for _, c := range all {
		if *c.arrived, err = j.hooks.await(ctx, c.request.RequestID, 0, 0); err != nil {
			return err
		}
	}
	return nil
}

func judgeWebhookAnswers(ctx context.Context, j *judge) error {
	d, err := j.deliver(ctx)
	if err != nil {
		return err
	}
	j.shown = slices.Concat(d.accepted, d.slow)
	if n := len(d.accepted); n != 1 {
		return fmt.Errorf("answered 202 at once, a webhook arrives %d times", n)
	}
	if n := len(d.slow); n != 2 {
		return fmt.Errorf("answered 204 after 3 s and then at once, a webhook arrives %d times", n)
	}
	return nil
}

func judgeWebhookAttempts(ctx context.Context, j *judge) error {
	d, err := j.deliver(ctx)
	if err != nil {
		return err
	}
	j.shown = d.refused
	list := slices.DeleteFunc(
		slices.Clone(d.refused), func(a arrival) bool { return a.path == redirected },
	)
	if len(list) != 3 {
		return fmt.Errorf("%d attempts arrive, not 3", len(list))
	}
	for i := range list[1:] {
		pause := list[i+1].at.Sub(list[i].at).Round(10 * time.Millisecond)
		if pause < 1800*time.Millisecond || pause > 5*time.Second {
			return fmt.Errorf("attempt %d comes %s after the one before, not 2 s", i+2, pause)
		}
	}
	return nil
}

func judgeWebhookAgain(ctx context.Context, j *judge) error {
	d, err := j.deliver(ctx)
	if err != nil {
		return err
	}
	j.shown = d.refused
	if len(d.refused) < 2 {
		return cannotTell("there is no second attempt")
	}
	for _, a := range d.refused {
		if a.path == redirected {
			return fmt.Errorf("the redirect is followed with %s", a.method)
		}
		if a.token != d.refused[0].token {
			return errors.New("a later attempt has another token")
		}
	}
	return nil
}

func judgeWebhookToken(ctx context.Context, j *judge) error {
	a, err := j.aWebhook(ctx)
	if err != nil {
		return err
	}
	if _, err := j.sdk.VerifyWebhookToken(ctx, a.token); err != nil {
		return err
	}
	jws, err := jose.ParseSignedCompact(a.token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		return errors.New("alg is not ES256")
	}
	header := jws.Signatures[0].Protected
	if typ := header.ExtraHeaders[jose.HeaderType]; typ != "JWT" || header.KeyID == "" {
		return fmt.Errorf("typ is %v and kid %q", typ, header.KeyID)
	}
	return nil
}

func judgeWebhookClaims(ctx context.Context, j *judge) error {
	a, err := j.aWebhook(ctx)
	if err != nil {
		return err
	}
	claims := claimsOf(a.token)
	text, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	err = hasMembers(
		text, "request_type", "signed_doc_url", "request_id", "signer_info", "iat", "exp",
	)
	if err != nil {
		return err
	}
	if !bytes.Equal(claims["request_type"], []byte(`"`+api.RequestTypeSignedDocURL+`"`)) {
		return fmt.Errorf("request_type is %s", claims["request_type"])
	}
	if want := `"` + j.signed.RequestID + `"`; string(claims["request_id"]) != want {
		return fmt.Errorf("request_id is %s, not %s", claims["request_id"], want)
	}
	return signerInfo(claims["signer_info"], a.at)
}

func judgeWebhookTimes(ctx context.Context, j *judge) error {
	if j.hooks == nil {
		return cannotTell("no webhooks are received")
	}
	r, err := j.newRequest(ctx) // of this moment, so that its link is not over
	if err != nil {
		return err
	}
	if err := j.sign(ctx, r); err != nil {
		return err
	}
	arrived, err := j.firstWebhook(ctx, r)
	if err != nil {
		return err
	}
	var claims api.WebhookClaims
	text, err := json.Marshal(claimsOf(arrived.token))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &claims); err != nil {
		return errors.New("iat and exp are no whole seconds, or another claim has the wrong type")
	}
	if claims.Exp-claims.Iat != api.URLLifetime {
		return fmt.Errorf("exp is %d s after iat", claims.Exp-claims.Iat)
	}
	if off := arrived.at.Sub(time.Unix(claims.Iat, 0)); off.Abs() > 15*time.Second {
		return fmt.Errorf("iat is %d, not the time of the webhook in seconds", claims.Iat)
	}
	a, err := j.get(ctx, claims.SignedDocURL)
	if err == nil && !bytes.HasPrefix(a.body, []byte("%PDF-")) {
		err = fmt.Errorf("the link is answered %d without a PDF", a.status)
	}
	return err
}

func judgeKeys(ctx context.Context, j *judge) error {
	url := j.KeysURL
	if url == "" {
		url = strings.TrimSuffix(j.BaseURL, api.BasePath) + api.PathKeys
	}
	a, err := j.get(ctx, url)
	if err != nil {
		return err
	}
	if err := accepted(a); err != nil {
		return err
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(a.body, &set); err != nil || len(set.Keys) == 0 {
		return errors.New("it is no JWKS with keys")
	}
	for _, k := range set.Keys {
		if !k.IsPublic() || k.KeyID == "" || k.Use != "sig" || k.Algorithm != string(jose.ES256) {
			return fmt.Errorf("a key has kid %q, use %q, alg %q", k.KeyID, k.Use, k.Algorithm)
		}
		if text, err := k.MarshalJSON(); err != nil || !bytes.Contains(text, []byte(`"P-256"`)) {
			return fmt.Errorf("the key %q is not on P-256", k.KeyID)
		}
	}
	return nil
}
