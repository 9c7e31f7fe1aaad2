package httpx_test

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/signet-sign/signet/internal/server/httpx"
)

func TestPretty(t *testing.T) {
	for in, want := range map[string]string{
		`{"b":1,"a":"x\u0026y"}`: "{\n  \"b\": 1,\n  \"a\": \"x&y\"\n}",
		`{"n":1.0,"e":[]}`:       "{\n  \"n\": 1.0,\n  \"e\": []\n}",
		`{"a":1`:                 `{"a":1`,
		"not JSON":               "not JSON",
		"":                       "",
	} {
		if got := httpx.Pretty(in); got != want {
			t.Errorf("Pretty(%s) = %s, want %s", in, got, want)
		}
	}
}

// TestRefuseAfterTheCaller checks that the answer to a caller that has closed the connection is not
// the 200 of the HTTP server, because it may have closed only its direction.
func TestRefuseAfterTheCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := httptest.NewRecorder()
	httpx.JSON{Log: slog.New(slog.DiscardHandler)}.Refuse(
		w, httptest.NewRequestWithContext(ctx, "POST", "/", nil), ctx.Err(),
	)
	const want = `{"error":"SERVICE_UNAVAILABLE","error_description":"The service cannot work at present."}` + "\n"
	if w.Code != 503 || w.Body.String() != want || w.Header().Get("Retry-After") != "1" {
		t.Errorf("%d %q, Retry-After %q", w.Code, w.Body, w.Header().Get("Retry-After"))
	}
}
