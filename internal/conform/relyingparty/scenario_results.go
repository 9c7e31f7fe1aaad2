package relyingparty

import (
	"context"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/fault"
)

// webhookSlowDownload: the download of the document takes longer than the webhook waits.
func webhookSlowDownload(ctx context.Context, j *judge) ([]finding, error) {
	if j.WebhookURL == "" {
		return nil, errNoWebhook
	}
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	err = j.signUnder(ctx, id, fault.Rule{
		Kind: fault.Slow, Call: "download", Count: 1, Delay: fault.Duration(answerTime * 3 / 2),
	})
	if err != nil {
		return nil, err
	}
	r, err := j.await(ctx, id, j.Patience+2*answerTime, func(r request) bool {
		return r.has(calllog.Webhook) && r.has(calllog.Download)
	})
	hooked := r.of(calllog.Webhook)
	switch {
	case err != nil:
		return nil, err
	case len(hooked) == 0:
		return nil, errNoAttempt
	case !accepted(hooked[0]):
		return []finding{fail(
			r.evidence(calllog.Webhook, calllog.Download),
			"the webhook was not answered within %s while the download took %s", answerTime,
			answerTime*3/2,
		)}, nil
	case !r.has(calllog.Download):
		return []finding{cannotTell("no download came within %s", j.Patience)}, nil
	}
	return []finding{pass(r.evidence(calllog.Webhook, calllog.Download)...)}, nil
}

// webhookAndResult: the first webhook is lost, so that the party asks for the result when the
// signer comes back, and then another one arrives.
func webhookAndResult(ctx context.Context, j *judge) ([]finding, error) {
	if j.WebhookURL == "" {
		return nil, errNoWebhook
	}
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.signUnder(ctx, id, fault.Rule{Kind: fault.WebhookLost, Count: 1}); err != nil {
		return nil, err
	}
	if err := j.comeBack(ctx, id, api.StatusSuccess); err != nil {
		return nil, err
	}
	r, err := j.await(ctx, id, j.Patience, func(r request) bool { return r.has(calllog.Download) })
	switch {
	case err != nil:
		return nil, err
	case !r.has(calllog.Result):
		return []finding{cannotTell("the party made no result call when the signer came back")}, nil
	}
	if _, err := j.resend(ctx, id); err != nil {
		return nil, err
	}
	if err := rest(ctx, j.Patience); err != nil {
		return nil, err
	}
	if r, err = j.look(ctx, id); err != nil {
		return nil, err
	}
	n, known, err := j.handled(ctx, id)
	evidence := r.evidence(calllog.Result, calllog.Webhook, calllog.Download)
	switch {
	case err != nil:
		return nil, err
	case !known:
		return []finding{cannotTell("there is no action that tells how often it was handled")}, nil
	case n > 1:
		return []finding{fail(evidence, "the party has handled the request %d times", n)}, nil
	}
	return []finding{pass(evidence...)}, nil
}

// webhookExtended: each attempt has a token with a further claim.
func webhookExtended(ctx context.Context, j *judge) ([]finding, error) {
	_, hooked, err := j.signHooked(ctx, fault.WebhookExtended)
	if err != nil {
		return nil, err
	}
	if !accepted(hooked[len(hooked)-1]) {
		return []finding{fail(
			exchanges(hooked), "no attempt was accepted; the token has a further claim",
		)}, nil
	}
	return []finding{pass(exchanges(hooked)...)}, nil
}

// resultFailing: no webhook arrives, and the first result call is answered 500. The signer comes
// back twice, as one who reloads the page.
func resultFailing(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	err = j.signUnder(
		ctx, id, fault.Rule{Kind: fault.WebhookLost},
		fault.Rule{Kind: fault.Error, Call: "result", Count: 1},
	)
	if err != nil {
		return nil, err
	}
	var r request
	for n := range 2 {
		if err := j.comeBack(ctx, id, api.StatusSuccess); err != nil {
			return nil, err
		}
		r, err = j.await(ctx, id, j.Patience, func(r request) bool {
			return len(r.of(calllog.Result)) > 1
		})
		switch calls := len(r.of(calllog.Result)); {
		case err != nil:
			return nil, err
		case calls > 1:
			return []finding{pass(r.evidence(calllog.Result)...)}, nil
		case calls == 0 && n == 0:
			return []finding{cannotTell("no result call came within %s", j.Patience)}, nil
		}
	}
	return []finding{fail(
		r.evidence(calllog.Result),
		"after the 500 no result call was made, also when the signer came back again",
	)}, nil
}

