package conform

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/pades"
)

// initiateRules are those of docs/contract.md, 2.4, 3.1, 3.2 and 3.4.
func initiateRules() []rule {
	return []rule{
		{"2.4.1", observed, "request_id is signv3- and a UUID of version 7", judgeRequestID},
		{"2.4.2", decided, "A request_id is compared byte for byte", judgeRequestIDCase},
		{"2.4.3", observed, "exchange_code is a UUID of version 4", judgeExchangeCode},
		{"3.1.1", page, "The body is the PDF, as application/octet-stream", judgeUpload},
		{"3.1.2", observed, "Another Content-Type, or none, is refused", judgeUploadType},
		{"3.1.5", decided, "A Content-Encoding is refused", judgeUploadEncoding},
		{"3.2.1", page, "client_id is required, and is the caller's", judgeClientID},
		{"3.2.2", page, "doc_name is required", judgeDocName},
		{"3.2.3", decided, "doc_name has 1 to 255 characters that can be shown", judgeDocNameText},
		{"3.2.4", page, "sign_locations has 1 to 20 places", judgeLocations},
		{"3.2.5", observed, "x, y and page are one place, as in V3.0", judgeLocationOfV30},
		{"3.2.6", page, "x and y are from 0 to below 1, with at most 4 decimals", judgeFractions},
		{"3.2.7", page, "page is an integer from 1, in any spelling", judgePage},
		{"3.2.8", decided, "No two places are equal", judgeEqualLocations},
		{"3.2.10", decided, "A claim that is null is refused", judgeNull},
		{"3.4.1", observed, "signer_uin_hash is SHA-256 in hexadecimal digits", judgeHash},
		{"3.4.2", decided, "Any other signer_uin_hash is refused", judgeHashRefused},
		{"3.6.1", page, "The answer has signing_url, request_id and exchange_code", judgeInitiated},
		{
			"3.7.1", decided, "A refusal is 400 CLIENT_SIDE_ERROR with a description",
			judgeInitiateRefusal,
		},
	}
}

// locations replaces all places. One place is written as V3.0 writes it if the server knows no
// more.
func locations(list ...map[string]any) edit {
	return func(c *call) {
		for _, name := range []string{"x", "y", "page"} {
			delete(c.claims, name)
		}
		if c.v30 && len(list) == 1 {
			maps.Copy(c.claims, list[0])
			return
		}
		c.claims["sign_locations"] = list
	}
}

// locationOfV30 names one place as V3.0 does.
var locationOfV30 = []edit{
	without("sign_locations"), claim("page", 1), claim("x", 0.1), claim("y", 0.1),
}

// locationOfBoth names a place as V3.2 does, which counts, and as V3.0 does one off the page.
var locationOfBoth = []edit{
	claim("sign_locations", []any{box}), claim("page", 1), claim("x", 0.95), claim("y", 0.95),
}

func place(page, x, y any) map[string]any { return map[string]any{"page": page, "x": x, "y": y} }

func judgeRequestID(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	text, ok := strings.CutPrefix(r.RequestID, api.RequestIDPrefix)
	if id, err := uuid.Parse(text); !ok || err != nil || id.Version() != 7 || id.String() != text {
		j.failf("request_id is %q", r.RequestID)
	}
}

func judgeRequestIDCase(ctx context.Context, j *judge) {
	r := j.cancellable(ctx)
	j.each(ctx, j.cancelOf(strings.ToUpper(r.RequestID)), noRecord, with("in upper case"))
	j.each(ctx, j.cancelOf(r.RequestID), accepted, with("as it is"))
	j.each(ctx, j.resultOf(r), refusedAs(api.CodeUnauthorized),
		with("in upper case", path("/sign-requests/"+strings.ToUpper(r.RequestID)+"/signed-doc")),
	)
}

func judgeExchangeCode(ctx context.Context, j *judge) {
	r := j.newRequest(ctx)
	if id, err := uuid.Parse(r.ExchangeCode); err != nil || id.Version() != 4 {
		j.failf("exchange_code has %d characters and is none", len(r.ExchangeCode))
	}
}

func judgeUpload(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, accepted,
		with("a PDF"), with("in chunks, without Content-Length", chunked),
		with("announced with Expect: 100-continue", header("Expect", "100-continue")),
	)
	j.each(ctx, j.initiate, refused, with("no body", body(nil)))
}

