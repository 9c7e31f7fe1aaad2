package console_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/request"
)

// TestRevokeCertificate revokes the certificate of the phone that has signed a document.
func TestRevokeCertificate(t *testing.T) {
	w := newWorld(t)
	signed := w.request(t, w.in(t, request.StateSigned))
	phones, err := w.store.Phones(t.Context(), alice.UIN)
	if err != nil || len(phones) != 1 {
		t.Fatal(phones, err)
	}
	serial := phones[0].Serial
	page := w.get(t, "/console/certificates?serial="+strings.ToUpper(serial))
	if page.status != http.StatusOK || !strings.Contains(page.body, serial) ||
		!strings.Contains(page.body, `name="reason"`) {
		t.Fatalf("the page of the certificate: %d %s", page.status, page.body)
	}
	form := url.Values{"serial": {serial}, "reason": {"affiliationChanged"}}
	for _, bad := range []url.Values{{"serial": {serial}, "reason": {"lost"}}, {"serial": {serial}}} {
		if a := w.post(t, "/console/certificates/revoke", bad); a.status != http.StatusBadRequest {
			t.Errorf("reason %q: %d", bad.Get("reason"), a.status)
		}
	}
	w.advance(1e9)
	for _, want := range []string{"notice=revoked", "notice=already"} {
		a := w.post(t, "/console/certificates/revoke", form)
		if to := a.header.Get("Location"); a.status != http.StatusSeeOther ||
			!strings.Contains(to, want) {
			t.Errorf("%d %s, want %s", a.status, to, want)
		}
	}
	a := w.post(
		t, "/console/certificates/revoke", url.Values{"serial": {"12"}, "reason": {"superseded"}},
	)
	if to := a.header.Get("Location"); !strings.Contains(to, "notice=unknown") {
		t.Errorf("an unknown certificate: %s", to)
	}
	page = w.get(t, "/console/certificates")
	if !strings.Contains(page.body, "affiliationChanged") ||
		strings.Contains(page.body, `name="reason"`) {
		t.Errorf("the page afterwards: %s", page.body)
	}
	lines, err := w.Signers.Revoked(t.Context())
	if err != nil || len(lines) != 1 || lines[0].Reason != 3 {
		t.Errorf("the CRL has %+v, %v", lines, err)
	}

	// What was signed before stays valid, and the phone cannot sign.
	if report, err := w.Requests.CheckSigned(t.Context(), signed.ID); err != nil ||
		report.Err() != nil {
		t.Errorf("the document from before: %v", errors.Join(err, report.Err()))
	}
	open := w.request(t, w.in(t, request.StateSession))
	phone, err := w.store.Phone(t.Context(), phones[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Requests.Challenge(t.Context(), open.ID, open.Session.ID, phone)
	if !errors.Is(err, api.ErrPhoneNotEnrolled) {
		t.Errorf("the revoked phone is asked to sign: %v", err)
	}

	// The audit log has both.
	if err := w.Audit.Integrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	if err := w.Audit.Export(t.Context(), &log); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"request_id":"phone/` + phones[0].ID + `","seq":1`, `"kind":"enrolled"`,
		`"kind":"revoked"`, `"operator":"console","reason":3`,
	} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the audit log lacks %s", want)
		}
	}
	if report, err := audit.Verify(&log, audit.Trust{}); err != nil || report.Problem != nil {
		t.Errorf("the audit log: %v, %v", report, err)
	}
}
