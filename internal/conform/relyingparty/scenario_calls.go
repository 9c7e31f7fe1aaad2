package relyingparty

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/conform/report"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/token"
)

// calls returns all calls of the party, the oldest first.
func (j *judge) calls(ctx context.Context) ([]calllog.Record, error) {
	var all []calllog.Record
	for before := ""; ; {
		var page struct {
			Calls []calllog.Record `json:"calls"`
		}
		path := "/calls?limit=1000&client_id=" + url.QueryEscape(j.ClientID) + before
		if err := j.call(ctx, http.MethodGet, path, nil, &page); err != nil {
			return nil, err
		}
		if len(page.Calls) == 0 {
			slices.Reverse(all)
			return all, nil
		}
		all = append(all, page.Calls...)
		before = fmt.Sprintf("&before=%d", all[len(all)-1].ID)
	}
}

// latest returns the newest calls of a kind.
func (j *judge) latest(ctx context.Context, kind calllog.Kind, n int) ([]report.Exchange, error) {
	all, err := j.calls(ctx)
	list := request{Calls: all}.of(kind)
	return exchanges(list[max(0, len(list)-n):]), err
}

func initiateOnce(ctx context.Context, j *judge) ([]finding, error) {
	id, failed := j.initiate(ctx)
	if failed != nil {
		evidence, err := j.latest(ctx, calllog.Initiate, 3)
		return []finding{fail(evidence, "%v", failed)}, err
	}
	r, err := j.look(ctx, id)
	return []finding{pass(r.evidence(calllog.Initiate)...)}, err
}

// initiateFailing: an initiate is answered 500, one does not arrive, and the answer of one is lost.
func initiateFailing(ctx context.Context, j *judge) ([]finding, error) {
	if _, err := j.initiate(ctx); err != nil { // so that the fault alone can make it fail
		return nil, err
	}
	var all []report.Exchange
	for _, kind := range []fault.Kind{fault.Error, fault.Reset, fault.AnswerLost} {
		err := j.inject(ctx, fault.Rule{Kind: kind, Call: "initiate", Count: 1})
		if err != nil {
			return nil, err
		}
		_, acted := j.Initiate(ctx, "")
		made, err := j.newRequests(ctx)
		if err != nil {
			return nil, err
		}
		evidence, err := j.latest(ctx, calllog.Initiate, 2)
		if err != nil {
			return nil, err
		}
		if acted == nil && len(made) == 0 {
			return []finding{
				fail(evidence, "the party reports success after %s, and there is no request", kind),
			}, nil
		}
		all = append(all, evidence...)
	}
	return []finding{pass(all...)}, nil
}

// cancel has the party cancel a request, and returns its report and the request.
func (j *judge) cancel(ctx context.Context, id string) (acted error, r request, err error) {
	_, acted = j.Cancel(ctx, id)
	r, err = j.look(ctx, id)
	return acted, r, err
}

// judgeCancel is the finding about a cancel that the party must not report wrongly.
func judgeCancel(acted error, r request) finding {
	evidence := r.evidence(calllog.Cancel)
	switch {
	case acted == nil && r.State != "cancelled":
		return fail(evidence, "the party reports success, and the request is %s", r.State)
	case acted != nil && r.State == "cancelled":
		return fail(evidence, "the request is cancelled, and the party reports: %v", acted)
	case !r.has(calllog.Cancel):
		return cannotTell("the party made no cancel call")
	}
	return pass(evidence...)
}

func cancelOnce(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	acted, r, err := j.cancel(ctx, id)
	if err != nil {
		return nil, err
	}
	if acted != nil && r.State != "cancelled" {
		evidence, err := j.latest(ctx, calllog.Cancel, 3) // its calls may name another request
		return []finding{fail(evidence, "the party cannot cancel: %v", acted)}, err
	}
	return []finding{judgeCancel(acted, r)}, nil
}

