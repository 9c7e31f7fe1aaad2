package e2e_test

import (
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
	phoneapi "github.com/signet-sign/signet/internal/server/phone"
)

// guarded is a sandbox with the service's rules for further phones.
func guarded(c *config.Config) { c.PhoneDelay, c.PhoneLimit = new(24*time.Hour), new(3) }

// furtherPhone enrols a phone of a person who has one.
func furtherPhone(t *testing.T, s *sandbox, persona string) *phone {
	t.Helper()
	p := newPhone(t, s, persona)
	var e phoneapi.EnrolAnswer
	in := p.enrolment(t)
	in.Name = "New phone"
	if a := p.call(t, "api/enrol", in, &e); a.status != 200 {
		t.Fatalf("enrol: %d %s", a.status, a.body)
	}
	left := time.UnixMilli(e.ActiveAt).Sub(s.party.Now())
	if e.Certificate != "" || left < 23*time.Hour || left > 24*time.Hour {
		t.Errorf("it can sign in %s, and has the certificate %q", left, e.Certificate)
	}
	p.id = e.PhoneID
	return p
}

// approves has one phone approve another.
func (p *phone) approves(t *testing.T, id string) answer {
	t.Helper()
	return p.confirms(t, "api/approve-phone", id)
}

// removes has one phone remove another, or itself.
func (p *phone) removes(t *testing.T, id string) answer {
	t.Helper()
	return p.confirms(t, "api/remove-phone", id)
}

// confirms has one phone do something for another, and returns the first refusal.
func (p *phone) confirms(t *testing.T, path, id string) answer {
	t.Helper()
	in := phoneapi.Confirmation{
		ConfirmationStart: phoneapi.ConfirmationStart{PhoneID: id, By: p.id},
	}
	var c phoneapi.ConfirmationChallenge
	if a := p.call(t, path+"/start", in.ConfirmationStart, &c); a.status != 200 {
		return a
	}
	in.ToBeSigned, in.Proof = c.ToBeSigned, p.proof(t, c.ToBeSigned)
	if p.device != nil {
		p.counter++
		in.Assertion = p.asserts(t, c.ToBeSigned)
	}
	return p.call(t, path, in, nil)
}

