package conform

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// resultRules are those of docs/contract.md, 5.
func resultRules() []rule {
	return []rule{
		{"5.1.1", page, "signed-doc of V3.2 and signed_doc of V3.0 are one call", judgeResultPaths},
		{
			"5.1.2", page, "The token need not name the RP; another's client_id is refused",
			judgeResultParty,
		},
		{"5.1.3", page, "exchange_code is required, and is the request's", judgeResultCode},
		{
			"5.1.4", decided, "An unknown request_id is an authentication failure",
			judgeResultUnknown,
		},
		{"5.1.5", observed, "Content-Type has no effect", judgeResultType},
		{"5.1.6", decided, "The same token gets the same answer again", judgeResultRepeated},
		{"5.2.1", page, "The answer has signed_doc_url, signer_info and exp", judgeResultMembers},
		{
			"5.2.2", page, "signer_info has the name, 4 characters of the NRIC and the time",
			judgeSignerInfo,
		},
		{
			"5.2.3", page, "exp is two minutes after the answer; each call gives a new link",
			judgeResultExp,
		},
		{"5.3.1", page, "DOCUMENT_NOT_SIGNED before the signature", judgeNotSigned},
		{"5.3.2", page, "REQUEST_EXPIRED after 30 minutes without one", judgeExpired},
		{"5.3.3", page, "SIGNED_ACCESS_EXPIRED an hour after the signature", judgeAccessExpired},
		{"5.3.4", observed, "REQUEST_CANCELLED after a cancel", judgeCancelledResult},
		{
			"5.4.1", page, "The link is fetched without a token, whole, in part or by HEAD",
			judgeDownload,
		},
		{"5.4.2", decided, "A link that is over or changed is 403 UNAUTHORIZED", judgeLinkEnd},
		{
			"5.4.4", decided, "The file is a PDF, an attachment, and not cached",
			judgeDownloadHeaders,
		},
	}
}

// answered is the result of the signed request.
type answered struct {
	api.Result
	at   time.Time
	body []byte
}

// aResult asks for the result of the signed request.
func (j *judge) aResult(ctx context.Context) (*answered, error) {
	r, err := j.signedRequest(ctx)
	if err != nil {
		return nil, err
	}
	a, err := j.do(ctx, j.resultOf(r)())
	if err != nil {
		return nil, err
	}
	if err := accepted(a); err != nil {
		return nil, err
	}
	got := &answered{at: time.Now(), body: a.body}
	_ = json.Unmarshal(a.body, &got.Result) // the members are judged by their rules
	return got, nil
}

// download fetches the signed document.
func (j *judge) download(ctx context.Context) ([]byte, error) {
	r, err := j.aResult(ctx)
	if err != nil {
		return nil, err
	}
	a, err := j.get(ctx, r.SignedDocURL)
	if err != nil {
		return nil, err
	}
	return a.body, accepted(a)
}

var notSigned = refusedAs(api.CodeNotSigned)

func judgeResultPaths(ctx context.Context, j *judge) error {
	open, err := j.openRequest(ctx)
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(open), authentic,
		with("V3.2", path("/sign-requests/"+open.RequestID+"/signed-doc")),
		with("V3.0", path("/sign-requests/"+open.RequestID+"/signed_doc")),
	)
}

func judgeResultParty(ctx context.Context, j *judge) error {
	open, err := j.openRequest(ctx)
	if err != nil {
		return err
	}
	err = j.each(ctx, j.resultOf(open), authentic,
		with("no client_id"), with("its client_id", claim("client_id", j.Party.ClientID)),
	)
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
		with("another client_id", claim("client_id", uuid.NewString())),
	)
}

func judgeResultCode(ctx context.Context, j *judge) error {
	open, err := j.openRequest(ctx)
	if err != nil {
		return err
	}
	second, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
		with("none", without("exchange_code")),
		with("a wrong one", claim("exchange_code", uuid.NewString())),
		with("another request's", claim("exchange_code", second.ExchangeCode)),
	)
}

func judgeResultUnknown(ctx context.Context, j *judge) error {
	open, err := j.openRequest(ctx)
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
		with("an unknown id", path("/sign-requests/"+unknownID()+"/signed-doc")),
		with("no id", path("/sign-requests/x/signed-doc")),
	)
}

func judgeResultType(ctx context.Context, j *judge) error {
	open, err := j.openRequest(ctx)
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(open), authentic,
		with("none"), with("JSON", header("Content-Type", "application/json")),
		with("text", header("Content-Type", "text/plain")),
	)
}

