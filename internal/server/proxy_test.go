package server_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/signet-sign/signet/internal/server"
)

// TestProxied checks that the client's address is the one that the nearest trusted proxy names, and
// no client can name another.
func TestProxied(t *testing.T) {
	trusted, err := server.ParseProxies([]string{"10.0.0.0/8", "2001:db8::1"})
	if err != nil {
		t.Fatal(err)
	}
	var got string
	h := server.Proxied(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r.RemoteAddr
	}), trusted)
	xff := func(lines ...string) http.Header { return http.Header{"X-Forwarded-For": lines} }
	forwarded := func(lines ...string) http.Header { return http.Header{"Forwarded": lines} }
	for name, test := range map[string]struct {
		peer   string
		header http.Header
		want   string
	}{
		"no header":    {"10.1.1.1:99", nil, "10.1.1.1:99"},
		"a stranger":   {"192.0.2.1:99", xff("198.51.100.7"), "192.0.2.1:99"},
		"a proxy":      {"10.1.1.1:99", xff("198.51.100.7"), "198.51.100.7:0"},
		"mapped peer":  {"[::ffff:10.1.1.1]:99", xff("198.51.100.7"), "198.51.100.7:0"},
		"two proxies":  {"10.1.1.1:99", xff("198.51.100.7, 10.2.2.2"), "198.51.100.7:0"},
		"two headers":  {"10.1.1.1:99", xff("198.51.100.7", "10.2.2.2"), "198.51.100.7:0"},
		"an invention": {"10.1.1.1:99", xff("203.0.113.9, 198.51.100.7"), "198.51.100.7:0"},
		"proxies only": {"10.1.1.1:99", xff("10.3.3.3"), "10.3.3.3:0"},
		"a port":       {"10.1.1.1:99", xff("198.51.100.7:4711"), "198.51.100.7:0"},
		"junk":         {"10.1.1.1:99", xff("198.51.100.7, junk"), "10.1.1.1:99"},
		"junk beyond":  {"10.1.1.1:99", xff("junk, 10.2.2.2"), "10.2.2.2:0"},
		"Forwarded": {"[2001:db8::1]:99", forwarded(
			`for=203.0.113.9, For="[2001:db8:5::9]:4711";proto=https`,
		), "[2001:db8:5::9]:0"},
		"Forwarded, a quoted host":  {"10.1.1.1:99", forwarded(`for=198.51.100.7;host="a,for=203.0.113.9"`), "198.51.100.7:0"},
		"Forwarded, host first":     {"10.1.1.1:99", forwarded(`host="a;for=203.0.113.9";for=198.51.100.7`), "198.51.100.7:0"},
		"Forwarded, escaped quotes": {"10.1.1.1:99", forwarded(`host="\",for=203.0.113.9,\\";for=198.51.100.7`), "198.51.100.7:0"},
		"Forwarded, an open quote":  {"10.1.1.1:99", forwarded(`for=203.0.113.9;host="`, `for=198.51.100.7;host="a"`), "198.51.100.7:0"},
		"Forwarded, three hops": {"10.1.1.1:99", forwarded(
			`for=203.0.113.9, for=198.51.100.7;by=10.3.3.3, for="10.3.3.3:1", for=10.2.2.2`,
		), "198.51.100.7:0"},
		"three hops":                {"10.1.1.1:99", xff("203.0.113.9, 198.51.100.7, 10.3.3.3", "10.2.2.2"), "198.51.100.7:0"},
		"a stranger with Forwarded": {"192.0.2.1:99", forwarded("for=198.51.100.7"), "192.0.2.1:99"},
		"Forwarded, hidden":         {"10.1.1.1:99", forwarded("for=_hidden"), "10.1.1.1:99"},
		"both headers": {"10.1.1.1:99", http.Header{
			"Forwarded": {"for=203.0.113.9"}, "X-Forwarded-For": {"198.51.100.7"},
		}, "10.1.1.1:99"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = test.peer
		if test.header != nil {
			r.Header = test.header
		}
		h.ServeHTTP(httptest.NewRecorder(), r)
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
	if _, err := server.ParseProxies([]string{"example.com"}); err == nil {
		t.Error("a name was taken for a network")
	}
}
