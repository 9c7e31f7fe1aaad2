package signer_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/signer/signertest"
)

func newDevice(t *testing.T) signertest.Device {
	t.Helper()
	return signertest.New(t, "https://sign.example")
}

// enrolWith enrols a phone that registers a credential.
func (w *people) enrolWith(
	p signer.Person, d signertest.Device, edits ...func(*signertest.Ceremony),
) (signer.Phone, error) {
	w.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	challenge, err := w.Challenge(p)
	if err != nil {
		w.t.Fatal(err)
	}
	phone, err := w.Enrol(w.t.Context(), p, signer.Enrolment{
		Name: "Phone", Key: &key.PublicKey, Challenge: challenge, Proof: w.sign(key, challenge),
		Credential: d.Answer(signertest.Create, challenge, edits...),
	})
	w.keys[phone.ID] = key
	return phone, err
}

// TestRegistration checks that a phone's credential is registered for the challenge of its own
// enrolment, at this origin and with its owner verified, and in no other way.
func TestRegistration(t *testing.T) {
	w := newPeople(t)
	verifier, err := signer.NewVerifier("https://sign.example")
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier, w.Verification, w.Limit = verifier, signer.VerificationRequired, 0
	for name, edit := range signertest.Forgeries {
		_, err := w.enrolWith(alice, newDevice(t), edit)
		if !errors.Is(err, api.ErrUserVerification) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if phones, err := w.Store.Phones(t.Context(), alice.UIN); err != nil || len(phones) > 0 {
		t.Fatalf("%d phones, %v", len(phones), err)
	}
	phone, err := w.enrolWith(alice, newDevice(t), func(c *signertest.Ceremony) { c.Counter = 7 })
	if err != nil || phone.Credential == nil || phone.Credential.Counter != 7 {
		t.Errorf("%+v, %v", phone.Credential, err)
	}
}

// TestAssertions checks that a phone's owner is verified by an assertion for exactly one message,
// of this phone's credential, and by no other.
func TestAssertions(t *testing.T) {
	w := newPeople(t)
	verifier, err := signer.NewVerifier("https://sign.example")
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier, w.Verification = verifier, signer.VerificationRequired
	own, others := newDevice(t), newDevice(t)
	phone, err := w.enrolWith(alice, own, func(c *signertest.Ceremony) { c.Counter = 5 })
	if err != nil {
		t.Fatal(err)
	}
	bobs, err := w.enrolWith(bob, others)
	if err != nil {
		t.Fatal(err)
	}
	message, another := []byte("signed attributes"), []byte("those of another document")
	counted := func(c *signertest.Ceremony) { c.Counter = 6 }
	get := func(d signertest.Device, message []byte, edits ...func(*signertest.Ceremony)) []byte {
		return d.Answer(signertest.Get, message, append([]func(*signertest.Ceremony){counted}, edits...)...)
	}
	refuses := func(name string, phone signer.Phone, response []byte) {
		t.Helper()
		_, err := verifier.Verify(phone, message, response)
		if !errors.Is(err, api.ErrUserVerification) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, edit := range signertest.Forgeries {
		refuses(name, phone, get(own, message, edit))
	}
	for name, edit := range map[string]func(*signertest.Ceremony){
		"the counter of the last one":    func(c *signertest.Ceremony) { c.Counter = 5 },
		"a counter that goes back":       func(c *signertest.Ceremony) { c.Counter = 4 },
		"a device that counts no more":   func(c *signertest.Ceremony) { c.Counter = 0 },
		"a device that can be backed up": func(c *signertest.Ceremony) { c.Flags |= signertest.Eligible },
		"another credential's name":      func(c *signertest.Ceremony) { c.ID = others.ID },
		"no credential's name":           func(c *signertest.Ceremony) { c.ID = []byte{} },
		"another credential's key":       func(c *signertest.Ceremony) { c.Key = others.Key },
		"the handle of another":          func(c *signertest.Ceremony) { c.Handle = bobs.Credential.Handle },
		"no signature": func(c *signertest.Ceremony) {
			c.Response = func(r map[string]any) { r["signature"] = "" }
		},
		"authenticator data cut off": func(c *signertest.Ceremony) {
			c.Response = func(r map[string]any) { r["authenticatorData"] = "AAAA" }
		},
		"a flag of extensions without any": func(c *signertest.Ceremony) { c.Flags |= 1 << 7 },
	} {
		refuses(name, phone, get(own, message, edit))
	}
	flipped := get(own, message, func(c *signertest.Ceremony) {
		c.Flags = signertest.Present
		c.Response = func(r map[string]any) {
			data, err := base64.RawURLEncoding.DecodeString(r["authenticatorData"].(string))
			if err != nil {
				t.Fatal(err)
			}
			data[32] |= signertest.Verified
			r["authenticatorData"] = signertest.Text(data)
		}
	})
	refuses("the flag set afterwards", phone, flipped)
	refuses("an assertion for another document", phone, get(own, another))
	refuses("another person's assertion", phone, get(others, message))
	refuses("another person's phone", bobs, get(own, message))
	refuses("a phone without a credential", signer.Phone{ID: phone.ID}, get(own, message))
	refuses("the registration", phone, own.Answer(signertest.Create, message))
	for _, junk := range []string{"", "null", "{}", "[]", `{"id":"AA"}`, `"x"`} {
		refuses(junk, phone, []byte(junk))
	}

	good := get(own, message)
	a, err := verifier.Verify(phone, message, good)
	if err != nil || a.Counter != 6 {
		t.Fatalf("%+v, %v", a, err)
	}
	clone, err := verifier.Verify(phone, another, get(own, another))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Counted(t.Context(), phone, a); err != nil {
		t.Fatal(err)
	}
	if err := w.Counted(t.Context(), phone, clone); !errors.Is(err, api.ErrUserVerification) {
		t.Errorf("a copy of the credential at the same time: %v", err)
	}
	if phone, err = w.Store.Phone(t.Context(), phone.ID); err != nil {
		t.Fatal(err)
	}
	refuses("the same assertion again", phone, good)
	if _, err := verifier.Verify(phone, message, get(own, message, func(c *signertest.Ceremony) {
		c.Counter, c.Handle = 7, phone.Credential.Handle
	})); err != nil {
		t.Errorf("the next one, with its handle: %v", err)
	}
}

// TestCopiedCredentials checks that of two copies of a credential that answer with the same counter
// at the same time one confirms something, and that a phone whose owner is no longer verified
// confirms without an assertion.
func TestCopiedCredentials(t *testing.T) {
	w := newPeople(t)
	verifier, err := signer.NewVerifier("https://sign.example")
	if err != nil {
		t.Fatal(err)
	}
	w.Verifier, w.Verification = verifier, signer.VerificationPreferred
	own := newDevice(t)
	first, err := w.enrolWith(alice, own, signertest.Counter(5))
	if err != nil {
		t.Fatal(err)
	}
	var waiting []signer.Phone
	var confirmations []signer.Confirmation
	for range 2 {
		phone := w.enrol(alice)
		in := w.confirmation(alice, signer.ActApprove, phone.ID, first)
		in.Assertion = own.Answer(signertest.Get, in.Challenge, signertest.Counter(6))
		waiting, confirmations = append(waiting, phone), append(confirmations, in)
	}
	// The second one is verified before the first is counted.
	w.Replay = &interrupted{w.Replay, func() {
		if err := w.Approve(t.Context(), alice, confirmations[0]); err != nil {
			t.Error(err)
		}
	}}
	err = w.Approve(t.Context(), alice, confirmations[1])
	if !errors.Is(err, api.ErrUserVerification) || w.active(waiting[1].ID) ||
		!w.active(waiting[0].ID) {
		t.Errorf("a copy confirms: %v", err)
	}
	w.Verification = signer.VerificationOff
	if err := w.approve(alice, waiting[1].ID, first); err != nil {
		t.Errorf("without verification: %v", err)
	}
}

// interrupted runs a function before its first use.
type interrupted struct {
	signer.Replay
	before func()
}

func (i *interrupted) Use(
	ctx context.Context, namespace, id string, until time.Time,
) (first bool, err error) {
	if before := i.before; before != nil {
		i.before = nil
		before()
	}
	return i.Replay.Use(ctx, namespace, id, until)
}
