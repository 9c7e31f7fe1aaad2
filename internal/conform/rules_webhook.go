package conform

import (
	"bytes"
	"context"
	"encoding/json"
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
		{
			"7.1.6", decided, "The webhook is sent at once after sealing, not before",
			judgeWebhookMoment,
		},
		{"7.2.2", page, "The claims are those of the contract, and no others", judgeWebhookClaims},
		{"7.2.3", page, "exp is 120 seconds after iat; the link works", judgeWebhookTimes},
		{"8.2.1", page, "The server's keys are on P-256, with use, alg and kid", judgeKeys},
	}
}

// aWebhook is the first webhook of the signed request.
func (j *judge) aWebhook(ctx context.Context) *arrival {
	j.needHooks()
	return j.firstWebhook(ctx, j.signedRequest(ctx))
}

// firstWebhook waits for the first webhook of a request that has just been signed.
func (j *judge) firstWebhook(ctx context.Context, r *request) *arrival {
	list := j.await(ctx, r, 1, 10*time.Second)
	if len(list) == 0 {
		j.failf("no webhook arrives within 10 s of the signature")
		return new(arrival)
	}
	j.shown = list[:1]
	return &list[0]
}

func (j *judge) needHooks() {
	if j.hooks == nil {
		j.fail(cannotTell("no webhooks are received"))
	}
}

// await is [receiver.await] for a request.
func (j *judge) await(ctx context.Context, r *request, n int, within time.Duration) []arrival {
	if j.failed() {
		return nil
	}
	list, err := j.hooks.await(ctx, r.RequestID, n, within)
	j.fail(err)
	return list
}

func judgeWebhookSent(ctx context.Context, j *judge) {
	if a := j.aWebhook(ctx); a.method != http.MethodPost {
		j.failf("the method is %s", a.method)
	}
	if j.Control == "" { // other events need a signer
		return
	}
	r := j.newRequest(ctx)
	j.act(ctx, r, signer, "open", "proceed", "reject")
	j.shown = j.await(ctx, r, 1, time.Second)
	if len(j.shown) > 0 {
		j.failf("a webhook arrives of a document that the signer has rejected")
	}
}

// judgeWebhookMoment asks for the result when the webhook arrives, before it is answered.
func judgeWebhookMoment(ctx context.Context, j *judge) {
	j.needHooks()
	r := j.newRequest(ctx)
	if j.failed() {
		return
	}
	asked := make(chan *answer, 1)
	j.hooks.first(r.RequestID, func(arrival) {
		select {
		case asked <- j.do(ctx, j.resultOf(r)()):
		default: // a later attempt
		}
	})
	j.sign(ctx, r)
	signed := time.Now()
	a := j.firstWebhook(ctx, r)
	if j.failed() {
		return
	}
	if err := accepted(<-asked); err != nil {
		j.failf("when the webhook arrives, %w", err)
	}
	if late := a.at.Sub(signed); late > 5*time.Second {
		j.failf("the webhook arrives %s after the signature", late.Round(time.Second))
	}
}

func judgeWebhookBody(ctx context.Context, j *judge) {
	a := j.aWebhook(ctx)
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind != "application/json" {
		j.failf("Content-Type is %q", a.header.Get("Content-Type"))
	}
	if a.header.Get("Authorization") != "" {
		j.failf("there is an Authorization header")
	}
	j.fail(hasMembers(a.body, "token"))
}

// deliveries are the webhooks of three requests that the receiver answers in different ways, with
// what arrived until no further attempt came.
type deliveries struct {
	refused  []arrival // an error, a redirect, 404
	silent   []arrival // 404, no answer, an error
	accepted []arrival // 202 at once
	answered []arrival // 200 with a body, after more than a second
	slow     []arrival // the first after 3 s
	err      error
}

