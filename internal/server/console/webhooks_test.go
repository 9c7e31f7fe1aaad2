package console_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/party"
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

// TestResendRange checks that failed webhooks are sent again by the day of their last attempt, also
// if they are more than the page shows.
func TestResendRange(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New("the receiver answered 503")
	monday := w.in(t, request.StateSigned)
	w.advance(24 * time.Hour)
	tuesday := w.in(t, request.StateSigned)
	w.advance(24 * time.Hour)
	w.in(t, request.StateSigned)
	page := w.get(t, "/console/webhooks?from=2026-03-02&to=2026-03-03")
	page.has(
		t, 200, monday, tuesday, "Send all 2 again", `name="from" value="2026-03-02"`,
		`name="to" value="2026-03-03"`,
	)
	done := w.post(
		t, "/console/webhooks/resend", url.Values{"from": {"2026-03-02"}, "to": {"2026-03-03"}},
	)
	if want := "from=2026-03-02&sent=2&to=2026-03-03"; !strings.HasSuffix(
		done.header.Get("Location"), want,
	) {
		t.Errorf("status %d, Location %q, want %s", done.status, done.header.Get("Location"), want)
	}
	failed := request.FailedFilter{Kind: request.JobWebhook}
	if _, all, err := w.store.Failed(t.Context(), failed); err != nil || all != 1 {
		t.Errorf("%d webhooks failed, %v, want that of the third day", all, err)
	}
	w.get(t, "/console/webhooks?from=nonsense").has(t, 200, "Send it again")

	const many = 450
	for range many {
		r := w.request(t, monday)
		r.ID = fmt.Sprint("signv3-", rand.Text())
		var e request.Effects
		e.Enqueue(request.JobWebhook, w.Now())
		e.Jobs[0].Status = request.JobFailed
		if err := w.store.Create(t.Context(), r, e); err != nil {
			t.Fatal(err)
		}
	}
	w.get(t, "/console/webhooks").has(t, 200, "Send all 451 again", "The newest 200 are shown.")
	w.post(t, "/console/webhooks/resend", nil)
	if _, all, err := w.store.Failed(t.Context(), failed); err != nil || all != 0 {
		t.Errorf("%d webhooks failed, %v, after all were requested again", all, err)
	}
}

// TestPausedWebhooks checks that operators see paused webhooks and resume them.
func TestPausedWebhooks(t *testing.T) {
	w := newWorld(t)
	fail := func(days int) {
		t.Helper()
		for range days {
			err := w.store.ChangeReceiver(
				t.Context(), w.shop.ClientID,
				func(r *party.Receiver) (*party.Change, error) { r.Fail(w.Now()); return nil, nil },
			)
			if err != nil {
				t.Fatal(err)
			}
			w.advance(24 * time.Hour)
		}
	}
	resume := func() answer {
		return w.post(t, "/console/webhooks/resume", url.Values{"party": {w.shop.ClientID}})
	}
	if page := w.get(t, "/console/webhooks"); strings.Contains(page.body, "Receivers that fail") {
		t.Error("a new service has a receiver that fails")
	}
	fail(5)
	w.get(t, "/console/webhooks").has(
		t, 200, "Receivers that fail", "Held", "5 attempts failed in a row", "Send them now",
	)
	if page := w.get(t, "/console/"); strings.Contains(page.body, "paused") {
		t.Error("held webhooks need attention")
	}
	if done := resume(); done.status != http.StatusSeeOther {
		t.Errorf("status %d", done.status)
	}
	fail(6)
	w.get(t, "/console/").has(t, 200, "The webhooks of 1 relying party are paused")
	w.get(t, "/console/webhooks").has(t, 200, "Paused since", "Resume webhooks")
	w.get(t, resume().header.Get("Location")).has(t, 200, "New webhooks are sent.")
	if page := w.get(t, "/console/webhooks"); strings.Contains(page.body, "Receivers that fail") {
		t.Error("the webhooks are paused after they were resumed")
	}
	resume() // another operator was faster
	changes, err := w.store.PartyChanges(t.Context(), w.shop.ClientID, 10)
	if err != nil || len(changes) != 2 || changes[0].Kind != party.ChangeResumed ||
		changes[0].By != "console" {
		t.Errorf("the trail of the party: %+v, %v", changes, err)
	}
	w.get(t, "/console/party/"+w.shop.ClientID).has(t, 200, "Webhooks resumed")
}

// TestWebhooks checks the page of the webhooks that were not delivered: the overview leads to it,
// and a post makes those of one party or of all due.
func TestWebhooks(t *testing.T) {
	w := newWorld(t)
	failed := request.FailedFilter{Kind: request.JobWebhook}
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
		t, 200, first, second, "the receiver answered 503", "Send all 2 again",
	)
	w.get(t, "/console/webhooks?party=other").has(t, 200, "No failed webhook matches")
	w.post(t, "/console/webhooks/resend", url.Values{"party": {"other"}})
	if _, all, err := w.store.Failed(t.Context(), failed); err != nil || all != 2 {
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
	if _, all, err := w.store.Failed(t.Context(), failed); err != nil || all != 0 {
		t.Errorf("%d webhooks failed, %v", all, err)
	}
}
