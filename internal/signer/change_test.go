package signer_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// people is a service with a clock, and the keys of the phones that it enrolled.
type people struct {
	*signer.Service
	t    *testing.T
	now  time.Time
	log  bytes.Buffer
	keys map[string]*ecdsa.PrivateKey
}

func newPeople(t *testing.T) *people {
	t.Helper()
	w := &people{
		t: t, now: time.Now().UTC().Truncate(time.Second), keys: map[string]*ecdsa.PrivateKey{},
	}
	clock := func() time.Time { return w.now }
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", BaseURL: "http://localhost/pki", Now: clock, Rand: rand.Reader,
		Validity: 72 * time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	store := storetest.Open(t)
	w.Service = &signer.Service{
		Store: store, Authority: authority,
		ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} }, Replay: store,
		Delay: 24 * time.Hour, Limit: 3, Now: clock, Rand: rand.Reader,
		Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	}
	return w
}

func (w *people) sign(key *ecdsa.PrivateKey, message []byte) []byte {
	w.t.Helper()
	digest := sha256.Sum256(message)
	der, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		w.t.Fatal(err)
	}
	return der
}

func (w *people) tryEnrol(p signer.Person) (signer.Phone, error) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	challenge, err := w.Challenge(p)
	if err != nil {
		w.t.Fatal(err)
	}
	proof := w.sign(key, challenge)
	phone, err := w.Enrol(w.t.Context(), p, signer.Enrolment{
		Name: "Phone", Key: &key.PublicKey, Challenge: challenge, Proof: proof,
	})
	w.keys[phone.ID] = key
	return phone, err
}

func (w *people) enrol(p signer.Person) signer.Phone {
	w.t.Helper()
	phone, err := w.tryEnrol(p)
	if err != nil {
		w.t.Fatal(err)
	}
	return phone
}

// confirmation is what by's key signs to do something for a phone. It is of no use if the service
// does not ask for it.
func (w *people) confirmation(
	p signer.Person, act signer.Act, id string, by signer.Phone,
) signer.Confirmation {
	w.t.Helper()
	in := signer.Confirmation{PhoneID: id, By: by.ID}
	in.Challenge, _, _ = w.AskConfirmation(w.t.Context(), p, act, id, by.ID)
	in.Proof = w.sign(w.keys[by.ID], in.Challenge)
	return in
}

// approve has by's key approve a phone.
func (w *people) approve(p signer.Person, id string, by signer.Phone) error {
	w.t.Helper()
	return w.Approve(w.t.Context(), p, w.confirmation(p, signer.ActApprove, id, by))
}

// remove has by's key remove a phone.
func (w *people) remove(p signer.Person, id string, by signer.Phone) error {
	w.t.Helper()
	return w.Remove(w.t.Context(), p, w.confirmation(p, signer.ActRemove, id, by))
}

func (w *people) active(id string) bool {
	w.t.Helper()
	phone, err := w.Store.Phone(w.t.Context(), id)
	if err != nil {
		w.t.Fatal(err)
	}
	return phone.Active(w.now)
}

// trail is what became of a person's phones: kind and phone.
func (w *people) trail(p signer.Person, names map[string]string) (lines []string) {
	w.t.Helper()
	events, err := w.Store.PhoneEvents(w.t.Context(), p.UIN)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, e := range events {
		lines = append(lines, string(e.Kind)+" "+names[e.PhoneID])
	}
	return lines
}

var (
	alice = signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}
	bob   = signer.Person{UIN: "S8116474F", Name: "LIM CHENG HAO"}
)