// cancelLost: the first cancel is executed and its answer lost. A party that gives up is asked a
// second time, as its user would.
func cancelLost(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	err = j.inject(ctx, fault.Rule{Kind: fault.AnswerLost, Call: "cancel", Count: 1, RequestID: id})
	if err != nil {
		return nil, err
	}
	return j.cancelAgain(ctx, id)
}

// cancelAgain has the party cancel, and once more if it gives up after one call.
func (j *judge) cancelAgain(ctx context.Context, id string) ([]finding, error) {
	acted, r, err := j.cancel(ctx, id)
	if err == nil && acted != nil && len(r.of(calllog.Cancel)) < 2 {
		acted, r, err = j.cancel(ctx, id)
	}
	return []finding{judgeCancel(acted, r)}, err
}

// sessionTime is how long the signer of cancelInSession looks at the QR code after the first
// cancel.
const sessionTime = 3 * time.Second

// cancelInSession: the signer is in a sign session when the party cancels, and leaves.
func cancelInSession(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	act := func(do string) error {
		in := map[string]string{"as": signer, "do": do}
		return j.call(ctx, http.MethodPost, "/requests/"+id+"/act", in, nil)
	}
	for _, do := range []string{"open", "proceed"} {
		if err := act(do); err != nil {
			return nil, err
		}
	}
	trying, done := context.WithCancel(ctx)
	defer done()
	left := make(chan error, 1)
	go func() { left <- j.leaveLater(trying, id, act) }()
	acted, r, err := j.cancel(ctx, id)
	done()
	if gone := <-left; err == nil {
		err = gone
	}
	if err != nil {
		return nil, err
	}
	calls, evidence := r.of(calllog.Cancel), r.evidence(calllog.Cancel)
	found := []finding{judgeCancel(acted, r), cannotTell("the party did not try again")}
	if len(calls) > 1 {
		found[1] = pass(evidence...)
	}
	for i := 1; i < len(calls); i++ {
		if gap := calls[i].At.Sub(calls[i-1].At); gap < pace {
			found[1] = fail(evidence[:i+1], "tried again after %s", gap.Round(time.Millisecond))
			break
		}
	}
	return found, nil
}

// leaveLater has the signer leave some time after the first cancel, unless ctx ends before.
func (j *judge) leaveLater(ctx context.Context, id string, act func(do string) error) error {
	_, err := j.await(ctx, id, time.Minute, func(r request) bool { return r.has(calllog.Cancel) })
	if err != nil || rest(ctx, sessionTime) != nil {
		return nil // the party has finished, or cannot be seen
	}
	return act("leave")
}

const (
	signer = "S8979373D"            // the sandbox's first persona
	pace   = 950 * time.Millisecond // between two calls; a second, less the jitter of clocks
)

// retryAfter is the wait that the service asks for in retried.
const retryAfter = 3 * time.Second

// retried: a cancel, and then a result call, is answered 503 with Retry-After. A party that
// tries only one of them again is judged by that.
func retried(ctx context.Context, j *judge) ([]finding, error) {
	found, err := cancelUnavailable(ctx, j)
	if err != nil || found[0].outcome == report.Fail {
		return found, err
	}
	of, err := resultUnavailable(ctx, j)
	if err != nil || of.outcome == report.CannotTell {
		return found, err
	}
	of.evidence = append(found[0].evidence, of.evidence...)
	return []finding{of}, nil
}

// cancelUnavailable: the first cancel of a request is answered 503.
func cancelUnavailable(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.initiate(ctx)
	if err != nil {
		return nil, err
	}
	err = j.inject(ctx, fault.Rule{
		Kind: fault.Unavailable, Call: "cancel", Count: 1, RequestID: id,
		Delay: fault.Duration(retryAfter),
	})
	if err != nil {
		return nil, err
	}
	acted, r, err := j.cancel(ctx, id)
	if err != nil {
		return nil, err
	}
	calls := r.of(calllog.Cancel)
	if len(calls) < 2 {
		if acted == nil {
			return []finding{judgeCancel(acted, r)}, nil
		}
		return []finding{cannotTell("the party did not try again")}, nil
	}
	return []finding{waited(calls)}, nil
}

