package sandbox

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/server/httpx"
)

// demoRecord collects the calls made with one context.
type demoRecord struct {
	mu    sync.Mutex
	calls []Exchange // newest first
}

type demoRecordKey struct{}

func withRecord(ctx context.Context) (context.Context, *demoRecord) {
	record := new(demoRecord)
	return context.WithValue(ctx, demoRecordKey{}, record), record
}

func (r *demoRecord) add(x Exchange) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append([]Exchange{x}, r.calls...)
}

// all returns the calls since the last take.
func (r *demoRecord) all() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.calls)
}

// take returns the calls since the last take.
func (r *demoRecord) take() []Exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	calls := r.calls
	r.calls = nil
	return calls
}

// demoTransport records the calls of the API with their exact answers. It sends requests for the
// service's public URL to the internal one, because in a container the public URL may not be
// reachable.
type demoTransport struct {
	next         http.RoundTripper // nil means http.DefaultTransport
	public, base string
	now          func() time.Time
}

// demoHeaders are the headers of answers that pages show.
var demoHeaders = [...]string{"Retry-After", httpx.HeaderExplanation, "Location"}

const maxDemoBody = 16 << 10 // bytes of an answer that pages show

func (t *demoTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	next := t.next
	if next == nil {
		next = http.DefaultTransport
	}
	record, _ := r.Context().Value(demoRecordKey{}).(*demoRecord)
	if record == nil || !strings.HasPrefix(r.URL.String(), strings.TrimRight(t.base, "/")+"/") {
		return next.RoundTrip(t.inside(r))
	}
	exchange := Exchange{Call: r.Method + " " + r.URL.EscapedPath(), At: t.now()}
	exchange.Token = decodeToken(r.Header.Get("Authorization"))
	exchange.Code = snippets(r, t.outside(r.URL), exchange.Token)
	defer func() { record.add(exchange) }()
	resp, err := next.RoundTrip(r)
	if err != nil {
		exchange.Body = "no answer: " + err.Error()
		return nil, err
	}
	exchange.Status = resp.StatusCode
	for _, name := range demoHeaders {
		if value := resp.Header.Get(name); value != "" {
			exchange.Header = append(exchange.Header, name+": "+value)
		}
	}
	start, err := io.ReadAll(io.LimitReader(resp.Body, maxDemoBody))
	exchange.Body = httpx.Pretty(string(start))
	rest := io.Reader(resp.Body)
	if err != nil {
		exchange.Body += "\n(interrupted: " + err.Error() + ")"
		rest = brokenOff{err}
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(start), rest), resp.Body}
	return resp, nil
}

// outside is the URL of a call as other programs make it.
func (t *demoTransport) outside(u *url.URL) string {
	public, err := url.Parse(t.public)
	if err != nil {
		return u.String()
	}
	return public.Scheme + "://" + public.Host + u.EscapedPath()
}

// inside redirects a request for the public URL to the internal one. It keeps the Host, by which
// the server recognises its public URL.
func (t *demoTransport) inside(r *http.Request) *http.Request {
	public, err := url.Parse(t.public)
	if err != nil || r.URL.Scheme != public.Scheme || r.URL.Host != public.Host {
		return r
	}
	base, err := url.Parse(t.base)
	if err != nil || base.Host == public.Host {
		return r
	}
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host, r.Host = base.Scheme, base.Host, public.Host
	return r
}

type brokenOff struct{ err error }

func (b brokenOff) Read([]byte) (int, error) { return 0, b.err }
