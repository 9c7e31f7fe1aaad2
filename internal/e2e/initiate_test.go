package e2e_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

var update = flag.Bool("update", false, "rewrite testdata/initiate.golden")

// places is the claim sign_locations: page, x and y, one after the other.
func places(numbers ...any) partytest.Edit {
	list := []any{}
	for i := 0; i+2 < len(numbers); i += 3 {
		list = append(
			list, map[string]any{"page": numbers[i], "x": numbers[i+1], "y": numbers[i+2]},
		)
	}
	return partytest.Claim("sign_locations", list)
}

// oldForm asks in the form of V3.0.
func oldForm(page, x, y any) partytest.Edit {
	return func(d *partytest.Draft) {
		delete(d.Claims, "sign_locations")
		d.Claims["page"], d.Claims["x"], d.Claims["y"] = page, x, y
	}
}

// filled is a document of exactly so many bytes.
func filled(size int) []byte {
	stuff := func(n int) []byte {
		return pdftest.New(
			pdftest.Object(pdftest.FirstFree, pdftest.Stream("", strings.Repeat("x", n))),
		)
	}
	n := size
	for range 3 { // the length of the length may change
		n -= len(stuff(n)) - size
	}
	return stuff(n)
}

// TestInitiateAccepts is what must pass, and where the boxes may be.
func TestInitiateAccepts(t *testing.T) {
	s := start(t)
	grid := []any{}
	for i := range 20 { // 2 columns and 10 rows of boxes on one page
		grid = append(
			grid, 1, 0.1+0.4*float64(i%2),
			json.RawMessage(fmt.Sprintf("%.2f", 0.02+0.08*float64(i/2))),
		)
	}
	number := func(text string) json.RawMessage { return json.RawMessage(text) }
	for name, c := range map[string]struct {
		edits []partytest.Edit
		pdf   []byte
	}{
		"V3.2":                            {},
		"V3.0":                            {edits: []partytest.Edit{oldForm(1, 0.5, 0.5)}},
		"both forms, sign_locations wins": {edits: []partytest.Edit{partytest.Claims(map[string]any{"page": 77, "x": 0.9, "y": 0.9})}},
		"corner":                          {edits: []partytest.Edit{places(1, 0, 0)}},
		"the last place on A4":            {edits: []partytest.Edit{places(1, 0.6295, 0.9287)}},
		"20 places":                       {edits: []partytest.Edit{places(grid...)}},
		"width and height are ignored": {edits: []partytest.Edit{partytest.Claim("sign_locations", []any{
			map[string]any{"page": 1, "x": 0.1, "y": 0.1, "width": 9999, "height": "tall"},
		})}},
		"every spelling of a number":  {edits: []partytest.Edit{places(1, number("5.0E-4"), number("0.10000"))}},
		"three pages, the last":       {edits: []partytest.Edit{places(3, 0.1, 0.1)}, pdf: pdftest.New(pdftest.Pages(3))},
		"the same place on two pages": {edits: []partytest.Edit{places(1, 0.1, 0.1, 2, 0.1, 0.1)}, pdf: pdftest.New(pdftest.Pages(2))},
		"boxes that touch":            {edits: []partytest.Edit{places(1, 0, 0, 1, 0, 0.0713)}},
		"rotated, inside":             {edits: []partytest.Edit{places(1, 0.73, 0.89)}, pdf: pdftest.New(pdftest.Rotate(90))},
		"cropped, inside":             {edits: []partytest.Edit{places(1, 0.5, 0.9)}, pdf: pdftest.New(pdftest.CropBox(50, 60, 500, 700))},
		"one byte below 10 MiB":       {pdf: filled(api.MaxDocumentBytes - 1)},
		"hash in upper case":          {edits: []partytest.Edit{partytest.Claim("signer_uin_hash", strings.Repeat("AB", 32))}},
		"doc_name with spaces around": {edits: []partytest.Edit{partytest.Claim("doc_name", "  Lease.pdf ")}},
		"doc_name of 255 characters":  {edits: []partytest.Edit{partytest.Claim("doc_name", strings.Repeat("合", 255))}},
		"doc_name with joiners":       {edits: []partytest.Edit{partytest.Claim("doc_name", "می\u200cخواهم 👨\u200d👩\u200d👧 क्\u200dष a\u00adb.pdf")}},
		"page 1.0 and fractions of times": {edits: []partytest.Edit{places(number("1.0"), 0.1, 0.1), func(d *partytest.Draft) {
			now := float64(s.now().UnixMilli()) / 1000
			d.Claims["iat"], d.Claims["exp"] = now, now+120
		}}},
		"claims of other calls":     {edits: []partytest.Edit{partytest.Claims(map[string]any{"exchange_code": "x", "request_id": "y"})}},
		"doc_name in other scripts": {edits: []partytest.Edit{partytest.Claim("doc_name", "租约 ஒப்பந்தம் חוזה.pdf")}},
		"claims of no call":         {edits: []partytest.Edit{partytest.Claims(map[string]any{"iss": "x", "azp": []string{"y"}, "sub": nil})}},
		"cross-reference stream":    {pdf: pdftest.New(pdftest.XrefStream())},
	} {
		pdf := c.pdf
		if pdf == nil {
			pdf = pdftest.Minimal()
		}
		a := s.upload(t, s.party.Token(token.Initiate, c.edits...), pdf)
		if a.status != http.StatusOK {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		var members map[string]string
		if err := json.Unmarshal([]byte(a.body), &members); err != nil {
			t.Fatal(err)
		}
		if got := slices.Sorted(maps.Keys(members)); !slices.Equal(
			got, []string{"exchange_code", "request_id", "signing_url"},
		) {
			t.Errorf("%s: members %v", name, got)
		}
		id, isOurs := strings.CutPrefix(members["request_id"], "signv3-")
		if u, err := uuid.Parse(id); !isOurs || err != nil || u.Version() != 7 ||
			id != strings.ToLower(id) {
			t.Errorf("request_id %q is not signv3- and a UUIDv7", members["request_id"])
		}
		if u, err := uuid.Parse(members["exchange_code"]); err != nil || u.Version() != 4 {
			t.Errorf("exchange_code is not a UUIDv4")
		}
		if want := s.url + "/sign/" + members["request_id"]; members["signing_url"] != want {
			t.Errorf("signing_url %q, want %q", members["signing_url"], want)
		}
	}
}

// TestInitiateRefuses plays every rule of docs/contract.md, 3, each with the description that tells
// the developer what to change. The descriptions are in testdata/initiate.golden, to be read as a
// whole.
func TestInitiateRefuses(t *testing.T) {
	s := start(t)
	signed := s.signedPDF(t, s.initiate(t, places(1, 0.1, 0.1)))
	number := func(text string) json.RawMessage { return json.RawMessage(text) }
	claim, without := partytest.Claim, partytest.NoClaim
	crowd := []any{}
	for i := range 21 {
		crowd = append(crowd, i+1, 0.1, 0.1)
	}
	type refusal struct {
		name  string
		pdf   []byte // nil: one A4 page
		edits []partytest.Edit
	}
	edit := func(edits ...partytest.Edit) []partytest.Edit { return edits }
	cases := []refusal{
		{"empty body", []byte{}, nil},
		{"not a PDF", []byte("<!DOCTYPE html><p>Not found"), nil},
		{"cut off", pdftest.Minimal()[:500], nil},
		{
			"bytes after the end",
			pdftest.New(pdftest.Suffix(strings.Repeat("<!-- served in 12 ms -->", 50))),
			nil,
		},
		{
			"encrypted",
			pdftest.New(pdftest.Trailer("/Encrypt << /Filter /Standard /V 1 /R 2 >>")),
			nil,
		},
		{"hybrid", pdftest.New(pdftest.Trailer("/XRefStm 100")), nil},
		{
			"hybrid in an earlier revision",
			pdftest.Update(pdftest.New(pdftest.Trailer("/XRefStm 100")), pdftest.Revision{}),
			nil,
		},
		{
			"an existing signature below B-T",
			pdftest.New(
				pdftest.IndirectForm(pdftest.Field{
					Name: "old", Page: 1, Rect: "[300 600 400 660]",
					Value: pdftest.Signature(""),
				}),
			),
			nil,
		},
		{
			"page larger than any viewer shows",
			pdftest.New(pdftest.MediaBox(0, 0, 14401, 14401)),
			nil,
		},
		{
			"page smaller than the box",
			pdftest.New(pdftest.MediaBox(0, 0, 200, 200)),
			edit(places(1, 0, 0)),
		},

		{"page 2 of 1", nil, edit(places(2, 0.1, 0.1))},
		{"page 0", nil, edit(places(0, 0.1, 0.1))},
		{"page -1", nil, edit(places(-1, 0.1, 0.1))},
		{"page 1.5", nil, edit(places(number("1.5"), 0.1, 0.1))},
		{"page as a string", nil, edit(places("1", 0.1, 0.1))},
		{
			"page missing",
			nil,
			edit(claim("sign_locations", []any{map[string]any{"x": 0.1, "y": 0.1}})),
		},
		{"x = 1", nil, edit(places(1, 1, 0.1))},
		{"x < 0", nil, edit(places(1, -0.0001, 0.1))},
		{"x of 5 decimals", nil, edit(places(1, 0.12345, 0.1))},
		{"x as a string", nil, edit(places(1, "0.1", 0.1))},
		{"x null", nil, edit(places(1, nil, 0.1))},
		{"x true", nil, edit(places(1, true, 0.1))},
		{"y = 1e3", nil, edit(places(1, 0.1, number("1e3")))},
		{
			"y missing",
			nil,
			edit(claim("sign_locations", []any{map[string]any{"page": 1, "x": 0.1}})),
		},
		{"V3.0, y missing", nil, edit(oldForm(1, 0.5, 0.5), without("y"))},
		{"V3.0, x as a string", nil, edit(oldForm(1, "0.5", 0.5))},
		{"V3.0, x = 1 as in the published sample", nil, edit(oldForm(1, 1, 0))},

		{"right of the page", nil, edit(places(1, 0.6297, 0.1))},
		{"above the page", nil, edit(places(1, 0.1, 0.9288))},
		{"right of the rotated page", pdftest.New(pdftest.Rotate(90)), edit(places(1, 0.74, 0.1))},
		{"above the rotated page", pdftest.New(pdftest.Rotate(90)), edit(places(1, 0.1, 0.9))},
		{
			"right of the cropped page",
			pdftest.New(pdftest.CropBox(50, 60, 500, 700)),
			edit(places(1, 0.52, 0.1)),
		},
		{"the second place is off its page", nil, edit(places(1, 0.1, 0.1, 1, 0.1, 0.99))},

		{"own boxes overlap", nil, edit(places(1, 0.1, 0.1, 1, 0.2, 0.12))},
		{"over an existing signature", signed, edit(places(1, 0.12, 0.11))},
		{"the same place twice", nil, edit(places(1, 0.1, 0.1, 1, 0.10, 0.1))},
		{"0 places", nil, edit(places())},
		{"21 places", pdftest.New(pdftest.Pages(21)), edit(places(crowd...))},
		{"no place in any form", nil, edit(without("sign_locations"))},
		{
			"sign_locations null beside V3.0",
			nil,
			edit(oldForm(1, 0.5, 0.5), claim("sign_locations", nil)),
		},
		{
			"sign_locations an object",
			nil,
			edit(claim("sign_locations", map[string]any{"page": 1, "x": 0.1, "y": 0.1})),
		},
		{"a place that is an array", nil, edit(claim("sign_locations", []any{[]any{1, 0.1, 0.1}}))},

		{
			"signer_uin_hash of 63 digits",
			nil,
			edit(claim("signer_uin_hash", strings.Repeat("a", 63))),
		},
		{
			"signer_uin_hash in base64",
			nil,
			edit(claim("signer_uin_hash", strings.Repeat("ab+/", 16))),
		},
		{"signer_uin_hash empty", nil, edit(claim("signer_uin_hash", ""))},
		{"signer_uin_hash null", nil, edit(claim("signer_uin_hash", nil))},
		{"signer_uin_hash a number", nil, edit(claim("signer_uin_hash", 1))},

		{"doc_name missing", nil, edit(without("doc_name"))},
		{"doc_name empty", nil, edit(claim("doc_name", ""))},
		{"doc_name of spaces", nil, edit(claim("doc_name", " \u00a0 "))},
		{"doc_name a number", nil, edit(claim("doc_name", 7))},
		{"doc_name with a line break", nil, edit(claim("doc_name", "a.pdf\r\nX: y"))},
		{"doc_name with NUL", nil, edit(claim("doc_name", "a\x00.pdf"))},
		{"doc_name that runs backwards", nil, edit(claim("doc_name", "exe.\u202efdp"))},
		{"doc_name with an isolate", nil, edit(claim("doc_name", "a\u2066b"))},
		{"doc_name with a zero-width space", nil, edit(claim("doc_name", "a\u200bb.pdf"))},
		{"doc_name of 256 characters", nil, edit(claim("doc_name", strings.Repeat("a", 256)))},
	}
	var golden strings.Builder
	for _, c := range cases {
		pdf := c.pdf
		if pdf == nil {
			pdf = pdftest.Minimal()
		}
		a := s.upload(t, s.party.Token(token.Initiate, c.edits...), pdf)
		refused := refusalOf(t, a)
		if a.status != 400 || refused.Code != "CLIENT_SIDE_ERROR" {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		fmt.Fprintf(&golden, "%-40s %s\n", c.name, refused.Description)
	}
	// What depends on the transport and not on the claims.
	large := filled(api.MaxDocumentBytes)
	for _, c := range []struct {
		name, contentType string
		body              io.Reader
	}{
		{"10 MiB, with Content-Length", "application/octet-stream", bytes.NewReader(large)},
		{"10 MiB, chunked", "application/octet-stream", struct{ io.Reader }{bytes.NewReader(large)}},
		{"without end, chunked", "application/octet-stream", io.LimitReader(endless{}, 3*api.MaxDocumentBytes)},
		{"application/pdf", "application/pdf", bytes.NewReader(pdftest.Minimal())},
		{"multipart", "multipart/form-data; boundary=x", bytes.NewReader(pdftest.Minimal())},
		{"no Content-Type", "", bytes.NewReader(pdftest.Minimal())},
		{"a broken Content-Type", "application/octet-stream;;;=", bytes.NewReader(pdftest.Minimal())},
	} {
		a := do(
			t, "POST", s.url+"/api/v3/sign-requests", s.party.Token(token.Initiate), c.contentType,
			c.body,
		)
		refused := refusalOf(t, a)
		if a.status != 400 || refused.Code != "CLIENT_SIDE_ERROR" {
			t.Errorf("%s: %d %s", c.name, a.status, a.body)
		}
		fmt.Fprintf(&golden, "%-40s %s\n", c.name, refused.Description)
	}
	for encoding, want := range map[string]int{"gzip": 400, "br": 400, "identity": 200} {
		req, err := http.NewRequest(
			"POST", s.url+"/api/v3/sign-requests", bytes.NewReader(pdftest.Minimal()),
		)
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{
			"Content-Type": {"application/octet-stream"}, "Content-Encoding": {encoding},
			"Authorization": {s.party.Token(token.Initiate)},
		}
		resp, err := checked(t).Do(req)
		if err != nil {
			t.Fatal(err)
		}
		text := readAll(t, resp)
		resp.Body.Close()
		if resp.StatusCode != want ||
			want == 400 && !strings.Contains(text, "Content-Encoding is not supported") {
			t.Errorf("Content-Encoding %s: %d %s", encoding, resp.StatusCode, text)
		}
	}
	if a := do(t, "POST", s.url+"/api/v3/sign-requests", s.party.Token(token.Initiate), "Application/Octet-Stream; charset=binary", bytes.NewReader(pdftest.Minimal())); a.status != 200 {
		t.Errorf("the media type in another spelling: %d %s", a.status, a.body)
	}

	got := regexp.MustCompile(
		`signv3-[0-9a-f-]{36}`,
	).ReplaceAllString(golden.String(), "<request id>")
	const file = "testdata/initiate.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	wantLines := strings.Split(string(want), "\n")
	for i, line := range strings.Split(got, "\n") {
		if i >= len(wantLines) || line != wantLines[i] {
			t.Errorf(
				"line %d of %s:\n got %s\nwant %s", i+1, file, line,
				append(wantLines, slices.Repeat([]string{""}, i+1)...)[i],
			)
		}
	}
	if left, _ := os.ReadDir(s.app.Config.Data + "/documents/tmp"); len(left) > 0 {
		t.Errorf("refused uploads left %d files", len(left))
	}
}

// endless is an upload that would not stop by itself.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }

// refusalOf reads the body of an answer that is not a success: two members and nothing else.
func refusalOf(t testing.TB, a answer) api.Error {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	var e api.Error
	if err := d.Decode(&e); err != nil {
		t.Errorf("the answer %d %q is not an error of the API: %v", a.status, a.body, err)
	}
	if ct := a.header.Get("Content-Type"); ct != "application/json" {
		t.Errorf("an error has Content-Type %q", ct)
	}
	return e
}

// signedPDF lets alice sign a request, and downloads what came of it.
func (s *sandbox) signedPDF(t testing.TB, in api.Initiated) []byte {
	t.Helper()
	s.must(t, in.RequestID, alice, "open", "proceed", "approve")
	s.settled(t, in.RequestID, "signed")
	a := do(t, "GET", s.signedResult(t, in).SignedDocURL, "", "", nil)
	if a.status != http.StatusOK {
		t.Fatalf("download: %d %s", a.status, a.body)
	}
	return []byte(a.body)
}

// signedResult asks for the result of a signed request.
func (s *sandbox) signedResult(t testing.TB, in api.Initiated) api.Result {
	t.Helper()
	a := s.result(t, in)
	var r api.Result
	if err := json.Unmarshal([]byte(a.body), &r); err != nil || a.status != http.StatusOK {
		t.Fatalf("result: %d %s", a.status, a.body)
	}
	return r
}

// TestNextSigner feeds a signed document back in, for a second signature beside the first.
func TestNextSigner(t *testing.T) {
	s := start(t)
	first := s.signedPDF(t, s.initiate(t, places(1, 0.1, 0.1)))
	a := s.upload(t, s.party.Token(token.Initiate, places(1, 0.1, 0.3)), first)
	var in api.Initiated
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != 200 {
		t.Fatalf("initiate with a signed document: %d %s", a.status, a.body)
	}
	s.must(t, in.RequestID, bob, "open", "proceed", "approve")
	s.settled(t, in.RequestID, "signed")
	both := do(t, "GET", s.signedResult(t, in).SignedDocURL, "", "", nil)
	if !strings.HasPrefix(both.body, string(first)) {
		t.Error("the second signature changed the first one's bytes")
	}
	pdfsig(t, []byte(both.body), 2)
}

// TestTokensOfOtherCalls sends each call's token to the other calls, which refuse it for what it
// lacks, and then a token with the claims of all calls, which is good for each.
func TestTokensOfOtherCalls(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	client, request, code := partytest.Claim("client_id", s.party.ClientID), partytest.Claim(
		"request_id", in.RequestID,
	), partytest.Claim("exchange_code", in.ExchangeCode)
	result := func(path string) func(string) answer {
		return func(jws string) answer {
			return do(t, "GET", s.url+"/api/v3/sign-requests/"+in.RequestID+path, jws, "", nil)
		}
	}
	calls := map[string]func(string) answer{
		"initiate": func(jws string) answer { return s.upload(t, jws, pdftest.Minimal()) },
		"result":   result("/signed-doc"), "result V3.0": result("/signed_doc"),
		"cancel": func(jws string) answer {
			return do(t, "POST", s.url+"/api/v3/sign-requests/cancel", jws, "application/json", nil)
		},
	}
	for _, c := range []struct {
		name  string
		call  token.Call
		edits []partytest.Edit
		to    string
		code  string
	}{
		{"initiate", token.Initiate, nil, "result", "UNAUTHORIZED"},
		{"initiate", token.Initiate, nil, "result V3.0", "UNAUTHORIZED"},
		{"initiate", token.Initiate, nil, "cancel", "CLIENT_SIDE_ERROR"},
		{"result", token.Result, []partytest.Edit{code, request}, "initiate", "UNAUTHORIZED"},
		{"result", token.Result, []partytest.Edit{code, request}, "cancel", "UNAUTHORIZED"},
		{"cancel", token.Cancel, []partytest.Edit{request}, "initiate", "UNAUTHORIZED"},
		{"cancel", token.Cancel, []partytest.Edit{request}, "result", "UNAUTHORIZED"},
	} {
		if a := calls[c.to](s.party.Token(c.call, c.edits...)); a.status != 400 ||
			refusalOf(t, a).Code != c.code {
			t.Errorf("a token for %s, sent to %s: %d %s", c.name, c.to, a.status, a.body)
		}
	}
	if v := s.view(t, in.RequestID); v.State != "created" {
		t.Errorf("after refused tokens the request is %s", v.State)
	}
	for _, step := range []struct {
		to, want string
	}{
		{"initiate", `"signing_url"`},
		{"result", "DOCUMENT_NOT_SIGNED"},
		{"result V3.0", "DOCUMENT_NOT_SIGNED"},
		{"cancel", ""},
		{"cancel", "REQUEST_ALREADY_CANCELLED"},
	} {
		if a := calls[step.to](s.party.Token(token.Initiate, client, request, code)); !strings.Contains(
			a.body, step.want,
		) ||
			step.want == "" && a.status != 200 {
			t.Errorf("a token with all claims, sent to %s: %d %s", step.to, a.status, a.body)
		}
	}
}

// TestTokenIDs checks that a jti is a UUID, and good once for initiate and result together.
func TestTokenIDs(t *testing.T) {
	s := start(t)
	in := s.initiate(t)
	code := partytest.Claim("exchange_code", in.ExchangeCode)
	result := func(edits ...partytest.Edit) answer {
		return do(
			t, "GET", s.url+"/api/v3/sign-requests/"+in.RequestID+"/signed-doc",
			s.party.Token(token.Result, append(edits, code)...), "", nil,
		)
	}
	jti := partytest.Claim("jti", uuid.NewString())
	if a := result(jti); refusalOf(t, a).Code != "DOCUMENT_NOT_SIGNED" {
		t.Errorf("first use: %d %s", a.status, a.body)
	}
	for name, a := range map[string]answer{
		"in another token":  result(jti),
		"on another call":   s.upload(t, s.party.Token(token.Initiate, jti), pdftest.Minimal()),
		"missing":           result(partytest.NoClaim("jti")),
		"not a UUID":        result(partytest.Claim("jti", "1")),
		"initiate, missing": s.upload(t, s.party.Token(token.Initiate, partytest.NoClaim("jti")), pdftest.Minimal()),
	} {
		if !a.is(400, "UNAUTHORIZED", "Unauthorized.") {
			t.Errorf("jti %s: %d %s", name, a.status, a.body)
		}
	}
	// Arguments that are refused use the token up as well: it was authentic.
	used := partytest.Claim("jti", uuid.NewString())
	if a := s.upload(t, s.party.Token(token.Initiate, used, partytest.NoClaim("doc_name")), pdftest.Minimal()); refusalOf(
		t, a,
	).Code != "CLIENT_SIDE_ERROR" {
		t.Errorf("without doc_name: %d %s", a.status, a.body)
	}
	if a := s.upload(t, s.party.Token(token.Initiate, used), pdftest.Minimal()); refusalOf(
		t, a,
	).Code != "UNAUTHORIZED" {
		t.Errorf("its jti again: %d %s", a.status, a.body)
	}
	// On cancel a jti means nothing.
	for _, want := range []string{"", "REQUEST_ALREADY_CANCELLED"} {
		a := do(
			t, "POST", s.url+"/api/v3/sign-requests/cancel",
			s.party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID), jti), "", nil,
		)
		if want == "" && a.status != 200 || want != "" && !strings.Contains(a.body, want) {
			t.Errorf("cancel: %d %s", a.status, a.body)
		}
	}
}

