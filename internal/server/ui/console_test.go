package ui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
)

// TestConsoleWords checks that the console has a text for every kind of event and job.
func TestConsoleWords(t *testing.T) {
	english := newKit(t).Messages("en")
	for _, kind := range []request.EventKind{
		request.EventInitiated, request.EventOpened, request.EventProceeded, request.EventScanned,
		request.EventSessionEnded, request.EventApproved,
		request.EventApproveRefused, request.EventSigned, request.EventSealRetried,
		request.EventSealFailed, request.EventSealAgain, request.EventSealAborted,
		request.EventRenewed, request.EventRenewFailed, request.EventExpired,
		request.EventCancelled, request.EventPurged, request.EventAdopted,
		request.EventWebhook, request.EventResent, request.EventResult, request.EventDownloaded,
		request.EventDownloadedAgain,
		request.EventEvidence, request.EventShown, request.EventForgotten, request.EventErased,
	} {
		if english["console.event."+string(kind)] == "" {
			t.Errorf("no words for the event %s", kind)
		}
	}
	for _, kind := range []request.JobKind{request.JobSeal, request.JobWebhook, request.JobRenew, request.JobPurge} {
		if english["console.job."+string(kind)] == "" {
			t.Errorf("no words for the job %s", kind)
		}
	}
	for _, status := range []request.JobStatus{request.JobPending, request.JobDone, request.JobFailed} {
		if english["console.job."+string(status)] == "" ||
			english["console.webhooks."+string(status)] == "" {
			t.Errorf("no words for the status %s", status)
		}
	}
	for _, kind := range calllog.Kinds() {
		if english["console.call."+string(kind)] == "" ||
			english["console.call."+string(kind)+".refused"] == "" {
			t.Errorf("no words for the call %s", kind)
		}
	}
	for _, mode := range []calllog.Mode{calllog.None, calllog.Refused, calllog.All} {
		if english["console.calls."+string(mode)] == "" {
			t.Errorf("no words for the mode %s", mode)
		}
	}
	for _, outcome := range []request.Outcome{request.OutcomeRejected, request.OutcomeLeft, request.OutcomeTimedOut, request.OutcomeFailed} {
		if english["console.outcome."+string(outcome)] == "" {
			t.Errorf("no words for the outcome %s", outcome)
		}
	}
}

// TestPartyWords checks that a party's page has a text for every change by an operator, and that
// every field has a name and a hint.
func TestPartyWords(t *testing.T) {
	english := newKit(t).Messages("en")
	for _, kind := range []party.ChangeKind{
		party.ChangeRegistered, party.ChangeEdited, party.ChangeLogo, party.ChangeDisabled,
		party.ChangeEnabled, party.ChangeRemoved, party.ChangeKeysRenewed,
	} {
		if english["console.change."+string(kind)] == "" {
			t.Errorf("no words for the change %s", kind)
		}
	}
	for _, field := range []party.Field{party.FieldClientID, party.FieldName, party.FieldJWKS, party.FieldRedirect, party.FieldWebhook, party.FieldDownload, party.FieldAllPages, party.FieldLadder, party.FieldPrivate, party.FieldCA} {
		if english["console.field."+string(field)] == "" ||
			english["console.hint."+string(field)] == "" {
			t.Errorf("no words for the field %s", field)
		}
	}
}

// TestConsoleIsEnglish checks that the console's pages are in English, and say so, for every
// language of a browser.
func TestConsoleIsEnglish(t *testing.T) {
	w := render(
		t, newKit(t), Sample{"x", 200, console.Overview{}}, "?lang=ta",
		http.Header{"Accept-Language": {"zh"}},
	)
	if body := w.Body.String(); !strings.Contains(body, `<html lang="en">`) ||
		strings.Contains(body, "hreflang") {
		t.Error("the page claims or offers another language")
	}
}

func TestTook(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 184 * time.Millisecond: "184 ms", 1500 * time.Millisecond: "1.5 s",
		185 * time.Second: "3 min 5 s",
		150 * time.Minute: "2 h 30 min", 73 * time.Hour: "3 days",
	} {
		if got := console.Took(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}

func TestRouteBars(t *testing.T) {
	r := console.ScaledRoutes([]console.Route{{N: 200, Refused: 50, Failed: 50}, {N: 20}, {}})
	if r[0].GoodW() != "50.00" || r[0].RefusedX() != "50.00" || r[0].RefusedW() != "25.00" ||
		r[0].FailedX() != "75.00" ||
		r[0].FailedW() != "25.00" {
		t.Errorf("parts of the longest bar: %+v", r[0])
	}
	if r[1].GoodW() != "10.00" || r[2].GoodW() != "0.00" {
		t.Errorf("the others: %s, %s", r[1].GoodW(), r[2].GoodW())
	}
	if got := (console.Overview{}).Delivered(); got != -1 {
		t.Errorf("nothing delivered is %d %%", got)
	}
}