// TestFurtherPhone checks that a login alone gets no further phone that can sign before the delay
// is over.
func TestFurtherPhone(t *testing.T) {
	w := newPeople(t)
	first, bobs := w.enrol(alice), w.enrol(bob)
	if !w.active(first.ID) || !w.active(bobs.ID) {
		t.Fatal("a first phone waits")
	}
	if log := w.log.String(); strings.Contains(log, "by=") || strings.Contains(log, "active_at=") {
		t.Errorf("phones without an approval or a wait have one in the log: %s", log)
	}
	second := w.enrol(alice)
	if w.active(second.ID) || !second.ActiveAt.Equal(w.now.Add(24*time.Hour)) {
		t.Fatalf("the second phone can sign from %s, enrolled %s", second.ActiveAt, w.now)
	}
	waiting, err := w.Announced(t.Context(), alice)
	if err != nil || len(waiting) != 1 || waiting[0].ID != second.ID {
		t.Errorf("waiting %+v, %v", waiting, err)
	}
	cert, err := x509.ParseCertificate(second.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	if st, err := w.Status(t.Context(), cert.SerialNumber); err != nil || st.Known {
		t.Errorf("the authority vouches for a phone that waits: %+v, %v", st, err)
	}

	third := w.enrol(alice)
	if _, err := w.tryEnrol(alice); !errors.Is(err, api.ErrTooManyPhones) {
		t.Errorf("a fourth phone: %v", err)
	}
	for name, err := range map[string]error{
		"by itself":             w.approve(alice, second.ID, second),
		"by another that waits": w.approve(alice, second.ID, third),
		"by another person's":   w.approve(alice, second.ID, bobs),
	} {
		if !errors.Is(err, api.ErrSignatureInvalid) || w.active(second.ID) {
			t.Errorf("an approval %s: %v, active %t", name, err, w.active(second.ID))
		}
	}
	for name, spoil := range map[string]func(in *signer.Confirmation){
		"for another phone": func(in *signer.Confirmation) {
			*in = w.confirmation(alice, signer.ActApprove, third.ID, first)
			in.PhoneID = second.ID
		},
		"asked for another phone": func(in *signer.Confirmation) {
			in.Challenge = w.confirmation(alice, signer.ActApprove, third.ID, first).Challenge
		},
		"of a removal": func(in *signer.Confirmation) { *in = w.confirmation(alice, signer.ActRemove, second.ID, first) },
		"of another person": func(in *signer.Confirmation) {
			*in = w.confirmation(bob, signer.ActApprove, bobs.ID, bobs)
			in.PhoneID, in.By = second.ID, first.ID
		},
		"with another key": func(in *signer.Confirmation) { in.Proof = w.sign(w.keys[third.ID], in.Challenge) },
		"of a changed challenge": func(in *signer.Confirmation) {
			in.Challenge[len(in.Challenge)-40]++
			in.Proof = w.sign(w.keys[first.ID], in.Challenge)
		},
		"of the name alone": func(in *signer.Confirmation) {
			in.Challenge = []byte("signet phone approval v1\n" + second.ID)
			in.Proof = w.sign(w.keys[first.ID], in.Challenge)
		},
		"without a challenge":     func(in *signer.Confirmation) { in.Challenge = nil },
		"without a proof":         func(in *signer.Confirmation) { in.Proof = nil },
		"by a phone that is none": func(in *signer.Confirmation) { in.By = "x" },
	} {
		in := w.confirmation(alice, signer.ActApprove, second.ID, first)
		spoil(&in)
		err := w.Approve(t.Context(), alice, in)
		if !errors.Is(err, api.ErrSignatureInvalid) || w.active(second.ID) {
			t.Errorf("an approval %s: %v, active %t", name, err, w.active(second.ID))
		}
	}
	late := w.confirmation(alice, signer.ActApprove, second.ID, first)
	w.now = w.now.Add(6 * time.Minute)
	if err := w.Approve(t.Context(), alice, late); !errors.Is(err, api.ErrSignatureInvalid) {
		t.Errorf("a challenge of before: %v", err)
	}
	if err := w.approve(bob, second.ID, bobs); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("bob approves alice's phone: %v", err)
	}
	for range 2 { // an answer may get lost, and the page asks again
		in := w.confirmation(alice, signer.ActApprove, second.ID, first)
		if err := w.Approve(t.Context(), alice, in); err != nil || !w.active(second.ID) {
			t.Errorf("the approval: %v", err)
		}
		if err := w.Approve(t.Context(), alice, in); !errors.Is(err, api.ErrSignatureInvalid) {
			t.Errorf("the same challenge again: %v", err)
		}
	}
	if err := w.Stop(t.Context(), alice, second.ID); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("a phone that was approved is stopped: %v", err)
	}
	if err := w.Stop(t.Context(), bob, third.ID); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("bob stops alice's phone: %v", err)
	}
	if err := w.Stop(t.Context(), alice, third.ID); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(25 * time.Hour)
	if w.active(third.ID) {
		t.Error("a phone that was stopped can sign")
	}
	if err := w.approve(alice, third.ID, first); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("a phone that was stopped is approved: %v", err)
	}

	// A thief of the login removes the phones first.
	for _, p := range []signer.Phone{first, second} {
		if err := w.Revoke(t.Context(), alice, p.ID); err != nil {
			t.Fatal(err)
		}
		if !w.active(p.ID) {
			t.Error("a login alone ends a phone at once")
		}
	}
	w.now = w.now.Add(24 * time.Hour)
	fourth := w.enrol(alice)
	if w.active(fourth.ID) {
		t.Error("a phone can sign at once after the others were removed")
	}
	if err := w.approve(alice, fourth.ID, first); !errors.Is(err, api.ErrSignatureInvalid) {
		t.Errorf("a removed phone approves: %v", err)
	}
	w.now = w.now.Add(24*time.Hour - time.Second)
	if w.active(fourth.ID) {
		t.Error("it can sign a second early")
	}
	w.now = w.now.Add(time.Second)
	if !w.active(fourth.ID) {
		t.Error("it cannot sign after the delay")
	}

	names := map[string]string{
		first.ID: "first", second.ID: "second", third.ID: "third", fourth.ID: "fourth",
	}
	want := []string{
		"enrolled first", "enrolled second", "enrolled third", "approved second", "stopped third",
		"removed first", "removed second", "enrolled fourth",
	}
	if got := w.trail(alice, names); !slices.Equal(got, want) {
		t.Errorf("trail %q\nwant  %q", got, want)
	}
	log := w.log.String()
	if n := strings.Count(log, "msg=\"phone "); n != len(want)+1 { // and bob's
		t.Errorf("%d lines in the log:\n%s", n, log)
	}
	if strings.Contains(log, alice.UIN) || strings.Contains(log, bob.UIN) {
		t.Errorf("the log holds an NRIC:\n%s", log)
	}
}

