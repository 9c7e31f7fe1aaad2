package app

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party"
)

// TestMockParty: MockPass's variables, under both names of the redirect, and its defaults.
func TestMockParty(t *testing.T) {
	defaults := party.Party{
		ClientID: "mockpass-sign-v3-client", Name: "mockpass-sign-v3-client",
		JWKSURL:     "http://localhost:4000/jwks",
		RedirectURL: "http://localhost:4000/redirect", WebhookURL: "http://localhost:4000/webhook",
	}
	with := func(edit func(*party.Party)) party.Party {
		p := defaults
		edit(&p)
		return p
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want party.Party
	}{
		"nothing": {nil, defaults},
		"empty":   {map[string]string{"SIGNV3_CLIENT_ID": ""}, defaults},
		"all": {map[string]string{
			"SIGNV3_CLIENT_ID": "a", "SIGNV3_CLIENT_JWKS_URL": "http://a/j",
			"SIGNV3_CLIENT_REDIRECT_URI": "http://a/r", "SIGNV3_CLIENT_WEBHOOK_URL": "http://a/w",
		}, party.Party{ClientID: "a", Name: "a", JWKSURL: "http://a/j", RedirectURL: "http://a/r", WebhookURL: "http://a/w"}},
		"the redirect's other name":        {map[string]string{"SIGNV3_CLIENT_REDIRECT_URL": "http://a/r"}, with(func(p *party.Party) { p.RedirectURL = "http://a/r" })},
		"both names, the one that is read": {map[string]string{"SIGNV3_CLIENT_REDIRECT_URL": "http://a/1", "SIGNV3_CLIENT_REDIRECT_URI": "http://a/2"}, with(func(p *party.Party) { p.RedirectURL = "http://a/2" })},
	} {
		if got := mockParty(func(k string) string { return c.env[k] }); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

func TestReachable(t *testing.T) {
	for addr, want := range map[string]string{"0.0.0.0:80": "127.0.0.1:80", "[::]:80": "127.0.0.1:80", "127.0.0.1:80": "127.0.0.1:80", "[::1]:80": "[::1]:80"} {
		tcp, err := net.ResolveTCPAddr("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := reachable(tcp); got != want {
			t.Errorf("%s: %s, want %s", addr, got, want)
		}
	}
}

// TestServeLocally checks that a handler of this process answers like a server.
func TestServeLocally(t *testing.T) {
	h := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("X-Was", r.Method+" "+r.RequestURI+" "+r.Host)
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK) // too late, as on a real connection
		_, _ = w.Write(append([]byte("got "), body...))
	})
	client := &http.Client{
		Transport: roundTripper(
			func(r *http.Request) (*http.Response, error) { return serveLocally(h, r) },
		),
	}
	resp, err := client.Post("http://sign.example/a?b=c", "text/plain", strings.NewReader("body"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if resp.StatusCode != http.StatusTeapot || string(body) != "got body" ||
		resp.Header.Get("X-Was") != "POST /a?b=c sign.example" ||
		resp.ContentLength != 8 {
		t.Errorf("%d %q %v", resp.StatusCode, body, resp.Header)
	}
}

// TestEarliest checks that a token id is kept until no clock takes the token any more.
func TestEarliest(t *testing.T) {
	wall := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	at := func(ahead time.Duration) func() time.Time {
		return func() time.Time { return wall.Add(ahead) }
	}
	for _, c := range []struct {
		a    App
		want time.Duration
	}{
		{App{now: at(time.Hour)}, time.Hour},
		{App{now: at(time.Hour), wall: at(0)}, 0},
		{App{now: at(-time.Hour), wall: at(0)}, -time.Hour},
	} {
		if got := c.a.earliest().Sub(wall); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// TestMockAddress: MockPass's variables give the port and the public URL of a sandbox that is told
// neither.
func TestMockAddress(t *testing.T) {
	_, port, _ := net.SplitHostPort(freeAddress(t))
	for name, c := range map[string]struct {
		env    map[string]string
		listen string // of the configuration
		port   bool   // that of the environment is used
		url    string
	}{
		"MOCKPASS_PORT": {env: map[string]string{"MOCKPASS_PORT": port, "PORT": "1"}, port: true},
		"PORT":          {env: map[string]string{"PORT": port}, port: true},
		"--listen":      {env: map[string]string{"PORT": port}, listen: "127.0.0.1:0"},
		"MOCKPASS_SERVER_HOST": {
			env:    map[string]string{"MOCKPASS_SERVER_HOST": "http://localhost:5156"},
			listen: "127.0.0.1:0", url: "http://localhost:5156",
		},
	} {
		settings := config.SandboxDefaults()
		settings.Listen, settings.Control, settings.Data = c.listen, "127.0.0.1:0", t.TempDir()
		a, err := OpenSandbox(
			t.Context(), settings, time.Now, func(name string) string { return c.env[name] },
			slog.New(slog.DiscardHandler),
		)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		_, got, _ := net.SplitHostPort(a.Addr.String())
		if (got == port) != c.port {
			t.Errorf("%s: port %s, that of the environment is %s", name, got, port)
		}
		if c.url != "" && a.Config.PublicURL != c.url {
			t.Errorf("%s: %s", name, a.Config.PublicURL)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestSandboxRefusesBucket checks that a sandbox goes by a clock that can be moved, and a bucket
// does not.
func TestSandboxRefusesBucket(t *testing.T) {
	c := config.SandboxDefaults()
	c.Listen, c.Control, c.Data = "127.0.0.1:0", "127.0.0.1:0", t.TempDir()
	c.Documents = "s3://bucket"
	a, err := OpenSandbox(
		t.Context(), c, time.Now, func(string) string { return "" }, slog.New(slog.DiscardHandler),
	)
	if err == nil {
		err = errors.Join(errors.New("opened"), a.Close())
	}
	if !strings.Contains(err.Error(), "documents: a sandbox keeps them in its data folder") {
		t.Errorf("error %v", err)
	}
}

// TestSandboxDataFolder checks that a folder that cannot be made is named with its option.
func TestSandboxDataFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	c := config.SandboxDefaults()
	c.Listen, c.Control, c.Data = "127.0.0.1:0", "127.0.0.1:0", filepath.Join(file, "data")
	a, err := OpenSandbox(
		t.Context(), c, time.Now, func(string) string { return "" }, slog.New(slog.DiscardHandler),
	)
	if err == nil {
		err = errors.Join(errors.New("opened"), a.Close())
	}
	if text := err.Error(); !strings.Contains(text, "data folder: ") ||
		!strings.Contains(text, "--data") {
		t.Errorf("error %v", err)
	}
}

// freeAddress returns an address on which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
