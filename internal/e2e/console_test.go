package e2e_test

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
)

// browse asks as a browser would; redirects are answers.
func browse(t *testing.T, method, url string, edit ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Accept", "text/html")
	for _, e := range edit {
		e(r)
	}
	client := http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// TestConsoleOfTheSandbox follows a request through the console, with the webhook that its relying
// party did not take.
func TestConsoleOfTheSandbox(t *testing.T) {
	s := start(t)
	if got := browse(t, "GET", s.control+"/"); got.status != http.StatusOK ||
		!strings.Contains(got.body, `href="`+s.control+`/console/"`) {
		t.Errorf("the control listener's root does not lead to the console (%d)", got.status)
	}
	if got := browse(t, "GET", s.control+"/nothing"); got.status != http.StatusNotFound ||
		!strings.Contains(got.body, "Page not found") {
		t.Errorf("an address that is none gets %d %.60s", got.status, got.body)
	}
	in := s.initiate(t)
	page := s.control + "/console/requests/" + in.RequestID
	if got := browse(t, "GET", s.control+"/console/requests"); !strings.Contains(
		got.body, in.RequestID,
	) {
		t.Error("the list lacks the request")
	}
	foreign := browse(
		t, "POST", page+"/cancel",
		func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
	)
	if foreign.status != http.StatusForbidden {
		t.Errorf("another site's form may cancel: %d", foreign.status)
	}
	s.must(t, in.RequestID, alice, "open", "proceed")
	if got := browse(t, "POST", page+"/cancel"); got.status != http.StatusConflict ||
		!strings.Contains(got.body, "ACTIVE_SESSION_ONGOING") {
		t.Errorf("a cancel in a session: %d", got.status)
	}
	s.must(t, in.RequestID, alice, "approve")
	s.settled(t, in.RequestID, "signed")
	got := browse(t, "GET", page)
	for _, want := range []string{"Approved on the phone", "Webhook", "B-LTA"} {
		if !strings.Contains(got.body, want) {
			t.Errorf("the request's page lacks %q", want)
		}
	}
	for _, secret := range []string{alice, in.ExchangeCode} {
		if strings.Contains(got.body, secret) {
			t.Errorf("the request's page shows %s", secret)
		}
	}
	waitFor(t, "the sealing in the metrics", func() bool { // it is counted after its commit
		got := browse(t, "GET", s.control+"/metrics")
		return strings.Contains(got.body, "signet_sealing_duration_seconds_count 1")
	})
	other := s.initiate(t)
	if got := browse(t, "POST", s.control+"/console/requests/"+other.RequestID+"/cancel"); got.status != http.StatusSeeOther {
		t.Errorf("cancel: %d", got.status)
	}
	if v := s.view(t, other.RequestID); v.State != "cancelled" {
		t.Errorf("the request is %s", v.State)
	}
}

// serve runs the service, not the sandbox, with this console password.
func serve(t *testing.T, party *partytest.Party, consolePassword string) *app.App {
	t.Helper()
	return serveTo(t, party, consolePassword, slog.New(slog.DiscardHandler))
}

// serveTo is serve with a log.
func serveTo(
	t *testing.T, party *partytest.Party, consolePassword string, log *slog.Logger,
) *app.App {
	t.Helper()
	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate, c.ConsolePassword = t.TempDir(), "https://sign.test", true, consolePassword
	a, err := app.Open(t.Context(), c, time.Now, log)
	if err != nil {
		t.Fatal(err)
	}
	runApp(t, a)
	return a
}

// TestConsoleOfTheService is not there without a password, never on the public listener, and asks
// for the password.
func TestConsoleOfTheService(t *testing.T) {
	const password = "a password of some length"
	party := partytest.Start(t)
	with, without := serve(t, party, password), serve(t, party, "")
	for _, test := range []struct {
		name, url, password string
		want                int
	}{
		{"no password is configured", "http://" + without.Control.String() + "/console/", password, 404},
		{"public listener", "http://" + with.Addr.String() + "/console/", password, 404},
		{"no password is given", "http://" + with.Control.String() + "/console/", "", 401},
		{"wrong", "http://" + with.Control.String() + "/console/requests", "another password", 401},
		{"right", "http://" + with.Control.String() + "/console/requests", password, 200},
	} {
		got := browse(
			t, "GET", test.url, func(r *http.Request) { r.SetBasicAuth("operator", test.password) },
		)
		if got.status != test.want {
			t.Errorf("%s: %d, want %d", test.name, got.status, test.want)
		}
	}

	c := configOf(party)
	c.Data, c.PublicURL, c.AllowPrivate = t.TempDir(), "https://sign.test", true
	for _, bad := range []func(*config.Config){
		func(c *config.Config) { c.ConsolePassword = "too short" },
		func(c *config.Config) { c.ConsolePassword, c.Control = password, "" },
	} {
		c := c
		bad(&c)
		if a, err := app.Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler)); err == nil ||
			!strings.Contains(err.Error(), "console_password") {
			t.Errorf("opened, or %v", err)
			if a != nil {
				_ = a.Close()
			}
		}
	}
}
