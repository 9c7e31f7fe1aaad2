package request_test

import (
	"crypto/x509"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// TestEndedCertificate checks that a phone whose certificate ends before the document would be
// stamped is asked to enrol again, and not told that it has signed. Enrolled again, the same person
// signs.
func TestEndedCertificate(t *testing.T) {
	w := newWorld(t)
	ph, err := w.phoneOf(t.Context(), alice)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(ph.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	// The second is within the session, and the first in the five minutes after its end, in which the
	// document is stamped.
	for _, left := range []time.Duration{w.SessionLifetime + 4*time.Minute, time.Minute, -time.Hour} {
		w.clock.advance(cert.NotAfter.Add(-left).Sub(w.clock.Now()))
		r := w.in(t, request.StateSession)
		if got := code(w.approve(t.Context(), r.RequestID, alice)); got != api.CodePhoneNotEnrolled {
			t.Errorf("%s before the end: %q", left, got)
		}
		if got := w.state(t, r.RequestID); got != request.StateSession {
			t.Errorf("%s before the end: the request is %s", left, got)
		}
	}
	delete(w.phones, alice.UIN)
	w.in(t, request.StateSigned)
}
