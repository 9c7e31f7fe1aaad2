package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/app"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/fault"
	"github.com/signet-sign/signet/internal/server/control"
)

// TestFaultsFourWays checks that a rule of each kind, with each of its members, is the same whether
// the file, the flag, the control call or the console's form has it. What a client sees of each
// kind is in internal/e2e (misbehave_test.go).
func TestFaultsFourWays(t *testing.T) {
	t.Chdir(t.TempDir())
	// Rules of each kind: one with nothing but the kind, one with everything.
	type members = map[string]any
	var rules []members
	for _, kind := range fault.Kinds() {
		rules = append(rules, members{"kind": kind}, members{
			"kind": kind, "probability": 0.25, "count": 3, "delay": "1m30s", "client_id": "shop",
		})
	}
	for _, call := range fault.Calls() {
		rules = append(rules, members{"kind": fault.Slow, "call": call, "delay": "250ms"})
	}
	text, err := json.Marshal(rules) // JSON is YAML
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("signet.yaml", fmt.Appendf(nil, "faults: %s\n", text), 0o600); err != nil {
		t.Fatal(err)
	}
	parsed := func(args ...string) config.Config {
		t.Helper()
		var c cli
		parser, err := newParser(&c)
		if err == nil {
			_, err = parser.Parse(append([]string{"sandbox"}, args...))
		}
		if err != nil {
			t.Fatal(err)
		}
		return c.Sandbox.Config
	}
	c := parsed("--config", "signet.yaml", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0")
	if flag := parsed("--faults", string(text)); !reflect.DeepEqual(flag.Faults, c.Faults) {
		t.Errorf("flag: %v\nfile: %v", flag.Faults, c.Faults)
	}
	t.Setenv("SIGNET_FAULTS", string(text))
	if variable := parsed(); !reflect.DeepEqual(variable.Faults, c.Faults) {
		t.Errorf("environment: %v\nfile: %v", variable.Faults, c.Faults)
	}

	c.Data = t.TempDir()
	c.Parties = config.PartyList{{
		ClientID: "shop", JWKSURL: "http://127.0.0.1:1/jwks", RedirectURL: "http://127.0.0.1:1/",
	}}
	none := func(string) string { return "" }
	a, err := app.OpenSandbox(t.Context(), c, time.Now, none, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- a.Run(t.Context()) }()
	t.Cleanup(func() {
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	at := a.ControlURL()
	post := func(path, contentType string, body []byte) {
		t.Helper()
		r, err := http.NewRequestWithContext(
			t.Context(), http.MethodPost, at+path, bytes.NewReader(body),
		)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", contentType)
		r.Header.Set("Origin", at)
		resp, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusSeeOther {
			t.Fatalf("%s %s: %s", path, body, resp.Status)
		}
	}
	for _, rule := range rules {
		body, _ := json.Marshal(rule)
		post("/faults", "application/json", body)
	}
	for _, rule := range rules {
		form := url.Values{}
		for name, value := range rule {
			form.Set(name, fmt.Sprint(value))
		}
		post("/console/faults", "application/x-www-form-urlencoded", []byte(form.Encode()))
	}
	text, err = fetchBody(t.Context(), at+"/faults")
	if err != nil {
		t.Fatal(err)
	}
	var v control.FaultsView
	if err := json.Unmarshal(text, &v); err != nil || len(v.Rules) != 3*len(rules) {
		t.Fatalf("%d rules of %d, %v", len(v.Rules), 3*len(rules), err)
	}
	for i := range rules {
		file, call, console := v.Rules[i], v.Rules[len(rules)+i], v.Rules[2*len(rules)+i]
		want := c.Faults[i]
		if err := want.Check(); err != nil { // sets what is not set
			t.Error(err)
		}
		if file.Rule != call.Rule || file.Rule != console.Rule || file.Rule != want ||
			!strings.Contains(fmt.Sprint(rules[i]["kind"]), string(file.Kind)) {
			t.Errorf("file: %+v\ncontrol call: %+v\nconsole: %+v", file, call, console)
		}
	}
}
