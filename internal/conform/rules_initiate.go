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
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
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
	before := map[string]string{} // values of the first answer
	j.each(ctx, j.initiate, func(a *answer) error {
		if err := initiated(a); err != nil {
			return err
		}
		for name := range a.members() {
			if a.member(name) == before[name] {
				return fmt.Errorf("two requests have one %s", name)
			}
			before[name] = a.member(name)
		}
		return nil
	}, with("an ordinary call"), with("another one"))
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
