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
	"slices"
	"strconv"
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
		{
			"5.4.3", decided, "A link that was given within the hour keeps its two minutes",
			judgeLateLink,
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
	at  time.Time
	all *answer
}

// aResult asks for the result of the signed request.
func (j *judge) aResult(ctx context.Context) *answered {
	a := j.do(ctx, j.resultOf(j.signedRequest(ctx))())
	j.fail(accepted(a))
	got := &answered{at: time.Now(), all: a}
	_ = json.Unmarshal(a.body, &got.Result) // the members are judged by their rules
	return got
}

// download fetches the document of the signed request.
func (j *judge) download(ctx context.Context) []byte {
	return j.downloadOf(ctx, j.signedRequest(ctx))
}

// downloadOf fetches the document of a request that is signed.
func (j *judge) downloadOf(ctx context.Context, r *request) []byte {
	a := j.get(ctx, j.linkOf(ctx, r))
	j.fail(accepted(a))
	return a.body
}

// linkOf asks for the link to the document of a request that is signed.
func (j *judge) linkOf(ctx context.Context, r *request) string {
	a := j.do(ctx, j.resultOf(r)())
	link := a.member("signed_doc_url")
	if link == "" {
		j.fail(cannotTell("there is no link: result is answered %s", a))
	}
	return link
}

var notSigned = refusedAs(api.CodeNotSigned)

func judgeResultPaths(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	j.each(ctx, j.resultOf(open), authentic,
		with("V3.2", path("/sign-requests/"+open.RequestID+"/signed-doc")),
		with("V3.0", path("/sign-requests/"+open.RequestID+"/signed_doc")),
	)
}

func judgeResultParty(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	j.each(ctx, j.resultOf(open), authentic,
		with("no client_id"), with("its client_id", claim("client_id", j.Party.ClientID)),
	)
	j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
		with("another client_id", claim("client_id", uuid.NewString())),
	)
	if j.Other != nil {
		j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
			with("another party's key", key(j.Other.Key)),
		)
	}
}

func judgeResultCode(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	second := j.newRequest(ctx)
	j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
		with("none", without("exchange_code")),
		with("a wrong one", claim("exchange_code", uuid.NewString())),
		with("another request's", claim("exchange_code", second.ExchangeCode)),
		with("half of it", claim("exchange_code", open.ExchangeCode[:len(open.ExchangeCode)/2])),
		with("an object", claim("exchange_code", map[string]any{"$ne": ""})),
	)
	if code := strings.ToUpper(open.ExchangeCode); code != open.ExchangeCode {
		j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
			with("in upper case", claim("exchange_code", code)),
		)
	}
	if j.canSign() {
		signed := j.signedRequest(ctx)
		j.each(ctx, j.resultOf(signed), accepted, with("its own, when it is signed"))
		j.each(ctx, j.resultOf(signed), refusedAs(api.CodeUnauthorized),
			with("a wrong one, when it is signed", claim("exchange_code", uuid.NewString())),
		)
	}
}

func judgeResultUnknown(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	j.each(ctx, j.resultOf(open), refusedAs(api.CodeUnauthorized),
		with("an unknown id", path("/sign-requests/"+unknownID()+"/signed-doc")),
		with("no id", path("/sign-requests/x/signed-doc")),
	)
}

func judgeResultType(ctx context.Context, j *judge) {
	open := j.openRequest(ctx)
	j.each(ctx, j.resultOf(open), authentic,
		with("none"), with("JSON", header("Content-Type", "application/json")),
		with("text", header("Content-Type", "text/plain")),
	)
}

func judgeResultRepeated(ctx context.Context, j *judge) {
	r := j.signedRequest(ctx)
	c := j.resultOf(r)()
	same := token(j.makeToken(c))
	first, second := j.do(ctx, j.resultOf(r)(same)), j.do(ctx, j.resultOf(r)(same))
	j.fail(accepted(first))
	j.fail(accepted(second))
	if !bytes.Equal(first.body, second.body) {
		j.failf("the second answer differs from the first")
	}
	other := j.openRequest(ctx)
	j.each(ctx, j.resultOf(other), refusedAs(api.CodeUnauthorized),
		with("its jti for another request", claim("jti", c.claims["jti"])),
	)
}

func judgeResultMembers(ctx context.Context, j *judge) {
	a := j.aResult(ctx).all
	j.fail(isJSON(a))
	j.fail(hasMembers(a.body, "signed_doc_url", "signer_info", "exp"))
}

