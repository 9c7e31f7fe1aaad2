package security

import (
	"bytes"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// TestManyAddresses checks that failures from more addresses than the log keeps apart are a bounded
// number of lines, and none is lost from the numbers.
func TestManyAddresses(t *testing.T) {
	var out bytes.Buffer
	now := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	l := &Log{Log: slog.New(slog.NewTextHandler(&out, nil)), Now: func() time.Time { return now }}
	h := l.Observe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		Note(r.Context(), Event{Action: Login, Reason: "bad", Failed: true})
	}))
	send := func(address string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = address
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	for i := range 2 * maxFailures {
		send(fmt.Sprintf("10.0.%d.%d:1", i/250, i%250))
	}
	for i := range 10 { // one network
		send(fmt.Sprintf("[2001:db8::%x]:1", i+1))
	}
	if n := strings.Count(out.String(), "\n"); n != maxFailures+1 {
		t.Errorf(
			"%d lines, want one for each of %d addresses, and one for the others", n, maxFailures,
		)
	}
	out.Reset()
	now = now.Add(window)
	l.flush(t.Context(), now)
	if got := out.String(); strings.Count(got, "\n") != 1 ||
		!strings.Contains(got, "security.address=others") ||
		!strings.Contains(got, fmt.Sprintf("security.count=%d", maxFailures+9)) {
		t.Errorf("after the window: %s", got)
	}
	out.Reset()
	for i := range 10 {
		send(fmt.Sprintf("[2001:db8::%x]:1", i+1))
	}
	l.Flush(t.Context())
	if got := out.String(); strings.Count(got, "\n") != 2 ||
		!strings.Contains(got, "security.address=2001:db8::/64") ||
		!strings.Contains(got, "security.count=9") {
		t.Errorf("of one network: %s", got)
	}
}

// TestPrintable checks that a client cannot forge lines or fill the log with its User-Agent.
func TestPrintable(t *testing.T) {
	if got := printable("a\nmsg=security\x1b[0m\xff"+strings.Repeat("é", 200), 21); got != "amsg=security[0mééé"[:len("amsg=security[0m")+4] {
		t.Errorf("%q", got)
	}
}