// TestPhoneLimit checks that phones that can sign or wait count, and not those whose certificate
// has ended, whose keys approve their successors.
func TestPhoneLimit(t *testing.T) {
	w := newPeople(t)
	first := w.enrol(alice)
	w.enrol(alice)
	w.enrol(alice)
	if _, err := w.tryEnrol(alice); !errors.Is(err, api.ErrTooManyPhones) {
		t.Errorf("a fourth phone: %v", err)
	}
	w.now = w.now.Add(73 * time.Hour)
	next := w.enrol(alice)
	if err := w.approve(alice, next.ID, first); err != nil || !w.active(next.ID) {
		t.Errorf("the key of an ended certificate approves its successor: %v", err)
	}
	w.Limit, w.Delay = 0, 0
	for range 4 {
		if p := w.enrol(alice); !w.active(p.ID) {
			t.Error("without a delay a phone waits")
		}
	}
}

// TestPhoneEventsTellTheLogin shows that each event says how the person logged in who caused it.
func TestPhoneEventsTellTheLogin(t *testing.T) {
	w := newPeople(t)
	who := alice
	who.Auth = signer.Authentication{ACR: "high", AMR: "pwd otp", At: w.now}
	first, second := w.enrol(who), w.enrol(who)
	if err := w.approve(who, second.ID, first); err != nil {
		t.Fatal(err)
	}
	if err := w.Revoke(t.Context(), who, second.ID); err != nil {
		t.Fatal(err)
	}
	events, err := w.Store.PhoneEvents(t.Context(), who.UIN)
	if err != nil || len(events) != 4 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	for _, e := range events {
		if d := e.Detail; d.ACR != "high" || d.AMR != "pwd otp" || !d.AuthTime.Equal(w.now) {
			t.Errorf("%s: %+v", e.Kind, d)
		}
	}
}

