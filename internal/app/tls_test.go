package app

import (
	"bufio"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// TestToHTTPS checks that plain HTTP leads to the same path of the public URL, whatever form of a
// request target has it, and nowhere else.
func TestToHTTPS(t *testing.T) {
	a := &App{Config: config.Config{PublicURL: "https://sign.test"}}
	for target, want := range map[string]string{
		"/":                       "/",
		"/sign/a%2Fb?lang=ms&x=%": "/sign/a%2Fb?lang=ms&x=%",
		"//evil.test/a":           "//evil.test/a",
		"http://evil.test/a?b":    "/a?b",
		"http://evil.test":        "/",
		"x:.evil.test/":           "/",
		"x:@evil.test/?a":         "/?a",
		"*":                       "/",
	} {
		r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(
			"GET " + target + " HTTP/1.1\r\nHost: sign.test\r\n\r\n",
		)))
		if err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		a.toHTTPS(w, r)
		if got := w.Header().Get("Location"); w.Code != 301 || got != "https://sign.test"+want {
			t.Errorf("%s: %d to %q, want the path %q", target, w.Code, got, want)
		}
	}
}

// TestOpenTLS checks that a start without the files of its certificate is refused by their key.
func TestOpenTLS(t *testing.T) {
	c := serviceConfig(t, "")
	c.PublicURL = "https://sign.test"
	c.TLSCertificate, c.TLSKey = "/nonexistent", "/nonexistent"
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err == nil {
		_ = a.Close()
	}
	if err == nil || !strings.HasPrefix(err.Error(), "tls_certificate: ") {
		t.Errorf("error %v", err)
	}
}
