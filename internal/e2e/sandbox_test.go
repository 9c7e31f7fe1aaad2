package e2e_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// The personas that the tests act as.
const (
	alice = "S8979373D"
	bob   = "S8116474F"
)

// sandbox is a running sandbox and a relying party that is registered with it.
type sandbox struct {
	url, control string
	issuer       string // of the identity provider; empty: the sandbox's own
	party        *partytest.Party
	app          *app.App
	stop         func()
}

// start runs a sandbox in this process on free ports; edit may change its configuration.
func start(t testing.TB, edit ...func(*config.Config)) *sandbox {
	t.Helper()
	rp := partytest.Start(t)
	c := configOf(rp)
	for _, e := range edit {
		e(&c)
	}
	return run(
		t, rp, c, nil,
		slog.New(slog.NewTextHandler(testWriter{t}, &slog.HandlerOptions{Level: slog.LevelWarn})),
	)
}

// run runs a sandbox with this configuration, environment and log, on a data folder of its own.
func run(
	t testing.TB, rp *partytest.Party, c config.Config, env map[string]string, log *slog.Logger,
) *sandbox {
	t.Helper()
	c.Data = t.TempDir()
	return runAt(t, rp, c, time.Now, env, log)
}

// runAt runs a sandbox on the data folder that its configuration names, by a clock of the test's.
func runAt(
	t testing.TB, rp *partytest.Party, c config.Config, now func() time.Time, env map[string]string,
	log *slog.Logger,
) *sandbox {
	t.Helper()
	a, err := app.OpenSandbox(
		t.Context(), c, now, func(name string) string { return env[name] }, log,
	)
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{
		url:     a.Config.PublicURL,
		control: "http://" + a.Control.String(),
		party:   rp,
		app:     a,
		stop:    runApp(t, a),
	}
	rp.Now = s.now
	return s
}

// runApp runs a program until stop is called or the test ends.
func runApp(t testing.TB, a *app.App) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		select {
		case err := <-done:
			if err != nil {
				t.Errorf("the program stopped with: %v", err)
			}
		case <-time.After(time.Minute):
			t.Error("the program does not stop")
		}
	})
	t.Cleanup(stop)
	return stop
}

// configOf returns the configuration of a sandbox with one party.
func configOf(rp *partytest.Party) config.Config {
	r := rp.Registration()
	return config.Config{
		Listen: "127.0.0.1:0", Control: "127.0.0.1:0", SessionLifetime: 180 * time.Second,
		UnauthorizedStatus: 400,
		AuthorityName:      "Signet", LogLevel: "warn",
		Parties: config.PartyList{{
			ClientID: r.ClientID, Name: r.Name, JWKSURL: r.JWKSURL, RedirectURL: r.RedirectURL,
			WebhookURL: r.WebhookURL,
		}},
	}
}

// testWriter sends a program's log to the test's.
type testWriter struct{ testing.TB }

func (w testWriter) Write(p []byte) (int, error) {
	w.Logf("%s", bytes.TrimRight(p, "\n"))
	return len(p), nil
}

