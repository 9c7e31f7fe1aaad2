package doctor_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/doctor"
)

// mistake is a mistake that is planted into a healthy service, and the finding that names it and the
// remedy.
type mistake struct {
	name                string
	plant               func(c *clinic)
	level               doctor.Level
	check, text, remedy string // ID in check is the id of the relying party
}

// TestDiagnose plants one mistake at a time into a healthy service that is stopped, and expects
// the finding that names it and the remedy.
func TestDiagnose(t *testing.T) {
	healthy := newClinic(t, "")
	healthy.start(false)
	for _, test := range slices.Concat(
		[]mistake{{name: "nothing", plant: func(*clinic) {}}},
		configurationMistakes, dataMistakes, keyMistakes, sealMistakes, partyMistakes, networkMistakes,
	) {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := healthy.copy(t, "documents") // whose 257 folders take longer than the rest
			test.plant(c)
			found := c.diagnose()
			c.refused()
			if test.check == "" {
				if len(found) > 0 {
					t.Errorf("%+v", found)
				}
				return
			}
			id := c.party.ClientID
			c.expect(
				found, test.level, strings.Replace(test.check, "ID", id, 1), test.text, test.remedy,
			)
		})
	}
}

// refused starts the service. If it does not start, signet serve --check has to say so before.
func (c *clinic) refused() {
	c.Helper()
	if c.config.Data == "data" { // a start would make it in the folder of this package
		return
	}
	settings := c.config
	found := c.machine(doctor.New(&settings)).ExamineAt(c.Context(), doctor.AtStart)
	a, err := app.Open(c.Context(), c.config, c.now, slog.New(slog.DiscardHandler))
	switch {
	case err == nil:
		_ = a.Close()
		return
	case errors.Is(err, syscall.EADDRINUSE): // as of a service that runs beside the check
		return
	}
	if !slices.ContainsFunc(found, func(f doctor.Finding) bool { return f.Level == doctor.Fault }) {
		c.Errorf("a start says %v, and a check of it %+v", err, found)
	}
}

// TestDiagnoseFirst examines a service before its first start, as the guide says.
func TestDiagnoseFirst(t *testing.T) {
	c := newClinic(t, "")
	if found := c.diagnose(); len(found) > 0 {
		t.Errorf("a healthy configuration: %+v", found)
	}
	c.config.OIDCClientSecret = strong
	c.expect(c.diagnose(), doctor.Fault, "login", "does not accept the client", "oidc_client_secret")
	c.config.OIDCClientSecret = ""
	c.expect(c.diagnose(), doctor.Warning, "login", "has no keys yet", "register the JWKS")
}

// TestDiagnoseProvider examines a service whose key management service does not answer, before the
// first start and after it. That is one fault, and not one of each key.
func TestDiagnoseProvider(t *testing.T) {
	dir := t.TempDir()
	broken := []byte("#!/bin/sh\nexit 1\n")
	if err := os.WriteFile(filepath.Join(dir, "signet-kms"), broken, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir)
	c := newClinic(t, "")
	plain := c.config
	for range 2 {
		c.config.Keys = "awskms:region=x;decryption-key=alias/x"
		found := c.diagnose()
		c.expect(found, doctor.Fault, "keys", "keys awskms:", "keys_password")
		if len(found) != 1 {
			t.Errorf("other findings: %+v", found)
		}
		c.config = plain
		c.start(false)
	}
}

// TestDiagnoseRunning examines a service that runs, by its own findings and from outside. Then the
// proxy in front of it makes mistakes.
func TestDiagnoseRunning(t *testing.T) {
	c := newClinic(t, "")
	c.config.Listen = freeAddress(t)
	var proxy http.Handler = http.NotFoundHandler()
	public := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proxy.ServeHTTP(w, r)
	}))
	defer public.Close()
	c.config.PublicURL = public.URL
	a := c.start(true)
	proxy = leadTo(a)
	for name, list := range map[string][]doctor.Finding{
		"itself":  c.machine(a.Doctor()).Diagnose(t.Context()),
		"outside": c.diagnose(),
	} {
		for _, f := range list {
			if f.Level != doctor.OK && f.Check != "exposure" {
				t.Errorf("%s: %+v", name, f)
			}
		}
	}
	proxy = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.ContentLength > 1<<20 {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
			return
		}
		leadTo(a).ServeHTTP(w, r)
	})
	c.expect(c.diagnose(), doctor.Fault, "public_url", "413", "client_max_body_size 10m")
	proxy = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "No server is available to handle this request.", http.StatusServiceUnavailable)
	})
	c.expect(c.diagnose(), doctor.Fault, "public_url", "it answers 503", "with control_tls")
	proxy = http.NotFoundHandler()
	c.expect(c.diagnose(), doctor.Fault, "public_url", "another program", "let the proxy lead to listen")
	other := newClinic(t, "")
	b := other.start(true)
	proxy = leadTo(b)
	c.expect(c.diagnose(), doctor.Fault, "public_url", "does not have the webhook key", "the same folder of keys")
	public.Close()
	c.expect(c.diagnose(), doctor.Fault, "public_url", "refuses the connection", "check DNS, the proxy")
	c.must(os.Rename(other.data("keys", "webhook.key"), c.data("keys", "webhook.key")))
	c.expect(c.diagnose(), doctor.Fault, "listen", "does not have the webhook key", "the same folder of keys")
}

