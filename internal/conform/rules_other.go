package conform

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/signet-sign/signet/api"
)

// otherRules are those of docs/contract.md, 2.5, 2.6 and 10.
func otherRules() []rule {
	return []rule{
		{"2.5.1", page, "A refusal is JSON with error and error_description", judgeRefusalForm},
		{"2.5.2", page, "A refusal that the pages name has status 400", judgeRefusalStatus},
		{
			"2.5.3", observed, "An authentication failure is UNAUTHORIZED with its fixed text",
			judgeUnauthorized,
		},
		{
			"2.6.1", decided, "A path that is no call's is 404 in JSON, without redirects",
			judgePaths,
		},
		{"2.6.2", decided, "Another method is 405 in JSON, with Allow", judgeMethods},
		{"2.6.3", decided, "Origin and Sec-Fetch-Site have no effect", judgeOrigin},
		{"10.2", decided, "A request of V3.0 has the answer of V3.2", judgeAnswerOfV30},
	}
}

// refusals makes calls that are refused for reasons of each kind that needs no signer, and checks
// the answers. That a call is refused is another rule, so that others are passed over.
func (j *judge) refusals(ctx context.Context, is check) {
	open := j.openRequest(ctx)
	foreign := j.foreignKey()
	ofAnother := with("a token of another key", key(foreign))
	seen := 0
	for _, of := range []struct {
		what    maker
		variant variant
	}{
		{j.initiate, ofAnother},
		{j.initiate, with("no doc_name", without("doc_name"))},
		{j.initiate, with("no PDF", body([]byte("text")))},
		{j.resultOf(open), ofAnother},
		{j.resultOf(open), with("not signed yet")},
		{j.cancelOf(open.RequestID), ofAnother},
		{j.cancelOf(unknownID()), with("an unknown id")},
	} {
		j.each(ctx, of.what, func(a *answer) error {
			if a.status < 300 || a.call == "cancel" && !j.cancels {
				return nil
			}
			seen++
			return is(a)
		}, of.variant)
	}
	if seen == 0 {
		j.fail(cannotTell("the server refuses nothing"))
	}
}

func judgeRefusalForm(ctx context.Context, j *judge) {
	j.refusals(ctx, refusalForm)
}

func refusalForm(a *answer) error {
	if err := isJSON(a); err != nil {
		return err
	}
	if err := hasMembers(a.body, "error", "error_description"); err != nil {
		return fmt.Errorf("%s: %w", a.call, err)
	}
	if a.code() == "" || a.member("error_description") == "" {
		return fmt.Errorf("%s: a member is not a string", a.call)
	}
	return nil
}

func judgeRefusalStatus(ctx context.Context, j *judge) {
	j.refusals(ctx, func(a *answer) error {
		if a.status != http.StatusBadRequest && a.code() != api.CodeUnauthorized { // 2.5.3
			return fmt.Errorf("%s is answered %s, not 400", a.call, a)
		}
		return nil
	})
}

func judgeUnauthorized(ctx context.Context, j *judge) {
	foreign := j.foreignKey()
	j.each(ctx, j.initiate, func(a *answer) error {
		if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized ||
			a.code() != api.CodeUnauthorized ||
			a.member("error_description") != api.ErrUnauthorized.Description {
			return fmt.Errorf("initiate is answered %s", a)
		}
		return nil
	}, with("a token of another key", key(foreign)))
}

// routed wants the refusal of a path or a method.
func routed(status int) check {
	return func(a *answer) error {
		if a.status != status {
			return fmt.Errorf("it is answered %s, not %d", a, status)
		}
		if status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
			return errors.New("the header Allow is missing")
		}
		return refusalForm(a)
	}
}

func judgePaths(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, routed(http.StatusNotFound),
		with("a slash at the end", path(api.PathRequest+"/")),
		with("another case", path("/Sign-Requests")),
		with("a doubled slash", path("/"+api.PathRequest)),
		with("no call", path("/sign-request")),
	)
}

func judgeMethods(ctx context.Context, j *judge) {
	method := func(m string) edit { return func(c *call) { c.method = m } }
	j.each(ctx, j.cancelOf(unknownID()), routed(http.StatusMethodNotAllowed),
		with("GET of initiate", method(http.MethodGet), path(api.PathRequest)),
		with("DELETE of cancel", method(http.MethodDelete)),
	)
}

func judgeOrigin(ctx context.Context, j *judge) {
	foreign := []edit{
		header("Origin", "https://shop.invalid"),
		header("Sec-Fetch-Site", "cross-site"),
	}
	j.each(ctx, j.initiate, accepted, with("of another site", foreign...))
	if j.cancels {
		j.each(ctx, j.cancelOf(unknownID()), noRecord, with("of another site", foreign...))
	}
}

func judgeAnswerOfV30(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, initiated, with("V3.0", locationOfV30...))
}
