package console_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/security"
)

// secured has the requests of the world observed as the control listener does, and returns the
// security events.
func (w *world) secured() *bytes.Buffer {
	events := new(bytes.Buffer)
	log := &security.Log{
		Log: slog.New(slog.NewTextHandler(events, nil)), Secret: make([]byte, 32), Now: w.Now,
	}
	w.handler = log.Observe(w.handler)
	return events
}

// guard has the console ask for its password, so that its requests are security events.
func guard(c *console.Console) { c.Password = "correct horse battery staple" }

// TestForgetPerson checks that an admin sees what is stored about a person, and has the person
// forgotten while the service runs, and that no answer, log or URL has the number.
func TestForgetPerson(t *testing.T) {
	w := newWorld(t, guard)
	events := w.secured()
	w.user = "ann"
	signed, open := w.in(t, request.StateSigned), w.in(t, request.StateLocked)
	who := url.Values{"uin": {" s8979373d "}}
	find := func(texts ...string) answer {
		t.Helper()
		a := w.post(t, "/console/people", who)
		a.has(t, http.StatusOK, texts...)
		if strings.Contains(a.body, alice.UIN) || strings.Contains(a.body, alice.Hash()) {
			t.Error("the page has the number")
		}
		return a
	}
	find(
		"Phones of •••••373D", "in 2 requests", "of 1 phone,", "1 signed document,", "backups",
		open+": the request is in progress", "can sign",
	)
	form := url.Values{"uin": {alice.UIN}, "reason": {"ticket 12"}}
	forget := func(edit string, value string, status int, texts ...string) {
		t.Helper()
		changed := url.Values{"uin": form["uin"], "reason": form["reason"]}
		if edit != "" {
			changed.Set(edit, value)
		}
		w.post(t, "/console/people/forget", changed).has(t, status, texts...)
	}
	forget("", "", http.StatusConflict, "are in progress", open)
	if err := w.Requests.CancelFor(t.Context(), open, "ann"); err != nil {
		t.Fatal(err)
	}
	w.advance(2 * time.Hour)
	if err := w.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	forget("uin", "S8979373A", http.StatusUnprocessableEntity, "not an NRIC or FIN")
	for _, reason := range []string{
		"", " \t", "about s8979373d", "two\nlines", strings.Repeat("x", 201),
	} {
		forget("reason", reason, http.StatusUnprocessableEntity, "Give a reason")
	}
	forget("reason", "Tan Xiao Hui asks", http.StatusUnprocessableEntity, "contains a name")
	find("Forget this person", `action="/console/people/forget"`)
	if a := w.post(t, "/console/people/forget", form); a.status != http.StatusSeeOther ||
		!strings.HasSuffix(a.header.Get("Location"), "/console/people?done=forget") {
		t.Errorf("%d %s %s", a.status, a.header.Get("Location"), a.body)
	}
	w.get(t, "/console/people?done=forget").has(t, http.StatusOK, "The person is forgotten")
	find("The person has no phone", "in 0 requests")
	r := w.request(t, signed)
	if r.Signer != nil || r.SignerHash != "" || r.DocName != "document.pdf" {
		t.Errorf("the request is %+v", r)
	}
	trail, err := w.store.Events(t.Context(), signed)
	if last := trail[len(trail)-1]; err != nil || last.Kind != request.EventForgotten ||
		last.Detail.By != "ann: ticket 12" {
		t.Errorf("the trail ends with %+v, %v", last, err)
	}
	if text := events.String(); !strings.Contains(text, `security.purpose="ticket 12"`) ||
		!strings.Contains(text, "security.person=") || strings.Contains(text, alice.UIN) {
		t.Errorf("security events:\n%s", text)
	}
}

// TestLiftWait checks that an admin ends the waits of a person's phones on the page, and by the
// API.
func TestLiftWait(t *testing.T) {
	w := newWorld(t, guard)
	w.user = "ann"
	w.in(t, request.StateSigned)
	w.Signers.Delay = 24 * time.Hour
	phones, err := w.store.Phones(t.Context(), alice.UIN)
	if err != nil || len(phones) != 1 {
		t.Fatal(phones, err)
	}
	id := phones[0].ID
	w.advance(time.Second)
	if err := w.Signers.Revoke(t.Context(), alice, id); err != nil {
		t.Fatal(err)
	}
	who := url.Values{"uin": {alice.UIN}}
	w.post(t, "/console/people", who).has(
		t, http.StatusOK, "is removed at", "Remove it now", `value="`+id+`"`,
	)
	form := url.Values{"phone_id": {id}, "reason": {"ticket 12"}}
	w.post(t, "/console/people/lift", url.Values{"phone_id": {id}}).has(
		t, http.StatusUnprocessableEntity, "Give a reason",
	)
	a := w.post(t, "/console/people/lift", form)
	if a.status != http.StatusSeeOther {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.post(t, "/console/people", who).has(t, http.StatusOK, "revoked since")
	w.post(t, "/console/people/lift", form).has(t, http.StatusNotFound, "no longer waiting")

	// The API shows the same, and refuses in the same way.
	call := func(path, body string, status int, texts ...string) answer {
		t.Helper()
		r := httptest.NewRequest("POST", "/console/api/"+path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/json")
		a := w.do(t, r)
		a.has(t, status, texts...)
		return a
	}
	var about console.Person
	a = call("people/show", `{"uin":"S8979373D"}`, http.StatusOK)
	if err := json.Unmarshal([]byte(a.body), &about); err != nil || len(about.Phones) != 1 ||
		about.Phones[0].State != console.PhoneRevoked || about.Requests != 1 {
		t.Errorf("%s, %v", a.body, err)
	}
	call("people/show", `{"uin":"x"}`, http.StatusUnprocessableEntity, "PERSON_INVALID")
	call("phones/"+id+"/lift", `{"reason":"x"}`, http.StatusNotFound, "NOT_FOUND")
	call("people/forget", `{"uin":"S8979373D","reason":"x"}`, http.StatusConflict,
		"REQUEST_IN_PROGRESS")
	w.user = ""
	call("people/show", `{"uin":"S8979373D"}`, http.StatusUnauthorized, "LOGIN_REQUIRED")
}