func judgeUploadType(ctx context.Context, j *judge) {
	const name = "Content-Type"
	j.each(ctx, j.initiate, refused,
		with("none", noHeader(name)), with("JSON", header(name, "application/json")),
		with("application/pdf", header(name, "application/pdf")),
		with("a form", header(name, "multipart/form-data; boundary=x")),
	)
	j.each(ctx, j.initiate, accepted,
		with("with a parameter", header(name, "Application/Octet-Stream; charset=binary")),
	)
}

func judgeUploadEncoding(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, accepted, with("identity", header("Content-Encoding", "identity")))
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write(document{}.bytes())
	j.fail(errors.Join(err, w.Close()))
	gzipped := header("Content-Encoding", "gzip")
	j.each(ctx, j.initiate, refused,
		with("gzip that is none", gzipped), with("gzip", gzipped, body(packed.Bytes())),
	)
}

func judgeClientID(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, refusedAs(api.CodeUnauthorized),
		with("no client_id", without("client_id")),
		with("an unknown client_id", claim("client_id", uuid.NewString())),
		with("a number", claim("client_id", 7)),
	)
	if id := strings.ToUpper(j.Party.ClientID); id != j.Party.ClientID {
		j.each(ctx, j.initiate, refusedAs(api.CodeUnauthorized),
			with("in upper case", claim("client_id", id)),
		)
	}
	if j.Other != nil {
		j.each(ctx, j.initiate, refusedAs(api.CodeUnauthorized),
			with("another party's client_id", claim("client_id", j.Other.ClientID)),
		)
	}
}

func judgeDocName(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, refused,
		with("no doc_name", without("doc_name")), with("empty", claim("doc_name", "")),
		with("a number", claim("doc_name", 7)),
		with("a list", claim("doc_name", []string{"a.pdf"})),
	)
}

func judgeDocNameText(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, accepted,
		with("255 characters", claim("doc_name", strings.Repeat("字", 255))),
		with("255 characters beyond U+FFFF", claim("doc_name", strings.Repeat("𠀀", 255))),
		with("joiners", claim("doc_name", "می\u200cخواهم 👨\u200d👩\u200d👧.pdf")),
	)
	j.each(ctx, j.initiate, refused,
		with("256 characters", claim("doc_name", strings.Repeat("x", 256))),
		with("a line break", claim("doc_name", "a\nb.pdf")),
		with("bidirectional override", claim("doc_name", "a\u202efdp.exe")),
		with("bidirectional isolate", claim("doc_name", "a\u2066b.pdf")),
		with("a zero-width space", claim("doc_name", "a\u200bb.pdf")),
		with("white space only", claim("doc_name", "   ")),
	)
}

func judgeLocations(ctx context.Context, j *judge) {
	many := func(n int) (list []map[string]any) {
		for i := range n {
			list = append(list, place(1, 0.05+0.4*float64(i%2), float64(2+9*(i/2))/100))
		}
		return list
	}
	wide := place(1, 0.1, 0.1)
	wide["width"], wide["height"] = 0.2, 0.1
	j.each(ctx, j.initiate, accepted,
		with("1", locations(box)), with("20", locations(many(20)...)),
		with("further members", locations(wide)),
	)
	j.each(ctx, j.initiate, refused,
		with("absent", func(c *call) { locations()(c); delete(c.claims, "sign_locations") }),
		with("empty", locations([]map[string]any{}...)), with("21", locations(many(21)...)),
		with("an object", claim("sign_locations", box)),
		with("JSON in a string", claim("sign_locations", `[{"page":1,"x":0.1,"y":0.1}]`)),
		with("no y", locations(map[string]any{"page": 1, "x": 0.1})),
	)
}

func judgeLocationOfV30(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, accepted,
		with("V3.0", locationOfV30...), with("both, of which V3.0's is wrong", locationOfBoth...),
	)
	j.each(ctx, j.initiate, refused,
		with("V3.0 without x", append(slices.Clone(locationOfV30), without("x"))...),
	)
}

func judgeFractions(ctx context.Context, j *judge) {
	raw := func(text string) json.RawMessage { return json.RawMessage(text) }
	j.each(ctx, j.initiate, accepted,
		with("0", locations(place(1, 0, 0))), with("0.1234", locations(place(1, 0.1234, 0.1))),
		with("1e-1", locations(place(1, raw("1e-1"), raw("0.10000")))),
	)
	j.each(ctx, j.initiate, refused,
		with("1", locations(place(1, 1, 0.1))), with("-0.1", locations(place(1, 0.1, -0.1))),
		with("5 decimals of x", locations(place(1, raw("0.12345"), 0.1))),
		with("5 decimals of y", locations(place(1, 0.1, raw("0.12345")))),
		with("5 decimals in the second place", locations(box, place(1, 0.1, raw("0.51234")))),
		with("a string", locations(place(1, "0.1", 0.1))),
	)
}