func judgeResultRepeated(ctx context.Context, j *judge) error {
	r, err := j.signedRequest(ctx)
	if err != nil {
		return err
	}
	c := j.resultOf(r)()
	compact, err := c.compact()
	if err != nil {
		return err
	}
	var first *answer
	for range 2 {
		a, err := j.do(ctx, j.resultOf(r)(token(compact)))
		if err != nil {
			return err
		}
		if err := accepted(a); err != nil {
			return err
		}
		if first == nil {
			first = a
		}
		if !bytes.Equal(a.body, first.body) {
			return errors.New("the second answer differs from the first")
		}
	}
	other, err := j.openRequest(ctx)
	if err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(other), refusedAs(api.CodeUnauthorized),
		with("its jti for another request", claim("jti", c.claims["jti"])),
	)
}

func judgeResultMembers(ctx context.Context, j *judge) error {
	r, err := j.aResult(ctx)
	if err != nil {
		return err
	}
	return hasMembers(r.body, "signed_doc_url", "signer_info", "exp")
}

func judgeSignerInfo(ctx context.Context, j *judge) error {
	r, err := j.aResult(ctx)
	if err != nil {
		return err
	}
	var inner struct {
		Info json.RawMessage `json:"signer_info"`
	}
	if err := json.Unmarshal(r.body, &inner); err != nil {
		return err
	}
	return signerInfo(inner.Info, r.at)
}

var partial = regexp.MustCompile(`^[0-9]{3}[A-Z]$`)

// signerInfo judges the member signer_info of a document that was signed a short time before.
func signerInfo(text json.RawMessage, at time.Time) error {
	if err := hasMembers(text, "signer_name", "signer_partial_uinfin", "signed_at"); err != nil {
		return fmt.Errorf("signer_info: %w", err)
	}
	var info api.SignerInfo
	if err := json.Unmarshal(text, &info); err != nil {
		return errors.New("signer_info: a member has the wrong type")
	}
	if !partial.MatchString(info.SignerPartialUINFIN) {
		return fmt.Errorf("signer_partial_uinfin is %q", info.SignerPartialUINFIN)
	}
	if ago := at.Sub(time.UnixMilli(info.SignedAt)); ago < -10*time.Second || ago > time.Hour {
		return fmt.Errorf(
			"signed_at is %d, not the time of the signature in milliseconds", info.SignedAt,
		)
	}
	return nil
}

func judgeResultExp(ctx context.Context, j *judge) error {
	r, err := j.signedRequest(ctx)
	if err != nil {
		return err
	}
	before := ""
	for range 2 {
		a, err := j.do(ctx, j.resultOf(r)())
		if err != nil {
			return err
		}
		if err := accepted(a); err != nil {
			return err
		}
		var got api.Result
		if err := json.Unmarshal(a.body, &got); err != nil {
			return errors.New("the answer is not understood")
		}
		left := time.Until(time.Unix(got.Exp, 0))
		if left < 105*time.Second || left > 130*time.Second {
			return fmt.Errorf("exp is %d, not the time in two minutes in seconds", got.Exp)
		}
		if got.SignedDocURL == before {
			return errors.New("two calls give one link")
		}
		if before == "" { // links may differ by the second
			if err := sleep(ctx, 1100*time.Millisecond); err != nil {
				return err
			}
		}
		before = got.SignedDocURL
	}
	return nil
}

func judgeNotSigned(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.each(ctx, j.resultOf(r), notSigned, with("created")); err != nil ||
		j.Control == "" {
		return err
	}
	if err := j.act(ctx, r, signer, "open"); err != nil {
		return err
	}
	if err := j.each(ctx, j.resultOf(r), notSigned, with("locked")); err != nil {
		return err
	}
	if err := j.act(ctx, r, signer, "proceed"); err != nil {
		return err
	}
	if err := j.each(ctx, j.resultOf(r), notSigned, with("session")); err != nil {
		return err
	}
	if r, err = j.sealing(ctx); err != nil {
		return err
	}
	if err := j.each(ctx, j.resultOf(r), notSigned, with("being sealed")); err != nil {
		return err
	}
	if err := j.waitSigned(ctx, r); err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(r), accepted, with("after sealing"))
}

func judgeExpired(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.age(ctx, r, 31*time.Minute); err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(r), refusedAs(api.CodeExpired), with("after 31 minutes"))
}

