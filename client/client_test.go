package client_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
)

// key returns a new private key.
func key(t testing.TB, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// newClient returns a client of the service at url; edit changes its configuration.
func newClient(t testing.TB, url string, edit ...func(*client.Config)) *client.Client {
	t.Helper()
	config := client.Config{
		BaseURL: url + api.BasePath, ClientID: "demo-client", Key: key(t, elliptic.P256()),
		KeyID: "key-1",
	}
	for _, f := range edit {
		f(&config)
	}
	c, err := client.New(config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// seen is a call as the service saw it.
type seen struct {
	method, path, contentType, authorization string
	length                                   int64
	body                                     []byte
	header, claims                           map[string]any
}

// service answers every call with the handler and records the requests.
func service(
	t testing.TB, public crypto.PublicKey, answer http.HandlerFunc,
) (url string, calls *[]seen) {
	t.Helper()
	calls = new([]seen)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s := seen{
			method: r.Method, path: r.URL.EscapedPath(), contentType: r.Header.Get("Content-Type"),
			authorization: r.Header.Get("Authorization"), length: r.ContentLength,
		}
		s.body, _ = io.ReadAll(r.Body)
		jws, err := jose.ParseSignedCompact(
			s.authorization, []jose.SignatureAlgorithm{jose.ES256, jose.ES384, jose.ES512},
		)
		if err != nil {
			t.Errorf("Authorization %q: %v", s.authorization, err)
			return
		}
		payload, err := jws.Verify(public)
		if err != nil {
			t.Errorf("token: %v", err)
		}
		h := jws.Signatures[0].Protected
		s.header = map[string]any{"alg": h.Algorithm, "kid": h.KeyID, "typ": h.ExtraHeaders["typ"]}
		if err := json.Unmarshal(payload, &s.claims); err != nil {
			t.Error(err)
		}
		*calls = append(*calls, s)
		answer(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, calls
}

func writeJSON(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text)
}

var uuidV4 = regexp.MustCompile(
	`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`,
)

func TestCallsOnTheWire(t *testing.T) {
	now := time.Date(2026, 3, 9, 6, 4, 0, 999, time.UTC)
	for _, alg := range []struct {
		name  string
		curve elliptic.Curve
	}{{"ES256", elliptic.P256()}, {"ES384", elliptic.P384()}, {"ES512", elliptic.P521()}} {
		t.Run(alg.name, func(t *testing.T) {
			k := key(t, alg.curve)
			url, calls := service(t, &k.PublicKey, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.URL.Path == "/api/v3/sign-requests/cancel":
					w.WriteHeader(200)
				case r.Method == http.MethodGet:
					writeJSON(
						w, 200,
						`{"signed_doc_url":"https://sign.example/documents/1","signer_info":{"signer_name":"TAN","signer_partial_uinfin":"373D","signed_at":1773036240123},"exp":1773036360,"new_member":[1]}`,
					)
				default:
					writeJSON(
						w, 201,
						`{"signing_url":"https://sign.example/sign/1","request_id":"signv3-1","exchange_code":"code-1","trace_id":"x"}`,
					)
				}
			})
			// A key in hardware shows nothing but Public and Sign.
			c := newClient(t, url, func(c *client.Config) {
				c.Key, c.Now = struct{ crypto.Signer }{k}, func() time.Time { return now }
			})
			initiated, err := c.Initiate(t.Context(), client.Request{
				DocName: "Lease.pdf", SignerUINHash: client.HashUIN(" s8979373d "),
				Locations: []api.Location{{Page: 2, X: 0.57, Y: 0.123456}},
			}, strings.NewReader("%PDF-1.7 ..."))
			if err != nil ||
				*initiated != (api.Initiated{SigningURL: "https://sign.example/sign/1", RequestID: "signv3-1", ExchangeCode: "code-1"}) {
				t.Fatalf("Initiate: %+v, %v", initiated, err)
			}
			result, err := c.Result(t.Context(), "signv3-1", "code-1")
			if err != nil || result.SignerInfo.SignedAt != 1773036240123 ||
				result.Exp != 1773036360 {
				t.Fatalf("Result: %+v, %v", result, err)
			}
			if err := c.Cancel(t.Context(), "signv3-1"); err != nil {
				t.Fatal(err)
			}

			want := []struct {
				line, contentType, body, claims string
			}{
				{
					"POST /api/v3/sign-requests", "application/octet-stream", "%PDF-1.7 ...",
					`{"client_id":"demo-client","doc_name":"Lease.pdf","sign_locations":[{"page":2,"x":0.57,"y":0.1234}],"signer_uin_hash":"` + client.HashUIN(
						"S8979373D",
					) + `"}`,
				},
				{
					"GET /api/v3/sign-requests/signv3-1/signed-doc",
					"",
					"",
					`{"exchange_code":"code-1"}`,
				},
				{
					"POST /api/v3/sign-requests/cancel", "application/json", "",
					`{"client_id":"demo-client","client_request":"demo-client","request_id":"signv3-1"}`,
				},
			}
			ids := map[any]bool{}
			for i, w := range want {
				got := (*calls)[i]
				if line := got.method + " " + got.path; line != w.line ||
					got.contentType != w.contentType ||
					string(got.body) != w.body ||
					got.length != int64(len(w.body)) {
					t.Errorf(
						"call %d: %s, %q, %d bytes %q", i, line, got.contentType, got.length,
						got.body,
					)
				}
				if got.header["alg"] != alg.name || got.header["kid"] != "key-1" {
					t.Errorf("call %d: header %v", i, got.header)
				}
				if iat, exp := got.claims["iat"], got.claims["exp"]; iat != float64(now.Unix()) ||
					exp != float64(now.Unix()+120) {
					t.Errorf("call %d: iat %v, exp %v", i, iat, exp)
				}
				jti, _ := got.claims["jti"].(string)
				if !uuidV4.MatchString(jti) || ids[jti] {
					t.Errorf("call %d: jti %q", i, jti)
				}
				ids[jti] = true
				for _, name := range []string{"iat", "exp", "jti"} {
					delete(got.claims, name)
				}
				if text, _ := json.Marshal(got.claims); string(text) != w.claims {
					t.Errorf("call %d: claims %s, want %s", i, text, w.claims)
				}
			}
		})
	}
}

func TestHashUIN(t *testing.T) {
	// printf S8979373D | sha256sum
	const want = "d918015ec651bc9ea75adc6fd43685397f3e6b843874f4404561ace4e064f823"
	for _, uin := range []string{"S8979373D", "s8979373d\n", " S8979373d "} {
		if got := client.HashUIN(uin); got != want {
			t.Errorf("HashUIN(%q) = %s", uin, got)
		}
	}
}

func TestFourDecimals(t *testing.T) {
	for _, c := range []struct{ in, want float64 }{
		{0, 0},
		{0.1, 0.1},
		{0.57, 0.57},
		{0.29, 0.29},
		{0.99999, 0.9999},
		{0.00009, 0},
		{0.62951, 0.6295},
		{1.5, 1.5},
		{-0.00001, -0.00001},
	} {
		if got := client.FourDecimals(c.in); got != c.want {
			t.Errorf("fourDecimals(%v) = %v, want %v", c.in, got, c.want)
		}
	}
	if !math.IsNaN(client.FourDecimals(math.NaN())) {
		t.Error("NaN became a number")
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	for _, c := range []struct {
		name       string
		status     int
		body       string
		retryAfter string

		code  string
		is    error
		isNot error
		after time.Duration
		temp  bool
	}{
		{name: "unauthorized 400", status: 400, body: `{"error":"UNAUTHORIZED","error_description":"Unauthorized."}`, code: "UNAUTHORIZED", is: api.ErrUnauthorized, isNot: api.ErrNoRecord},
		{name: "unauthorized 401", status: 401, body: `{"error":"UNAUTHORIZED","error_description":"No."}`, code: "UNAUTHORIZED", is: api.ErrUnauthorized},
		{name: "unauthorized 403", status: 403, body: `{"error":"UNAUTHORIZED"}`, code: "UNAUTHORIZED", is: api.ErrUnauthorized},
		{name: "active", status: 400, body: `{"error":"ACTIVE_SESSION_ONGOING","error_description":"Request cannot be cancelled due to an active sign session","id":"1"}`, retryAfter: "168", code: "ACTIVE_SESSION_ONGOING", is: api.ErrActiveSession, after: 168 * time.Second, temp: true},
		{name: "active until a date", status: 400, body: `{"error":"ACTIVE_SESSION_ONGOING"}`, retryAfter: "Mon, 09 Mar 2026 06:05:00 GMT", is: api.ErrActiveSession, code: "ACTIVE_SESSION_ONGOING", after: time.Minute, temp: true},
		{name: "active for ever", status: 400, body: `{"error":"ACTIVE_SESSION_ONGOING"}`, retryAfter: "99999999999999", is: api.ErrActiveSession, code: "ACTIVE_SESSION_ONGOING", temp: true},
		{name: "no record", status: 400, body: `{"error":"CLIENT_SIDE_ERROR","error_description":"No record found"}`, code: "CLIENT_SIDE_ERROR", is: api.ErrNoRecord, isNot: api.ErrClientSide("Something")},
		{name: "argument", status: 400, body: `{"error":"CLIENT_SIDE_ERROR","error_description":"doc_name is missing"}`, code: "CLIENT_SIDE_ERROR", is: api.ErrClientSide("doc_name is missing"), isNot: api.ErrNoRecord},
		{name: "signed", status: 400, body: `{"error":"DOCUMENT_ALREADY_SIGNED","error_description":"another text"}`, code: "DOCUMENT_ALREADY_SIGNED", is: api.ErrAlreadySigned, isNot: api.ErrActiveSession},
		{name: "too many", status: 429, body: `{"error":"TOO_MANY_REQUESTS"}`, retryAfter: "7", code: "TOO_MANY_REQUESTS", is: api.ErrTooManyRequests, after: 7 * time.Second, temp: true},
		{name: "server", status: 500, body: `{"error":"SERVER_SIDE_ERROR"}`, code: "SERVER_SIDE_ERROR", is: api.ErrServerSide, temp: true},
		{name: "unknown code", status: 400, body: `{"error":"NEW_RULE","error_description":"d"}`, code: "NEW_RULE", is: &api.Error{Code: "NEW_RULE"}},
		{name: "HTML of a gateway", status: 502, body: "<html><body>Bad Gateway</body></html>", temp: true, isNot: api.ErrServerSide},
		{name: "HTML of the wrong host", status: 404, body: "<html>"},
		{name: "nothing", status: 503, temp: true},
		{name: "JSON of something else", status: 400, body: `{"error":{"code":7}}`},
		{name: "JSON without a code", status: 400, body: `[]`, isNot: &api.Error{}},
		{name: "huge", status: 400, body: `{"error":"` + long + `"}`},
		{name: "redirect", status: 307, body: ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			k := key(t, elliptic.P256())
			url, calls := service(t, &k.PublicKey, func(w http.ResponseWriter, r *http.Request) {
				if c.retryAfter != "" {
					w.Header().Set("Retry-After", c.retryAfter)
				}
				if c.status == 307 {
					w.Header().Set("Location", r.URL.Path+"/elsewhere")
				}
				writeJSON(w, c.status, c.body)
			})
			sdk := newClient(t, url, func(config *client.Config) {
				config.Key = k
				config.Now = func() time.Time { return time.Date(2026, 3, 9, 6, 4, 0, 0, time.UTC) }
			})
			_, initiateErr := sdk.Initiate(t.Context(), client.Request{}, strings.NewReader("%PDF"))
			_, resultErr := sdk.Result(t.Context(), "signv3-1", "code")
			for call, err := range map[string]error{"cancel": sdk.Cancel(t.Context(), "signv3-1"), "initiate": initiateErr, "result": resultErr} {
				var e *client.Error
				if !errors.As(err, &e) {
					t.Fatalf("%s: %v is not a client.Error", call, err)
				}
				if e.Call != call || e.Status != c.status || e.Code != c.code ||
					e.RetryAfter != c.after ||
					e.Temporary() != c.temp {
					t.Errorf("%+v, temporary %v", e, e.Temporary())
				}
				if c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("%v is not %v", err, c.is)
				}
				if c.isNot != nil && errors.Is(err, c.isNot) {
					t.Errorf("%v is %v", err, c.isNot)
				}
				var refusal *api.Error
				if errors.As(err, &refusal) != (c.code != "") {
					t.Errorf("as api.Error: %v", refusal)
				}
				if len(e.Body) > 4<<10 || len(e.Error()) > 500 ||
					!strings.HasPrefix(c.body, string(e.Body)) {
					t.Errorf("body of %d bytes, text of %d", len(e.Body), len(e.Error()))
				}
			}
			if len(*calls) != 3 {
				t.Errorf("%d calls: a redirect was followed, or a call repeated", len(*calls))
			}
		})
	}
}