// now is the sandbox's clock, which the relying party goes by.
func (s *sandbox) now() time.Time {
	resp, err := http.Get(s.control + "/clock")
	if err != nil {
		panic(err)
	}
	defer resp.Body.Close()
	var v struct {
		Now time.Time `json:"now"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&v); err != nil {
		panic(err)
	}
	return v.Now
}

// answer is a response, read whole.
type answer struct {
	status int
	header http.Header
	body   string
}

// is compares status and the exact body; "" is an empty one.
func (a answer) is(status int, code, description string) bool {
	want := ""
	if code != "" {
		want = fmt.Sprintf(`{"error":%q,"error_description":%q}`, code, description) + "\n"
	}
	return a.status == status && a.body == want
}

func do(t testing.TB, method, url, jws, contentType string, body io.Reader) answer {
	t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, url, body)
	if err != nil {
		t.Fatal(err)
	}
	if jws != "" {
		req.Header.Set("Authorization", jws)
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := checked(t).Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(text)}
}

// initiate makes a request for one signature.
func (s *sandbox) initiate(t testing.TB, edits ...partytest.Edit) api.Initiated {
	t.Helper()
	a := s.upload(t, s.party.Token(token.Initiate, edits...), pdftest.Minimal())
	var in api.Initiated
	if err := json.Unmarshal([]byte(a.body), &in); err != nil || a.status != http.StatusOK {
		t.Fatalf("initiate: %d %s", a.status, a.body)
	}
	return in
}

func (s *sandbox) upload(t testing.TB, jws string, pdf []byte) answer {
	t.Helper()
	return do(
		t, "POST", s.url+"/api/v3/sign-requests", jws, "application/octet-stream",
		bytes.NewReader(pdf),
	)
}

func (s *sandbox) cancel(t testing.TB, id string) answer {
	t.Helper()
	return do(
		t, "POST", s.url+"/api/v3/sign-requests/cancel",
		s.party.Token(token.Cancel, partytest.Claim("request_id", id)), "application/json", nil,
	)
}

func (s *sandbox) result(t testing.TB, in api.Initiated) answer {
	t.Helper()
	return do(t, "GET", s.url+"/api/v3/sign-requests/"+in.RequestID+"/signed-doc",
		s.party.Token(token.Result, partytest.Claim("exchange_code", in.ExchangeCode)), "", nil)
}

// act performs a signer's step through the control listener.
func (s *sandbox) act(t testing.TB, id, as, what string) answer {
	t.Helper()
	return do(
		t,
		"POST",
		s.control+"/requests/"+id+"/act",
		"",
		"application/json",
		strings.NewReader(fmt.Sprintf(`{"as":%q,"do":%q}`, as, what)),
	)
}

// must is act that has to happen.
func (s *sandbox) must(t testing.TB, id, as string, steps ...string) {
	t.Helper()
	for _, step := range steps {
		if a := s.act(t, id, as, step); a.status != http.StatusOK {
			t.Fatalf("%s: %d %s", step, a.status, a.body)
		}
	}
}

func (s *sandbox) advance(t testing.TB, d string) {
	t.Helper()
	if a := do(t, "POST", s.control+"/clock", "", "application/json", strings.NewReader(fmt.Sprintf(`{"advance":%q}`, d))); a.status != http.StatusOK {
		t.Fatalf("clock: %d %s", a.status, a.body)
	}
}

// view is a request as the control listener shows it.
type view struct {
	State  string `json:"state"`
	Events []struct {
		Kind   string         `json:"kind"`
		Detail request.Detail `json:"detail"`
	} `json:"events"`
}

func (s *sandbox) view(t testing.TB, id string) view {
	t.Helper()
	a := do(t, "GET", s.control+"/requests/"+id, "", "", nil)
	var v view
	if err := json.Unmarshal([]byte(a.body), &v); err != nil || a.status != http.StatusOK {
		t.Fatalf("request: %d %s", a.status, a.body)
	}
	return v
}

// settled waits until the request is in a state.
func (s *sandbox) settled(t testing.TB, id, state string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		v := s.view(t, id)
		if v.State == state {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the request is %s and does not become %s", v.State, state)
		}
	}
}

// startTwo is a sandbox with a second relying party.
func startTwo(t testing.TB) (*sandbox, *partytest.Party) {
	t.Helper()
	other := partytest.Start(t)
	s := start(t, func(c *config.Config) { c.Parties = append(c.Parties, configOf(other).Parties...) })
	other.Now = s.now
	return s, other
}

// files lists what is stored of a request.
func (s *sandbox) files(t testing.TB, id string) (found []string) {
	t.Helper()
	err := filepath.WalkDir(
		filepath.Join(s.app.Config.Data, "documents"),
		func(path string, d fs.DirEntry, err error) error {
			if err == nil && !d.IsDir() && strings.Contains(path, id) {
				found = append(found, path)
			}
			return err
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	return found
}