// TestPhoneFailure checks that a change that is not written is not logged.
func TestPhoneFailure(t *testing.T) {
	w := newPeople(t)
	phone := w.enrol(alice)
	w.log.Reset()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := w.Revoke(ctx, alice, phone.ID); err == nil || w.log.Len() != 0 {
		t.Errorf("%v, log %s", err, w.log.String())
	}
}

// TestRemoval checks that the removal of a phone that can sign is announced for the delay, in which
// the phone signs and the removal can be stopped, and that the revocation is published after it.
func TestRemoval(t *testing.T) {
	w := newPeople(t)
	phone := w.enrol(alice)
	cert, err := x509.ParseCertificate(phone.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, announced, active, revoked bool) {
		t.Helper()
		list, err := w.Announced(t.Context(), alice)
		if err != nil || (len(list) == 1) != announced || w.active(phone.ID) != active {
			t.Errorf("%s: announced %v, active %t, %v", when, list, w.active(phone.ID), err)
		}
		status, err := w.Status(t.Context(), cert.SerialNumber)
		crl, err2 := w.Revoked(t.Context())
		if err != nil || err2 != nil || !status.Known || status.RevokedAt.IsZero() == revoked ||
			(len(crl) == 1) != revoked {
			t.Errorf("%s: status %+v, CRL %v, %v, %v", when, status, crl, err, err2)
		}
	}
	step := func(do func(context.Context, signer.Person, string) error, p signer.Person, want error) {
		t.Helper()
		if err := do(t.Context(), p, phone.ID); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
	check("at first", false, true, false)
	step(w.Keep, alice, signer.ErrNoPhone)
	step(w.Revoke, alice, nil)
	check("removed", true, true, false)
	step(w.Keep, bob, signer.ErrNoPhone)
	step(w.Stop, alice, signer.ErrNoPhone)
	step(w.Keep, alice, nil)
	check("kept", false, true, false)
	step(w.Revoke, alice, nil)
	w.now = w.now.Add(23 * time.Hour)
	step(w.Revoke, alice, nil) // does not begin the delay again
	w.now = w.now.Add(time.Hour - time.Second)
	check("a second before the end", true, true, false)
	if _, err := w.tryEnrol(alice); err != nil {
		t.Fatal(err)
	}
	if list, err := w.Announced(t.Context(), alice); err != nil || len(list) != 2 {
		t.Errorf("announced %v, %v", list, err)
	}
	w.now = w.now.Add(time.Second)
	if w.active(phone.ID) {
		t.Error("a removed phone signs after the delay")
	}
	step(w.Keep, alice, signer.ErrNoPhone)
	if s, err := w.Status(t.Context(), cert.SerialNumber); err != nil || s.Reason != 1 ||
		!s.RevokedAt.Equal(w.now) {
		t.Errorf("the status is %+v, %v", s, err)
	}
	want := []string{"enrolled phone", "removed phone", "kept phone", "removed phone", "enrolled "}
	if got := w.trail(alice, map[string]string{phone.ID: "phone"}); !slices.Equal(got, want) {
		t.Errorf("trail %q, want %q", got, want)
	}

	// An operator need not wait, and no phone waits without a delay.
	w.now = w.now.Add(25 * time.Hour)
	phone = w.enrol(bob)
	step(w.Revoke, bob, nil)
	if err := w.RevokeCertificate(t.Context(), phone.Serial, 1, "ann"); err != nil ||
		w.active(phone.ID) {
		t.Errorf("the operator's revocation: %v", err)
	}
	w.Delay = 0
	phone = w.enrol(bob)
	step(w.Revoke, bob, nil)
	if w.active(phone.ID) {
		t.Error("without a delay a phone signs after its removal")
	}
}

// TestRemovalByPhone checks that the key of a phone that can sign removes another phone, or itself,
// at once, that the proof is for this phone and this act, and that the revocation is published.
func TestRemovalByPhone(t *testing.T) {
	w := newPeople(t)
	first, bobs := w.enrol(alice), w.enrol(bob)
	second, third := w.enrol(alice), w.enrol(alice)
	if err := w.approve(alice, second.ID, first); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"by one that waits":     w.remove(alice, second.ID, third),
		"by another person's":   w.remove(alice, second.ID, bobs),
		"with an approval":      w.Remove(t.Context(), alice, w.confirmation(alice, signer.ActApprove, second.ID, first)),
		"by one that waits too": w.remove(alice, third.ID, third),
	} {
		if !errors.Is(err, api.ErrSignatureInvalid) || !w.active(second.ID) {
			t.Errorf("a removal %s: %v, active %t", name, err, w.active(second.ID))
		}
	}
	unused := w.confirmation(alice, signer.ActRemove, second.ID, first)
	if err := w.remove(bob, second.ID, bobs); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("bob removes alice's phone: %v", err)
	}

	// At once, also when the removal by a login waits.
	if err := w.Revoke(t.Context(), alice, second.ID); err != nil || !w.active(second.ID) {
		t.Fatalf("%v, active %t", err, w.active(second.ID))
	}
	if err := w.remove(alice, second.ID, first); err != nil || w.active(second.ID) {
		t.Errorf("the removal: %v, active %t", err, w.active(second.ID))
	}
	cert, err := x509.ParseCertificate(second.Certificate)
	if err != nil {
		t.Fatal(err)
	}
	status, err := w.Status(t.Context(), cert.SerialNumber)
	crl, err2 := w.Revoked(t.Context())
	if err != nil || err2 != nil || !status.RevokedAt.Equal(w.now) || status.Reason != 1 ||
		len(crl) != 1 || crl[0].Serial.Cmp(cert.SerialNumber) != 0 {
		t.Errorf("status %+v, CRL %v, %v, %v", status, crl, err, err2)
	}
	if err := w.Keep(t.Context(), alice, second.ID); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("a removed phone is kept: %v", err)
	}
	if err := w.Remove(t.Context(), alice, unused); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("of a phone that is removed: %v", err)
	}
	if err := w.remove(alice, first.ID, second); !errors.Is(err, api.ErrSignatureInvalid) {
		t.Errorf("a removed phone removes another: %v", err)
	}
	if err := w.remove(alice, third.ID, first); err != nil {
		t.Errorf("of a phone that waits: %v", err)
	}
	if err := w.remove(alice, first.ID, first); err != nil || w.active(first.ID) {
		t.Errorf("of itself: %v, active %t", err, w.active(first.ID))
	}
	events, err := w.Store.PhoneEvents(t.Context(), alice.UIN)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events[4:] {
		got = append(got, string(e.Kind)+" "+e.PhoneID+" by "+e.Detail.By)
	}
	want := []string{
		"removed " + second.ID + " by ", "removed " + second.ID + " by " + first.ID,
		"stopped " + third.ID + " by " + first.ID, "removed " + first.ID + " by " + first.ID,
	}
	if !slices.Equal(got, want) {
		t.Errorf("events %q\nwant   %q", got, want)
	}
}

