package console

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/safehttp/dnstest"
)

// TestPlainText reads errors as jobs, trails and records of calls keep them.
func TestPlainText(t *testing.T) {
	const (
		noAnswer = "The server did not answer in time. Check the address and the firewall between."
		noNames  = "The name server does not answer. Check the machine's DNS settings."
	)
	for text, want := range map[string]string{
		"":                                "",
		"the receiver answered 503":       "the receiver answered 503",
		"cancel: claim exp: 3600 s after": "cancel: claim exp: 3600 s after",

		"dial tcp 127.0.0.1:1: connect: connection refused": "The server refuses the connection. Check that it runs and that the port is right.",
		"context deadline exceeded":                         noAnswer,
		`timestamp: Post "https://tsa.example/?key=1": dial tcp: ` +
			"lookup tsa.example on 127.0.0.53:53: no such host": "timestamp: " +
			"The host name is not known. Check how it is spelled.",
		"dial tcp: lookup rp.example on 10.0.0.2:53: read udp 10.0.0.1:4->10.0.0.2:53: " +
			"read: connection refused": noNames,
		"dial tcp: lookup rp.example: i/o timeout": noNames,
		"net/http: request canceled while waiting for connection " +
			"(Client.Timeout exceeded while awaiting headers)": noAnswer,

		`keys: Get "https://rp.example/jwks": tls: failed to verify certificate: x509: certificate signed by unknown authority`:   "keys: The server's certificate is from an authority that this machine does not trust.",
		`opening document: Get "https://s3.example/b?X-Amz-Signature=s": EOF`:                                                     "opening document: The server closed the connection before it answered. Look into its log.",
		"failed to connect to `user=signet database=signet`: 10.0.0.7:5432 (db): dial error: dial tcp 10.0.0.7:5432: i/o timeout": "failed to connect to `user=signet database=signet`: 10.0.0.7:5432 (db): dial error: The server did not answer in time. Check the address and the firewall between.",
		`Get "https://rp.example/jwks?secret=1": something else`:                                                                  `Get "https://rp.example/jwks?…": something else`,
	} {
		if got := PlainText(text); got != want {
			t.Errorf("%q\n\tis %q,\n\twant %q", text, got, want)
		}
	}
}

// TestPlainError makes each kind of failed connection, and checks what the operator reads.
func TestPlainError(t *testing.T) {
	get := func(u string, client *http.Client) error {
		resp, err := client.Get(u)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refusing := "http://" + closed.Addr().String()
	_ = closed.Close()
	release := make(chan struct{})
	slow := httptest.NewServer(
		http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }),
	)
	t.Cleanup(slow.Close)
	t.Cleanup(func() { close(release) })
	reset := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		c, _, err := http.NewResponseController(w).Hijack()
		if err == nil {
			_ = c.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}
	}))
	t.Cleanup(reset.Close)
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.StartTLS()
	t.Cleanup(secure.Close)
	other := secure.Client()
	other.Transport.(*http.Transport).TLSClientConfig.ServerName = "sign.example"
	roots := x509.NewCertPool()
	strange := &http.Client{
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	plain := strings.Replace(slow.URL, "http", "https", 1)
	names := dnstest.Start(t)
	names.Stop()
	nameless := (&net.Dialer{Resolver: names.Resolver()}).DialContext
	for _, test := range []struct {
		err  error
		want string
	}{
		{get(refusing, http.DefaultClient), "refuses the connection"},
		{get(slow.URL, &http.Client{Timeout: 10 * time.Millisecond}), "did not answer in time"},
		{get(reset.URL, http.DefaultClient), "closed the connection"},
		{get(secure.URL, other), "for another host name"},
		{get(secure.URL, strange), "does not trust"},
		{get(plain, strange), "does not speak TLS"},
		{&net.DNSError{Name: "shop.example", IsNotFound: true}, "shop.example is not known"},
		{get("http://shop.test", &http.Client{Transport: &http.Transport{DialContext: nameless}}), "name server"},
		{&net.DNSError{Name: "shop.example", Err: "i/o timeout", IsTimeout: true}, "name server"},
		{errors.New("odd"), "odd"},
	} {
		got := PlainError(test.err)
		if text := PlainText(test.err.Error()); strings.Contains(got, "name server") && text != got {
			t.Errorf("%v is shown as %q, and its text as %q", test.err, got, text)
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%v: %q, want %q", test.err, got, test.want)
		}
		if _, ok := errors.AsType[*url.Error](test.err); ok && strings.Contains(got, "127.0.0.1:") {
			t.Errorf("raw text: %q", got)
		}
	}
}
