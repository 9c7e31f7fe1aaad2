package party_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/safehttp"
)

func TestDiagnose(t *testing.T) {
	d := party.Diagnoser{Policy: safehttp.Policy{AllowPrivate: true}}
	rp := partytest.Start(t)
	healthy := rp.Registration()
	got := d.Diagnose(t.Context(), &healthy)
	if got.KeysErr != nil || len(got.Keys) == 0 || got.Keys[0].Kid == "" ||
		got.Keys[0].Curve == "" ||
		got.Keys[0].Twice {
		t.Errorf("keys: %+v, %v", got.Keys, got.KeysErr)
	}
	if got.RedirectErr != nil || got.WebhookErr != nil || got.Webhook.Addr == "" {
		t.Errorf("a healthy party: %+v", got)
	}

	redirects := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if body, err := io.ReadAll(r.Body); err != nil || r.Method != http.MethodPost ||
			string(body) != "{}" || r.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s %s %q, %v", r.Method, r.Header, body, err)
		}
		http.Redirect(w, r, "/elsewhere", http.StatusPermanentRedirect)
	}))
	defer redirects.Close()
	moved := healthy
	moved.WebhookURL = redirects.URL + "/?secret=1"
	if answer, err := d.Probe(t.Context(), &moved); err != nil || answer.StatusCode != 308 {
		t.Errorf("a webhook that redirects: %+v, %v", answer, err)
	}
	moved.WebhookURL = "http://127.0.0.1:1/?secret=1"
	if _, err := d.Probe(t.Context(), &moved); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("a webhook that is away: %v", err)
	}

	const point = `"x":"WKn-ZIGevcwGIyyrzFoZNBdaq9_TsqzGl96oc0CWuis","y":"y77t-RvAHRKTsSGdIYUfweuOvwrvDD-Q3Hv5J0fSKbE"`
	for _, test := range []struct {
		name, jwks string
		status     int
		want       string // in what is ignored, or in the error
		usable     int
	}{
		{"one of three is good", `{"keys":[{"kty":"EC","crv":"P-256","kid":"a",` + point + `},{"kty":"RSA","kid":"b"},{"kty":"EC","crv":"P-256","kid":"c","use":"enc",` + point + `}]}`, 200, "keys[2]: use is not sig", 1},
		{"none", `{"keys":[{"kty":"RSA","kid":"b"}]}`, 200, "no usable key", 0},
		{"not JSON", `<html>`, 200, "JWKS", 0},
		{"not found", ``, 404, "answered 404", 0},
		{"redirect", ``, 302, "redirects are not followed", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			calls := 0
			server := httptest.NewServer(
				http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
					calls++
					w.WriteHeader(test.status)
					_, _ = io.WriteString(w, test.jwks)
				}),
			)
			defer server.Close()
			p := healthy
			p.JWKSURL, p.RedirectURL, p.WebhookURL = server.URL+"/?secret=1", "https://user@rp.example/", "http://127.0.0.1:1/?secret=1"
			got := d.Diagnose(t.Context(), &p)
			text := strings.Join(got.Ignored, "\n")
			if got.KeysErr != nil {
				text += got.KeysErr.Error()
			}
			if len(got.Keys) != test.usable || !strings.Contains(text, test.want) || calls != 1 {
				t.Errorf(
					"%d calls, %d keys, %q; want %d and %q", calls, len(got.Keys), text,
					test.usable, test.want,
				)
			}
			if got.RedirectErr == nil || got.WebhookErr == nil {
				t.Errorf("bad URLs passed: %+v", got)
			}
			if strings.Contains(text+got.WebhookErr.Error(), "secret") {
				t.Errorf("a URL's secret is in %q, %v", text, got.WebhookErr)
			}
		})
	}

	twice := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		k := `"kty":"EC","crv":"P-256","kid":"a",` + point + `}`
		_, _ = io.WriteString(w, `{"keys":[{`+k+`,{"alg":"ES256",`+k+`]}`)
	}))
	defer twice.Close()
	p := healthy
	p.JWKSURL, p.WebhookURL = twice.URL, ""
	if got := d.Diagnose(t.Context(), &p); len(got.Keys) != 2 || !got.Keys[0].Twice ||
		got.WebhookErr != nil {
		t.Errorf("two keys of one kid: %+v", got)
	}
}
