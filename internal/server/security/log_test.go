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

// TestNumbersAreHidden checks that a line has no number of a person that a client sends, or that an
// operator gives as a reason.
func TestNumbersAreHidden(t *testing.T) {
	var out bytes.Buffer
	l := &Log{Log: slog.New(slog.NewTextHandler(&out, nil)), Now: time.Now}
	h := l.Observe(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		Note(r.Context(), Event{Action: Console, Actor: "mei", Purpose: "for S8116474F, in person"})
	}))
	r := httptest.NewRequest("GET", "/", nil)
	r.Header.Set("User-Agent", strings.Repeat("x", 192)+"s8116474f app/1")
	h.ServeHTTP(httptest.NewRecorder(), r)
	got := out.String()
	if strings.Contains(strings.ToUpper(got), "811647") || !strings.Contains(got, "for •••••474F, in") {
		t.Error(got)
	}
}

// TestRequestID checks that a line has the id of a request, and no other text from a path.
func TestRequestID(t *testing.T) {
	var out bytes.Buffer
	l := &Log{Log: slog.New(slog.NewTextHandler(&out, nil)), Now: time.Now}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{request_id}", func(_ http.ResponseWriter, r *http.Request) {
		Note(r.Context(), Event{Action: Login, Actor: "a"})
	})
	const id = "signv3-01959a3c-0000-7000-8000-000000000001"
	for path, want := range map[string]bool{
		id: true, "S8979373D": false, id + "S8979373D": false, "signv3-S8979373D": false,
		strings.ToUpper(id): false, "signv3-01959a3c-0000-7000-8000-0000S8979373D": false,
	} {
		out.Reset()
		r := httptest.NewRequest("GET", "/"+path, nil)
		l.Observe(mux).ServeHTTP(httptest.NewRecorder(), r)
		if got := out.String(); strings.Contains(got, "request_id="+path) != want ||
			strings.Contains(got, "S8979373D") {
			t.Errorf("%s: %s", path, got)
		}
	}
}