// TestConfirmationsNeedTheOwner checks that where it is required, a phone without a credential
// confirms nothing, also with a challenge from before, and that its owner's login still removes it.
func TestConfirmationsNeedTheOwner(t *testing.T) {
	w := newPeople(t)
	first, second := w.enrol(alice), w.enrol(alice)
	approval := w.confirmation(alice, signer.ActApprove, second.ID, first)
	removal := w.confirmation(alice, signer.ActRemove, first.ID, first)
	verifier, err := signer.NewVerifier("https://sign.example")
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier, w.Verification = verifier, signer.VerificationRequired
	for _, act := range []signer.Act{signer.ActApprove, signer.ActRemove} {
		_, _, err := w.AskConfirmation(t.Context(), alice, act, second.ID, first.ID)
		if !errors.Is(err, api.ErrUserVerification) {
			t.Errorf("it asks for an %s: %v", act, err)
		}
	}
	if err := w.Approve(t.Context(), alice, approval); !errors.Is(err, api.ErrUserVerification) ||
		w.active(second.ID) {
		t.Errorf("the approval: %v, active %t", err, w.active(second.ID))
	}
	if err := w.Remove(t.Context(), alice, removal); !errors.Is(err, api.ErrUserVerification) ||
		!w.active(first.ID) {
		t.Errorf("the removal: %v, active %t", err, w.active(first.ID))
	}
	if err := w.Revoke(t.Context(), alice, first.ID); err != nil {
		t.Error(err)
	}
	w.Verification = signer.VerificationPreferred
	if err := w.Approve(t.Context(), alice, approval); err != nil || !w.active(second.ID) {
		t.Errorf("the approval where it is preferred: %v, active %t", err, w.active(second.ID))
	}
}

