package conform

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// cancelRules are those of docs/contract.md, 6, with 11.2 and 12.1.
func cancelRules() []rule {
	return []rule{
		{"6.1.1", page, "The body of a cancel is not read", judgeCancelBody},
		{"6.1.2", page, "Content-Type is application/json, or absent", judgeCancelType},
		{
			"6.1.3", page, "client_id or client_request names the RP, and both agree",
			judgeCancelParty,
		},
		{"6.1.4", page, "request_id names the request; a missing one is unknown", judgeCancelNoID},
		{"6.1.5", page, "No jti is asked for, and a token may be sent again", judgeCancelJTI},
		{"6.2.1", page, "200 with an empty body: an active or expired request", judgeCancel},
		{
			"6.2.2", page,
			"ACTIVE_SESSION_ONGOING while the signer signs or the document is sealed",
			judgeCancelSession,
		},
		{"6.2.3", page, "DOCUMENT_ALREADY_SIGNED after the signature", judgeCancelSigned},
		{"6.2.4", page, "REQUEST_ALREADY_CANCELLED at the second time", judgeCancelTwice},
		{"6.2.5", page, "No record found: a malformed or unknown id", judgeCancelUnknown},
		{
			"6.2.6", page, "Another party's request has the answer of an unknown one",
			judgeCancelOther,
		},
		{"6.3.1", page, "After the 200 the request cannot be opened or signed", judgeCancelHolds},
		{"6.3.2", page, "A cancelled request sends no webhook", judgeCancelSilent},
		{"11.2", decided, "Of several cancels at once, one takes effect", judgeCancelRace},
		{"12.1", decided, "ACTIVE_SESSION_ONGOING has Retry-After in seconds", judgeRetryAfter},
	}
}

// cancelsWith makes a request for each variant and wants its cancel to succeed.
func (j *judge) cancelsWith(ctx context.Context, variants ...variant) {
	for _, v := range variants {
		r := j.newRequest(ctx)
		j.each(ctx, j.cancelOf(r.RequestID), accepted, v)
	}
}

func judgeCancelBody(ctx context.Context, j *judge) {
	j.cancelsWith(ctx,
		with("no body"), with("an object", body([]byte("{}"))),
		with("no JSON", body([]byte("{\xff"))),
	)
}

func judgeCancelType(ctx context.Context, j *judge) {
	j.cancelsWith(ctx,
		with("JSON"), with("none", noHeader("Content-Type")),
		with("with a parameter", header("Content-Type", "application/json; charset=utf-8")),
	)
	j.each(ctx, j.cancelOf(unknownID()), func(a *answer) error {
		if a.code() != api.CodeClientSide ||
			a.member("error_description") == api.ErrNoRecord.Description {
			return fmt.Errorf("cancel is answered %s", a)
		}
		return nil
	}, with("a PDF", header("Content-Type", "application/pdf")))
}

func judgeCancelParty(ctx context.Context, j *judge) {
	j.each(ctx, j.cancelOf(unknownID()), noRecord,
		with("client_id", without("client_request")), with("client_request", without("client_id")),
		with("both"),
	)
	j.each(ctx, j.cancelOf(unknownID()), refusedAs(api.CodeUnauthorized),
		with("neither", without("client_id"), without("client_request")),
		with("two that differ", claim("client_request", "another-party")),
	)
	if j.Other != nil {
		j.each(ctx, j.cancelOf(unknownID()), refusedAs(api.CodeUnauthorized),
			with("another party's", claim("client_id", j.Other.ClientID),
				claim("client_request", j.Other.ClientID)),
		)
	}
}

func judgeCancelNoID(ctx context.Context, j *judge) {
	j.each(ctx, j.cancelOf(""), noRecord,
		with("no request_id", without("request_id")), with("null", claim("request_id", nil)),
		with("a number", claim("request_id", 7)), with("empty"),
		with("an object", claim("request_id", map[string]any{"$ne": ""})),
		with("a list", claim("request_id", []string{unknownID()})),
	)
}

