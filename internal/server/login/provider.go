package login

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/sync/singleflight"
)

const (
	// defaultWait bounds what one login waits for the provider, before and after the person is
	// there, and each call to the provider.
	defaultWait = 5 * time.Second

	// pause is how long logins fail at once after a call that the provider did not answer.
	pause = 5 * time.Second

	// maxAnswer bounds an answer of the provider, in bytes.
	maxAnswer = 1 << 20
)

// errUnavailable is the error of a login while the provider does not answer.
var errUnavailable = errors.New("the identity provider does not answer")

// discovered is a provider and what it says of itself (OpenID Connect Discovery 1.0, RFC 8414).
type discovered struct {
	*oidc.Provider

	Issuer            string   `json:"issuer"`
	AuthURL           string   `json:"authorization_endpoint"`
	TokenURL          string   `json:"token_endpoint"`
	KeysURL           string   `json:"jwks_uri"`
	PushURL           string   `json:"pushed_authorization_request_endpoint"`
	RequiresPush      bool     `json:"require_pushed_authorization_requests"`
	NamesIssuer       bool     `json:"authorization_response_iss_parameter_supported"`
	AuthMethods       []string `json:"token_endpoint_auth_methods_supported"`
	DPoPAlgorithms    []string `json:"dpop_signing_alg_values_supported"`
	IDTokenAlgorithms []string `json:"id_token_signing_alg_values_supported"`
	EncryptionModes   []string `json:"id_token_encryption_alg_values_supported"`
	Scopes            []string `json:"scopes_supported"`
	ACRValues         []string `json:"acr_values_supported"`
	ClaimNames        []string `json:"claims_supported"`
	ResponseTypes     []string `json:"response_types_supported"`
	ChallengeMethods  []string `json:"code_challenge_methods_supported"`
}

// provider is the OpenID Connect provider as it was discovered. Logins share one discovery, and one
// fetch of keys (oidc.RemoteKeySet), but each waits for it no longer than its own context.
type provider struct {
	issuer string
	client *http.Client // through transport
	transport

	flight singleflight.Group
	mu     sync.Mutex
	known  *discovered
}

func newProvider(
	issuer string, next http.RoundTripper, wait time.Duration, now func() time.Time,
) *provider {
	if next == nil {
		next = http.DefaultTransport
	}
	p := &provider{issuer: issuer, transport: transport{next: next, now: now}}
	p.client = &http.Client{
		Transport: &p.transport, Timeout: wait,
		CheckRedirect: func(_ *http.Request, via []*http.Request) error {
			if via[0].Method == http.MethodPost { // it has the client's authentication
				return http.ErrUseLastResponse
			}
			return nil
		},
	}
	return p
}

// get returns the provider. It is discovered at the first login, because it may start after this
// server or be this server.
func (p *provider) get(ctx context.Context) (*discovered, error) {
	p.mu.Lock()
	known := p.known
	p.mu.Unlock()
	if known != nil {
		return known, nil
	}
	found := p.flight.DoChan("", func() (any, error) {
		// The fetch is for all logins that wait, so it does not end with the first one's context.
		ctx := oidc.ClientContext(context.Background(), p.client)
		one, err := oidc.NewProvider(ctx, p.issuer)
		if err != nil {
			return nil, err
		}
		found := &discovered{Provider: one}
		if err := one.Claims(found); err != nil {
			return nil, err
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.known = found
		return found, nil
	})
	select {
	case r := <-found:
		if r.Err != nil {
			return nil, fmt.Errorf("discovering the identity provider: %w", r.Err)
		}
		return r.Val.(*discovered), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// failing is the error of a provider that answers that it cannot work. Its value is the status.
type failing string

func (f failing) Error() string { return "the identity provider answered " + string(f) }

// ofBrowser is the key of a context whose call has a value that a browser has brought.
type ofBrowser struct{}

// transport fails calls at once for a while after one that was not answered, so that a provider
// that hangs does not hold up every login. A provider that answers a call of a browser's value with
// 500 or 429 may do so because of the value: it fails this login only.
type transport struct {
	next http.RoundTripper
	now  func() time.Time

	lock  sync.Mutex
	until time.Time
}

// RoundTrip implements http.RoundTripper. The answer is read whole.
func (t *transport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.paused() {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errUnavailable
	}
	resp, err := t.next.RoundTrip(r)
	if err == nil {
		var body []byte
		body, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
		_ = resp.Body.Close()
		resp.Body = io.NopCloser(bytes.NewReader(body))
		if err == nil && (resp.StatusCode >= http.StatusInternalServerError ||
			resp.StatusCode == http.StatusTooManyRequests) {
			err = failing(resp.Status)
			if r.Context().Value(ofBrowser{}) != nil {
				return nil, err
			}
		}
	}
	if err == nil {
		return resp, nil
	}
	if !errors.Is(r.Context().Err(), context.Canceled) { // else the person has left
		t.lock.Lock()
		defer t.lock.Unlock()
		t.until = t.now().Add(pause)
	}
	return nil, err
}

func (t *transport) paused() bool {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.now().Before(t.until)
}
