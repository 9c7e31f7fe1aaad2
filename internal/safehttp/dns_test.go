package safehttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/safehttp/dnstest"
)

// TestNames checks what calls and tries of a connection return while a name does not resolve, that
// they are made again as soon as it does, and that they hold up no call to another server.
func TestNames(t *testing.T) {
	names := dnstest.Start(t)
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer server.Close()
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	policy := Policy{AllowPrivate: true, Resolver: names.Resolver()}
	client := NewClient(policy)
	urlOf := func(host string) string { return "http://" + net.JoinHostPort(host, at.Port()) }
	call := func(ctx context.Context, host string) error {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, urlOf(host), nil)
		if err != nil {
			return err
		}
		resp, err := client.Do(r)
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	reach := func(ctx context.Context, host string) error {
		_, err := policy.Reach(ctx, urlOf(host))
		return err
	}
	tries := map[string]func(context.Context, string) error{"call": call, "reach": reach}
	for kind, try := range tries {
		host := kind + ".test"
		var dns *net.DNSError
		if err := try(t.Context(), host); !errors.As(err, &dns) || !dns.IsNotFound {
			t.Errorf("%s: a name that is not known: %v", kind, err)
		}
		asked := names.Silence(host)
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		var timeout net.Error
		if err := try(ctx, host); !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("%s: a name server that does not answer: %v", kind, err)
		}
		waits := make(chan error, 1)
		go func() { waits <- try(t.Context(), host) }()
		<-asked
		names.Answer("other.test")
		if err := try(t.Context(), "other.test"); err != nil {
			t.Errorf("%s: while one name is not answered, another: %v", kind, err)
		}
		names.Answer(host)
		if err := <-waits; err != nil {
			t.Errorf("%s: with an answer that is late: %v", kind, err)
		}
		if err := try(t.Context(), host); err != nil {
			t.Errorf("%s: with an answer: %v", kind, err)
		}
		names.Forget("other.test")
	}
	names.Stop()
	client.CloseIdleConnections()
	var dns *net.DNSError
	if err := call(t.Context(), "call.test"); !errors.As(err, &dns) {
		t.Errorf("without a name server: %v", err)
	}
}