// deliver has three requests signed. All rules share what arrives, and the failure if there is one.
func (j *judge) deliver(ctx context.Context) *deliveries {
	j.needHooks()
	if j.tried == nil && !j.failed() {
		j.tried = new(deliveries)
		j.tried.fill(ctx, j)
		j.tried.err = j.err
	}
	if j.tried == nil {
		return new(deliveries)
	}
	j.fail(j.tried.err)
	return j.tried
}

func (d *deliveries) fill(ctx context.Context, j *judge) {
	failed := reply{status: http.StatusInternalServerError}
	all := []struct {
		arrived *[]arrival
		want    int // attempts
		replies []reply
		request *request
	}{
		{&d.refused, 3, []reply{
			failed,
			{status: http.StatusTemporaryRedirect, location: redirected},
			{status: http.StatusNotFound},
		}, nil},
		{&d.silent, 3, []reply{{status: http.StatusNotFound}, {abort: true}, failed}, nil},
		{&d.answered, 1, []reply{{
			status: http.StatusOK, after: 1300 * time.Millisecond, body: `{"error":"x"}`,
		}}, nil},
		{&d.accepted, 1, []reply{{status: http.StatusAccepted}}, nil},
		{&d.slow, 2, []reply{{after: 3 * time.Second}}, nil},
	}
	for i := range all {
		r := j.newRequest(ctx)
		j.hooks.plan(r.RequestID, all[i].replies...)
		j.sign(ctx, r)
		all[i].request = r
	}
	for _, c := range all {
		j.await(ctx, c.request, c.want, 15*time.Second)
	}
	j.sleep(ctx, 4500*time.Millisecond) // does a further one come?
	for _, c := range all {
		*c.arrived = j.await(ctx, c.request, 0, 0)
	}
}

func judgeWebhookAnswers(ctx context.Context, j *judge) {
	d := j.deliver(ctx)
	j.shown = slices.Concat(d.accepted, d.answered, d.slow)
	if n := len(d.accepted); n != 1 {
		j.failf("answered 202 at once, a webhook arrives %d times", n)
	}
	if n := len(d.answered); n != 1 {
		j.failf("answered 200 with a body after 1.3 s, a webhook arrives %d times", n)
	}
	if n := len(d.slow); n != 2 {
		j.failf("answered 204 after 3 s and then at once, a webhook arrives %d times", n)
	}
}

func judgeWebhookAttempts(ctx context.Context, j *judge) {
	d := j.deliver(ctx)
	for _, c := range []struct {
		answers string
		arrived []arrival
	}{
		{"500, a redirect and 404", d.refused}, {"404, no answer and 500", d.silent},
	} {
		if j.failed() {
			return
		}
		j.shown = c.arrived
		list := slices.DeleteFunc(
			slices.Clone(c.arrived), func(a arrival) bool { return a.path == redirected },
		)
		if len(list) != 3 {
			j.failf("%d attempts arrive for the answers %s, not 3", len(list), c.answers)
		}
		var pauses []time.Duration
		for i := 1; i < len(list); i++ {
			pause := list[i].at.Sub(list[i-1].at).Round(10 * time.Millisecond)
			if pause < shortPause || pause > longPause {
				j.failf("attempt %d comes %s after the one before, not 2 s", i+1, pause)
			}
			pauses = append(pauses, pause)
		}
		if len(pauses) == 2 && pauses[1]-pauses[0] > growth {
			j.failf("the second pause is %s, and the first one %s", pauses[1], pauses[0])
		}
	}
}

// Bounds of the pauses between attempts, which are 2 s, on a computer that does other things too.
const (
	shortPause = 1800 * time.Millisecond
	longPause  = 3500 * time.Millisecond
	growth     = 800 * time.Millisecond
)

func judgeWebhookAgain(ctx context.Context, j *judge) {
	d := j.deliver(ctx)
	j.shown = d.refused
	if len(d.refused) < 2 {
		j.fail(cannotTell("there is no second attempt"))
		return
	}
	for _, a := range d.refused {
		if a.path == redirected {
			j.failf("the redirect is followed with %s", a.method)
		}
		if a.token != d.refused[0].token {
			j.failf("a later attempt has another token")
		}
	}
}

