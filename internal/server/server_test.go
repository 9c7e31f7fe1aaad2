package server

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func TestLocalHost(t *testing.T) {
	h := LocalHost(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for host, want := range map[string]int{
		"127.0.0.1:5157": 200, "127.0.0.1": 200, "localhost:5157": 200, "localhost": 200, "[::1]:5157": 200, "127.8.8.8:1": 200,
		"evil.example:5157": 421, "127.0.0.1.evil.example": 421, "10.0.0.1:5157": 421, "": 421, "localhost.evil.example:1": 421,
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.Host = host
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("Host %q: %d, want %d", host, w.Code, want)
		}
	}
}

func TestProtect(t *testing.T) {
	h := Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for name, c := range map[string]struct {
		header, value string
		want          int
	}{
		"a program":        {"", "", 200},
		"our own page":     {"Sec-Fetch-Site", "same-origin", 200},
		"another site":     {"Sec-Fetch-Site", "cross-site", 403},
		"an old browser's": {"Origin", "https://evil.example", 403},
	} {
		r := httptest.NewRequest("POST", "http://sign.example/sign/x/leave", nil)
		if c.header != "" {
			r.Header.Set(c.header, c.value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", name, w.Code, c.want)
		}
	}
}
