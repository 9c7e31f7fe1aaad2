package conform_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/client"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/conform"
	"github.com/signet-sign/signet/internal/conform/report"
)

// sandbox is a running sandbox with two parties.
type sandbox struct {
	config conform.Config // without Webhooks
	hooks  string         // address of the first party's webhook URL
}

// start runs a sandbox until the test ends.
func start(t *testing.T) *sandbox {
	t.Helper()
	l := listen(t, "127.0.0.1:0")
	s := &sandbox{hooks: l.Addr().String()}
	l.Close()
	c := config.SandboxDefaults()
	c.Listen, c.Control, c.Data = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
	c.AutoSignOnGet = true
	s.config.Other = new(conform.Party)
	for i, p := range []*conform.Party{&s.config.Party, s.config.Other} {
		key, err := client.GenerateKey()
		if err != nil {
			t.Fatal(err)
		}
		*p = conform.Party{ClientID: []string{"shop", "bank"}[i], Key: key}
		text, err := client.JWKS(key)
		if err != nil {
			t.Fatal(err)
		}
		var jwks map[string]any
		if err := json.Unmarshal(text, &jwks); err != nil {
			t.Fatal(err)
		}
		registered := config.Party{
			ClientID: p.ClientID, Name: p.ClientID, RedirectURL: "http://127.0.0.1/back?z=1&a=%2F",
			JWKS: jwks,
		}
		if i == 0 {
			s.config.RedirectURL = registered.RedirectURL
			registered.WebhookURL = "http://" + s.hooks + "/webhook"
		}
		c.Parties = append(c.Parties, registered)
	}
	log := slog.New(slog.DiscardHandler)
	a, err := app.OpenSandbox(t.Context(), c, time.Now, func(string) string { return "" }, log)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	s.config.BaseURL = a.Config.PublicURL + api.BasePath
	s.config.Control = "http://" + a.Control.String()
	s.config.SignByGet = true
	return s
}

