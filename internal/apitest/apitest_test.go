package apitest_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/apitest"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

func load(t *testing.T) *apitest.Document {
	t.Helper()
	d, err := apitest.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

const id = "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"

func TestCheck(t *testing.T) {
	d := load(t)
	rp := partytest.Start(t)
	initiate := rp.Token(token.Initiate)
	result, cancel := rp.Token(token.Result), rp.Token(token.Cancel)
	v30 := rp.Token(
		token.Initiate, partytest.NoClaim("sign_locations"),
		partytest.Claims(map[string]any{"x": 0.5, "y": 0.5, "page": 1}),
	)
	initiated := `{"signing_url":"https://sign.example/sign/1","request_id":"` + id + `","exchange_code":"8c2f3a52-7a7b-4f0e-9d58-0d8d7a2f5c11"}`
	signed := `{"signed_doc_url":"https://sign.example/documents/1","signer_info":{"signer_name":"TAN","signer_partial_uinfin":"373D","signed_at":1},"exp":2}`
	refused := func(code string) string { return `{"error":"` + code + `","error_description":"d"}` }
	unauthorized := refused(api.CodeUnauthorized)

	type c struct {
		name, method, path, token, contentType, body string
		status                                       int
		answerType, answer                           string
		retryAfter                                   string
		wrong                                        string // part of the error; "": it is right
	}
	post := func(c c) c {
		c.method, c.path, c.contentType = "POST", "/api/v3/sign-requests", "application/octet-stream"
		return c
	}
	end := func(c c) c { c.method, c.path = "POST", "/api/v3/sign-requests/cancel"; return c }
	get := func(c c) c { c.method, c.path = "GET", "/api/v3/sign-requests/"+id+"/signed-doc"; return c }
	for _, c := range []c{
		post(c{name: "initiate", token: initiate, body: "%PDF", status: 200, answer: initiated}),
		post(c{name: "initiate V3.0", token: v30, body: "%PDF", status: 200, answer: initiated}),
		post(c{name: "Bearer", token: "Bearer " + initiate, body: "%PDF", status: 200, answer: initiated, wrong: "bare compact JWS"}),
		post(c{name: "Bearer refused", token: "Bearer " + initiate, body: "%PDF", status: 400, answer: unauthorized}),
		post(c{name: "no token", body: "%PDF", status: 200, answer: initiated, wrong: "Authorization"}),
		post(c{name: "token of another call", token: cancel, body: "%PDF", status: 200, answer: initiated, wrong: "doc_name"}),
		post(c{name: "no place", token: rp.Token(token.Initiate, partytest.NoClaim("sign_locations")), body: "%PDF", status: 200, answer: initiated, wrong: "missing"}),
		end(c{name: "no client", token: rp.Token(token.Cancel, partytest.NoClaim("client_id"), partytest.NoClaim("client_request")), status: 200, wrong: "missing"}),
		post(c{name: "no body", token: initiate, status: 200, answer: initiated, wrong: "value is required"}),
		post(c{name: "status 201", token: initiate, body: "%PDF", status: 201, answer: initiated, wrong: "status is not supported"}),
		post(c{name: "missing member", token: initiate, body: "%PDF", status: 200, answer: `{"signing_url":"https://a.example/","request_id":"1"}`, wrong: "exchange_code"}),
		post(c{name: "new member", token: initiate, body: "%PDF", status: 200, answer: strings.Replace(initiated, "{", `{"x":1,`, 1), wrong: "x is not documented"}),
		post(c{name: "HTML", token: initiate, body: "%PDF", status: 200, answerType: "text/html", answer: "<html>", wrong: "Content-Type"}),
		post(c{name: "code of another call", token: initiate, status: 400, answer: refused(api.CodeActiveSession), wrong: "allowed values"}),
		post(c{name: "401", status: 401, answer: unauthorized}),
		post(c{name: "403", status: 403, answer: unauthorized, wrong: "status is not supported"}),
		end(c{name: "cancel", token: cancel, contentType: "application/json", status: 200}),
		end(c{name: "cancel without type", token: cancel, status: 200}),
		end(c{name: "cancel with an answer", token: cancel, status: 200, answer: "{}", wrong: "where none is documented"}),
		end(c{name: "cancel with a body", token: cancel, body: "{}", status: 200, wrong: "request has a body"}),
		end(c{name: "active", token: cancel, status: 400, retryAfter: "168", answer: refused(api.CodeActiveSession)}),
		end(c{name: "active, bad Retry-After", token: cancel, status: 400, retryAfter: "soon", answer: refused(api.CodeActiveSession), wrong: "Retry-After"}),
		end(c{name: "private code", token: cancel, status: 400, answer: refused(api.CodeNoAccess), wrong: "allowed values"}),
		get(c{name: "result", token: result, status: 200, answer: signed}),
		get(c{name: "nested new member", token: result, status: 200, answer: strings.Replace(signed, `"signer_name"`, `"uin":"S","signer_name"`, 1), wrong: "signer_info.uin is not documented"}),
		get(c{name: "500", status: 500, answer: refused(api.CodeServerSide)}),
		{name: "V3.0 path", method: "GET", path: "/api/v3/sign-requests/" + id + "/signed_doc", token: result, status: 200, answer: signed},
		{name: "alias", method: "GET", path: "/sign-v3/sign-requests/" + id + "/signed-doc", token: result, status: 200, answer: signed},
		{name: "download", method: "GET", path: "/documents/" + id + "?expires=1&signature=x", status: 200, answerType: "application/pdf", answer: "%PDF"},
		{name: "download without query", method: "GET", path: "/documents/" + id, status: 200, answerType: "application/pdf", answer: "%PDF", wrong: "expires"},
		{name: "head", method: "HEAD", path: "/documents/" + id + "?expires=1&signature=x", status: 200, answerType: "application/pdf"},
		{name: "link over", method: "GET", path: "/documents/" + id, status: 403, answer: unauthorized},
		{name: "keys", method: "GET", path: "/.well-known/keys.json", status: 200, answer: `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256","x":"x","y":"y"}]}`},
		{name: "private key", method: "GET", path: "/.well-known/keys.json", status: 200, answer: `{"keys":[{"kty":"EC","crv":"P-256","kid":"1","use":"sig","alg":"ES256","x":"x","y":"y","d":"d"}]}`, wrong: "d is not documented"},
		{name: "portal", method: "GET", path: "/sign/" + id, status: 200, wrong: "no such operation"},
		{name: "wrong method", method: "DELETE", path: "/api/v3/sign-requests/cancel", status: 200, wrong: "no such operation"},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		if c.token != "" {
			r.Header.Set("Authorization", c.token)
		}
		if c.contentType != "" {
			r.Header.Set("Content-Type", c.contentType)
		}
		x := apitest.Exchange{
			Request: r, RequestBody: []byte(c.body), Status: c.status, Header: http.Header{},
			ResponseBody: []byte(c.answer),
		}
		if c.answerType == "" && c.answer != "" {
			c.answerType = "application/json"
		}
		if c.answerType != "" {
			x.Header.Set("Content-Type", c.answerType)
		}
		if c.retryAfter != "" {
			x.Header.Set("Retry-After", c.retryAfter)
		}
		err := d.Check(x)
		if (err == nil) != (c.wrong == "") ||
			err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
		if d.Covers(r) == errors.Is(err, apitest.ErrNotCovered) {
			t.Errorf("%s: Covers %v", c.name, d.Covers(r))
		}
	}
}

func TestCheckWebhook(t *testing.T) {
	d := load(t)
	k := partytest.Start(t).Key("ES256")
	body := func(claims string) string {
		return `{"token":"` + k.Sign([]byte(`{"alg":"ES256"}`), []byte(claims)) + `"}`
	}
	good := `{"request_type":"signed_doc_url","signed_doc_url":"https://sign.example/documents/1","request_id":"1","signer_info":{"signer_name":"TAN","signer_partial_uinfin":"373D","signed_at":1},"iat":1,"exp":121}`
	for _, c := range []struct{ name, method, contentType, body, wrong string }{
		{"good", "POST", "application/json", body(good), ""},
		{"method", "PUT", "application/json", body(good), "PUT"},
		{"type", "POST", "text/plain", body(good), "Content-Type"},
		{"no JSON", "POST", "application/json", "x", "invalid character"},
		{"no token", "POST", "application/json", "{}", "token"},
		{"no JWS", "POST", "application/json", `{"token":"x"}`, "compact JWS"},
		{"more", "POST", "application/json", strings.Replace(body(good), "{", `{"request_id":"1",`, 1), "not documented"},
		{"type of request", "POST", "application/json", body(strings.Replace(good, `"signed_doc_url",`, `"other",`, 1)), "request_type"},
		{"no signer", "POST", "application/json", body(strings.Replace(good, "signer_info", "signer", 1)), "signer_info"},
		{"aud", "POST", "application/json", body(strings.Replace(good, "{", `{"aud":"x",`, 1)), "aud is not documented"},
	} {
		err := d.CheckWebhook(
			c.method, http.Header{"Content-Type": {c.contentType}}, []byte(c.body),
		)
		if (err == nil) != (c.wrong == "") ||
			err != nil && !strings.Contains(err.Error(), c.wrong) {
			t.Errorf("%s: %v, want %q", c.name, err, c.wrong)
		}
	}
}

// What the client sends and what a server answers is checked on the way, on both sides alike, and
// reaches the other side whole.
func TestTransportAndHandler(t *testing.T) {
	d := load(t)
	rp := partytest.Start(t)
	var mu sync.Mutex
	reports := map[string][]string{}
	report := func(side string) func(*http.Request, error) {
		return func(r *http.Request, err error) {
			mu.Lock()
			defer mu.Unlock()
			text := "ok"
			if err != nil {
				text = err.Error()
			}
			reports[side] = append(reports[side], r.Method+" "+r.URL.Path+" "+text)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v3/sign-requests", func(w http.ResponseWriter, r *http.Request) {
		document, _ := io.ReadAll(r.Body)
		if string(document) != "%PDF" {
			t.Errorf("the service got %q", document)
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(
			w, `{"signing_url":"https://sign.example/sign/1","request_id":"1","exchange_code":"2"}`,
		)
	})
	mux.HandleFunc(
		"POST /api/v3/sign-requests/cancel",
		func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "done") },
	)
	mux.HandleFunc("GET /portal", func(http.ResponseWriter, *http.Request) {})
	server := httptest.NewServer(d.Handler(mux, report("server")))
	defer server.Close()

	k := rp.Key("ES256")
	c, err := client.New(client.Config{
		BaseURL: server.URL + api.BasePath, ClientID: rp.ClientID, Key: k.Private, KeyID: k.Kid,
		HTTPClient: &http.Client{Transport: d.Transport(nil, report("client"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Initiate(t.Context(), client.Request{DocName: "d", Locations: []api.Location{{Page: 1}}}, strings.NewReader("%PDF")); err != nil {
		t.Error(err)
	}
	if err := c.Cancel(t.Context(), id); err != nil {
		t.Error(err)
	}
	if doc, err := c.Download(t.Context(), server.URL+"/portal"); err != nil {
		t.Error(err)
	} else {
		_ = doc.Close()
	}
	mu.Lock()
	defer mu.Unlock()
	for _, side := range []string{"client", "server"} {
		got := reports[side]
		if len(got) != 2 || got[0] != "POST /api/v3/sign-requests ok" ||
			!strings.Contains(got[1], "where none is documented") {
			t.Errorf("%s: %q", side, got)
		}
	}
	want := []string{
		"cancel", "download", "downloadHead", "initiate", "keys", "result", "resultV30", "signed",
	}
	if got := strings.Join(d.Operations(), " "); got != strings.Join(want, " ") {
		t.Errorf("operations %s", got)
	}
}
