package e2e_test

import (
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/signet-sign/signet/internal/config"
)

// TestReceiverFailsForDays follows a party that opted in to further attempts through an outage: its
// webhooks are held while the receiver fails, paused after five days, and sent again when an
// operator says so.
func TestReceiverFailsForDays(t *testing.T) {
	s := start(t, func(c *config.Config) { c.Parties[0].WebhookLadder = true })
	var status atomic.Int64
	status.Store(503)
	s.party.AnswerWebhooks(func(int) int { return int(status.Load()) })
	arrived := func() int { return len(s.party.Webhooks()) }
	console := func(path string, wants ...string) {
		t.Helper()
		got := browse(t, "GET", s.control+"/console/"+path)
		for _, want := range wants {
			if !strings.Contains(got.body, want) {
				t.Errorf("/console/%s (%d) lacks %q", path, got.status, want)
			}
		}
	}

	first := s.sign(t).RequestID
	for _, wait := range []string{"0s", "2s", "2s", "1m", "5m"} {
		s.advance(t, wait)
	}
	if n := arrived(); n != 5 {
		t.Fatalf("%d attempts in six minutes, want 5", n)
	}
	// The breaker is open: what is signed now waits, and one webhook finds out.
	waits := []string{s.sign(t).RequestID, s.sign(t).RequestID, s.sign(t).RequestID}
	s.advance(t, "1m")
	if n := arrived(); n != 5 {
		t.Errorf("%d attempts while the webhooks are held, want none more", n-5)
	}
	console("webhooks", "Receivers that fail", "Held")
	s.advance(t, "10m")
	if n := arrived(); n != 6 {
		t.Errorf("%d attempts when the webhooks were held long enough, want 1", n-5)
	}
	status.Store(204)
	s.advance(t, "15m")
	s.advance(t, "2s")
	for _, id := range append(waits, first) {
		s.advance(t, "30m")
		if status, _, reason := s.webhooks(t, id); status != "done" {
			t.Errorf("after the outage a webhook is %s: %s", status, reason)
		}
	}

	status.Store(500)
	for range 6 {
		s.sign(t)
		s.advance(t, "24h")
	}
	before := arrived()
	last := s.sign(t).RequestID
	if status, _, reason := s.webhooks(t, last); status != "failed" ||
		!strings.Contains(reason, "paused") || arrived() != before {
		t.Errorf(
			"after five days a webhook is %s (%s), with %d attempts", status, reason,
			arrived()-before,
		)
	}
	console("", "The webhooks of 1 relying party are paused")
	metrics := do(t, http.MethodGet, s.control+"/metrics", "", "", nil)
	if !strings.Contains(metrics.body, `signet_webhook_receivers{state="paused"} 1`) {
		t.Error("the metrics have no paused receiver")
	}
	status.Store(204)
	for _, form := range []string{"resume", "resend"} {
		resp, err := http.PostForm(
			s.control+"/console/webhooks/"+form, url.Values{"party": {s.party.ClientID}},
		)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusOK { // of the page it leads to
			t.Errorf("%s: %s", form, resp.Status)
		}
	}
	if status, _, reason := s.webhooks(t, last); status != "done" {
		t.Errorf("after it was resumed and requested again a webhook is %s: %s", status, reason)
	}
	console("party/"+s.party.ClientID, "Webhooks paused: the receiver failed for five days")
}
