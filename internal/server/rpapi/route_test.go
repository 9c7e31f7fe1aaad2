package rpapi_test

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/server/rpapi"
	"github.com/signet-sign/signet/internal/token"
)

// TestRoutes checks that a path or a method that is not a call's is answered in JSON, with the
// reason in the sandbox.
func TestRoutes(t *testing.T) {
	const id = "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"
	const (
		initiate = "initiate is POST /api/v3/sign-requests"
		cancel   = "cancel is POST /api/v3/sign-requests/cancel, and its token names the request"
		result   = "result is GET /api/v3/sign-requests/{request_id}/signed-doc"
	)
	page := http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTeapot) },
	)
	for _, explain := range []bool{true, false} {
		h := (&rpapi.API{
			Verifier: token.NewVerifier(token.VerifierConfig{}), Keys: func() ([]byte, error) { return []byte(`{"keys":[]}`), nil }, KeysAlias: "/sign-v3/jwks",
			Explain: explain, Log: slog.New(slog.DiscardHandler),
		}).Handler(page, "/api/v3", "/sign-v3")
		for _, c := range []struct {
			method, path string
			status       int
			allow        string
			explanation  string // part of it
		}{
			{"POST", "/api/v3/sign-requests", 400, "", "Authorization header is missing"},
			{"POST", "/sign-v3/sign-requests/cancel", 400, "", "Authorization header is missing"},
			{"GET", "/.well-known/keys.json", 200, "", ""},
			{"GET", "/sign-v3/jwks", 200, "", ""},
			{"GET", "/openapi.yaml", 200, "", ""},
			{"GET", "/", 418, "", ""},
			{"GET", "/sign/" + id, 418, "", ""},
			{"POST", "/apis/v3/sign-request", 418, "", ""},

			{"GET", "/api/v3/sign-requests", 405, "POST", "takes POST; " + initiate},
			{"PUT", "/api/v3/sign-requests", 405, "POST", "takes POST; " + initiate},
			{"OPTIONS", "/api/v3/sign-requests/cancel", 405, "POST", "takes POST; " + cancel},
			{"DELETE", "/sign-v3/sign-requests/cancel", 405, "POST", "POST /sign-v3/sign-requests/cancel"},
			{
				"POST", "/api/v3/sign-requests/" + id + "/signed-doc", 405, "GET, HEAD",
				"takes GET and HEAD; " + result,
			},
			{
				"POST", "/api/v3/sign-requests/" + id + "/signed_doc", 405, "GET, HEAD",
				"takes GET and HEAD; " + result,
			},
			{"POST", "/documents/" + id, 405, "GET, HEAD", "takes GET and HEAD; a document is a GET"},
			{"POST", "/.well-known/keys.json", 405, "GET, HEAD", "takes GET and HEAD; the keys"},
			{"POST", "/openapi.yaml", 405, "GET, HEAD", "takes GET and HEAD; the description"},

			{"POST", "/api/v3/sign-requests/", 404, "", "the call is at /api/v3/sign-requests"},
			{"POST", "//api/v3/sign-requests", 404, "", "the call is at /api/v3/sign-requests"},
			{"POST", "/api/v3//sign-requests/cancel", 404, "", "the call is at /api/v3/sign-requests/cancel"},
			{"POST", "/api/./v3/sign-requests", 404, "", "the call is at /api/v3/sign-requests"},
			{"POST", "/api/V3/Sign-Requests", 404, "", "the call is at /api/v3/sign-requests"},
			{
				"GET", "/api/v3/sign-requests/" + id + "/signed-doc/", 404, "",
				"the call is at /api/v3/sign-requests/" + id + "/signed-doc",
			},

			{"POST", "/api/v3/sign-requests/" + id + "/cancel", 404, "", "; " + cancel},
			{"DELETE", "/api/v3/sign-requests/" + id, 404, "", "; " + cancel},
			{"POST", "/api/v3/sign-requests/cancel/" + id, 404, "", "; " + cancel},
			{"POST", "/api/v3/cancel", 404, "", "; " + cancel},
			{"POST", "/sign-requests/cancel", 404, "", "; " + cancel},
			{"GET", "/api/v3/sign-requests/" + id, 404, "", "; there is no call for the state of a request; " + result},
			{"GET", "/api/v3/sign-requests/" + id + "/status", 404, "", "for the state of a request; " + result},
			{"GET", "/api/v3/sign-requests/" + id + "/signed-document", 404, "", "; " + result},
			{"GET", "/api/v3/sign-requests/" + id + "/result", 404, "", "; " + result},
			{"GET", "/sign-v3/sign-requests/" + id + "/x", 404, "", "GET /sign-v3/sign-requests/{request_id}/signed-doc"},
			{"POST", "/api/v3.2/sign-requests", 404, "", "; " + initiate},
			{"POST", "/api/v3/sign-request", 404, "", "; " + initiate},
			{"POST", "/api/v3/initiate", 404, "", "; " + initiate},
			{"POST", "/apis/v3/sign-requests", 404, "", "; " + initiate},
			{"POST", "/v3/Sign-Requests", 404, "", "; " + initiate},
			{"GET", "/api/v3/jwks.json", 404, "", "; the keys of webhooks are GET /.well-known/keys.json"},
			{"GET", "/api/v3/openapi.json", 404, "", "; the description of the API is GET /openapi.yaml"},
			{"GET", "/api", 404, "", "; " + initiate + "; " + cancel},
			{"POST", "/api/v3/sign-requests/" + id, 404, "", "; " + initiate + "; " + cancel},
			{"GET", "/documents", 404, "", "; a document is a GET of the signed_doc_url"},
		} {
			r := httptest.NewRequest(c.method, "http://sign.example/", nil)
			r.URL.Path = c.path
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != c.status || w.Header().Get("Allow") != c.allow {
				t.Errorf(
					"%s %s: %d, Allow %q, want %d, %q", c.method, c.path, w.Code,
					w.Header().Get("Allow"), c.status, c.allow,
				)
			}
			got := w.Header().Get("Signet-Explanation")
			if !explain && got != "" ||
				explain &&
					(!strings.Contains(got, c.explanation) || (got == "") != (c.explanation == "")) {
				t.Errorf("%s %s: explanation %q, want %q", c.method, c.path, got, c.explanation)
			}
			if want := map[int]*api.Error{404: api.ErrNoCall, 405: api.ErrMethod}[c.status]; want != nil {
				var body api.Error
				if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || body != *want ||
					w.Header().Get("Content-Type") != "application/json" {
					t.Errorf(
						"%s %s: %s %s", c.method, c.path, w.Header().Get("Content-Type"), w.Body,
					)
				}
			}
		}
	}
}
