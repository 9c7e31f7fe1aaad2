package console_test

import (
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

func TestRequestPage(t *testing.T) {
	w := newWorld(t)
	w.webhookErr = errors.New(
		`Post "https://user:pw@rp.example/hook?token=hook-secret": connection refused`,
	)
	id := w.in(t, request.StateSigned)
	page := w.get(t, "/console/requests/"+id)
	page.has(
		t, 200, "Initiated by the relying party", "Opened by the signer", "Proceed to Sign",
		"Scanned by a phone", "Approved on the phone", "Webhook attempt",
		"The server refuses the connection.", "Given up", "TAN XIAO HUI", "•••••373D", "B-LTA",
		"Page 1 ", "(0.1, 0.1)", "Named by the relying party",
	)
	if strings.Contains(page.body, "console.event.") {
		t.Error("an event has no words")
	}
	w.holdsNoSecret(t, id, page.body)
	w.get(t, "/console/requests/signv3-unknown").has(t, 404)
	w.get(t, "/console/nothing").has(t, 404)
}

// holdsNoSecret fails the test if text contains a secret of the request.
func (w *world) holdsNoSecret(t *testing.T, id, text string) {
	t.Helper()
	r := w.request(t, id)
	for name, secret := range map[string]string{
		"UIN": alice.UIN, "hash of the intended signer": r.SignerHash,
		"hash of the exchange code": base64.StdEncoding.EncodeToString(r.ExchangeHash),
		"session":                   r.Approval.SessionID, "webhook's secret": "hook-secret",
		"webhook's password": "user:pw",
	} {
		if secret == "" {
			t.Fatalf("the test knows no %s", name)
		}
		if strings.Contains(text, secret) {
			t.Errorf("the %s is shown", name)
		}
	}
}

func TestCancel(t *testing.T) {
	w := newWorld(t)
	created := w.in(t, request.StateCreated)
	done := w.post(t, "/console/requests/"+created+"/cancel", nil)
	if done.status != http.StatusSeeOther || w.request(t, created).State != request.StateCancelled {
		t.Errorf("status %d, state %s", done.status, w.request(t, created).State)
	}
	page := w.get(t, done.header.Get("Location"))
	page.has(t, 200, "The request is cancelled.", "Cancelled")
	if strings.Contains(page.body, "tone-bad") {
		t.Error("a cancelled request is shown as an alarm")
	}
	w.post(t, "/console/requests/"+created+"/cancel", nil).has(
		t, 409, api.CodeAlreadyCancelled, "Document has already been cancelled",
	)

	session := w.in(t, request.StateSession)
	refused := w.post(t, "/console/requests/"+session+"/cancel", nil)
	refused.has(
		t, 409, "ACTIVE_SESSION_ONGOING",
		"Request cannot be cancelled due to an active sign session", "Retry-After: 180 s",
	)
	if strings.Contains(refused.body, "data-follow-switch") ||
		w.request(t, session).State != request.StateSession {
		t.Error("the answer to a form follows changes, or a refused cancel changed something")
	}
	w.post(t, "/console/requests/"+w.in(t, request.StateSigned)+"/cancel", nil).has(
		t, 409, api.CodeAlreadySigned,
	)
	// The trail names the operator. The refused call is an entry of its own.
	w.get(t, "/console/requests/"+created).has(
		t, 200, "<dt>by</dt><dd class=\"breakable\">console</dd>", "Cancel refused",
		api.CodeAlreadyCancelled, "in the console, by console",
	)
	w.get(t, "/console/requests/"+session).has(t, 200, "Cancel refused", "ACTIVE_SESSION_ONGOING")
	w.post(t, "/console/requests/signv3-unknown/cancel", nil).has(t, 404)
	if got := w.get(t, "/console/requests/"+created+"/cancel"); got.status == 200 {
		t.Error("a GET may not cancel")
	}
}

// TestSealAgain checks that operators can seal an approved document at once or discard the
// signature, that the page offers both only in these states, and that the trail names the operator.
func TestSealAgain(t *testing.T) {
	w := newWorld(t)
	locked := w.in(t, request.StateLocked)
	for _, form := range []string{"/seal", "/abort"} {
		url := "/console/requests/" + locked + form
		w.post(t, url, nil).has(t, 409, "NOT_SEALING", "No approved document waits to be sealed")
		if page := w.get(t, "/console/requests/"+locked); strings.Contains(page.body, url) {
			t.Errorf("the page of a request that is not sealing has a form to %s", url)
		}
		w.post(t, "/console/requests/signv3-unknown"+form, nil).has(t, 404)
	}
	id := w.in(t, request.StateSealing)
	w.get(t, "/console/requests/"+id).has(t, 200, "Seal now", "/console/requests/"+id+"/abort")
	done := w.post(t, "/console/requests/"+id+"/seal", nil)
	w.get(t, done.header.Get("Location")).has(t, 200, "The document is being sealed.",
		"Sealed again by an operator", "<dt>by</dt><dd class=\"breakable\">console</dd>")
	done = w.post(t, "/console/requests/"+id+"/abort", nil)
	w.get(t, done.header.Get("Location")).has(
		t, 200, "The phone&#39;s signature is discarded.", "Sealing aborted by an operator",
	)
	if got := w.request(t, id).State; got != request.StateLocked {
		t.Errorf("aborted, the request is %s", got)
	}
}

// TestSignatures shows what the signatures of a signed document prove, and links there from the
// page of the request. A request without a signed document has no such page.
func TestSignatures(t *testing.T) {
	w := newWorld(t)
	id := w.in(t, request.StateSigned)
	url := "/console/requests/" + id + "/signatures"
	w.get(t, "/console/requests/"+id).has(t, 200, `href="`+url+`"`)
	w.get(t, url).has(
		t, 200, "The document is as it was signed", "What was signed is unchanged",
		"confirms who this is. This service trusts it.",
	)
	locked := w.in(t, request.StateLocked)
	w.get(t, "/console/requests/"+locked+"/signatures").has(t, 404)
	w.get(t, "/console/requests/signv3-unknown/signatures").has(t, 404)
}