func judgePage(ctx context.Context, j *judge) {
	j.each(
		ctx, j.initiate, accepted, with("1.0", locations(place(json.RawMessage("1.0"), 0.1, 0.1))),
	)
	j.each(ctx, j.initiate, refused,
		with("0", locations(place(0, 0.1, 0.1))), with("1.5", locations(place(1.5, 0.1, 0.1))),
		with("a string", locations(place("1", 0.1, 0.1))),
		with("page 2 of 1", locations(place(2, 0.1, 0.1))),
		with("page 0 in the second place", locations(box, place(0, 0.1, 0.5))),
		with("none", claim("sign_locations", []any{map[string]any{"x": 0.1, "y": 0.1}})),
	)
}

func judgeEqualLocations(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, refused, with("one place twice", locations(box, box)))
}

func judgeNull(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, refused,
		with("doc_name", claim("doc_name", nil)),
		with("signer_uin_hash", claim("signer_uin_hash", nil)),
		with("sign_locations", claim("sign_locations", nil)),
		with("x", claim("sign_locations", []any{place(1, nil, 0.1)})),
	)
}

func judgeHash(ctx context.Context, j *judge) {
	hash := client.HashUIN(signer)
	j.each(ctx, j.initiate, accepted,
		with("lower case", claim("signer_uin_hash", hash)),
		with("upper case", claim("signer_uin_hash", strings.ToUpper(hash))),
	)
}

func judgeHashRefused(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, refused,
		with("the NRIC", claim("signer_uin_hash", signer)),
		with("empty", claim("signer_uin_hash", "")),
		with("63 digits", claim("signer_uin_hash", client.HashUIN(signer)[1:])),
		with("64 characters that are no digits",
			claim("signer_uin_hash", strings.Repeat("z", len(client.HashUIN(signer))))),
		with("base64", claim("signer_uin_hash", base64.StdEncoding.EncodeToString(
			make([]byte, sha256.Size)))),
	)
}

func judgeInitiated(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, initiated, with("an ordinary call"))
}

// initiated wants the answer to an initiate that succeeded.
func initiated(a *answer) error {
	if err := accepted(a); err != nil {
		return err
	}
	if err := isJSON(a); err != nil {
		return err
	}
	if err := hasMembers(a.body, "signing_url", "request_id", "exchange_code"); err != nil {
		return err
	}
	for name := range a.members() {
		if a.member(name) == "" {
			return fmt.Errorf("the member %s is not a string", name)
		}
	}
	if u, err := url.Parse(a.member("signing_url")); err != nil || u.Host == "" {
		return fmt.Errorf("signing_url is no absolute URL, which a browser could open")
	}
	return nil
}

// isJSON wants the media type of JSON.
func isJSON(a *answer) error {
	if kind, _, _ := mime.ParseMediaType(a.header.Get("Content-Type")); kind != "application/json" {
		return fmt.Errorf("%s is answered %d with Content-Type %q", a.call, a.status, kind)
	}
	return nil
}

// hasMembers wants an object with exactly these members, none of which is null or an empty string.
func hasMembers(text []byte, names ...string) error {
	var object map[string]json.RawMessage
	if err := json.Unmarshal(text, &object); err != nil {
		return errors.New("it is no JSON object")
	}
	for _, name := range names {
		if _, ok := object[name]; !ok {
			return fmt.Errorf("the member %s is missing", name)
		}
	}
	for name, value := range object {
		if !slices.Contains(names, name) {
			return fmt.Errorf("there is a further member %q", name)
		}
		if bytes.Equal(value, []byte(`""`)) || bytes.Equal(value, []byte("null")) {
			return fmt.Errorf("the member %s is empty", name)
		}
	}
	return nil
}

func judgeInitiateRefusal(ctx context.Context, j *judge) {
	j.each(ctx, j.initiate, func(a *answer) error {
		if a.status != http.StatusBadRequest || a.code() != api.CodeClientSide ||
			a.member("error_description") == "" {
			return fmt.Errorf("initiate is answered %s", a)
		}
		return nil
	},
		with("no doc_name", without("doc_name")), with("no PDF", body([]byte("text"))),
		with("a box off the page", locations(place(1, 0.9, 0.9))),
		with("JSON as Content-Type", header("Content-Type", "application/json")),
		with("10 MiB", body(document{size: api.MaxDocumentBytes}.bytes())),
	)
	j.each(ctx, j.initiate, func(a *answer) error {
		if !strings.Contains(a.member("error_description"), "doc_name") {
			return fmt.Errorf("initiate is answered %s, which does not name doc_name", a)
		}
		return nil
	}, with("no doc_name", without("doc_name")))
}