func listen(t *testing.T, address string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// judge judges the sandbox, and receives its webhooks.
func (s *sandbox) judge(t *testing.T, config conform.Config) *report.Report {
	t.Helper()
	config.Webhooks = listen(t, s.hooks)
	r, err := conform.Judge(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestSandbox: Signet's own sandbox passes every rule.
func TestSandbox(t *testing.T) {
	s := start(t)
	r := s.judge(t, s.config)
	var b bytes.Buffer
	if err := r.WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	if r.Count(report.Pass) != len(r.Verdicts) || len(r.Verdicts) < 110 {
		t.Errorf("%s", b.String())
	}
	s.checkCost(t)
}

// checkCost holds what docs/conformance.md says that a judge costs against what the sandbox has
// seen of one.
func (s *sandbox) checkCost(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("../../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`makes some (\d+) calls, and leaves some (\d+) requests`).
		FindSubmatch(text)
	if said == nil {
		t.Fatal("docs/conformance.md does not say how many calls and requests there are")
	}
	about := func(what string, n int, said []byte) {
		if want, err := strconv.Atoi(string(said)); err != nil || n < want*9/10 || n > want*11/10 {
			t.Errorf("%d %s, and docs/conformance.md says %s", n, what, said)
		}
	}
	calls := 0
	counts := regexp.MustCompile(
		`(?m)^signet_http_request_duration_seconds_count\{.*route="(.*?)".*\} (\d+)$`,
	)
	for _, m := range counts.FindAllSubmatch(s.fetch(t, "/metrics"), -1) {
		n, err := strconv.Atoi(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		calls += n
	}
	about("calls", calls, said[1])
	var list struct{ Requests []struct{ State string } }
	if err := json.Unmarshal(s.fetch(t, "/requests?limit=1000"), &list); err != nil {
		t.Fatal(err)
	}
	waiting := 0
	for _, r := range list.Requests {
		if slices.Contains([]string{"created", "locked", "session"}, r.State) {
			waiting++
		}
	}
	about("requests wait for a signer", waiting, said[2])
}

// fetch returns the answer of the control listener to a GET.
func (s *sandbox) fetch(t *testing.T, path string) []byte {
	t.Helper()
	resp, err := http.Get(s.config.Control + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v", path, resp.Status, err)
	}
	return body
}

// TestMistakes checks that each planted mistake is found by its rule, which says what is wrong and
// shows the exchange.
func TestMistakes(t *testing.T) {
	names, mistakes := map[string]bool{}, make(chan conform.Mistake)
	var running sync.WaitGroup
	for lane := range 6 { // each with a sandbox; attempts of webhooks are seconds apart
		running.Go(func() {
			t.Run(fmt.Sprint("lane ", lane), func(t *testing.T) {
				s := start(t)
				for m := range mistakes {
					s.plant(t, m)
				}
			})
		})
	}
	for _, m := range conform.Mistakes() {
		if names[m.Name] {
			t.Errorf("two mistakes have the name %s", m.Name)
		}
		names[m.Name] = true
		if !testing.Short() || !strings.HasPrefix(m.Rule, "7.1.") {
			mistakes <- m
		}
	}
	close(mistakes)
	running.Wait()
	if len(names) < 286 {
		t.Errorf("only %d mistakes", len(names))
	}
}

// plant plants a mistake before the sandbox, which its rule must find.
func (s *sandbox) plant(t *testing.T, m conform.Mistake) {
	t.Helper()
	config := s.config
	config.Rules, config.Mistake = []string{m.Rule}, &m
	r := s.judge(t, config)
	if v := r.Verdicts[0]; len(r.Verdicts) != 1 || v.Outcome != report.Fail || v.Reason == "" ||
		len(v.Evidence) == 0 {
		t.Errorf(
			"%s: %s %s: %s, with %d exchanges", m.Name, m.Rule, v.Outcome, v.Reason,
			len(v.Evidence),
		)
	}
}

// TestAlone checks that without a control listener, a signer and a receiver nothing fails, and the
// rules that need one of them cannot be told.
func TestAlone(t *testing.T) {
	s := start(t)
	r, err := conform.Judge(t.Context(), conform.Config{
		BaseURL: s.config.BaseURL, Party: s.config.Party,
	})
	if err != nil {
		t.Fatal(err)
	}
	unknown := map[string]bool{}
	for _, v := range r.Verdicts {
		if v.Outcome == report.Fail || (v.Outcome == report.CannotTell) != (v.Reason != "") {
			t.Errorf("%s: %s: %s", v.Rule, v.Outcome, v.Reason)
		}
		unknown[v.Rule] = v.Outcome == report.CannotTell
	}
	for _, rule := range []string{"3.3.4", "4.4.1", "5.2.1", "5.3.2", "6.2.2", "6.2.6", "7.1.4"} {
		if !unknown[rule] {
			t.Errorf("%s is judged", rule)
		}
	}
	for _, rule := range []string{"2.3.5", "3.2.4", "5.3.1", "5.3.4", "6.2.1", "6.2.5", "8.2.1"} {
		if unknown[rule] {
			t.Errorf("%s is not judged", rule)
		}
	}
}

// TestSetUp checks that a server that refuses an ordinary call is not judged.
func TestSetUp(t *testing.T) {
	s := start(t)
	foreign, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*conform.Config){
		"another key":  func(c *conform.Config) { c.Party.Key = foreign },
		"another path": func(c *conform.Config) { c.BaseURL += "/v4" },
		"no server":    func(c *conform.Config) { c.BaseURL = "http://127.0.0.1:1/api/v3" },
	} {
		config := s.config
		change(&config)
		if _, err := conform.Judge(t.Context(), config); !errors.Is(err, conform.ErrSetUp) {
			t.Errorf("%s: %v", name, err)
		}
	}
	config := s.config
	config.Rules = []string{"99"}
	if _, err := conform.Judge(t.Context(), config); err == nil {
		t.Error("a rule that does not exist is judged")
	}
}

// TestOddServers judges servers that make requests and answer everything else with nonsense: each
// rule has an outcome.
func TestOddServers(t *testing.T) {
	key, err := client.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	for name, odd := range map[string]func(w http.ResponseWriter){
		"nothing":     func(http.ResponseWriter) {},
		"no answer":   func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"an array":    func(w http.ResponseWriter) { _, _ = io.WriteString(w, "[]") },
		"wrong types": func(w http.ResponseWriter) { _, _ = io.WriteString(w, `{"error":[],"exp":""}`) },
		"a failure":   func(w http.ResponseWriter) { w.WriteHeader(http.StatusInternalServerError) },
	} {
		t.Run(name, func(t *testing.T) {
			calls := 0
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if calls++; strings.HasSuffix(r.URL.Path, api.PathCancel) && calls == 1 {
					w.WriteHeader(http.StatusNotFound)
					return
				}
				if calls == 2 || calls > 2 && r.URL.Path == api.BasePath+api.PathRequest && calls%2 == 0 {
					_, _ = io.WriteString(w, `{"signing_url":"http://127.0.0.1:1/","request_id":"x"}`)
					return
				}
				odd(w)
			}))
			defer s.Close()
			r, err := conform.Judge(t.Context(), conform.Config{
				BaseURL: s.URL + api.BasePath, Party: conform.Party{ClientID: "shop", Key: key},
				SignByGet: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range r.Verdicts {
				if v.Rule == "6.2.5" && name != "no answer" &&
					!strings.Contains(v.Reason, "the server has no call cancel") {
					t.Errorf("%s: %s: %s", v.Rule, v.Outcome, v.Reason)
				}
			}
			if len(r.Verdicts) < 80 || r.Count(report.Pass) > len(r.Verdicts)/2 {
				t.Errorf("%d of %d rules pass", r.Count(report.Pass), len(r.Verdicts))
			}
		})
	}
}
