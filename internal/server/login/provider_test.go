package login_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/server/login"
)

// faulty stands in front of a provider. While part is a path, calls of it get no answer, or half of
// one.
type faulty struct {
	*httptest.Server
	part  atomic.Value // string
	half  atomic.Bool
	calls atomic.Int32 // of part
	one   sync.Mutex   // held while the provider answers
}

func newFaulty(t *testing.T, p *provider) *faulty {
	t.Helper()
	f := &faulty{}
	f.part.Store("")
	done := make(chan struct{})
	inner := p.Config.Handler
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != f.part.Load() {
			f.one.Lock()
			defer f.one.Unlock()
			inner.ServeHTTP(w, r)
			return
		}
		f.calls.Add(1)
		if f.half.Load() {
			w.Header().Set("Content-Length", "100")
			_, _ = w.Write([]byte("{"))
			_ = http.NewResponseController(w).Flush()
		}
		select {
		case <-done:
		case <-r.Context().Done():
		}
	}))
	t.Cleanup(func() { close(done); f.Close() })
	p.Server.Close()
	p.URL = f.URL // which the provider's answers name
	return f
}

// TestProviderHangs shows that a provider that does not answer costs each login one bounded wait,
// that logins share one fetch of the discovery document and of the keys, and that the next logins
// fail at once.
func TestProviderHangs(t *testing.T) {
	const wait = time.Second
	const logins = 6
	for name, c := range map[string]struct {
		part   string
		half   bool
		shared bool
	}{
		"discovery":                {"/.well-known/openid-configuration", false, true},
		"discovery, half answered": {"/.well-known/openid-configuration", true, true},
		"token":                    {"/token", false, false},
		"keys":                     {"/keys", false, true},
		"keys, half answered":      {"/keys", true, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newProvider(t)
			f := newFaulty(t, p)
			l := newClient(t, func(config *login.Config) {
				config.Issuer, config.Wait = f.URL, wait
				config.Failed = func(w http.ResponseWriter, _ *http.Request, _ string, why login.Failure) {
					if why == login.Unavailable {
						w.WriteHeader(http.StatusServiceUnavailable)
						return
					}
					w.WriteHeader(http.StatusForbidden)
				}
			})
			begin := func() (*httptest.ResponseRecorder, time.Duration) {
				w, start := httptest.NewRecorder(), time.Now()
				r := httptest.NewRequest("POST", "https://sign.example/", nil)
				l.Begin(w, r, "/sign/1", "/sign/1")
				return w, time.Since(start)
			}
			step := begin
			if c.part != "/.well-known/openid-configuration" {
				w, _ := begin()
				at, err := url.Parse(w.Header().Get("Location"))
				if err != nil || w.Code != http.StatusSeeOther {
					t.Fatalf("begin: %d %v", w.Code, err)
				}
				p.claims = map[string]any{
					"iss": p.URL, "aud": "signet", "sub": "s", "iat": l.now.Unix(),
					"exp": l.now.Add(time.Hour).Unix(), "nonce": at.Query().Get("nonce"),
					"uin": "S8979373D", "name": "TAN XIAO HUI",
				}
				cookies := w.Result().Cookies()
				step = func() (*httptest.ResponseRecorder, time.Duration) {
					r := httptest.NewRequest(
						"GET", "https://sign.example/login/callback?code=c&state="+
							at.Query().Get("state"), nil,
					)
					for _, cookie := range cookies {
						r.AddCookie(cookie)
					}
					answer, start := httptest.NewRecorder(), time.Now()
					l.mux.ServeHTTP(answer, r)
					return answer, time.Since(start)
				}
			}
			f.half.Store(c.half)
			f.part.Store(c.part)
			unavailable := func(w *httptest.ResponseRecorder) {
				t.Helper()
				if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") != "5" {
					t.Errorf("%d, Retry-After %q", w.Code, w.Header().Get("Retry-After"))
				}
			}
			var wg sync.WaitGroup
			for range logins {
				wg.Go(func() {
					w, took := step()
					unavailable(w)
					if took > 3*wait {
						t.Errorf("a login took %s", took)
					}
				})
			}
			wg.Wait()
			if n := f.calls.Load(); c.shared && n != 1 || n > logins {
				t.Errorf("%d calls of %s", n, c.part)
			}
			calls := f.calls.Load()
			w, _ := step()
			unavailable(w)
			if n := f.calls.Load() - calls; n != 0 { // which it would wait for
				t.Errorf("the next login made %d calls", n)
			}
			f.part.Store("")
			l.now = l.now.Add(5 * time.Second)
			if w, _ := step(); w.Code != http.StatusSeeOther {
				t.Errorf("after the pause: %d, log %s", w.Code, &l.log)
			}
		})
	}
}
