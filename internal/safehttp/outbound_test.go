package safehttp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"
)

func TestCheckAddr(t *testing.T) {
	const (
		never   = iota // refused by every policy
		private        // refused unless AllowPrivate
		public
	)
	cases := []struct {
		addr string
		want int
	}{
		{"8.8.8.8", public},
		{"54.169.20.186", public},
		{"172.15.255.255", public},
		{"172.32.0.1", public},
		{"100.63.255.255", public},
		{"100.128.0.1", public},
		{"2606:4700:4700::1111", public},
		{"2400:6180:0:d0::1", public},
		{"::ffff:8.8.8.8", public},

		{"127.0.0.1", private},
		{"127.255.255.254", private},
		{"10.0.0.1", private},
		{"172.16.0.1", private},
		{"172.31.255.255", private},
		{"192.168.65.2", private},
		{"100.64.0.1", private},
		{"::1", private},
		{"fd00::1", private},
		{"fc00::1", private},
		{"::ffff:127.0.0.1", private},
		{"::ffff:10.1.2.3", private},

		{"fd00:ec3::254", private},
		{"fd20:ce::253", private},

		{"100.100.100.200", never},
		{"168.63.129.16", never},
		{"::ffff:168.63.129.16", never},
		{"fd00:ec2::254", never},
		{"fd20:ce::254", never},
		{"fd00:c1::a9fe:a9fe", never},
		{"fd00:42::42", never},
		{"0.0.0.0", never},
		{"0.1.2.3", never},
		{"::", never},
		{"169.254.169.254", never},
		{"::ffff:169.254.169.254", never},
		{"fe80::1", never},
		{"fe80::1%eth0", never},
		{"2606:4700:4700::1111%eth0", never},
		{"224.0.0.1", never},
		{"239.255.255.255", never},
		{"ff02::1", never},
		{"255.255.255.255", never},
		{"240.0.0.1", never},
		{"192.0.0.170", never},
		{"192.0.2.1", never},
		{"198.18.0.1", never},
		{"198.51.100.1", never},
		{"203.0.113.9", never},
		{"192.88.99.1", never},
		{"64:ff9b::a00:1", never},
		{"64:ff9b::808:808", never},
		{"64:ff9b:1::1", never},
		{"::7f00:1", never},
		{"2002:7f00:1::", never},
		{"2001:0:1::1", never},
		{"2001:10::1", never},
		{"2001:db8::1", never},
		{"3fff::1", never},
		{"100::1", never},
		{"fec0::1", never},
		{"5f00::1", never},
	}
	for _, c := range cases {
		ip := netip.MustParseAddr(c.addr)
		for _, allow := range []bool{false, true} {
			err := Policy{AllowPrivate: allow}.checkAddr(ip)
			want := c.want == public || (c.want == private && allow)
			if (err == nil) != want {
				t.Errorf("%s, AllowPrivate %v: %v", c.addr, allow, err)
			}
			if err != nil && !errors.Is(err, ErrAddress) {
				t.Errorf("%s: %v is not ErrAddress", c.addr, err)
			}
		}
	}
	if err := (Policy{AllowPrivate: true}).checkAddr(netip.Addr{}); err == nil {
		t.Error("the invalid address was allowed")
	}
}

func TestCheckURL(t *testing.T) {
	cases := []struct {
		url             string
		strict, private bool
	}{
		{"https://rp.example/jwks.json", true, true},
		{"https://rp.example:443/jwks.json?x=y", true, true},
		{"https://8.8.8.8/jwks", true, true},
		{"https://[2606:4700:4700::1111]/jwks", true, true},
		{"https://rp.example:8443/jwks.json", false, true},
		{"http://rp.example/jwks.json", false, true},
		{"http://127.0.0.1:4000/jwks.json", false, true},
		{"https://127.0.0.1/jwks.json", false, true},
		{"https://[::1]/jwks.json", false, true},
		{"https://[::ffff:10.0.0.1]/jwks.json", false, true},
		{"https://169.254.169.254/latest", false, false},
		{"https://[fe80::1%25eth0]/", false, false},
		{"https://user:pw@rp.example/", false, false},
		{"https://rp.example/#fragment", false, false},
		{"ftp://rp.example/", false, false},
		{"file:///etc/passwd", false, false},
		{"https:///jwks", false, false},
		{"https://:443/jwks", false, false},
		{"https:rp.example", false, false},
		{"//rp.example/", false, false},
		{"", false, false},
		{"https://rp.example/%zz", false, false},
		{"https://rp.example/" + strings.Repeat("a", maxURL), false, false},
	}
	for _, c := range cases {
		if err := (Policy{}).CheckURL(c.url); (err == nil) != c.strict {
			t.Errorf("%q: %v", c.url, err)
		}
		err := Policy{AllowPrivate: true}.CheckURL(c.url)
		if (err == nil) != c.private {
			t.Errorf("%q, AllowPrivate: %v", c.url, err)
		}
		if err != nil && !errors.Is(err, ErrURL) && !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v wraps nothing of ours", c.url, err)
		}
	}
}

