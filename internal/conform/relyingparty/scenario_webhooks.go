package relyingparty

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/fault"
)

// attack is a webhook that a relying party must not believe.
type attack struct {
	rule string
	kind fault.Kind
}

var attacks = []attack{
	{"W2", fault.WebhookForged},
	{"W3", fault.WebhookWrongKey},
	{"W4", fault.WebhookExpired},
	{"W5", fault.WebhookUnsigned},
	{"W6", fault.WebhookHMAC},
	{"W7", fault.WebhookOwnKey},
	{"W8", fault.WebhookOtherAudience},
	{"W12", fault.WebhookOtherRequest},
}

// Webhooks come 3 times, 2 s apart, and wait 2 s each (docs/contract.md, 7.1.4).
const (
	attempts     = 3
	answerTime   = 2 * time.Second
	deliveryTime = 12 * time.Second
)

func accepted(c calllog.Record) bool { return c.Status >= 200 && c.Status <= 299 }

// run signs a request of which only false webhooks arrive.
func (a attack) run(ctx context.Context, j *judge) ([]finding, error) {
	id, hooked, err := j.signHooked(ctx, a.kind)
	if err != nil {
		return nil, err
	}
	believed := func(r request) bool { return r.has(calllog.Download) }
	last := hooked[len(hooked)-1]
	patience := time.Duration(0) // a party that refuses the webhook does nothing more
	if accepted(last) {
		patience = j.Patience
	}
	r, err := j.await(ctx, id, patience, believed)
	if err != nil {
		return nil, err
	}
	n, known, err := j.handled(ctx, id)
	if err != nil {
		return nil, err
	}
	evidence := r.evidence(calllog.Webhook, calllog.Result, calllog.Download)
	switch asked := r.has(calllog.Result); { // the result says the truth about the request
	case asked && accepted(last):
		return []finding{cannotTell("the party answered 2xx and asked for the result")}, nil
	case asked:
	case n > 0:
		return []finding{fail(evidence, "the party has taken the request for signed")}, nil
	case believed(r):
		return []finding{fail(evidence, "the party has followed the link of the webhook")}, nil
	case accepted(last) && !known:
		return []finding{cannotTell(
			"the party answered %d; the action handled could tell whether it believed the webhook",
			last.Status,
		)}, nil
	}
	return []finding{pass(evidence...)}, nil
}

// signHooked has a request signed with a fault of its webhooks, and returns the attempts when one
// was accepted or all were made.
func (j *judge) signHooked(
	ctx context.Context, kind fault.Kind,
) (id string, hooked []calllog.Record, err error) {
	if j.WebhookURL == "" {
		return "", nil, errNoWebhook
	}
	if id, err = j.signWith(ctx, kind); err != nil {
		return "", nil, err
	}
	r, err := j.await(ctx, id, deliveryTime, func(r request) bool {
		hooked := r.of(calllog.Webhook)
		return len(hooked) == attempts || len(hooked) > 0 && accepted(hooked[len(hooked)-1])
	})
	if hooked = r.of(calllog.Webhook); err == nil && len(hooked) == 0 {
		err = errNoAttempt
	}
	return id, hooked, err
}

// resend has the webhook of a request sent once more, and returns all attempts.
func (j *judge) resend(ctx context.Context, id string) ([]calllog.Record, error) {
	r, err := j.look(ctx, id)
	if err != nil {
		return nil, err
	}
	before := len(r.of(calllog.Webhook))
	for try := 0; ; try++ { // the attempt before may not be over
		err := j.call(ctx, http.MethodPost, "/requests/"+id+"/resend", nil, nil)
		if err == nil {
			break
		}
		if failed := rest(ctx, answerTime/10); failed != nil || try == 10 {
			return nil, errors.Join(err, failed)
		}
	}
	r, err = j.await(ctx, id, deliveryTime, func(r request) bool {
		return len(r.of(calllog.Webhook)) > before
	})
	return r.of(calllog.Webhook), err
}

// stringError is a constant error.
type stringError string

func (e stringError) Error() string { return string(e) }

const (
	errNoWebhook = stringError("the party has no webhook URL")
	errNoAttempt = stringError("the sandbox has sent no webhook")
)

func webhookInTime(ctx context.Context, j *judge) ([]finding, error) {
	_, hooked, err := j.signHooked(ctx, "")
	if err != nil {
		return nil, err
	}
	if first := hooked[0]; !accepted(first) || first.Took > answerTime {
		return []finding{fail(exchanges(hooked), "the first attempt was not accepted")}, nil
	}
	return []finding{pass(exchanges(hooked)...)}, nil
}

// webhookTwice: a webhook comes twice, and then again until it has another token, as when an
// operator sends it later.
func webhookTwice(ctx context.Context, j *judge) ([]finding, error) {
	id, hooked, err := j.signHooked(ctx, fault.WebhookDoubled)
	if err != nil {
		return nil, err
	}
	for n := 0; n < attempts && accepted(hooked[len(hooked)-1]); n++ { // which share a token
		if hooked, err = j.resend(ctx, id); err != nil {
			return nil, err
		}
	}
	if err := rest(ctx, j.Patience); err != nil {
		return nil, err
	}
	if last := hooked[len(hooked)-1]; !accepted(last) {
		return []finding{fail(
			exchanges(hooked), "a further webhook was answered %d, so that it is sent again",
			last.Status,
		)}, nil
	}
	n, known, err := j.handled(ctx, id)
	switch {
	case err != nil:
		return nil, err
	case !known:
		return []finding{cannotTell("there is no action that tells how often it was handled")}, nil
	case n > 1:
		return []finding{
			fail(exchanges(hooked), "the party has handled the request %d times", n),
		}, nil
	case n == 0:
		return []finding{cannotTell("the party has not handled the request at all")}, nil
	}
	return []finding{pass(exchanges(hooked)...)}, nil
}