// TestLift checks that an operator ends the wait of a new phone and of a removal, and no other
// phone's, and that the trail has the operator and the reason.
func TestLift(t *testing.T) {
	w := newPeople(t)
	first, second, third := w.enrol(alice), w.enrol(alice), w.enrol(alice)
	lift := func(p signer.Person, id string) error {
		return w.Lift(t.Context(), p, id, "ann", "ticket 12")
	}
	if err := lift(alice, first.ID); !errors.Is(err, signer.ErrNotWaiting) {
		t.Errorf("a phone that can sign: %v", err)
	}
	if err := lift(bob, second.ID); !errors.Is(err, signer.ErrNoPhone) || w.active(second.ID) {
		t.Errorf("another person's phone: %v", err)
	}
	if err := lift(alice, second.ID); err != nil || !w.active(second.ID) || w.active(third.ID) {
		t.Errorf("%v, active %t, the other one %t", err, w.active(second.ID), w.active(third.ID))
	}
	if err := lift(alice, second.ID); !errors.Is(err, signer.ErrNotWaiting) {
		t.Errorf("again: %v", err)
	}
	if err := w.Revoke(t.Context(), alice, first.ID); err != nil || !w.active(first.ID) {
		t.Fatalf("%v, active %t", err, w.active(first.ID))
	}
	if err := lift(alice, first.ID); err != nil || w.active(first.ID) {
		t.Errorf("a removal: %v, active %t", err, w.active(first.ID))
	}
	if crl, err := w.Revoked(t.Context()); err != nil || len(crl) != 1 || !crl[0].At.Equal(w.now) {
		t.Errorf("CRL %v, %v", crl, err)
	}
	if err := lift(alice, first.ID); !errors.Is(err, signer.ErrNoPhone) {
		t.Errorf("a revoked phone: %v", err)
	}
	events, err := w.Store.PhoneEvents(t.Context(), alice.UIN)
	if err != nil || len(events) != 6 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	want := signer.Detail{Operator: "ann", Why: "ticket 12"}
	approved, removed := events[3], events[5]
	if approved.Kind != signer.EventApproved || approved.Detail != want ||
		removed.Kind != signer.EventRemoved || removed.Detail != want {
		t.Errorf("events %+v, %+v", approved, removed)
	}
}