func cancelSigned(ctx context.Context, j *judge) ([]finding, error) {
	id, err := j.signWith(ctx, "")
	if err != nil {
		return nil, err
	}
	acted, r, err := j.cancel(ctx, id)
	return []finding{judgeCancel(acted, r)}, err
}

// cancelFailing: the first cancel of a request is answered 500, and that of another one does not
// arrive. Neither is executed.
func cancelFailing(ctx context.Context, j *judge) (found []finding, err error) {
	for _, kind := range []fault.Kind{fault.Error, fault.Reset} {
		id, err := j.initiate(ctx)
		if err != nil {
			return nil, err
		}
		err = j.inject(ctx, fault.Rule{Kind: kind, Call: "cancel", Count: 1, RequestID: id})
		if err != nil {
			return nil, err
		}
		acted, r, err := j.cancel(ctx, id)
		found = []finding{judgeCancel(acted, r)}
		if err != nil || found[0].outcome == report.Fail {
			return found, err
		}
	}
	return found, nil
}

// initiateUnavailable: the first initiate is answered 503 with Retry-After.
func initiateUnavailable(ctx context.Context, j *judge) ([]finding, error) {
	before, err := j.calls(ctx)
	if err != nil {
		return nil, err
	}
	err = j.inject(ctx, fault.Rule{
		Kind: fault.Unavailable, Call: "initiate", Count: 1, Delay: fault.Duration(retryAfter),
	})
	if err != nil {
		return nil, err
	}
	_, acted := j.Initiate(ctx, "")
	made, err := j.newRequests(ctx)
	if err != nil {
		return nil, err
	}
	all, err := j.calls(ctx)
	if err != nil {
		return nil, err
	}
	calls := request{Calls: all[min(len(before), len(all)):]}.of(calllog.Initiate)
	switch {
	case acted == nil && len(made) == 0:
		return []finding{fail(
			exchanges(calls), "the party reports success after 503, and there is no request",
		)}, nil
	case len(calls) < 2:
		return []finding{cannotTell("the party did not try again")}, nil
	}
	return []finding{waited(calls)}, nil
}

// waited is the finding about the time between the first two calls, of which the first was answered
// with retryAfter.
func waited(calls []calllog.Record) finding {
	if gap := calls[1].At.Sub(calls[0].At); gap < retryAfter-50*time.Millisecond {
		return fail(
			exchanges(calls), "tried again after %s, and Retry-After was %s",
			gap.Round(time.Millisecond), retryAfter,
		)
	}
	return pass(exchanges(calls)...)
}

// answersExtended: answers have a further member, and refusals another description, also that of
// the second cancel after one whose answer was lost.
func answersExtended(ctx context.Context, j *judge) ([]finding, error) {
	extended := fault.Rule{Kind: fault.AnswerExtended, Call: "initiate", Count: 1}
	if err := j.inject(ctx, extended); err != nil {
		return nil, err
	}
	_, acted := j.Initiate(ctx, "")
	made, err := j.newRequests(ctx)
	if err != nil {
		return nil, err
	}
	if acted != nil || len(made) == 0 {
		evidence, err := j.latest(ctx, calllog.Initiate, 1)
		return []finding{fail(
			evidence, "the party cannot initiate when the answer has a further member: %v", acted,
		)}, err
	}
	for _, rule := range []fault.Rule{
		{Kind: fault.AnswerLost, Call: "cancel", Count: 1}, {Kind: fault.AnswerExtended, Call: "cancel"},
	} {
		rule.RequestID = made[0]
		if err := j.inject(ctx, rule); err != nil {
			return nil, err
		}
	}
	return j.cancelAgain(ctx, made[0])
}

