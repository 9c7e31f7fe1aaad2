package conform

import (
	"bytes"
	"context"
	"math"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/pades"
)

// signerRules are those of docs/contract.md, 3.3 and 4.
func signerRules() []rule {
	return []rule{
		{
			"3.3.2", page, "Only the person of signer_uin_hash can open a document",
			judgeIntendedSigner,
		},
		{"3.3.3", page, "A request is locked to the first person who opens it", judgeFirstPerson},
		{"3.3.4", page, "A request can be signed for 30 minutes", judgeRequestLifetime},
		{"3.3.5", page, "A signed document can be initiated again", judgeNextSigner},
		{"4.2.3", page, "A signer who rejects may proceed again", judgeReject},
		{"4.3.2", decided, "A sign session ends after 180 seconds", judgeSessionEnd},
		{
			"4.3.3", decided, "A session that began before the end may complete after it",
			judgeLateSession,
		},
		{
			"4.4.1", page, "The way back is the redirect URL with request_id and status",
			judgeWayBack,
		},
		{
			"4.4.3", observed, "The query of the redirect URL is kept byte for byte",
			judgeWayBackQuery,
		},
		{"4.5.1", observed, "The uploaded bytes stay as they are", judgeAppended},
		{
			"4.5.2", observed, "The signature is PAdES with a timestamp, the document intact",
			judgePAdES,
		},
		{"4.5.3", decided, "One signature is shown by a field for each place", judgePlaces},
		{
			"3.8.2", observed, "x and y are the lower-left corner of a box of 220.5 x 60 pt",
			judgeBox,
		},
	}
}

// refusesOpen requires that a person may not open a request.
func (j *judge) refusesOpen(ctx context.Context, r *request, as string) {
	if j.failed() {
		return
	}
	switch err := j.tryAct(ctx, r, as, "open"); err.(type) {
	case nil:
		j.failf("the person may open it")
	case unknownError:
		j.fail(err)
	}
}

func judgeIntendedSigner(ctx context.Context, j *judge) {
	hash := client.HashUIN(signer)
	for _, spelt := range []string{hash, strings.ToUpper(hash)} {
		r := j.newRequest(ctx, claim("signer_uin_hash", spelt))
		j.refusesOpen(ctx, r, another)
		j.act(ctx, r, signer, "open")
	}
}

func judgeFirstPerson(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.act(ctx, r, another, "open")
	j.refusesOpen(ctx, r, signer)
}

func judgeRequestLifetime(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	for _, step := range []struct {
		age  time.Duration
		code string
	}{{29 * time.Minute, api.CodeNotSigned}, {2 * time.Minute, api.CodeExpired}} {
		j.age(ctx, r, step.age)
		j.each(ctx, j.resultOf(r), refusedAs(step.code), with("after "+step.age.String()))
	}
	j.refusesOpen(ctx, r, signer)
}

func judgeNextSigner(ctx context.Context, j *judge) {
	file := j.download(ctx)
	j.each(ctx, j.initiate, accepted,
		with("another box", body(file), locations(place(1, 0.1, 0.5))),
	)
}

func judgeReject(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.act(ctx, r, signer, "open", "proceed", "reject", "proceed")
}

func judgeSessionEnd(ctx context.Context, j *judge) {
	r := j.inSession(ctx)
	active := refusedAs(api.CodeActiveSession)
	j.age(ctx, r, 170*time.Second)
	j.each(ctx, j.cancelOf(r.RequestID), active, with("after 170 s"))
	j.age(ctx, r, 11*time.Second)
	j.each(ctx, j.cancelOf(r.RequestID), accepted, with("after 181 s"))
}

func judgeLateSession(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	j.act(ctx, r, signer, "open")
	j.age(ctx, r, 29*time.Minute)
	j.act(ctx, r, signer, "proceed")
	j.age(ctx, r, 90*time.Second)
	j.act(ctx, r, signer, "approve")
}

func judgeWayBack(ctx context.Context, j *judge) {
	if !j.SignByGet {
		j.fail(cannotTell("only a browser comes back: no GET of the signing URL signs"))
		return
	}
	r := j.newRequest(ctx)
	a := j.get(ctx, r.SigningURL)
	to, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status < 300 || a.status > 399 || to.Host == "" {
		j.failf("the GET of the signing URL is answered %d and redirects nowhere", a.status)
		return
	}
	query := to.Query()
	for name, want := range map[string]string{
		api.ParamRequestID: r.RequestID, api.ParamStatus: api.StatusSuccess,
	} {
		if got := query[name]; len(got) != 1 || got[0] != want {
			j.failf("the parameter %s is %q, not %q", name, got, want)
		}
	}
}

