package conform

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

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
func (j *judge) cancelsWith(ctx context.Context, variants ...variant) error {
	for _, v := range variants {
		r, err := j.newRequest(ctx)
		if err != nil {
			return err
		}
		if err := j.each(ctx, j.cancelOf(r.RequestID), accepted, v); err != nil {
			return err
		}
	}
	return nil
}

func judgeCancelBody(ctx context.Context, j *judge) error {
	return j.cancelsWith(ctx,
		with("no body"), with("an object", body([]byte("{}"))),
		with("no JSON", body([]byte("{\xff"))),
	)
}

func judgeCancelType(ctx context.Context, j *judge) error {
	err := j.cancelsWith(ctx,
		with("JSON"), with("none", noHeader("Content-Type")),
		with("with a parameter", header("Content-Type", "application/json; charset=utf-8")),
	)
	if err != nil {
		return err
	}
	return j.each(ctx, j.cancelOf(unknownID()), func(a *answer) error {
		if a.code() != api.CodeClientSide ||
			a.member("error_description") == api.ErrNoRecord.Description {
			return fmt.Errorf("cancel is answered %s", a)
		}
		return nil
	}, with("a PDF", header("Content-Type", "application/pdf")))
}

func judgeCancelParty(ctx context.Context, j *judge) error {
	err := j.each(ctx, j.cancelOf(unknownID()), noRecord,
		with("client_id", without("client_request")), with("client_request", without("client_id")),
		with("both"),
	)
	if err != nil {
		return err
	}
	return j.each(ctx, j.cancelOf(unknownID()), refusedAs(api.CodeUnauthorized),
		with("neither", without("client_id"), without("client_request")),
		with("two that differ", claim("client_request", "another-party")),
	)
}

func judgeCancelNoID(ctx context.Context, j *judge) error {
	return j.each(ctx, j.cancelOf(""), noRecord,
		with("no request_id", without("request_id")), with("null", claim("request_id", nil)),
		with("a number", claim("request_id", 7)), with("empty"),
	)
}

func judgeCancelJTI(ctx context.Context, j *judge) error {
	if err := j.cancelsWith(ctx, with("no jti", without("jti"))); err != nil {
		return err
	}
	compact, err := j.cancelOf(unknownID())().compact()
	if err != nil {
		return err
	}
	return j.each(
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

func judgeCancel(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("created")); err != nil {
		return err
	}
	if j.Control == "" { // the other states need a signer or time
		return nil
	}
	locked, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.act(ctx, locked, signer, "open"); err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(locked.RequestID), cancelled, with("locked")); err != nil {
		return err
	}
	expired, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.age(ctx, expired, 31*time.Minute); err != nil {
		return err
	}
	return j.each(ctx, j.cancelOf(expired.RequestID), cancelled, with("expired"))
}

func judgeCancelSession(ctx context.Context, j *judge) error {
	r, err := j.inSession(ctx)
	if err != nil {
		return err
	}
	active := refusedWith(api.ErrActiveSession)
	if err := j.each(
		ctx, j.cancelOf(r.RequestID), active, with("in a session"), with("again"),
	); err != nil {
		return err
	}
	if err := j.act(ctx, r, signer, "leave"); err != nil {
		return err
	}
	if err := j.each(
		ctx, j.cancelOf(r.RequestID), cancelled, with("after the session"),
	); err != nil {
		return err
	}
	if r, err = j.sealing(ctx); err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(r.RequestID), active, with("being sealed")); err != nil {
		return err
	}
	if err := j.waitSigned(ctx, r); err != nil {
		return err
	}
	return j.each(
		ctx, j.cancelOf(r.RequestID), refusedWith(api.ErrAlreadySigned), with("after sealing"),
	)
}

func judgeCancelSigned(ctx context.Context, j *judge) error {
	r, err := j.signedRequest(ctx)
	if err != nil {
		return err
	}
	err = j.each(ctx, j.cancelOf(r.RequestID), refusedWith(api.ErrAlreadySigned), with("signed"))
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(r), accepted, with("after the cancel"))
}

func judgeCancelTwice(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("once")); err != nil {
		return err
	}
	again := refusedWith(api.ErrAlreadyCancelled)
	return j.each(
		ctx, j.cancelOf(r.RequestID), again, with("the second time"), with("the third time"),
	)
}

func judgeCancelUnknown(ctx context.Context, j *judge) error {
	for _, id := range []string{unknownID(), "signv3-", "x", "../cancel", unknownID() + " "} {
		if err := j.each(ctx, j.cancelOf(id), noRecord, with(strconv.Quote(id))); err != nil {
			return err
		}
	}
	return nil
}

func judgeCancelOther(ctx context.Context, j *judge) error {
	if j.Other == nil {
		return cannotTell("no second party is given")
	}
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	other := func(edits ...edit) *call {
		return j.cancelOf(r.RequestID)(append([]edit{
			claim("client_id", j.Other.ClientID), claim("client_request", j.Other.ClientID),
			key(j.Other.Key),
		}, edits...)...)
	}
	var bodies [2]*answer
	for i, edits := range [][]edit{nil, {claim("request_id", unknownID())}} {
		if bodies[i], err = j.do(ctx, other(edits...)); err != nil {
			return err
		}
		if err := noRecord(bodies[i]); err != nil {
			return err
		}
	}
	if !bytes.Equal(bodies[0].body, bodies[1].body) {
		return errors.New("the two answers differ")
	}
	return j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("by its own party"))
}

func judgeCancelHolds(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("a new request")); err != nil {
		return err
	}
	if err := j.refusesStep(ctx, r, signer, "open"); err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(r), refusedAs(api.CodeCancelled), with("result"))
}

func judgeCancelSilent(ctx context.Context, j *judge) error {
	if j.hooks == nil {
		return cannotTell("no webhooks are received")
	}
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(r.RequestID), cancelled, with("a new request")); err != nil {
		return err
	}
	arrived, err := j.hooks.await(ctx, r.RequestID, 1, time.Second)
	if err == nil && len(arrived) > 0 {
		err = errors.New("a webhook arrives")
	}
	return err
}

func judgeCancelRace(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	answers, errs := make([]*answer, 8), make([]error, 8)
	var wg sync.WaitGroup
	for i := range answers {
		wg.Go(func() { answers[i], errs[i] = j.do(ctx, j.cancelOf(r.RequestID)()) })
	}
	wg.Wait()
	took := 0
	for i, a := range answers {
		switch {
		case errs[i] != nil:
			return errs[i]
		case a.status == http.StatusOK:
			took++
		case a.code() != api.CodeAlreadyCancelled:
			return fmt.Errorf("one of 8 cancels is answered %s", a)
		}
	}
	if took != 1 {
		return fmt.Errorf("%d of 8 cancels at once are answered 200", took)
	}
	return nil
}

func judgeRetryAfter(ctx context.Context, j *judge) error {
	r, err := j.inSession(ctx)
	if err != nil {
		return err
	}
	return j.each(ctx, j.cancelOf(r.RequestID), func(a *answer) error {
		text := a.header.Get("Retry-After")
		if n, err := strconv.Atoi(text); err != nil || n < 1 || n > 180 {
			return fmt.Errorf("Retry-After is %q", text)
		}
		return nil
	}, with("in a session"))
}
