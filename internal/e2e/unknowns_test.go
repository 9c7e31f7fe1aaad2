package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/rp"
	"github.com/signet-sign/signet/internal/rp/rptest"
)

// TestOpenAPIIsServed: sandbox and service serve the document that is built into the program.
func TestOpenAPIIsServed(t *testing.T) {
	s := start(t)
	for name, url := range map[string]string{"sandbox": s.url, "service": "http://" + serve(t, s.party, "").Addr.String()} {
		a := do(t, "GET", url+"/openapi.yaml", "", "", nil)
		if a.status != 200 || a.header.Get("Content-Type") != "application/yaml" || a.body != string(api.OpenAPI()) {
			t.Errorf("%s: %d, %s, %d bytes", name, a.status, a.header.Get("Content-Type"), len(a.body))
		}
	}
}

// TestContractVersion: whoever follows a newer contract changes this, the document's first row of versions, and what is new.
func TestContractVersion(t *testing.T) {
	if api.Version != "3.2" {
		t.Errorf("version %s", api.Version)
	}
	if !strings.Contains(string(api.OpenAPI()), "15 January 2026") {
		t.Error("openapi.yaml does not say which state of the documentation it follows")
	}
}

// TestCancelContentType: a body is never looked at, not even one that claims to be JSON and is not.
func TestCancelContentType(t *testing.T) {
	s := start(t)
	for kind, want := range map[string]int{
		"": 200, "application/json": 200, "Application/JSON; charset=utf-8": 200,
		"text/plain": 400, "application/x-www-form-urlencoded": 400, "application/octet-stream": 400, ";;": 400,
	} {
		in := s.initiate(t)
		for _, body := range []string{"", "{", `{"request_id":"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"}`} {
			// Not the client that checks: a body is not as documented.
			req, err := http.NewRequest("POST", s.url+"/api/v3/sign-requests/cancel", strings.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", s.party.Token(rp.Cancel, rptest.Claim("request_id", in.RequestID)))
			if kind != "" {
				req.Header.Set("Content-Type", kind)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			text := readAll(t, resp)
			resp.Body.Close()
			if resp.StatusCode != want || want == 400 && !strings.Contains(text, "CLIENT_SIDE_ERROR") {
				t.Errorf("Content-Type %q, body %q: %d %s", kind, body, resp.StatusCode, text)
			}
			in = s.initiate(t)
		}
	}
}