// leadTo is a proxy in front of a service that adds no header and takes none away.
func leadTo(a *app.App) http.Handler {
	return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: a.Addr.String()})
		r.Out.Host = r.In.Host
		for _, name := range []string{"Forwarded", "X-Forwarded-For"} {
			if values, ok := r.In.Header[name]; ok {
				r.Out.Header[name] = values
			}
		}
	}}
}

// whole is a Transport that reads the body of a request before it sends the request.
type whole struct{}

func (whole) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		return http.DefaultTransport.RoundTrip(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return http.DefaultTransport.RoundTrip(r)
}

// buffered reads everything before it returns the first byte.
type buffered struct {
	from io.Reader
	all  *bytes.Reader
}

func (b *buffered) Read(p []byte) (int, error) {
	if b.all == nil {
		all, err := io.ReadAll(b.from)
		if err != nil {
			return 0, err
		}
		b.all = bytes.NewReader(all)
	}
	return b.all.Read(p)
}

// TestDiagnoseProxy plants mistakes into a proxy in front of a service.
func TestDiagnoseProxy(t *testing.T) {
	c := newClinic(t, "")
	c.config.Listen = freeAddress(t)
	var mistake func(*httputil.ProxyRequest)
	buffers := false
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: c.config.Listen})
			mistake(r)
		},
		ModifyResponse: func(r *http.Response) error {
			if !buffers {
				return nil
			}
			head := make([]byte, 4096)
			n, err := r.Body.Read(head)
			rest := &buffered{from: r.Body}
			r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(head[:n]), rest))
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return err
		},
	}
	public := httptest.NewServer(proxy)
	defer public.Close()
	c.config.PublicURL = public.URL
	c.start(true)
	right := (*httputil.ProxyRequest).SetXForwarded
	for _, test := range []struct {
		name         string
		mistake      func(*httputil.ProxyRequest)
		buffers      bool
		trusted      string
		text, remedy string
	}{
		{name: "none", mistake: right, trusted: "127.0.0.1"},
		{
			"another proxy is trusted", right, false, "10.0.0.1",
			"come from 127.0.0.1, which is not among trusted_proxies", "add it to trusted_proxies",
		},
		{
			"silence", func(*httputil.ProxyRequest) {}, false, "127.0.0.1",
			"127.0.0.1 does not say who its clients are", "set X-Forwarded-For",
		},
		{
			"clients are believed", func(r *httputil.ProxyRequest) {
				r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
			}, false, "127.0.0.1", "each can choose the address", "set X-Forwarded-For",
		},
		{
			"both headers", func(r *httputil.ProxyRequest) {
				right(r)
				r.Out.Header.Set("Forwarded", "for=10.1.2.3")
			}, false, "127.0.0.1", "both are ignored", "remove Forwarded",
		},
		{
			"buffers", right, true, "127.0.0.1", "keeps an event stream until it ends",
			"text/event-stream",
		},
		{
			"keeps bodies", right, false, "127.0.0.1", "keeps an upload until it has all of it",
			"proxy_request_buffering off",
		},
	} {
		mistake, buffers, proxy.Transport = test.mistake, test.buffers, http.DefaultTransport
		if test.name == "keeps bodies" {
			proxy.Transport = whole{}
		}
		c.config.TrustedProxies = config.List{test.trusted}
		found := c.diagnose()
		if test.text != "" {
			c.expect(found, doctor.Warning, "public_url", test.text, test.remedy)
			continue
		}
		for _, f := range found {
			if f.Check == "public_url" {
				t.Errorf("%+v", f)
			}
		}
	}
	r, err := http.NewRequest(http.MethodGet, public.URL+api.PathKeys, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(doctor.ProbeHeader, doctor.ProbeMark([]byte("another secret"), time.Now()))
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got := resp.Header.Get("Content-Type"); got == "text/event-stream" {
		t.Error("a stranger's probe is answered")
	}
}

// TestExamineChangesNothing checks that neither an examination nor a diagnosis changes a file or
// makes one, not even a folder that is missing. The database of a running service may change.
func TestExamineChangesNothing(t *testing.T) {
	healthy := newClinic(t, "")
	healthy.start(false)
	for _, running := range []bool{false, true} {
		for _, missing := range []string{"", "keys", "authority", "documents"} {
			t.Run(fmt.Sprintf("running %t, without %q", running, missing), func(t *testing.T) {
				c := healthy.copy(t)
				var a *app.App
				if running {
					a = c.start(true)
				}
				if missing != "" {
					if err := os.RemoveAll(filepath.Join(c.config.Data, missing)); err != nil {
						t.Fatal(err)
					}
				}
				before := tree(t, c.config.Data)
				if running {
					a.Doctor().Diagnose(t.Context())
				} else {
					doctor.Examine(t.Context(), c.config, slog.New(slog.DiscardHandler))
					c.diagnose()
				}
				after := tree(t, c.config.Data)
				if running {
					clear := func(files map[string]string) {
						for path := range files {
							files[path] = ""
						}
					}
					clear(before)
					clear(after)
				}
				if !maps.Equal(before, after) {
					t.Errorf("%q became %q", before, after)
				}
			})
		}
	}
}

// tree returns the contents of all files below a folder; a folder has none.
func tree(t *testing.T, folder string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			files[path] = ""
			return nil
		}
		text, err := os.ReadFile(path)
		files[path] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