func judgeAccessExpired(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.needControl("lets time pass"); err != nil {
		return err
	}
	if err := j.sign(ctx, r); err != nil {
		return err
	}
	if err := j.age(ctx, r, 59*time.Minute); err != nil {
		return err
	}
	if err := j.each(ctx, j.resultOf(r), accepted, with("after 59 minutes")); err != nil {
		return err
	}
	if err := j.age(ctx, r, 2*time.Minute); err != nil {
		return err
	}
	return j.each(
		ctx, j.resultOf(r), refusedAs(api.CodeSignedAccessExpired), with("after 61 minutes"),
	)
}

func judgeCancelledResult(ctx context.Context, j *judge) error {
	r, err := j.newRequest(ctx)
	if err != nil {
		return err
	}
	if err := j.each(ctx, j.cancelOf(r.RequestID), accepted, with("a new request")); err != nil {
		return err
	}
	return j.each(ctx, j.resultOf(r), refusedAs(api.CodeCancelled), with("after the cancel"))
}

func judgeDownload(ctx context.Context, j *judge) error {
	r, err := j.aResult(ctx)
	if err != nil {
		return err
	}
	whole, err := j.get(ctx, r.SignedDocURL)
	if err != nil {
		return err
	}
	if whole.status != http.StatusOK || !bytes.HasPrefix(whole.body, []byte("%PDF-")) {
		return fmt.Errorf("the link is answered %d without a PDF", whole.status)
	}
	head, err := j.get(ctx, r.SignedDocURL, func(r *http.Request) { r.Method = http.MethodHead })
	if err != nil {
		return err
	}
	if want := fmt.Sprint(len(whole.body)); head.status != http.StatusOK ||
		head.header.Get("Content-Length") != want {
		return fmt.Errorf("HEAD is answered %d with Content-Length %q, not %s", head.status,
			head.header.Get("Content-Length"), want)
	}
	part, err := j.get(
		ctx, r.SignedDocURL, func(r *http.Request) { r.Header.Set("Range", "bytes=0-9") },
	)
	if err != nil {
		return err
	}
	if part.status != http.StatusPartialContent || !bytes.Equal(part.body, whole.body[:10]) {
		return fmt.Errorf(
			"a range of 10 bytes is answered %d with %d bytes", part.status, len(part.body),
		)
	}
	return nil
}

func judgeLinkEnd(ctx context.Context, j *judge) error {
	r, err := j.signedRequest(ctx)
	if err != nil {
		return err
	}
	a, err := j.do(ctx, j.resultOf(r)()) // a link of its own, whose end is known
	if err != nil {
		return err
	}
	link := a.member("signed_doc_url")
	if link == "" {
		return cannotTell("there is no link: result is answered %s", a)
	}
	refused := func(when string) error {
		a, err := j.get(ctx, link)
		if err == nil && (a.status != http.StatusForbidden || a.code() != api.CodeUnauthorized) {
			err = fmt.Errorf("%s the link is answered %s", when, a)
		}
		return err
	}
	last := "A"
	if strings.HasSuffix(link, last) {
		last = "B"
	}
	whole := link
	link = link[:len(link)-1] + last
	if err := refused("with another last character"); err != nil {
		return err
	}
	link = whole
	const over = 125 * time.Second
	switch {
	case j.Control != "":
		clock := func(change map[string]any) error {
			return j.control(ctx, http.MethodPost, "/clock", change)
		}
		if err := clock(map[string]any{"advance": over.String()}); err != nil {
			return err
		}
		err = refused("after 125 s")
		if back := clock(map[string]any{"reset": true}); err == nil {
			err = back
		}
		return err
	case j.Wait:
		if err := sleep(ctx, over); err != nil {
			return err
		}
		return refused("after 125 s")
	}
	return cannotTell(
		"a changed link is refused; whether the link ends needs a wait of two minutes",
	)
}

func judgeDownloadHeaders(ctx context.Context, j *judge) error {
	r, err := j.aResult(ctx)
	if err != nil {
		return err
	}
	a, err := j.get(ctx, r.SignedDocURL)
	if err != nil {
		return err
	}
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	disposition, _, _ := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	cache := a.header.Get("Cache-Control")
	if kind != "application/pdf" || disposition != "attachment" ||
		!strings.Contains(cache, "no-store") {
		return fmt.Errorf(
			"Content-Type is %q, Content-Disposition %q, Cache-Control %q", kind, disposition,
			cache,
		)
	}
	return nil
}