// webhookLost: no webhook arrives, and the signer's browser comes back when the party has made
// another request.
func webhookLost(ctx context.Context, j *judge) ([]finding, error) {
	if j.WebhookURL == "" {
		return nil, errNoWebhook
	}
	id, err := j.signWith(ctx, fault.WebhookLost)
	if err != nil {
		return nil, err
	}
	if _, err := j.initiate(ctx); err != nil {
		return nil, err
	}
	away := j.comeBack(ctx, id, api.StatusSuccess)
	answered := func(r request) bool { return slices.ContainsFunc(r.of(calllog.Result), accepted) }
	r, err := j.await(ctx, id, j.Patience, answered)
	switch {
	case err != nil:
		return nil, err
	case answered(r):
		return []finding{pass(r.evidence(calllog.Result)...)}, nil
	case r.has(calllog.Result):
		return []finding{fail(r.evidence(calllog.Result), "no result call is accepted")}, nil
	case away != nil:
		return []finding{cannotTell("%v, and no result call came within %s", away, j.Patience)}, nil
	}
	return []finding{fail(
		r.evidence(calllog.Webhook), "no result call came within %s of the signer's return",
		j.Patience,
	)}, nil
}

// webhookNewKey: the service publishes a new key and signs a webhook with it at once.
func webhookNewKey(ctx context.Context, j *judge) ([]finding, error) {
	if j.WebhookURL == "" {
		return nil, errNoWebhook
	}
	if _, _, err := j.signHooked(ctx, ""); err != nil { // the party has the keys before the change
		return nil, err
	}
	if err := rest(ctx, j.KeysPause); err != nil {
		return nil, err
	}
	_, hooked, err := j.signHooked(ctx, fault.WebhookNewKey)
	if err != nil {
		return nil, err
	}
	if !accepted(hooked[len(hooked)-1]) {
		return []finding{fail(exchanges(hooked), "no attempt was accepted")}, nil
	}
	return []finding{pass(exchanges(hooked)...)}, nil
}

// redirectForged: a browser comes to the redirect URL and says that a document is signed, which no
// person has opened.
func redirectForged(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.comeBack(ctx, id, api.StatusSuccess); err != nil {
		return nil, err
	}
	r, err := j.await(ctx, id, j.Patience, func(r request) bool { return r.has(calllog.Result) })
	if err != nil {
		return nil, err
	}
	n, known, err := j.handled(ctx, id)
	evidence := r.evidence(calllog.Result)
	switch {
	case err != nil:
		return nil, err
	case n > 0:
		return []finding{
			fail(evidence, "the party has taken a request for signed that is %s", r.State),
		}, nil
	case known || r.has(calllog.Result):
		return []finding{pass(evidence...)}, nil
	}
	return []finding{cannotTell("the party made no result call, and cannot be asked")}, nil
}

// downloadExpired: each link is refused, as if its two minutes were over.
func downloadExpired(ctx context.Context, j *judge) ([]finding, error) {
	return j.spoilDownload(ctx, fault.DownloadExpired, "no download succeeded")
}

// downloadDamaged: a byte of the uploaded document is another one in each download.
func downloadDamaged(ctx context.Context, j *judge) ([]finding, error) {
	return j.spoilDownload(
		ctx, fault.DownloadDamaged, "the document is not the one that was uploaded",
	)
}

func (j *judge) spoilDownload(
	ctx context.Context, kind fault.Kind, what string,
) ([]finding, error) {
	id, err := j.signWith(ctx, kind)
	if err != nil {
		return nil, err
	}
	if err := rest(ctx, j.Patience); err != nil {
		return nil, err
	}
	r, err := j.look(ctx, id)
	if err != nil {
		return nil, err
	}
	n, known, err := j.handled(ctx, id)
	evidence := r.evidence(calllog.Download, calllog.Result)
	switch {
	case err != nil:
		return nil, err
	case n > 0:
		return []finding{
			fail(evidence, "the party has taken the request for done, and %s", what),
		}, nil
	case !r.has(calllog.Download):
		return []finding{cannotTell("no download came within %s", j.Patience)}, nil
	case !known:
		return []finding{cannotTell("there is no action that tells whether it was handled")}, nil
	}
	return []finding{pass(evidence...)}, nil
}

// downloadLate: a party that has not downloaded within its patience finds the link expired.
func downloadLate(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.signWith(ctx, "")
	if err != nil {
		return nil, err
	}
	downloaded := func(r request) bool { return r.has(calllog.Download) }
	r, err := j.await(ctx, id, j.Patience, downloaded)
	if err != nil {
		return nil, err
	}
	if downloaded(r) {
		return []finding{pass(r.evidence(calllog.Webhook, calllog.Download)...)}, nil
	}
	if err := j.call(ctx, "POST", "/clock", map[string]string{"advance": "121s"}, nil); err != nil {
		return nil, err
	}
	r, err = j.await(ctx, id, j.Patience, downloaded)
	if err != nil {
		return nil, err
	}
	downloads := r.of(calllog.Download)
	switch {
	case len(downloads) == 0:
		return []finding{cannotTell("no download came within %s", 2*j.Patience)}, nil
	case accepted(downloads[0]): // by a link of a result call
		return []finding{pass(r.evidence(calllog.Result, calllog.Download)...)}, nil
	}
	return []finding{fail(
		r.evidence(calllog.Webhook, calllog.Download),
		"the link had expired when the party followed it",
	)}, nil
}
