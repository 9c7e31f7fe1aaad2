package relyingparty_test

import (
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/conform/relyingparty"
	"github.com/signet-sign/signet/internal/conform/report"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/signettest"
)

const patience = 3 * time.Second

// plant returns a planted party that is registered in a sandbox of its own, and what judges it.
func plant(t *testing.T, mistake string) relyingparty.Config {
	t.Helper()
	p, err := relyingparty.Plant(mistake, "planted", patience*3/2)
	if err != nil {
		t.Fatal(err)
	}
	sandbox := signettest.Start(t, signettest.Party{
		ClientID: "planted", JWKSURL: p.JWKSURL, RedirectURL: p.RedirectURL,
		WebhookURL: p.WebhookURL,
	})
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	p.Use(sandbox.BaseURL, sandbox.URL+api.PathKeys, pdftest.Minimal())
	return relyingparty.Config{
		Control: sandbox.Control, ClientID: "planted", JWKSURL: p.JWKSURL,
		RedirectURL: p.RedirectURL, WebhookURL: p.WebhookURL,
		Initiate: p.Initiate, Cancel: p.Cancel, Handled: p.Handled, Rotate: p.Rotate,
		Patience: patience, KeysPause: time.Millisecond,
	}
}

func judge(t *testing.T, c relyingparty.Config) map[string]report.Verdict {
	t.Helper()
	r, err := relyingparty.Judge(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]report.Verdict{}
	for _, v := range r.Verdicts {
		found[v.Rule] = v
	}
	return found
}

// TestRight checks that a party that follows the rules passes all of them.
func TestRight(t *testing.T) {
	t.Parallel()
	found := judge(t, plant(t, ""))
	if len(found) != 49 {
		t.Errorf("%d verdicts", len(found))
	}
	for _, v := range found {
		if v.Outcome != report.Pass {
			t.Errorf("%s %s: %s: %s\n%v", v.Rule, v.Title, v.Outcome, v.Reason, v.Evidence)
		}
	}
}

// TestMistakes checks that each planted mistake fails its rules, with evidence.
func TestMistakes(t *testing.T) {
	t.Parallel()
	if n := len(relyingparty.Mistakes); n < 79 {
		t.Errorf("%d mistakes", n)
	}
	seen := map[string]bool{}
	together := make(chan struct{}, 8) // most of the time they wait
	var running sync.WaitGroup
	for _, m := range relyingparty.Mistakes {
		if seen[m.Name] {
			t.Errorf("%s stands twice", m.Name)
		}
		seen[m.Name] = true
		running.Go(func() { // not t.Parallel, which is bounded by the processors
			together <- struct{}{}
			defer func() { <-together }()
			t.Run(m.Name, func(t *testing.T) { testMistake(t, m) })
		})
	}
	running.Wait()
}

// alone are the rules whose mistakes are judged by all rules, of which no other may fail.
var alone = []string{"K5", "C4", "W9", "D3"}

func testMistake(t *testing.T, m relyingparty.Mistake) {
	c := plant(t, m.Name)
	if !slices.Contains(alone, m.Rule) {
		c.Rules = append(slices.Clone(m.Also), m.Rule)
	}
	if strings.HasPrefix(m.Rule, "T") { // judged by the calls of the others
		c.Rules = append(c.Rules, "C1", "C2", "C3")
	}
	want := append(slices.Clone(m.Also), m.Rule)
	found := judge(t, c)
	for _, rule := range want {
		v := found[rule]
		if v.Outcome != report.Fail || v.Reason == "" {
			t.Errorf("%s %s: %s: %s", v.Rule, v.Title, v.Outcome, v.Reason)
		}
		if v.Outcome == report.Fail && len(v.Evidence) == 0 && rule != "B1" {
			t.Errorf("%s has no evidence", rule)
		}
	}
	for _, v := range found {
		if c.Rules == nil && v.Outcome != report.Pass && !slices.Contains(want, v.Rule) {
			t.Errorf("%s %s: %s: %s", v.Rule, v.Title, v.Outcome, v.Reason)
		}
	}
}

// TestStarting checks that a party that is being started is waited for.
func TestStarting(t *testing.T) {
	t.Parallel()
	c := plant(t, "")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	target, err := url.Parse(c.JWKSURL)
	if err != nil {
		t.Fatal(err)
	}
	c.JWKSURL, c.Rules = "http://"+address+"/jwks", []string{"K1"}
	server := &http.Server{Addr: address, Handler: httputil.NewSingleHostReverseProxy(
		&url.URL{Scheme: target.Scheme, Host: target.Host},
	)}
	later := time.AfterFunc(patience/2, func() { _ = server.ListenAndServe() })
	t.Cleanup(func() {
		later.Stop()
		server.Close()
	})
	if v := judge(t, c)["K1"]; v.Outcome != report.Pass {
		t.Errorf("%s: %s", v.Outcome, v.Reason)
	}
}

// TestUnknown checks that what cannot be seen is not judged.
func TestUnknown(t *testing.T) {
	t.Parallel()
	c := plant(t, "no signature check")
	c.Handled, c.Rotate, c.RedirectURL, c.WebhookURL = nil, nil, "", ""
	c.Rules = []string{"K5", "W2", "W9", "W10", "B1", "D3"}
	for id, v := range judge(t, c) {
		if v.Outcome != report.CannotTell || v.Reason == "" {
			t.Errorf("%s: %s: %s", id, v.Outcome, v.Reason)
		}
	}
	if _, err := relyingparty.Plant("nonsense", "planted", 0); err == nil {
		t.Error("an unknown mistake is planted")
	}
	c.Rules = []string{"X1"}
	if _, err := relyingparty.Judge(t.Context(), c); err == nil {
		t.Error("an unknown rule is accepted")
	}
}