func judgeCancelJTI(ctx context.Context, j *judge) {
	used := claim("jti", "used-"+uuid.NewString())
	j.cancelsWith(ctx,
		with("no jti", without("jti")), with("a jti", used), with("the jti again", used),
	)
	compact := j.makeToken(j.cancelOf(unknownID())())
	j.each(
		ctx, j.cancelOf(""), noRecord, with("once", token(compact)), with("again", token(compact)),
	)
}

// cancelled wants the success of a cancel.
func cancelled(a *answer) error {
	if a.status != http.StatusOK || len(a.body) > 0 {
		return fmt.Errorf("cancel is answered %s, not 200 without a body", a)
	}
	return nil
}

func judgeCancel(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("created"))
	if j.Control == "" { // the other states need a signer or time
		return
	}
	locked := j.newRequest(ctx)
	j.act(ctx, locked, signer, "open")
	j.each(ctx, j.cancelOf(locked.RequestID), cancelled, with("locked"))
	rejected := j.newRequest(ctx)
	j.act(ctx, rejected, signer, "open", "proceed", "reject")
	j.each(ctx, j.cancelOf(rejected.RequestID), cancelled, with("rejected"))
	expired := j.newRequest(ctx)
	j.age(ctx, expired, 31*time.Minute)
	j.each(ctx, j.resultOf(expired), refusedAs(api.CodeExpired), with("expired"))
	j.each(ctx, j.cancelOf(expired.RequestID), cancelled, with("expired"))
	j.each(ctx, j.resultOf(expired), refusedAs(api.CodeCancelled), with("expired and cancelled"))
}

func judgeCancelSession(ctx context.Context, j *judge) {
	r := j.inSession(ctx)
	active := refusedWith(api.ErrActiveSession)
	j.each(ctx, j.cancelOf(r.RequestID), active, with("in a session"), with("again"))
	j.act(ctx, r, signer, "leave")
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("after the session"))
	r = j.inSession(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), active, with("before the approval"))
	if err := j.tryAct(ctx, r, signer, "approve"); err != nil {
		j.failf("the refused cancel has an effect: the signer cannot approve: %w", err)
	}
	r, finish := j.sealing(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), active, with("being sealed"))
	finish()
	j.each(
		ctx, j.cancelOf(r.RequestID), refusedWith(api.ErrAlreadySigned), with("after sealing"),
	)
}

func judgeCancelSigned(ctx context.Context, j *judge) {
	r := j.signedRequest(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), refusedWith(api.ErrAlreadySigned), with("signed"))
	j.each(ctx, j.resultOf(r), accepted, with("after the cancel"))
	if j.Control == "" {
		return
	}
	old := j.newRequest(ctx)
	j.sign(ctx, old)
	j.age(ctx, old, 61*time.Minute)
	j.each(ctx, j.cancelOf(old.RequestID), refusedWith(api.ErrAlreadySigned),
		with("signed more than an hour ago"))
}

func judgeCancelTwice(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("once"))
	again := refusedWith(api.ErrAlreadyCancelled)
	j.each(
		ctx, j.cancelOf(r.RequestID), again, with("the second time"), with("the third time"),
	)
	if j.Control == "" {
		return
	}
	j.age(ctx, r, 31*time.Minute)
	j.each(ctx, j.cancelOf(r.RequestID), again, with("31 minutes later"))
}

func judgeCancelUnknown(ctx context.Context, j *judge) {
	for _, id := range []string{
		unknownID(), "signv3-", "x", "../cancel", unknownID() + " ", "signv3-%", "' OR '1'='1",
	} {
		j.each(ctx, j.cancelOf(id), noRecord, with(strconv.Quote(id)))
	}
	j.each(ctx, j.cancelOf(strings.Repeat("x", 5000)), noRecord, with("an id of 5000 characters"))
}