func judgeAppended(ctx context.Context, j *judge) {
	file := j.download(ctx)
	before := j.signedRequest(ctx).document
	if !bytes.HasPrefix(file, before) || len(file) == len(before) {
		j.failf("the signed document does not begin with the %d bytes uploaded", len(before))
	}
}

// verify verifies a document. It judges no trust: the roots of the server are not known.
func (j *judge) verify(file []byte) *pades.Report {
	if j.failed() {
		return new(pades.Report)
	}
	r, err := pades.Verify(
		bytes.NewReader(file), int64(len(file)), pades.VerifyOptions{Now: time.Now()},
	)
	if err != nil {
		j.failf("the document cannot be read: %w", err)
		return new(pades.Report)
	}
	return r
}

// signature is the only signature of a person in a document.
func (j *judge) signature(file []byte) *pades.Signature {
	list := slices.DeleteFunc(
		j.verify(file).Signatures, func(s *pades.Signature) bool { return s.DocumentTimestamp },
	)
	if len(list) != 1 {
		j.failf("the document has %d signatures of persons, not 1", len(list))
		return new(pades.Signature)
	}
	return list[0]
}

func judgePAdES(ctx context.Context, j *judge) {
	file := j.download(ctx)
	r := j.verify(file)
	if verdict, _ := r.Indication(); verdict == pades.TotalFailed || len(r.Signatures) == 0 {
		j.failf("the signature is not valid: %w", r.Err())
	}
	// The timestamp of a stranger proves nothing, so only whether there is one is judged.
	if !bytes.Contains(bytes.ToLower(file), []byte(oidTimeStamp)) {
		j.failf("the signature has no timestamp")
	}
}

// oidTimeStamp is the attribute id-aa-timeStampToken in the digits of a PDF's signature.
const oidTimeStamp = "060b2a864886f70d010910020e"

func judgePlaces(ctx context.Context, j *judge) {
	if j.v30 {
		j.fail(cannotTell("the server knows one place only"))
		return
	}
	r := j.newRequest(ctx, locations(box, place(1, 0.1, 0.5), place(1, 0.5, 0.5)))
	j.sign(ctx, r)
	s := j.signature(j.downloadOf(ctx, r))
	if s.Appearances != 3 {
		j.failf("the signature shows at %d places, not 3", s.Appearances)
	}
}

func judgeBox(ctx context.Context, j *judge) {
	const width, height, off = 595, 842, 1.0 / 842
	s := j.signature(j.download(ctx))
	if len(s.Places) != 1 {
		j.failf("the signature shows at %d places, not 1", len(s.Places))
		return
	}
	at := s.Places[0]
	near := func(a, b float64) bool { return math.Abs(a-b) < off }
	if at.Page != 1 || !near(at.X, 0.1) || !near(at.Y, 0.1) ||
		!near(at.Width, pades.BoxWidth/width) || !near(at.Height, pades.BoxHeight/height) {
		j.failf(
			"the signature is shown at x %.4f, y %.4f with %.1f x %.1f pt, not at 0.1, 0.1 with "+
				"%.1f x %d pt", at.X, at.Y, at.Width*width, at.Height*height, pades.BoxWidth,
			int(pades.BoxHeight),
		)
	}
}

// judgeWayBackQuery knows the redirect URL from its configuration.
func judgeWayBackQuery(ctx context.Context, j *judge) {
	base, query, _ := strings.Cut(j.RedirectURL, "?")
	switch {
	case j.RedirectURL == "":
		j.fail(cannotTell("the party's redirect URL is not given"))
		return
	case !j.SignByGet:
		j.fail(cannotTell("only a browser comes back: no GET of the signing URL signs"))
		return
	}
	r := j.newRequest(ctx)
	to := j.get(ctx, r.SigningURL).header.Get("Location")
	want := base + "?" + query
	if query != "" {
		want += "&"
	}
	rest, kept := strings.CutPrefix(to, want)
	if !kept || !strings.HasPrefix(rest, api.ParamRequestID+"=") &&
		!strings.HasPrefix(rest, api.ParamStatus+"=") {
		j.failf(
			"the browser comes back to %q, which is not the redirect URL with parameters added",
			strings.ReplaceAll(to, r.RequestID, "…"),
		)
	}
}