func judgeWebhookToken(ctx context.Context, j *judge) {
	a := j.aWebhook(ctx)
	_, err := j.sdk.VerifyWebhookToken(ctx, a.token)
	j.fail(err)
	jws, err := jose.ParseSignedCompact(a.token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		j.failf("alg is not ES256")
		return
	}
	header := jws.Signatures[0].Protected
	if typ := header.ExtraHeaders[jose.HeaderType]; typ != "JWT" || header.KeyID == "" {
		j.failf("typ is %v and kid %q", typ, header.KeyID)
	}
}

func judgeWebhookClaims(ctx context.Context, j *judge) {
	a := j.aWebhook(ctx)
	claims := claimsOf(a.token)
	text, err := json.Marshal(claims)
	j.fail(err)
	j.fail(hasMembers(
		text, "request_type", "signed_doc_url", "request_id", "signer_info", "iat", "exp",
	))
	if !bytes.Equal(claims["request_type"], []byte(`"`+api.RequestTypeSignedDocURL+`"`)) {
		j.failf("request_type is %s", claims["request_type"])
	}
	if want := `"` + j.signedRequest(ctx).RequestID + `"`; string(claims["request_id"]) != want {
		j.failf("request_id is %s, not %s", claims["request_id"], want)
	}
	j.fail(signerInfo(claims["signer_info"], a.at))
	var info api.SignerInfo
	j.fail(json.Unmarshal(claims["signer_info"], &info))
	if r := j.aResult(ctx); !j.failed() && r.SignerInfo != info {
		j.failf("the result has another signer_info: %s", differs(r.SignerInfo, info))
	}
}

func judgeWebhookTimes(ctx context.Context, j *judge) {
	j.needHooks()
	r := j.newRequest(ctx) // of this moment, so that its link is not over
	j.sign(ctx, r)
	arrived := j.firstWebhook(ctx, r)
	var claims api.WebhookClaims
	text, err := json.Marshal(claimsOf(arrived.token))
	j.fail(err)
	if err := json.Unmarshal(text, &claims); err != nil {
		j.failf("iat and exp are no whole seconds, or another claim has the wrong type")
	}
	if claims.Exp-claims.Iat != api.URLLifetime {
		j.failf("exp is %d s after iat", claims.Exp-claims.Iat)
	}
	if off := arrived.at.Sub(time.Unix(claims.Iat, 0)); off.Abs() > 15*time.Second {
		j.failf("iat is %d, not the time of the webhook in seconds", claims.Iat)
	}
	if a := j.get(ctx, claims.SignedDocURL); !bytes.HasPrefix(a.body, []byte("%PDF-")) {
		j.failf("the link is answered %d without a PDF", a.status)
	}
}

func judgeKeys(ctx context.Context, j *judge) {
	url := j.KeysURL
	if url == "" {
		url = strings.TrimSuffix(j.BaseURL, api.BasePath) + api.PathKeys
	}
	a := j.get(ctx, url)
	j.fail(accepted(a))
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(a.body, &set); err != nil || len(set.Keys) == 0 {
		j.failf("it is no JWKS with keys")
	}
	j.fail(isJSON(a))
	kids := map[string]bool{}
	for _, k := range set.Keys {
		if kids[k.KeyID] {
			j.failf("two keys have the kid %q", k.KeyID)
		}
		kids[k.KeyID] = true
		if !k.IsPublic() || k.KeyID == "" || k.Use != "sig" || k.Algorithm != string(jose.ES256) {
			j.failf("a key has kid %q, use %q, alg %q", k.KeyID, k.Use, k.Algorithm)
		}
		if text, err := k.MarshalJSON(); err != nil || !bytes.Contains(text, []byte(`"P-256"`)) {
			j.failf("the key %q is not on P-256", k.KeyID)
		}
	}
}
