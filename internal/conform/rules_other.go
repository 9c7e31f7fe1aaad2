package conform

import (
	"context"
	"fmt"
	"net/http"
	"strings"

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
		{j.initiate, with("JSON as Content-Type", header("Content-Type", "application/json"))},
		{j.initiate, with("10 MiB", body(document{size: api.MaxDocumentBytes}.bytes()))},
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
	calls := []maker{j.initiate, j.resultOf(j.openRequest(ctx))}
	if j.cancels {
		calls = append(calls, j.cancelOf(unknownID()))
	}
	for _, what := range calls {
		j.each(ctx, what, func(a *answer) error {
			if a.status != http.StatusBadRequest && a.status != http.StatusUnauthorized ||
				a.code() != api.CodeUnauthorized ||
				a.member("error_description") != api.ErrUnauthorized.Description {
				return fmt.Errorf("%s is answered %s, not 400 or 401 %s / %s", a.call, a,
					api.CodeUnauthorized, api.ErrUnauthorized.Description)
			}
			return nil
		}, with("a token of another key", key(foreign)))
	}
}

// routed wants the refusal of a path or a method.
func routed(status int) check {
	return func(a *answer) error {
		if a.status != status {
			return fmt.Errorf("it is answered %s, not %d", a, status)
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
	open := j.openRequest(ctx)
	j.each(ctx, j.resultOf(open), routed(http.StatusNotFound),
		with(
			"a result with a slash at the end",
			path("/sign-requests/"+open.RequestID+"/signed-doc/"),
		),
		with("another document", path("/sign-requests/"+open.RequestID+"/document")),
	)
}

func judgeMethods(ctx context.Context, j *judge) {
	method := func(m string) edit { return func(c *call) { c.method = m } }
	allows := func(allowed string) check {
		return func(a *answer) error {
			if err := routed(http.StatusMethodNotAllowed)(a); err != nil {
				return err
			}
			if allow := a.header.Get("Allow"); !strings.Contains(allow, allowed) {
				return fmt.Errorf("the header Allow is %q, without %s", allow, allowed)
			}
			return nil
		}
	}
	j.each(ctx, j.cancelOf(unknownID()), allows(http.MethodPost),
		with("GET of initiate", method(http.MethodGet), path(api.PathRequest)),
		with("DELETE of cancel", method(http.MethodDelete)),
	)
	j.each(ctx, j.resultOf(j.openRequest(ctx)), allows(http.MethodGet),
		with("POST of result", method(http.MethodPost)),
	)
}

func judgeOrigin(ctx context.Context, j *judge) {
	foreign := []edit{
		header("Origin", "https://shop.invalid"),
		header("Sec-Fetch-Site", "cross-site"),
	}
	j.each(ctx, j.initiate, accepted, with("of another site", foreign...))
	j.each(ctx, j.resultOf(j.openRequest(ctx)), authentic, with("of another site", foreign...))
	if j.cancels {
		j.each(ctx, j.cancelOf(unknownID()), noRecord, with("of another site", foreign...))
	}
}

func judgeAnswerOfV30(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, initiated, with("V3.0", locationOfV30...))
	if !j.canSign() {
		return
	}
	r := j.newRequest(ctx, locationOfV30...)
	j.sign(ctx, r)
	j.each(ctx, j.resultOf(r), func(a *answer) error {
		return hasMembers(a.body, "signed_doc_url", "signer_info", "exp")
	}, with("the result of V3.0", path("/sign-requests/"+r.RequestID+"/signed_doc")))
}