// cancelUnknown: the party cancels a request that does not exist.
func cancelUnknown(ctx context.Context, j *judge) ([]finding, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return nil, err
	}
	if _, acted := j.Cancel(ctx, api.RequestIDPrefix+id.String()); acted != nil {
		return []finding{pass()}, nil
	}
	evidence, err := j.latest(ctx, calllog.Cancel, 1)
	return []finding{fail(evidence, "the party reports that it has cancelled a request that does not exist")}, err
}

// claims are the claims of a call that the rules read.
type claims struct {
	Iat, Exp     float64
	JTI          string
	ExchangeCode json.RawMessage `json:"exchange_code"`
}

// milliseconds is a time that is too far ahead to be in seconds.
const milliseconds = 1e11

// tokens judges the tokens of all calls.
func tokens(ctx context.Context, j *judge) ([]finding, error) {
	all, err := j.calls(ctx)
	if err != nil {
		return nil, err
	}
	found := make([]finding, 8)
	for i := range found {
		found[i] = cannotTell("the party made no call with a token")
	}
	used := map[string]calllog.Record{} // by jti
	for _, c := range all {
		if c.Token == nil || c.Kind == calllog.Webhook {
			continue
		}
		verdict := func(i int, bad bool, format string, args ...any) {
			switch {
			case found[i].outcome == report.Fail:
			case bad:
				found[i] = fail(exchanges([]calllog.Record{c}), format, args...)
			default:
				found[i] = pass()
			}
		}
		check := token.Check("")
		if c.Diagnosis != nil {
			check = c.Diagnosis.Check
		}
		var got claims
		readable := json.Unmarshal(c.Token.Claims, &got) == nil
		verdict(
			0, check == token.CheckAuthorization || strings.Contains(c.Token.Problem, "Bearer"),
			"%s", strings.TrimSpace(c.Reason+" "+c.Token.Problem),
		)
		verdict(
			1, check == token.CheckHeader || check == token.CheckForm || check == token.CheckKey ||
				check == token.CheckSignature, "%s", c.Reason,
		)
		if !readable {
			verdict(2, c.Token.Claims != nil, "iat or exp is no number")
			continue
		}
		inMilliseconds := got.Iat > milliseconds || got.Exp > milliseconds
		verdict(2, inMilliseconds, "iat or exp is in milliseconds")
		if !inMilliseconds {
			at := float64(c.At.UnixMilli()) / 1000
			verdict(3, got.Exp-got.Iat > 120, "exp is %.0f s after iat", got.Exp-got.Iat)
			verdict(
				4, got.Iat > at+10 || got.Exp < at, "iat is %.0f s and exp %.0f s from the call",
				got.Iat-at, got.Exp-at,
			)
		}
		if c.Kind == calllog.Cancel {
			verdict(7, got.ExchangeCode != nil, "a token of a cancel has the exchange code")
			continue
		}
		// The log masks what looks like an NRIC, character by character, in a UUID too.
		_, err := uuid.Parse(strings.ReplaceAll(got.JTI, "•", "0"))
		verdict(
			5,
			err != nil || utf8.RuneCountInString(got.JTI) != 36,
			"jti is not a UUID: %.40q",
			got.JTI,
		)
		first, again := used[got.JTI]
		// A result call may be repeated as it is (5.1.6).
		repeated := c.Kind == calllog.Result && first.Kind == c.Kind &&
			first.RequestID == c.RequestID
		if again && !repeated {
			verdict(6, true, "the jti of an earlier %s is used again", first.Kind)
			found[6].evidence = append(exchanges([]calllog.Record{first}), found[6].evidence...)
		} else {
			verdict(6, false, "")
		}
		used[got.JTI] = c
		if c.Kind == calllog.Initiate {
			verdict(7, got.ExchangeCode != nil, "a token of an initiate has the exchange code")
		}
	}
	return found, nil
}