func judgeSignerInfo(ctx context.Context, j *judge) {
	r := j.aResult(ctx)
	var inner struct {
		Info json.RawMessage `json:"signer_info"`
	}
	j.fail(json.Unmarshal(r.all.body, &inner))
	j.fail(signerInfo(inner.Info, r.at))
	j.sleep(ctx, 10*time.Millisecond) // signed_at has milliseconds
	if again := j.aResult(ctx); again.SignerInfo != r.SignerInfo {
		j.failf("the next call has another signer_info: %s", differs(r.SignerInfo, again.SignerInfo))
	}
}

// differs says in which members two members signer_info differ.
func differs(a, b api.SignerInfo) string {
	var names []string
	for name, equal := range map[string]bool{
		"signer_name": a.SignerName == b.SignerName, "signed_at": a.SignedAt == b.SignedAt,
		"signer_partial_uinfin": a.SignerPartialUINFIN == b.SignerPartialUINFIN,
	} {
		if !equal {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
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

func judgeResultExp(ctx context.Context, j *judge) {
	r := j.signedRequest(ctx)
	before, end := "", int64(0)
	for range 2 {
		a := j.do(ctx, j.resultOf(r)())
		j.fail(accepted(a))
		var got api.Result
		if err := json.Unmarshal(a.body, &got); err != nil {
			j.failf("the answer is not understood")
		}
		left := time.Until(time.Unix(got.Exp, 0))
		if left < 105*time.Second || left > 130*time.Second {
			j.failf("exp is %d, not the time in two minutes in seconds", got.Exp)
		}
		if got.SignedDocURL == before {
			j.failf("two calls give one link")
		}
		if got.Exp == end {
			j.failf("exp is that of the call a second before")
		}
		if before == "" { // links may differ by the second
			j.sleep(ctx, 1100*time.Millisecond)
		}
		before, end = got.SignedDocURL, got.Exp
	}
}

func judgeNotSigned(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.each(ctx, j.resultOf(r), notSigned, with("created"))
	if j.Control == "" { // the other states need a signer
		return
	}
	j.act(ctx, r, signer, "open")
	j.each(ctx, j.resultOf(r), notSigned, with("locked"))
	j.act(ctx, r, signer, "proceed")
	j.each(ctx, j.resultOf(r), notSigned, with("session"))
	j.act(ctx, r, signer, "reject")
	j.each(ctx, j.resultOf(r), notSigned, with("rejected"))
	r, finish := j.sealing(ctx)
	j.each(ctx, j.resultOf(r), notSigned, with("being sealed"))
	finish()
	j.each(ctx, j.resultOf(r), accepted, with("after sealing"))
}

func judgeExpired(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.age(ctx, r, 31*time.Minute)
	j.each(ctx, j.resultOf(r), refusedAs(api.CodeExpired), with("after 31 minutes"))
}

func judgeAccessExpired(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.needControl("lets time pass")
	j.sign(ctx, r)
	j.age(ctx, r, 59*time.Minute)
	j.each(ctx, j.resultOf(r), accepted, with("after 59 minutes"))
	j.age(ctx, r, 2*time.Minute)
	j.each(ctx, j.resultOf(r), refusedAs(api.CodeSignedAccessExpired), with("after 61 minutes"))
}

func judgeCancelledResult(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.each(ctx, j.cancelOf(r.RequestID), accepted, with("a new request"))
	cancelled := refusedAs(api.CodeCancelled)
	j.each(ctx, j.resultOf(r), cancelled, with("at once after the cancel"))
	if j.Control == "" {
		return
	}
	j.age(ctx, r, 31*time.Minute)
	j.each(ctx, j.resultOf(r), cancelled, with("31 minutes after the cancel"))
}

func judgeDownload(ctx context.Context, j *judge) {
	r := j.aResult(ctx)
	whole := j.get(ctx, r.SignedDocURL)
	if whole.status != http.StatusOK || !bytes.HasPrefix(whole.body, []byte("%PDF-")) {
		j.failf("the link is answered %d without a PDF", whole.status)
	}
	head := j.get(ctx, r.SignedDocURL, func(r *http.Request) { r.Method = http.MethodHead })
	if want := fmt.Sprint(len(whole.body)); head.status != http.StatusOK ||
		head.header.Get("Content-Length") != want {
		j.failf("HEAD is answered %d with Content-Length %q, not %s", head.status,
			head.header.Get("Content-Length"), want)
	}
	part := j.get(
		ctx, r.SignedDocURL, func(r *http.Request) { r.Header.Set("Range", "bytes=0-9") },
	)
	if part.status != http.StatusPartialContent || len(part.body) != 10 ||
		!bytes.HasPrefix(whole.body, part.body) {
		j.failf("a range of 10 bytes is answered %d with %d bytes of the document or others",
			part.status, len(part.body))
	}
	for header, condition := range map[string]string{
		"ETag": "If-None-Match", "Last-Modified": "If-Modified-Since",
	} {
		value := whole.header.Get(header)
		if value == "" {
			continue
		}
		same := j.get(
			ctx, r.SignedDocURL, func(r *http.Request) { r.Header.Set(condition, value) },
		)
		if same.status != http.StatusNotModified {
			j.failf("%s with its %s is answered %d, not 304", condition, header, same.status)
		}
	}
}

func judgeLinkEnd(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.sign(ctx, r)
	link := j.linkOf(ctx, r) // of this moment, so that its end is known
	links := []string{link}
	if j.hooks != nil {
		hook := j.firstWebhook(ctx, r)
		links = append(links, text(claimsOf(hook.token)["signed_doc_url"]))
	}
	if j.failed() {
		return
	}
	refused := func(link, when string) {
		a := j.get(ctx, link)
		if a.status != http.StatusForbidden || a.code() != api.CodeUnauthorized {
			j.failf("%s the link is answered %s", when, a)
		}
	}
	last := "A"
	if strings.HasSuffix(link, last) {
		last = "B"
	}
	refused(link[:len(link)-1]+last, "with another last character")
	if later := inAnHour(link); later != link {
		refused(later, "with a later end")
	}
	other := j.newRequest(ctx)
	j.sign(ctx, other)
	if of := strings.ReplaceAll(link, r.RequestID, other.RequestID); of != link {
		refused(of, "with the id of another document")
	}
	const still, over = 100 * time.Second, 125 * time.Second
	served := func() {
		if a := j.get(ctx, link); a.status != http.StatusOK {
			j.failf("after 100 s the link is answered %s", a)
		}
	}
	ended := func() {
		for i, link := range links {
			refused(link, []string{"after 125 s", "after 125 s, the webhook's"}[i])
		}
	}
	switch {
	case j.Control != "":
		j.later(ctx, still, served)
		j.later(ctx, over, ended)
	case j.Wait:
		j.sleep(ctx, still)
		served()
		j.sleep(ctx, over-still)
		ended()
	default:
		j.fail(cannotTell(
			"a changed link is refused; whether the link ends needs a wait of two minutes",
		))
	}
}

// inAnHour adds an hour to each time in the query of a link.
func inAnHour(link string) string {
	const hour, first = 3600, 1_700_000_000 // in 2023
	return number.ReplaceAllStringFunc(link, func(text string) string {
		n, err := strconv.ParseInt(text[1:], 10, 64)
		switch {
		case err != nil || n < first:
			return text
		case n > first*1000:
			return text[:1] + strconv.FormatInt(n+hour*1000, 10)
		}
		return text[:1] + strconv.FormatInt(n+hour, 10)
	})
}

var number = regexp.MustCompile(`=[0-9]{10,13}\b`)

func judgeLateLink(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.needControl("lets time pass")
	j.sign(ctx, r)
	j.age(ctx, r, 59*time.Minute)
	link := j.linkOf(ctx, r)
	j.age(ctx, r, 90*time.Second)
	if a := j.get(ctx, link); a.status != http.StatusOK {
		j.failf("90 s later the link is answered %s", a)
	}
}

func judgeDownloadHeaders(ctx context.Context, j *judge) {
	r := j.aResult(ctx)
	a := j.get(ctx, r.SignedDocURL)
	kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	disposition, params, _ := mime.ParseMediaType(a.header.Get("Content-Disposition"))
	cache := a.header.Get("Cache-Control")
	if kind != "application/pdf" || disposition != "attachment" ||
		!strings.Contains(cache, "no-store") {
		j.failf(
			"Content-Type is %q, Content-Disposition %q, Cache-Control %q", kind, disposition,
			cache,
		)
	}
	if name := params["filename"]; !strings.HasPrefix(name, "Conformance") {
		j.failf("the file is called %q, and doc_name is Conformance.pdf", name)
	}
}