func TestDialIsJudgedAfterResolution(t *testing.T) {
	// localhost passes the check of the URL and resolves to an address that must not be connected
	// to.
	client := NewClient(Policy{Timeout: 5 * time.Second})
	if err := (Policy{}).CheckURL("https://localhost/"); err != nil {
		t.Fatal(err)
	}
	_, err := client.Get("https://localhost/")
	if !errors.Is(err, ErrAddress) {
		t.Errorf("got %v, want ErrAddress", err)
	}

	for _, address := range []string{"127.0.0.1:443", "[::1]:443", "8.8.8.8:80", "[::ffff:127.0.0.1]:443", "nonsense"} {
		if err := (Policy{}).checkDial("tcp4", address); !errors.Is(err, ErrAddress) {
			t.Errorf("dial of %s: %v", address, err)
		}
	}
	if err := (Policy{}).checkDial("udp4", "8.8.8.8:443"); err == nil {
		t.Error("udp was allowed")
	}
	if err := (Policy{}).checkDial("tcp4", "8.8.8.8:443"); err != nil {
		t.Error(err)
	}
}

func TestClientRefusesWithoutConnecting(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the server was reached")
	}))
	defer server.Close()
	_, err := NewClient(Policy{}).Post(server.URL, "text/plain", strings.NewReader("body"))
	if !errors.Is(err, ErrURL) {
		t.Errorf("got %v, want ErrURL", err)
	}
}

func TestRedirectIsAnAnswer(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("/from", http.RedirectHandler("/to", http.StatusFound))
	mux.HandleFunc(
		"/to", func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") },
	)
	server := httptest.NewServer(mux)
	defer server.Close()
	answer, err := NewClient(Policy{AllowPrivate: true}).Get(server.URL + "/from")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusFound {
		t.Errorf("status %d", answer.StatusCode)
	}
}

func TestNoProxyFromTheEnvironment(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("the proxy was asked")
	}))
	defer proxy.Close()
	t.Setenv("HTTP_PROXY", proxy.URL)
	t.Setenv("http_proxy", proxy.URL)
	transport := NewClient(Policy{AllowPrivate: true}).Transport.(*guard).next
	if transport.Proxy != nil {
		t.Error("the transport has a proxy function")
	}
}

func TestBodyIsBounded(t *testing.T) {
	const limit = 1000
	for _, c := range []struct {
		size    int
		chunked bool
		ok      bool
	}{
		{0, false, true},
		{limit - 1, false, true},
		{limit, false, true},
		{limit + 1, false, false},
		{limit, true, true},
		{limit + 1, true, false},
		{50 * limit, true, false},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if c.chunked {
				w.(http.Flusher).Flush()
			}
			_, _ = w.Write(bytes.Repeat([]byte("x"), c.size))
		}))
		answer, err := NewClient(Policy{AllowPrivate: true, MaxResponse: limit}).Get(server.URL)
		var body []byte
		if err == nil {
			body, err = io.ReadAll(answer.Body)
			answer.Body.Close()
		}
		if c.ok && (err != nil || len(body) != c.size) {
			t.Errorf("%+v: %d bytes, %v", c, len(body), err)
		}
		if !c.ok && (!errors.Is(err, ErrTooLarge) || len(body) > limit) {
			t.Errorf("%+v: %d bytes, %v", c, len(body), err)
		}
		server.Close()
	}
}

func TestTLS(t *testing.T) {
	server := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())

	answer, err := NewClient(Policy{AllowPrivate: true, Roots: roots}).Get(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if _, err := NewClient(Policy{AllowPrivate: true}).Get(server.URL); err == nil {
		t.Error("a certificate of an unknown authority was accepted, also in the sandbox")
	}

	old := httptest.NewUnstartedServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}),
	)
	old.TLS = &tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}
	old.StartTLS()
	defer old.Close()
	if _, err := NewClient(Policy{AllowPrivate: true, Roots: roots}).Get(old.URL); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
}

func TestContextEndsTheRequest(t *testing.T) {
	release := make(chan struct{})
	server := httptest.NewServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }),
	)
	defer server.Close()
	defer close(release)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := NewClient(Policy{AllowPrivate: true}).Do(r); !errors.Is(
		err, context.DeadlineExceeded,
	) {
		t.Errorf("got %v", err)
	}
}