// TestFurtherPhone checks that a thief of a login gets a phone that cannot sign, which the
// person's phones and logins announce and stop.
func TestFurtherPhone(t *testing.T) {
	s := start(t, guarded)
	own := enrolled(t, s, alice)
	thief := furtherPhone(t, s, alice)
	in := s.initiate(t)
	desk := s.visitor(t)
	const announced = "A new phone is waiting for approval: New phone"
	desk.login(t, in, alice).shows(t, 200, announced)
	desk.proceed(t, in)
	desk.get(t, in.SigningURL).shows(t, 200, announced)
	session := thief.scan(t, desk, in)
	some := phoneapi.Approval{Signature: thief.signature(t, []byte("x"))}
	for _, call := range []string{"/challenge", "/approve", "/reject"} {
		thief.call(t, session+call, some, nil).refusedAs(t, call, 403, "PHONE_WAITING")
	}
	thief.get(t, "/phone/"+session).shows(t, 403, "This phone is waiting for approval")
	if a := thief.approves(t, thief.id); a.status != 400 {
		t.Errorf("it approves itself: %d %s", a.status, a.body)
	}
	bobs := enrolled(t, s, bob)
	bobs.approves(t, thief.id).refusedAs(t, "bob's phone approves", 401, "PHONE_NOT_ENROLLED")

	own.scan(t, desk, in)
	for _, path := range []string{"/phone/", "/phone/scan", "/phone/enrol", "/phone/" + session} {
		own.get(t, path).shows(t, 200, announced)
	}
	s.visitor(t).get(t, "/phone/scan").shows(t, 200, "Scan the code")
	if strings.Contains(bobs.get(t, "/phone/").body, "A new phone is waiting") {
		t.Error("bob hears of alice's phone")
	}
	// The phone stops it without a login.
	own.post(t, "/phone/switch", nil)
	page := own.get(t, "/phone/")
	page.shows(t, 200, "Log in")
	page.shows(t, 200, announced)
	bobs.post(t, "/phone/stop", url.Values{"phone_id": {thief.id}})
	desk.get(t, in.SigningURL).shows(t, 200, announced)
	own.post(t, "/phone/stop", url.Values{"phone_id": {thief.id}}).follow(t)
	if strings.Contains(own.get(t, "/phone/").body, "A new phone is waiting") {
		t.Error("a phone that was stopped is announced")
	}
	s.advance(t, "25h")
	in = s.initiate(t)
	desk.login(t, in, alice)
	desk.proceed(t, in)
	session = thief.scan(t, desk, in)
	thief.call(t, session+"/challenge", nil, nil).refusedAs(t, "later", 401, "PHONE_NOT_ENROLLED")

	// The login at the portal stops one, too.
	again := furtherPhone(t, s, alice)
	desk.get(t, in.SigningURL).shows(t, 200, announced)
	desk.post(t, "/sign/"+in.RequestID+"/stop-phone", url.Values{"phone_id": {own.id}}).follow(t)
	desk.post(t, "/sign/"+in.RequestID+"/stop-phone", url.Values{"phone_id": {again.id}}).follow(t)
	if strings.Contains(desk.get(t, in.SigningURL).body, "A new phone is waiting") {
		t.Error("it is announced after the stop")
	}
	again.scan(t, desk, in)
	again.call(t, session+"/challenge", nil, nil).refusedAs(t, "stopped", 401, "PHONE_NOT_ENROLLED")
	own.scan(t, desk, in) // which was not stopped
	if a := own.call(t, session+"/challenge", nil, nil); a.status != 200 {
		t.Errorf("the first phone: %d %s", a.status, a.body)
	}
}

// TestRemovalWaits checks that a removal by a login alone is announced on the phone and after a
// login at the portal, that the phone signs until then, and that the login stops it, and not the
// phone alone, which may be stolen.
func TestRemovalWaits(t *testing.T) {
	s := start(t, guarded)
	own := enrolled(t, s, alice)
	in := s.initiate(t)
	desk := s.visitor(t)
	desk.login(t, in, alice)
	const announced = "is being removed"
	form := url.Values{"phone_id": {own.id}}
	page := own.get(t, "/phone/")
	page.shows(t, 200, "until the end of a waiting time")
	own.post(t, "/phone/revoke", form).follow(t)
	for _, path := range []string{"/phone/", "/phone/scan", "/phone/enrol"} {
		own.get(t, path).shows(t, 200, announced)
	}
	desk.get(t, in.SigningURL).shows(t, 200, announced)
	desk.post(t, "/sign/"+in.RequestID+"/stop-phone", form).follow(t)
	if strings.Contains(desk.get(t, in.SigningURL).body, announced) {
		t.Error("a removal that was stopped is announced")
	}

	own.post(t, "/phone/revoke", form).follow(t)
	own.post(t, "/phone/switch", nil)
	own.get(t, "/phone/").shows(t, 200, announced)
	own.post(t, "/phone/stop", form).follow(t)
	own.get(t, "/phone/").shows(t, 200, announced) // the phone alone does not stop it
	desk.proceed(t, in)
	session := own.scan(t, desk, in)
	if a := own.call(t, session+"/challenge", nil, nil); a.status != 200 {
		t.Errorf("a phone that is being removed: %d %s", a.status, a.body)
	}
	s.advance(t, "25h")
	in = s.initiate(t)
	desk.login(t, in, alice)
	desk.proceed(t, in)
	session = own.scan(t, desk, in)
	own.call(t, session+"/challenge", nil, nil).refusedAs(t, "later", 401, "PHONE_NOT_ENROLLED")
}

