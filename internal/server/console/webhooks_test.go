package console_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

func TestResend(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New("the receiver answered 503")
	id := w.in(t, request.StateSigned)
	w.webhookErr = nil
	done := w.post(t, "/console/requests/"+id+"/resend", nil)
	if done.status != http.StatusSeeOther {
		t.Fatalf("status %d", done.status)
	}
	w.get(t, done.header.Get("Location")).has(
		t, 200, "The webhook is due now.", "Pending", "Webhook requested again",
	)
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	jobs, err := w.store.Jobs(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if j.Kind == request.JobWebhook &&
			(j.Status != request.JobDone || j.Attempts != 2 || j.LastError != "") {
			t.Errorf("the webhook's job: %+v", j)
		}
	}
	// A webhook that was accepted can be sent again, but not while an attempt runs.
	w.post(t, "/console/requests/"+id+"/resend", nil)
	if claimed, err := w.store.Claim(t.Context(), request.JobWebhook, w.Now(), time.Minute, request.Quota{Jobs: 1}); err != nil ||
		len(claimed) != 1 {
		t.Fatal(claimed, err)
	}
	w.post(t, "/console/requests/"+id+"/resend", nil).has(t, 409, "WEBHOOK_UNDER_WAY")
	w.post(t, "/console/requests/"+w.in(t, request.StateLocked)+"/resend", nil).has(
		t, 409, "NO_WEBHOOK",
	)
	w.post(t, "/console/requests/signv3-unknown/resend", nil).has(t, 404)
}

// TestWebhooks checks the page of the webhooks that were not delivered: the overview leads to it,
// and a post makes those of one party or of all due.
func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	w.get(t, "/console/webhooks").has(t, 200, "Every webhook was delivered")
	if page := w.get(t, "/console/"); strings.Contains(page.body, "Needs attention") {
		t.Error("a new service needs attention")
	}
	w.webhookErr = errors.New("the receiver answered 503")
	first, second := w.in(t, request.StateSigned), w.in(t, request.StateSigned)
	w.webhookErr = nil
	w.get(t, "/console/").has(
		t, 200, "Needs attention", `href="/console/webhooks">2 webhooks were not delivered`,
	)
	w.get(t, "/console/webhooks").has(
		t, 200, first, second, "the receiver answered 503", "Send these 2 again",
	)
	w.get(t, "/console/webhooks?party=other").has(t, 200, "Every webhook was delivered")
	w.post(t, "/console/webhooks/resend", url.Values{"party": {"other"}})
	if _, all, err := w.store.Failed(t.Context(), request.JobWebhook, 0); err != nil || all != 2 {
		t.Fatalf("%d webhooks failed, %v, want 2: none is of the party", all, err)
	}
	done := w.post(t, "/console/webhooks/resend", url.Values{"party": {""}})
	if done.status != http.StatusSeeOther {
		t.Fatalf("status %d", done.status)
	}
	w.get(t, done.header.Get("Location")).has(t, 200, "2 webhooks are due now.")
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{first, second} {
		w.get(t, "/console/requests/"+id).has(t, 200, "Webhook requested again")
	}
	if _, all, err := w.store.Failed(t.Context(), request.JobWebhook, 0); err != nil || all != 0 {
		t.Errorf("%d webhooks failed, %v", all, err)
	}
}
