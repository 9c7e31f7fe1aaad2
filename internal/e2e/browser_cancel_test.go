package e2e_test

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/config"
)

// cancelled cancels the request and waits for an open page to say so by itself: no one loads it
// again.
func (b *browser) cancelled(s *sandbox, id string) {
	b.t.Helper()
	if a := s.cancel(b.t, id); a.status != 200 {
		b.t.Fatalf("cancel: %d %s", a.status, a.body)
	}
	b.sees("cancelled")
}

// refusesCancel is a cancel while the signer is signing: refused, and the page stays as it is.
func (b *browser) refusesCancel(s *sandbox, id, stays string) {
	b.t.Helper()
	if a := s.cancel(b.t, id); a.status != 400 ||
		!strings.Contains(a.body, "ACTIVE_SESSION_ONGOING") {
		b.t.Fatalf("cancel during the session: %d %s", a.status, a.body)
	}
	b.sees(stays)
}

// TestCancelOnEveryScreen checks that every open page of the portal shows a cancel by itself.
func TestCancelOnEveryScreen(t *testing.T) {
	s := start(t)
	b := newBrowser(t, 1280, 900)
	t.Run("landing", func(t *testing.T) {
		b.t = t
		in := s.initiate(t)
		b.open(in.SigningURL)
		b.sees("Log in")
		b.cancelled(s, in.RequestID)
		b.shot("cancelled")
	})
	t.Run("document", func(t *testing.T) {
		b.t = t
		in := s.initiate(t)
		b.open(in.SigningURL)
		b.press("Log in")
		b.press("TAN XIAO HUI")
		b.sees("0 of 1")
		b.cancelled(s, in.RequestID)
	})
	t.Run("code, after the session's end", func(t *testing.T) {
		b.t = t
		in := s.initiate(t)
		b.open(in.SigningURL)
		b.press("Log in")
		b.press("TAN XIAO HUI")
		b.sees("0 of 1")
		b.review()
		b.press("Proceed to Sign")
		b.sees("match")
		b.refusesCancel(s, in.RequestID, "match")
		s.advance(t, "3m")
		b.until("noticing the end of the session", `!document.querySelector(".match")`)
		b.shot("timed-out")
		b.cancelled(s, in.RequestID)
	})
	t.Run("expired", func(t *testing.T) {
		b.t = t
		in := s.initiate(t)
		b.open(in.SigningURL)
		b.sees("Log in")
		s.advance(t, "30m")
		b.sees("has passed")
		b.shot("expired")
		b.cancelled(s, in.RequestID)
	})
}

// TestCancelOnEveryPhoneScreen checks that while the session lives a cancel is refused and no
// screen of the phone changes; when it has ended the cancel is in time, and each screen that is
// about the request says so by itself.
func TestCancelOnEveryPhoneScreen(t *testing.T) {
	s := start(t)
	desk := newBrowser(t, 1280, 900)

	t.Run("setting up the phone", func(t *testing.T) {
		phone := newBrowser(t, 390, 844)
		desk.t = t
		id := desk.atCode(s)
		phone.scan(desk)
		phone.press("TAN XIAO HUI")
		phone.sees("Set up this phone for signing")
		phone.refusesCancel(s, id, "Set up this phone for signing")
		s.advance(t, "3m")
		phone.sees("Time ran out.")
		phone.cancelled(s, id)
		phone.sees("Request cancelled.")
		phone.shot("enrol")
		phone.press("Create") // it can be set up all the same
		phone.sees("This phone is ready")
		phone.press("Continue")
		phone.sees("Nothing was signed")
		phone.sees("Request cancelled")
	})

	phone := newBrowser(t, 390, 844)
	phone.enrol(s)
	again := func(t *testing.T) {
		desk.t, phone.t = t, t
		desk.open("about:blank")
	}
	t.Run("scanning", func(t *testing.T) {
		again(t)
		id := desk.atCode(s)
		phone.open(s.url + "/phone/scan")
		phone.sees("Scan the code")
		phone.refusesCancel(s, id, "Scan the code")
		code := desk.code()
		s.advance(t, "3m")
		desk.sees("The code expired")
		desk.cancelled(s, id)
		phone.open(code) // the camera was slower
		phone.sees("Request cancelled")
		phone.shot("scanned-too-late")
	})
	t.Run("asked to approve", func(t *testing.T) {
		again(t)
		id := desk.atCode(s)
		phone.scan(desk)
		phone.sees("Checked on this phone")
		phone.refusesCancel(s, id, "Checked on this phone")
		s.advance(t, "3m")
		phone.sees("Time ran out")
		phone.cancelled(s, id)
		phone.sees("Request cancelled")
		phone.shot("asked")
	})
	t.Run("approving", func(t *testing.T) {
		again(t)
		id := desk.atCode(s)
		phone.scan(desk)
		phone.sees("Checked on this phone")
		phone.read(`(() => {
			const real = window.fetch;
			window.fetch = (url, how) => String(url).endsWith("/approve") ? new Promise(go => { window.release = () => go(real(url, how)) }) : real(url, how);
			return "";
		})()`)
		phone.press("Approve")
		phone.until(
			"being under way", `window.release && document.querySelector("[data-do=approve].busy")`,
		)
		phone.refusesCancel(s, id, "Checked on this phone")
		s.advance(t, "3m")
		if a := s.cancel(t, id); a.status != 200 {
			t.Fatalf("cancel: %d %s", a.status, a.body)
		}
		phone.read(`(() => { window.release(); return "" })()`)
		phone.sees("Request cancelled")
		if v := s.view(t, id); v.State != "cancelled" {
			t.Errorf("the request is %s", v.State)
		}
	})
}

// TestCancelWhileSealing checks that a cancel after the approval is refused, and that both screens
// keep waiting for the seal.
func TestCancelWhileSealing(t *testing.T) {
	roots := filepath.Join(start(t).app.Config.Data, "authority", "root.crt")
	gate := make(chan struct{})
	authority := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-gate:
		case <-r.Context().Done():
		}
		http.Error(w, "no timestamps today", http.StatusServiceUnavailable)
	}))
	t.Cleanup(authority.Close)
	t.Cleanup(func() { close(gate) })
	s := start(t, func(c *config.Config) { c.TSAURLs, c.TSARoots = config.List{authority.URL}, roots })
	desk, phone := newBrowser(t, 1280, 900), newBrowser(t, 390, 844)
	phone.enrol(s)
	id := desk.atCode(s)
	phone.scan(desk)
	phone.press("Approve")
	phone.sees("Approved")
	// The step that waits for the authority, which only the sealing process can show.
	desk.sees("Timestamp")
	desk.shot("sealing")
	desk.refusesCancel(s, id, "Timestamp")
	phone.sees("Your signature is being completed")
	phone.open(phone.location().String()) // and so it is after a reload
	phone.sees("Your signature is being completed")
}
