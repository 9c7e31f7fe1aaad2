package safehttp

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync/atomic"
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

// TestRebinding checks that the address of a name is judged at each connection: another answer of the
// name server than before, and a forbidden address beside an allowed one, reach nothing forbidden.
func TestRebinding(t *testing.T) {
	names := dnstest.Start(t)
	var calls atomic.Int64
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		calls.Add(1)
	}))
	defer server.Close()
	server.Config.SetKeepAlivesEnabled(false)
	at, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	private := Policy{AllowPrivate: true, Resolver: names.Resolver(), Timeout: 5 * time.Second}
	client := NewClient(private)
	call := func(host string) error {
		resp, err := client.Get("http://" + net.JoinHostPort(host, at.Port()))
		if err == nil {
			err = resp.Body.Close()
		}
		return err
	}
	here := netip.MustParseAddr("127.0.0.1")
	metadata := netip.MustParseAddr("169.254.169.254")
	names.Rebind("turns.test", []netip.Addr{here}, []netip.Addr{metadata}, []netip.Addr{here})
	for i, want := range []error{nil, ErrAddress, nil} {
		if err := call("turns.test"); !errors.Is(err, want) {
			t.Errorf("lookup %d: %v, want %v", i+1, err, want)
		}
	}
	names.Rebind("both.test", []netip.Addr{metadata, here})
	if err := call("both.test"); err != nil {
		t.Errorf("with an allowed address beside a forbidden one: %v", err)
	}
	names.Rebind("reach.test", []netip.Addr{here}, []netip.Addr{metadata})
	for i, want := range []error{nil, ErrAddress} {
		_, err := private.Reach(t.Context(), "http://"+net.JoinHostPort("reach.test", at.Port()))
		if !errors.Is(err, want) {
			t.Errorf("try %d of a connection: %v, want %v", i+1, err, want)
		}
	}
	if n := calls.Load(); n != 3 {
		t.Errorf("the server has %d calls, want 3", n)
	}

	// The policy of a relying party in production: a public name that is now an address of this machine.
	names.Rebind("public.test", []netip.Addr{here})
	_, err = NewClient(Policy{Resolver: names.Resolver()}).Get("https://public.test/jwks")
	if !errors.Is(err, ErrAddress) {
		t.Errorf("production: %v, want %v", err, ErrAddress)
	}
}
