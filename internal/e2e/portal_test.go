package e2e_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/signer"
)

// TestPortalPages is one page for each way in which there is nothing to sign (docs/contract.md, 4.2
// and 14.19), for someone who has just come and for the signer.
func TestPortalPages(t *testing.T) {
	s := start(t)
	name := s.app.Config.Parties[0].Name

	t.Run("an unknown link", func(t *testing.T) {
		v := s.visitor(t)
		for _, id := range []string{"signv3-0199cc9c-8b7c-70df-b29b-39843a10c332", "x", "%2e%2e", "a%0d%0aSet-Cookie:%20x=y"} {
			v.get(t, "/sign/"+id).shows(
				t, http.StatusNotFound, "This link has expired or is incorrect",
			)
			for _, form := range []string{"login", "proceed", "leave", "leave-session", "switch"} {
				if a := v.post(t, "/sign/"+id+"/"+form, nil); a.status == 200 ||
					strings.Contains(a.header.Get("Location"), "/idp/") {
					t.Errorf("%s/%s: %d to %s", id, form, a.status, a.header.Get("Location"))
				}
			}
			for _, path := range []string{"state", "events", "document.pdf", "signed.pdf", "check"} {
				if a := v.get(t, "/sign/"+id+"/"+path); a.status != 404 && a.status != 403 {
					t.Errorf("%s/%s: %d", id, path, a.status)
				}
			}
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		in := s.initiate(t)
		v := s.visitor(t)
		v.login(t, in, alice)
		s.cancel(t, in.RequestID)
		for who, v := range map[string]*visitor{"signer": v, "stranger": s.visitor(t)} {
			a := v.get(t, in.SigningURL)
			a.shows(t, 200, name+" cancelled this request")
			a.shows(t, 200, " SGT")
			if strings.Contains(a.text(), "Log in") {
				t.Errorf("the %s is offered a login", who)
			}
			if doc := v.get(t, "/sign/"+in.RequestID+"/document.pdf"); doc.status != 403 {
				t.Errorf("the %s gets the document: %d", who, doc.status)
			}
			if to := v.post(t, "/sign/"+in.RequestID+"/login", nil).follow(t); to != "/sign/"+in.RequestID {
				t.Errorf("the %s is sent to %s to log in", who, to)
			}
		}
		v.post(t, "/sign/"+in.RequestID+"/proceed", nil).follow(t)
		v.get(t, in.SigningURL).shows(t, 200, "cancelled this request")
	})
	t.Run("expired", func(t *testing.T) {
		in := s.initiate(t)
		s.advance(t, "30m")
		v := s.visitor(t)
		v.get(t, in.SigningURL).shows(t, 200, "The time to sign has passed")
		if to := v.post(t, "/sign/"+in.RequestID+"/login", nil).follow(t); to != "/sign/"+in.RequestID {
			t.Errorf("an expired request leads to %s to log in", to)
		}
	})
	t.Run("already signed", func(t *testing.T) {
		in := s.sign(t)
		v := s.visitor(t)
		v.get(t, in.SigningURL).shows(t, 200, "This document is already signed")
		v.login(t, in, alice).shows(t, 200, "Document signed")
	})
	t.Run("another person came first", func(t *testing.T) {
		in := s.initiate(t)
		s.must(t, in.RequestID, bob, "open")
		a := s.visitor(t).login(t, in, alice)
		a.shows(t, http.StatusForbidden, "You have no access to this document")
		a.shows(t, http.StatusForbidden, "Leave Sign Portal")
		if strings.Contains(a.body, "Agreement.pdf") ||
			strings.Contains(a.text(), "LIM CHENG HAO") {
			t.Error("the page tells what document it is, or whose")
		}
	})
	t.Run("not the intended signer", func(t *testing.T) {
		in := s.initiate(
			t, partytest.Claim("signer_uin_hash", strings.ToUpper(signer.Person{UIN: bob}.Hash())),
		)
		v := s.visitor(t)
		v.login(t, in, alice).shows(t, http.StatusForbidden, "You have no access to this document")
		for _, act := range []string{"proceed", "leave-session", "sandbox/approve"} {
			v.post(t, "/sign/"+in.RequestID+"/"+act, nil).follow(t)
		}
		if doc := v.get(t, "/sign/"+in.RequestID+"/document.pdf"); doc.status != 403 {
			t.Errorf("the document: %d", doc.status)
		}
		if v := s.view(t, in.RequestID); v.State != "created" {
			t.Fatalf("the request is %s", v.State)
		}
		s.visitor(t).login(t, in, bob).shows(t, 200, "Proceed to Sign")
	})
}

// TestLogOut shows that leaving and "Not you?" end the login on the server: a copy of the browser's
// cookies gets neither page nor document. The person whom the relying party named gets in after a
// wrong one.
func TestLogOut(t *testing.T) {
	s := start(t)
	refused := func(t *testing.T, v *visitor, id string) {
		t.Helper()
		for _, path := range []string{"document.pdf", "signed.pdf"} {
			if a := v.get(t, "/sign/"+id+"/"+path); a.status != http.StatusForbidden {
				t.Errorf("%s: %d", path, a.status)
			}
		}
	}
	t.Run("leave", func(t *testing.T) {
		in := s.sign(t)
		v := s.visitor(t)
		v.login(t, in, alice).shows(t, 200, "Not you?")
		if a := v.get(t, "/sign/"+in.RequestID+"/signed.pdf"); a.status != 200 {
			t.Fatalf("the signer gets no document: %d", a.status)
		}
		kept := v.copy(t, in.SigningURL)
		v.post(t, "/sign/"+in.RequestID+"/leave", nil)
		for name, v := range map[string]*visitor{"the browser": v, "a copy of its cookies": kept} {
			t.Run(name, func(t *testing.T) {
				refused(t, v, in.RequestID)
				v.get(t, in.SigningURL).shows(t, 200, "This document is already signed")
			})
		}
	})
	t.Run("not you", func(t *testing.T) {
		in := s.initiate(
			t, partytest.Claim("signer_uin_hash", strings.ToUpper(signer.Person{UIN: bob}.Hash())),
		)
		v := s.visitor(t)
		v.login(t, in, alice).shows(t, http.StatusForbidden, "Log in as another person")
		kept := v.copy(t, in.SigningURL)
		to := v.post(t, "/sign/"+in.RequestID+"/switch", nil).follow(t)
		if !strings.Contains(to, "prompt=login") {
			t.Errorf("the provider may answer with the same person: %s", to)
		}
		refused(t, kept, in.RequestID)
		v.login(t, in, bob).shows(t, 200, "Proceed to Sign")
	})
	t.Run("not you, in a sign session", func(t *testing.T) {
		in := s.initiate(t)
		v := s.visitor(t)
		v.login(t, in, alice)
		v.post(t, "/sign/"+in.RequestID+"/proceed", nil)
		v.post(t, "/sign/"+in.RequestID+"/switch", nil)
		if v := s.view(t, in.RequestID); v.State != "locked" {
			t.Errorf("the request is %s", v.State)
		}
	})
}

// TestWayBack checks that the browser comes back to the registered URL, with its query, the request
// and how it went.
func TestWayBack(t *testing.T) {
	s := start(t, func(c *config.Config) {
		c.Parties[0].RedirectURL += "?shop=7&status=theirs&a=1;b=%zz&request_id=theirs&flag"
	})
	expect := func(t *testing.T, v *visitor, id, status string) {
		t.Helper()
		want := s.party.URL() + "/redirect?shop=7&a=1;b=%zz&flag&request_id=" + id + "&status=" + status
		if got := v.post(t, "/sign/"+id+"/leave", nil).follow(t); got != want {
			t.Errorf("the browser goes to %s, want %s", got, want)
		}
	}
	t.Run("before the login", func(t *testing.T) {
		expect(t, s.visitor(t), s.initiate(t).RequestID, "cancelled")
	})
	t.Run("instead of signing, which ends the session", func(t *testing.T) {
		in := s.initiate(t)
		v := s.visitor(t)
		v.login(t, in, alice)
		v.post(t, "/sign/"+in.RequestID+"/proceed", nil)
		expect(t, v, in.RequestID, "cancelled")
		if v := s.view(t, in.RequestID); v.State != "locked" {
			t.Errorf("the request is %s", v.State)
		}
	})
	t.Run("signed", func(t *testing.T) {
		in := s.sign(t)
		v := s.visitor(t)
		v.login(t, in, alice)
		expect(t, v, in.RequestID, "success")
	})
	t.Run("another person than the signer", func(t *testing.T) {
		in := s.initiate(t)
		s.must(t, in.RequestID, bob, "open")
		v := s.visitor(t)
		v.login(t, in, alice)
		expect(t, v, in.RequestID, "cancelled")
		s.must(t, in.RequestID, bob, "proceed")
		v.login(t, in, alice) // leaving ended the first login
		expect(t, v, in.RequestID, "cancelled")
		if v := s.view(t, in.RequestID); v.State != "session" {
			t.Errorf("another person ended the session: %s", v.State)
		}
		s.must(t, in.RequestID, bob, "approve")
		s.settled(t, in.RequestID, "signed")
		v.login(t, in, alice)
		expect(t, v, in.RequestID, "cancelled")
	})
	t.Run("cancelled and expired", func(t *testing.T) {
		in := s.initiate(t)
		s.cancel(t, in.RequestID)
		expect(t, s.visitor(t), in.RequestID, "cancelled")
		in = s.initiate(t)
		s.advance(t, "30m")
		expect(t, s.visitor(t), in.RequestID, "cancelled")
	})
}