func judgeCancelOther(ctx context.Context, j *judge) {
	if j.Other == nil {
		j.fail(cannotTell("no second party is given"))
		return
	}
	r := j.newRequest(ctx)
	other := func(edits ...edit) *call {
		return j.cancelOf(r.RequestID)(append([]edit{
			claim("client_id", j.Other.ClientID), claim("client_request", j.Other.ClientID),
			key(j.Other.Key),
		}, edits...)...)
	}
	var bodies [2]*answer
	for i, edits := range [][]edit{nil, {claim("request_id", unknownID())}} {
		bodies[i] = j.do(ctx, other(edits...))
		j.fail(noRecord(bodies[i]))
	}
	if !bytes.Equal(bodies[0].body, bodies[1].body) {
		j.failf("the two answers differ")
	}
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("by its own party"))
}

func judgeCancelHolds(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("a new request"))
	gone := refusedAs(api.CodeCancelled)
	j.each(ctx, j.resultOf(r), gone, with("result"))
	switch {
	case j.failed():
	case j.SignByGet:
		j.get(ctx, r.SigningURL)
		j.sleep(ctx, time.Second) // the server signs in the background
		j.each(ctx, j.resultOf(r), gone, with("after a GET of the signing URL"))
	case j.Control == "":
		j.fail(cannotTell("result says so; whether it can be opened needs a signer"))
	}
	if j.Control != "" {
		j.refusesOpen(ctx, r, signer)
	}
}

func judgeCancelSilent(ctx context.Context, j *judge) {
	j.needHooks()
	r := j.newRequest(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("a new request"))
	if len(j.await(ctx, r, 1, time.Second)) > 0 {
		j.failf("a webhook arrives")
	}
}

func judgeCancelRace(ctx context.Context, j *judge) {
	if !j.cancels {
		j.fail(errNoCancel)
	}
	r := j.newRequest(ctx)
	answers := together(8, func() *answer { return j.do(ctx, j.cancelOf(r.RequestID)()) })
	took := 0
	for _, a := range answers {
		switch {
		case a.status == http.StatusOK:
			took++
		case a.code() != api.CodeAlreadyCancelled:
			j.failf("one of 8 cancels is answered %s", a)
		}
	}
	if took != 1 {
		j.failf("%d of 8 cancels at once are answered 200", took)
	}
	if j.Control == "" {
		return
	}
	r = j.newRequest(ctx)
	j.act(ctx, r, signer, "open")
	cancel := make(chan *answer, 1)
	go func() { cancel <- j.do(ctx, j.cancelOf(r.RequestID)()) }()
	proceeded := j.tryAct(ctx, r, signer, "proceed") == nil
	if a := <-cancel; (a.status == http.StatusOK) == proceeded {
		j.failf(
			"the signer may proceed: %t, and the cancel at that time is answered %s", proceeded, a,
		)
	}
}

func judgeRetryAfter(ctx context.Context, j *judge) {
	r := j.inSession(ctx)
	seconds := 0
	j.each(ctx, j.cancelOf(r.RequestID), func(a *answer) (err error) {
		text := a.header.Get("Retry-After")
		if seconds, err = strconv.Atoi(text); err != nil || seconds < 1 || seconds > 180 {
			return fmt.Errorf("Retry-After is %q", text)
		}
		return nil
	}, with("in a session"))
	j.age(ctx, r, time.Duration(seconds)*time.Second)
	j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("after the seconds of Retry-After"))
	r, finish := j.sealing(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), func(a *answer) error {
		text := a.header.Get("Retry-After")
		n, err := strconv.Atoi(text)
		if a.code() != api.CodeActiveSession || err != nil || n < 1 {
			return fmt.Errorf("%s, and Retry-After is %q", a.code(), text)
		}
		return nil
	}, with("while the document is sealed"))
	finish()
}
