package e2e_test

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
)

// TestOpenAPIIsServed checks that sandbox and service serve the document that is built into the
// program.
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

// TestContractVersion must change with the contract, together with this, the document's first row
// of versions, and what is new.
func TestContractVersion(t *testing.T) {
	if api.Version != "3.2" {
		t.Errorf("version %s", api.Version)
	}
	if !strings.Contains(string(api.OpenAPI()), "15 January 2026") {
		t.Error("openapi.yaml does not say which state of the documentation it follows")
	}
}

// TestForeignOrigin checks that headers which a browser or a forwarding backend adds do not cause a
// call to be refused.
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

// TestCancelContentType checks that a body is never read, not even one that claims to be JSON and
// is not. What clients send by default is accepted with a warning, but not where the service is
// strict.
func TestCancelContentType(t *testing.T) {
	s, strict := start(t), start(t, func(c *config.Config) { c.Strictness = "real" })
	const byDefault = 300 // 200 with a warning; 400 of the strict one
	for kind, want := range map[string]int{
		"": 200, "application/json": 200, "Application/JSON; charset=utf-8": 200,
		"text/plain": byDefault, "application/x-www-form-urlencoded": byDefault,
		"application/octet-stream": byDefault, "image/png": 400, ";;": 400,
	} {
		if want == byDefault {
			in := strict.initiate(t)
			a := do(
				t, "POST", strict.url+"/api/v3/sign-requests/cancel",
				strict.party.Token(token.Cancel, partytest.Claim("request_id", in.RequestID)), kind,
				nil,
			)
			a.refusedAs(t, kind, 400, "CLIENT_SIDE_ERROR")
		}
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
			warning := resp.Header.Get("Signet-Explanation")
			if (want == byDefault) != strings.HasPrefix(warning, "accepted; ") {
				t.Errorf("Content-Type %q: the warning is %q", kind, warning)
			}
			if resp.StatusCode != want && (want != byDefault || resp.StatusCode != 200) ||
				want == 400 && !strings.Contains(text, "CLIENT_SIDE_ERROR") {
				t.Errorf("Content-Type %q, body %q: %d %s", kind, body, resp.StatusCode, text)
			}
			in = s.initiate(t)
		}
	}
	// The token is checked first: a caller without one is not told about headers.
	if a := do(t, "POST", s.url+"/api/v3/sign-requests/cancel", s.party.Token(token.Cancel)+"A", "text/plain", nil); !a.is(
		400, "UNAUTHORIZED", "Unauthorized.",
	) {
		t.Errorf("a bad token with text/plain: %d %s", a.status, a.body)
	}
}

// TestStrictness checks that the strict sandbox refuses what the real service may refuse, and the
// other one accepts it with a warning.
func TestStrictness(t *testing.T) {
	for _, strict := range []bool{false, true} {
		s := start(t, func(c *config.Config) {
			if strict {
				c.Strictness = "real"
			}
		})
		want := map[bool]int{false: 200, true: 400}[strict]
		large := filled(10_000_000)
		a := s.upload(t, s.party.Token(token.Initiate), large)
		if warned := strings.HasPrefix(a.header.Get("Signet-Explanation"), "accepted; "); a.status != want ||
			warned == strict {
			t.Errorf("strict %v: 10,000,000 bytes: %d, warned %v", strict, a.status, warned)
		}
		if a := s.upload(t, s.party.Token(token.Initiate), large[:0]); a.status != 400 {
			t.Errorf("no bytes: %d", a.status)
		}

		rp := partytest.Start(t)
		jwk := rp.Key("ES256").JWK()
		delete(jwk, "use")
		rp.ServeJWKS(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			_, _ = w.Write(partytest.JWKS(jwk))
		}))
		c := configOf(rp)
		if strict {
			c.Strictness = "real"
		}
		other := run(t, rp, c, nil, slog.New(slog.DiscardHandler))
		if a := other.cancel(t, "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332"); a.is(
			400, "UNAUTHORIZED", "Unauthorized.",
		) != strict {
			t.Errorf("strict %v: a key without use: %d %s", strict, a.status, a.body)
		}
	}
}