// TestRefusedUploadIsHeard checks that a client that sends all before it listens, as many do, still
// gets to read why it was refused.
func TestRefusedUploadIsHeard(t *testing.T) {
	s := start(t)
	const initiate = "/api/v3/sign-requests"
	body := filled(8 << 20)
	for name, c := range map[string]struct {
		path, jws string
		body      []byte
		want      int
	}{
		"no token":    {initiate, "", body, 400},
		"no place":    {initiate, s.party.Token(token.Initiate, partytest.NoClaim("sign_locations")), body, 400},
		"other call":  {initiate, s.party.Token(token.Cancel), body, 400},
		"too large":   {initiate, s.party.Token(token.Initiate), filled(api.MaxDocumentBytes), 400},
		"wrong path":  {initiate + "/", s.party.Token(token.Initiate), body, 404},
		"no base":     {"/sign-requests", s.party.Token(token.Initiate), body, 404},
		"wrong call":  {initiate + "/x/signed-doc", s.party.Token(token.Initiate), body, 405},
		"to cancel":   {initiate + "/cancel", s.party.Token(token.Initiate), body, 400},
		"to the keys": {"/.well-known/keys.json", s.party.Token(token.Initiate), body, 405},
	} {
		for _, header := range [][]string{nil, {"Connection: close"}} {
			if status := uploadDeaf(t, s.url, c.path, c.jws, c.body, header...); status != c.want {
				t.Errorf("%s %v: the client heard %d", name, header, status)
			}
		}
	}
	for kind, want := range map[string]int{"error": 500, "unavailable": 503} {
		s.inject(t, `{"kind": "`+kind+`", "call": "initiate", "count": 1}`)
		if status := uploadDeaf(t, s.url, initiate, s.party.Token(token.Initiate), body); status != want {
			t.Errorf("fault %s: the client heard %d", kind, status)
		}
	}
}
