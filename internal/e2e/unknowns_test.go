package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// TestOpenAPIIsServed: sandbox and service serve the document that is built into the program.
func TestOpenAPIIsServed(t *testing.T) {
	s := start(t)
	for name, url := range map[string]string{"sandbox": s.url, "service": "http://" + serve(t, s.party, "").Addr.String()} {
		a := do(t, "GET", url+"/openapi.yaml", "", "", nil)
		if a.status != 200 || a.header.Get("Content-Type") != "application/yaml" ||
			a.body != string(api.OpenAPI()) {
			t.Errorf(
				"%s: %d, %s, %d bytes", name, a.status, a.header.Get("Content-Type"), len(a.body),
			)
		}
	}
}

// TestContractVersion: anyone who follows a newer contract changes this, the document's first row
// of versions, and what is new.
func TestContractVersion(t *testing.T) {
	if api.Version != "3.2" {
		t.Errorf("version %s", api.Version)
	}
	if !strings.Contains(string(api.OpenAPI()), "15 January 2026") {
		t.Error("openapi.yaml does not say which state of the documentation it follows")
	}
}

// TestForeignOrigin: headers that a browser or a forwarding backend adds do not stand in a call's
// way.
func TestForeignOrigin(t *testing.T) {
	s := start(t)
	for name, header := range map[string]http.Header{
		"Origin":         {"Origin": {"https://rp.example"}},
		"Origin null":    {"Origin": {"null"}},
		"Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}},
	} {
		for base, want := range map[string]int{"/api/v3": 200, "/sign-v3": 200, "/sign": 403} {
			in := s.initiate(t)
			path := "/sign-requests/cancel"
			if base == "/sign" { // a page, for comparison
				path = "/" + in.RequestID + "/leave"
			}
			req, err := http.NewRequest("POST", s.url+base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header = header.Clone()
			req.Header.Set(
				"Authorization",
				s.party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)),
			)
			resp, err := checked(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text := readAll(t, resp)
			resp.Body.Close()
			if resp.StatusCode != want {
				t.Errorf("%s, %s: %d %s", name, base, resp.StatusCode, text)
			}
		}
	}
}

// TestCancelContentType: a body is never looked at, not even one that claims to be JSON and is not.
func TestCancelContentType(t *testing.T) {
	s := start(t)
	for kind, want := range map[string]int{
		"": 200, "application/json": 200, "Application/JSON; charset=utf-8": 200,
		"text/plain": 400, "application/x-www-form-urlencoded": 400,
		"application/octet-stream": 400, ";;": 400,
	} {
		in := s.initiate(t)
		for _, body := range []string{"", "{", `{"request_id":"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"}`} {
			// Not the client that checks: a body is not as documented.
			req, err := http.NewRequest(
				"POST", s.url+"/api/v3/sign-requests/cancel", strings.NewReader(body),
			)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set(
				"Authorization",
				s.party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)),
			)
			if kind != "" {
				req.Header.Set("Content-Type", kind)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text := readAll(t, resp)
			resp.Body.Close()
			if resp.StatusCode != want ||
				want == 400 && !strings.Contains(text, "CLIENT_SIDE_ERROR") {
				t.Errorf("Content-Type %q, body %q: %d %s", kind, body, resp.StatusCode, text)
			}
			in = s.initiate(t)
		}
	}
	// The token is judged first: a caller without one does not hear about headers.
	if a := do(t, "POST", s.url+"/api/v3/sign-requests/cancel", s.party.Token(token.Cancel)+"A", "text/plain", nil); !a.is(
		400, "UNAUTHORIZED", "Unauthorized.",
	) {
		t.Errorf("a bad token with text/plain: %d %s", a.status, a.body)
	}
}