// resultEarly: a browser comes back before the document is signed, and the result call says so.
func resultEarly(ctx context.Context, j *judge) ([]finding, error) {
	return j.returnEarly(ctx, api.StatusSuccess, true)
}

// redirectCancelled: the signer leaves, opens the link again, and signs.
func redirectCancelled(ctx context.Context, j *judge) ([]finding, error) {
	return j.returnEarly(ctx, api.StatusCancelled, false)
}

// returnEarly has a browser come back, the document signed, and the browser come back again. The
// document must be handled; asks says that the party must have made a result call before.
func (j *judge) returnEarly(ctx context.Context, status string, asks bool) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	if err := j.comeBack(ctx, id, status); err != nil {
		return nil, err
	}
	patience := j.Patience
	if !asks {
		patience /= 2
	}
	r, err := j.await(ctx, id, patience, func(r request) bool { return r.has(calllog.Result) })
	if err != nil {
		return nil, err
	}
	if asks && !r.has(calllog.Result) {
		return []finding{cannotTell("no result call came within %s", j.Patience)}, nil
	}
	if err := j.sign(ctx, id); err != nil {
		return nil, err
	}
	if err := j.comeBack(ctx, id, api.StatusSuccess); err != nil {
		return nil, err
	}
	return j.fetches(ctx, id, "the document was signed after the first return")
}

// fetches is the finding about a document that the party must download.
func (j *judge) fetches(ctx context.Context, id, why string) ([]finding, error) {
	downloaded := func(r request) bool {
		list := r.of(calllog.Download)
		return len(list) > 0 && accepted(list[len(list)-1])
	}
	r, err := j.await(ctx, id, 2*j.Patience, downloaded)
	if err != nil {
		return nil, err
	}
	evidence := r.evidence(calllog.Result, calllog.Webhook, calllog.Download)
	if !downloaded(r) {
		return []finding{fail(
			evidence, "%s, and the party has not downloaded it within %s", why, 2*j.Patience,
		)}, nil
	}
	return []finding{pass(evidence...)}, nil
}

// downloadCut: each download ends before the end of the document.
func downloadCut(ctx context.Context, j *judge) ([]finding, error) {
	return j.spoilDownload(ctx, fault.DownloadCut, "the end of the document has never arrived")
}

// downloadAgain: the first download is refused. A party may need the signer's return to try again.
func downloadAgain(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	expired := fault.Rule{Kind: fault.DownloadExpired, Count: 1}
	if err := j.signUnder(ctx, id, expired); err != nil {
		return nil, err
	}
	tried := func(r request) bool { return r.has(calllog.Download) }
	r, err := j.await(ctx, id, j.Patience, tried)
	switch {
	case err != nil:
		return nil, err
	case !tried(r):
		return []finding{cannotTell("no download came within %s", j.Patience)}, nil
	}
	_ = j.comeBack(ctx, id, api.StatusSuccess) // which a party without a page does without
	return j.fetches(ctx, id, "the first download was refused")
}

// resultUnavailable: no webhook arrives, and the first result call is answered 503.
func resultUnavailable(ctx context.Context, j *judge) (finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return finding{}, err
	}
	err = j.signUnder(
		ctx, id, fault.Rule{Kind: fault.WebhookLost},
		fault.Rule{
			Kind: fault.Unavailable, Call: "result", Count: 1, Delay: fault.Duration(retryAfter),
		},
	)
	if err != nil {
		return finding{}, err
	}
	if err := j.comeBack(ctx, id, api.StatusSuccess); err != nil {
		return cannotTell("%v", err), nil
	}
	r, err := j.await(ctx, id, j.Patience+retryAfter, func(r request) bool {
		return len(r.of(calllog.Result)) > 1
	})
	if calls := r.of(calllog.Result); err == nil && len(calls) > 1 {
		return waited(calls), nil
	}
	return cannotTell("the party did not try again"), err
}