// documentRules are those of docs/contract.md, 3.5 and 3.8.
func documentRules() []rule {
	refuses := func(variants ...variant) func(context.Context, *judge) {
		return func(ctx context.Context, j *judge) {
			j.each(ctx, j.initiate, refused, variants...)
		}
	}
	both := func(accept []variant, refuse ...variant) func(context.Context, *judge) {
		return func(ctx context.Context, j *judge) {
			j.each(ctx, j.initiate, accepted, accept...)
			j.each(ctx, j.initiate, refused, refuse...)
		}
	}
	pdf := func(d document) edit { return body(d.bytes()) }
	whole := document{}.bytes()
	return []rule{
		{"3.5.1", page, "A document has less than 10 MiB", both(
			[]variant{with("9,999,999 bytes", pdf(document{size: 9_999_999}))},
			with("10 MiB", pdf(document{size: api.MaxDocumentBytes})),
		)},
		{"3.5.2", decided, "A document is a PDF that can be read whole", both(
			[]variant{with(
				"lines after the end", body(append(bytes.TrimSpace(whole), "\r\n\r\n"...)),
			)},
			with("text", body([]byte("This is no PDF."))),
			with("half of a PDF", body(whole[:len(whole)/2])),
			with(
				"bytes after the end", body(slices.Concat(whole, bytes.Repeat([]byte("x"), 2000))),
			),
		)},
		{"3.5.3", page, "A document is not encrypted", refuses(
			with("encrypted", pdf(document{trailer: encryption})),
		)},
		{"3.5.4", page, "A document is no hybrid-reference file", refuses(
			with("hybrid", pdf(document{hybrid: true})),
		)},
		{"3.5.6", page, "No visible signature lies under a requested box", judgeBoxOnSignature},
		{"3.5.7", page, "A page is at least as large as the box", refuses(
			with(
				"a page of 200 x 50 pt", pdf(document{width: 200, height: 50}),
				locations(place(1, 0, 0)),
			),
		)},
		{"3.5.9", decided, "A document has no content that executes", refuses(
			with(
				"JavaScript",
				pdf(document{catalog: "/OpenAction << /S /JavaScript /JS (app.alert\\(1\\)) >>"}),
			),
			with("JavaScript by name", pdf(document{
				catalog: "/Names << /JavaScript << /Names [(a) << /S /JavaScript /JS (a) >>] >> >>",
			})),
			with("an action that launches a program", pdf(document{
				catalog: "/OpenAction << /S /Launch /F (a.exe) >>",
			})),
			with("an additional action", pdf(document{
				page: "/AA << /O << /S /JavaScript /JS (a) >> >>",
			})),
		)},
		{"3.8.1", page, "x and y are fractions of the displayed page", both(
			[]variant{with(
				"a page turned to 842 x 595 pt", pdf(document{page: "/Rotate 90"}),
				locations(place(1, 0.7, 0.1)),
			)},
			with(
				"a box too high for a page turned to 842 x 595 pt",
				pdf(document{page: "/Rotate 90"}), locations(place(1, 0.1, 0.92)),
			),
			with(
				"a box too wide for a page cropped to 300 x 842 pt",
				pdf(document{page: "/CropBox [0 0 300 842]"}), locations(place(1, 0.3, 0.1)),
			),
		)},
		{"3.8.3", observed, "The whole box is on the page", refuses(
			with("too far right", locations(place(1, 0.7, 0.1))),
			with("too high", locations(place(1, 0.1, 0.95))),
			with("too high in the second place", locations(box, place(1, 0.1, 0.95))),
		)},
		{"3.8.4", decided, "Boxes of one request do not overlap", both(
			[]variant{with("beside each other and above", locations(
				box, place(1, 0.4707, 0.1), place(1, 0.1, 0.1713),
			))},
			with("overlap", locations(box, place(1, 0.2, 0.12))),
		)},
	}
}

func judgeBoxOnSignature(ctx context.Context, j *judge) {
	file := j.download(ctx)
	j.each(ctx, j.initiate, refused, with("the same box again", body(file)))
}

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
			"4.5.2", observed, "The signature is PAdES with a time stamp, the document intact",
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
	// The time stamp of a stranger proves nothing, so only whether there is one is judged.
	if !bytes.Contains(bytes.ToLower(file), []byte(oidTimeStamp)) {
		j.failf("the signature has no time stamp")
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