// TestRemovalByPhone checks that a phone which another one removes can do nothing more at once,
// also in a sign session that it takes part in, which goes on with the other phone.
func TestRemovalByPhone(t *testing.T) {
	s := start(t, guarded)
	own := enrolled(t, s, alice)
	lost := furtherPhone(t, s, alice)
	if a := own.approves(t, lost.id); a.status != 200 {
		t.Fatalf("approve: %d %s", a.status, a.body)
	}
	in, desk := s.initiate(t), s.visitor(t)
	desk.login(t, in, alice)
	desk.proceed(t, in)
	session := lost.scan(t, desk, in)
	own.scan(t, desk, in)
	var c phoneapi.SignChallenge
	if a := lost.call(t, session+"/challenge", nil, &c); a.status != 200 {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	bobs := enrolled(t, s, bob)
	bobs.removes(t, lost.id).refusedAs(t, "bob's phone removes", 401, "PHONE_NOT_ENROLLED")
	out := s.visitor(t)
	stranger := &phone{visitor: out, key: own.key, id: own.id}
	stranger.removes(t, lost.id).refusedAs(t, "without a login", 401, "LOGIN_REQUIRED")
	if a := own.removes(t, lost.id); a.status != 200 {
		t.Fatalf("remove: %d %s", a.status, a.body)
	}
	approval := lost.approval(t, c)
	for _, call := range []string{"/approve", "/challenge", "/reject"} {
		lost.call(t, session+call, approval, nil).refusedAs(t, call, 401, "PHONE_NOT_ENROLLED")
	}
	if page := own.get(t, "/phone/?removed="+lost.id).body; !strings.Contains(
		page, "was removed",
	) ||
		strings.Contains(page, "is being removed") {
		t.Error("the page of the phones does not say that the phone was removed")
	}
	if a := own.call(t, session+"/challenge", nil, &c); a.status != 200 {
		t.Fatalf("challenge: %d %s", a.status, a.body)
	}
	approval = own.approval(t, c)
	if a := own.call(t, session+"/approve", approval, nil); a.status != 200 {
		t.Fatalf("approve: %d %s", a.status, a.body)
	}
	s.settled(t, in.RequestID, "signed")
	if a := own.removes(t, own.id); a.status != 200 {
		t.Errorf("it removes itself: %d %s", a.status, a.body)
	}
	own.removes(t, own.id).refusedAs(t, "a removed phone", 401, "PHONE_NOT_ENROLLED")
}

// TestFurtherPhoneApproved checks that the person's phone approves the new one, or the delay ends.
func TestFurtherPhoneApproved(t *testing.T) {
	s := start(t, guarded)
	own := enrolled(t, s, alice)
	approved := furtherPhone(t, s, alice)
	if a := own.approves(t, approved.id); a.status != 200 {
		t.Fatalf("approve: %d %s", a.status, a.body)
	}
	late := furtherPhone(t, s, alice)
	fourth := newPhone(t, s, alice)
	c := fourth.challenge(t)
	fourth.call(t, "api/enrol", phoneapi.EnrolRequest{
		Challenge: c, PublicKey: fourth.jwk(), Name: "x", Proof: fourth.proof(t, c),
	}, nil).refusedAs(t, "a fourth phone", 409, "TOO_MANY_PHONES")
	signs := func(p *phone) {
		t.Helper()
		in, desk := s.initiate(t), s.visitor(t)
		desk.login(t, in, alice)
		desk.proceed(t, in)
		session := p.scan(t, desk, in)
		var c phoneapi.SignChallenge
		if a := p.call(t, session+"/challenge", nil, &c); a.status != 200 {
			t.Fatalf("challenge: %d %s", a.status, a.body)
		}
		approval := p.approval(t, c)
		if a := p.call(t, session+"/approve", approval, nil); a.status != 200 {
			t.Fatalf("approve: %d %s", a.status, a.body)
		}
		s.settled(t, in.RequestID, "signed")
	}
	signs(approved)
	s.advance(t, "24h")
	signs(late)
}