func TestIsCancelled(t *testing.T) {
	for err, want := range map[error]bool{
		&client.Error{Code: api.CodeAlreadyCancelled}: true,
		&client.Error{Code: api.CodeCancelled}:        true,
		&client.Error{Code: api.CodeAlreadySigned}:    false,
		&client.Error{}: false, io.EOF: false,
		fmt.Errorf("wrapped: %w", &client.Error{Code: api.CodeAlreadyCancelled}): true,
	} {
		if client.IsCancelled(err) != want {
			t.Errorf("IsCancelled(%v) = %v", err, !want)
		}
	}
}

// Success is any 2xx of cancel, whatever the body; initiate and result must be understood.
func TestStrangeSuccesses(t *testing.T) {
	secret := "secret-exchange-code"
	for name, answer := range map[string]http.HandlerFunc{
		"HTML":           func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "<html>"+secret) },
		"nothing":        func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) },
		"another object": func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, 200, `{"exchange_code":"`+secret+`"}`) },
		"a script as URL": func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, 200, `{"request_id":"r","exchange_code":"`+secret+`","signing_url":"javascript:alert(1)","signed_doc_url":"file:///etc/passwd"}`)
		},
		"huge": func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `{"x":"`+strings.Repeat(secret, 1<<16)+`"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(answer)
			defer server.Close()
			c := newClient(t, server.URL)
			if err := c.Cancel(t.Context(), "signv3-1"); err != nil {
				t.Errorf("Cancel: %v", err)
			}
			_, initiateErr := c.Initiate(t.Context(), client.Request{}, strings.NewReader("%PDF"))
			_, resultErr := c.Result(t.Context(), "signv3-1", "code")
			for _, err := range []error{initiateErr, resultErr} {
				var e *client.Error
				if !errors.As(err, &e) || e.Status/100 != 2 || e.Code != "" || e.Temporary() ||
					errors.Unwrap(err) == nil {
					t.Errorf("%v", err)
				} else if strings.Contains(e.Error(), secret) {
					t.Errorf("the text shows the answer: %v", e)
				}
			}
		})
	}
}

func TestBrokenAnswers(t *testing.T) {
	cut := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Length", "1000")
		writeJSON(w, status, body)
	}
	t.Run("success cut short", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			cut(w, 200, `{"signing_url":"https://a.example/","request_id":"r","exchange_code":"c"}`)
		}))
		defer server.Close()
		c := newClient(t, server.URL)
		if err := c.Cancel(t.Context(), "r"); err != nil {
			t.Errorf("Cancel: %v", err)
		}
		_, err := c.Initiate(t.Context(), client.Request{}, strings.NewReader("%PDF"))
		if e := (*client.Error)(nil); errors.As(err, &e) || !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("Initiate: %v", err)
		}
	})
	t.Run("refusal cut short", func(t *testing.T) {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			cut(w, 400, `{"error":"REQUEST_ALREADY_CANCELLED"}`)
		}))
		defer server.Close()
		err := newClient(t, server.URL).Cancel(t.Context(), "r")
		if e := (*client.Error)(nil); !errors.As(err, &e) || e.Status != 400 || e.Code != "" {
			t.Errorf("Cancel: %v", err)
		}
	})
	t.Run("slow", func(t *testing.T) {
		done := make(chan struct{})
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasSuffix(r.URL.Path, "signed-doc") { // header at once, body never
				w.WriteHeader(200)
				_ = http.NewResponseController(w).Flush()
			}
			<-done
		}))
		defer server.Close()
		defer close(done)
		c := newClient(t, server.URL)
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if err := c.Cancel(ctx, "r"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Cancel: %v", err)
		}
		ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		if _, err := c.Result(ctx, "r", "c"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("Result: %v", err)
		}
	})
	t.Run("no server", func(t *testing.T) {
		server := httptest.NewServer(nil)
		server.Close()
		err := newClient(t, server.URL).Cancel(t.Context(), "r")
		if e := (*client.Error)(nil); err == nil || errors.As(err, &e) {
			t.Errorf("Cancel: %v", err)
		}
	})
}

func TestDocumentSize(t *testing.T) {
	var got int64
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got, _ = io.Copy(io.Discard, r.Body)
		writeJSON(
			w, 200, `{"signing_url":"https://a.example/","request_id":"r","exchange_code":"c"}`,
		)
	}))
	defer server.Close()
	c := newClient(t, server.URL)
	for size, want := range map[int]error{0: client.ErrDocumentSize, 1: nil, api.MaxDocumentBytes - 1: nil, api.MaxDocumentBytes: client.ErrDocumentSize, api.MaxDocumentBytes + 1: client.ErrDocumentSize} {
		got = -1
		_, err := c.Initiate(t.Context(), client.Request{}, bytes.NewReader(make([]byte, size)))
		if !errors.Is(err, want) || (got >= 0) != (want == nil) {
			t.Errorf("%d bytes: %v, and the service got %d", size, err, got)
		}
	}
	broken := errors.New("disk")
	if _, err := c.Initiate(t.Context(), client.Request{}, io.MultiReader(strings.NewReader("%PDF"), failing{broken})); !errors.Is(
		err, broken,
	) {
		t.Errorf("broken reader: %v", err)
	}
	if _, err := c.Initiate(t.Context(), client.Request{Locations: []api.Location{{X: math.NaN()}}}, strings.NewReader("%PDF")); err == nil {
		t.Error("NaN was sent")
	}
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

func TestResultPath(t *testing.T) {
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.RequestURI)
		writeJSON(w, 400, `{"error":"CLIENT_SIDE_ERROR","error_description":"No record found"}`)
	}))
	defer server.Close()
	c := newClient(
		t, server.URL+"/", func(c *client.Config) { c.BaseURL = server.URL + "/sign-v3/" },
	)
	for _, id := range []string{"../cancel", "a?b#c", "", ".", ".."} {
		if _, err := c.Result(t.Context(), id, "c"); err == nil {
			t.Errorf("%q: no error", id)
		}
	}
	want := "/sign-v3/sign-requests/..%2Fcancel/signed-doc /sign-v3/sign-requests/a%3Fb%23c/signed-doc"
	if got := strings.Join(paths, " "); got != want {
		t.Errorf("paths %s", got)
	}
}

func TestDownload(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "" {
			t.Error("a token went to the download link")
		}
		switch r.URL.Path {
		case "/moved":
			http.Redirect(w, r, "/doc?signature=s", http.StatusFound)
		case "/cut":
			w.Header().Set("Content-Length", "100")
			_, _ = io.WriteString(w, "%PDF")
		case "/over":
			writeJSON(w, 403, `<?xml version="1.0"?><Error/>`)
		default:
			_, _ = io.WriteString(w, "%PDF")
		}
	}))
	defer server.Close()
	c := newClient(t, server.URL)
	read := func(path string) (string, error) {
		doc, err := c.Download(t.Context(), path)
		if err != nil {
			return "", err
		}
		defer doc.Close()
		text, err := io.ReadAll(doc)
		return string(text), err
	}
	for _, path := range []string{"/doc", "/moved"} {
		if text, err := read(server.URL + path); text != "%PDF" || err != nil {
			t.Errorf("%s: %q, %v", path, text, err)
		}
	}
	if _, err := read(server.URL + "/cut"); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("cut: %v", err)
	}
	var e *client.Error
	if _, err := read(server.URL + "/over"); !errors.As(err, &e) || e.Status != 403 ||
		e.Code != "" ||
		e.Temporary() {
		t.Errorf("over: %v", err)
	}
	server.Close()
	if _, err := read(server.URL + "/doc?signature=secret"); err == nil ||
		strings.Contains(err.Error(), "secret") {
		t.Errorf("closed: %v", err)
	}
	for _, bad := range []string{"", "/doc", "file:///etc/passwd", "http://", "http://a b/?secret"} {
		if _, err := read(bad); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func TestConfig(t *testing.T) {
	k := key(t, elliptic.P256())
	weak, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := client.Config{BaseURL: "https://sign.example/api/v3", ClientID: "c", Key: k, KeyID: "k"}
	if _, err := client.New(good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range map[string]func(*client.Config){
		"no base":      func(c *client.Config) { c.BaseURL = "" },
		"no host":      func(c *client.Config) { c.BaseURL = "/api/v3" },
		"scheme":       func(c *client.Config) { c.BaseURL = "ftp://sign.example" },
		"query":        func(c *client.Config) { c.BaseURL += "?a=b" },
		"password":     func(c *client.Config) { c.BaseURL = "https://u:p@sign.example" },
		"no client id": func(c *client.Config) { c.ClientID = "" },
		"no key":       func(c *client.Config) { c.Key = nil },
		"no key id":    func(c *client.Config) { c.KeyID = "" },
		"RSA":          func(c *client.Config) { c.Key = weak },
		"P-224":        func(c *client.Config) { c.Key = key(t, elliptic.P224()) },
		"keys":         func(c *client.Config) { c.KeysURL = "keys.json" },
	} {
		config := good
		edit(&config)
		if _, err := client.New(config); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := newClient(t, "http://127.0.0.1:1", func(c *client.Config) { c.Rand = failing{io.ErrNoProgress} }).
		Result(t.Context(), "r", "c"); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("without randomness: %v", err)
	}
}

func TestJWKS(t *testing.T) {
	k := key(t, elliptic.P384())
	text, err := newClient(t, "http://127.0.0.1:1", func(c *client.Config) { c.Key = k }).JWKS()
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(text, &set); err != nil || len(set.Keys) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	got := set.Keys[0]
	if !k.PublicKey.Equal(got.Key) || got.KeyID != "key-1" || got.Use != "sig" ||
		got.Algorithm != "ES384" ||
		bytes.Contains(text, []byte(`"d"`)) {
		t.Errorf("%s", text)
	}
	same, err := client.JWKS(client.Key{Signer: k, ID: "key-1"})
	if err != nil || !bytes.Equal(same, text) {
		t.Errorf("the function of the name returns %s, %v, and the method %s", same, err, text)
	}
	if _, err := client.JWKS(client.Key{ID: "key-1"}); err == nil {
		t.Error("a key without a signer is published")
	}
}
