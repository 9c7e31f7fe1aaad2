package signer_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/signer"
)

// ceremony is what a device and its browser answer to a challenge, with everything that an attacker
// can change. The zero value of a flag is set by [device].
type ceremony struct {
	kind, origin, rpID, challenge string
	top                           string // topOrigin; "" is none
	cross                         bool   // crossOrigin
	flags                         byte
	counter                       uint32
	id, handle                    []byte
	key                           *ecdsa.PrivateKey // that signs
	response                      func(map[string]any)
}

// The flags of authenticator data (WebAuthn Level 3, section 6.1).
const (
	present  = 1 << 0
	verified = 1 << 2
	eligible = 1 << 3 // for backup
	backedUp = 1 << 4
	attested = 1 << 6
)

// device is an authenticator in software, and the browser that asks it.
type device struct {
	t   *testing.T
	key *ecdsa.PrivateKey
	id  []byte
}

func newDevice(t *testing.T) device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return device{t, key, id}
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// answer is the JSON of the answer to a ceremony whose challenge is the SHA-256 of message.
func (d device) answer(kind string, message []byte, edits ...func(*ceremony)) []byte {
	d.t.Helper()
	digest := sha256.Sum256(message)
	c := ceremony{
		kind: kind, origin: "https://sign.example", rpID: "sign.example",
		challenge: text(digest[:]), flags: present | verified, id: d.id, key: d.key,
	}
	for _, edit := range edits {
		edit(&c)
	}
	client := map[string]any{
		"type": c.kind, "challenge": c.challenge, "origin": c.origin, "crossOrigin": c.cross,
	}
	if c.top != "" {
		client["topOrigin"] = c.top
	}
	clientData, err := json.Marshal(client)
	if err != nil {
		d.t.Fatal(err)
	}
	rp := sha256.Sum256([]byte(c.rpID))
	data := append(rp[:], c.flags)
	data = binary.BigEndian.AppendUint32(data, c.counter)
	response := map[string]any{"clientDataJSON": text(clientData)}
	if kind == "webauthn.create" {
		data[32] |= attested
		data = append(data, make([]byte, 16)...) // the model: none
		data = binary.BigEndian.AppendUint16(data, uint16(len(c.id)))
		data = append(append(data, c.id...), d.cose()...)
		// {"fmt": "none", "attStmt": {}, "authData": data} in CBOR
		object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"),
			byte(len(data)>>8), byte(len(data)))
		response["attestationObject"] = text(append(object, data...))
	} else {
		hash := sha256.Sum256(clientData)
		digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
		signature, err := ecdsa.SignASN1(rand.Reader, c.key, digest[:])
		if err != nil {
			d.t.Fatal(err)
		}
		response["authenticatorData"], response["signature"] = text(data), text(signature)
		if c.handle != nil {
			response["userHandle"] = text(c.handle)
		}
	}
	if c.response != nil {
		c.response(response)
	}
	b, err := json.Marshal(map[string]any{
		"id": text(c.id), "rawId": text(c.id), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// cose is the public key as a COSE_Key: EC2, ES256, P-256 (RFC 9053, section 7.1.1).
func (d device) cose() []byte {
	point, err := d.key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		d.t.Fatal(err)
	}
	b := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33]...)
	return append(append(b, 0x22, 0x58, 32), point[33:]...)
}

// enrolWith enrols a phone that registers a credential.
func (w *people) enrolWith(
	p signer.Person, d device, edits ...func(*ceremony),
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
		Credential: d.answer("webauthn.create", challenge, edits...),
	})
	w.keys[phone.ID] = key
	return phone, err
}

// forgeries are what an attacker can do to an answer of a device, other than to answer another
// challenge.
var forgeries = map[string]func(*ceremony){
	"another challenge":               func(c *ceremony) { c.challenge = text(make([]byte, 32)) },
	"no challenge":                    func(c *ceremony) { c.challenge = "" },
	"a challenge with something more": func(c *ceremony) { c.challenge += "AA" },
	"another site":                    func(c *ceremony) { c.origin = "https://evil.example" },
	"another port":                    func(c *ceremony) { c.origin += ":8443" },
	"without TLS":                     func(c *ceremony) { c.origin = "http://sign.example" },
	"a host below":                    func(c *ceremony) { c.origin = "https://a.sign.example" },
	"an origin that begins so":        func(c *ceremony) { c.origin += ".evil.example" },
	"no origin":                       func(c *ceremony) { c.origin = "" },
	"the origin null":                 func(c *ceremony) { c.origin = "null" },
	"a frame of another site":         func(c *ceremony) { c.cross, c.top = true, "https://evil.example" },
	"a frame that names no site":      func(c *ceremony) { c.cross = true },
	"another relying party":           func(c *ceremony) { c.rpID = "example" },
	"no user present":                 func(c *ceremony) { c.flags = verified },
	"no user verified":                func(c *ceremony) { c.flags = present },
	"no flags":                        func(c *ceremony) { c.flags = 0 },
	"backed up but not for backup":    func(c *ceremony) { c.flags |= backedUp },
	"another ceremony": func(c *ceremony) {
		c.kind = map[string]string{
			"webauthn.get": "webauthn.create", "webauthn.create": "webauthn.get",
		}[c.kind]
	},
	"a payment":      func(c *ceremony) { c.kind = "payment.get" },
	"no client data": func(c *ceremony) { c.response = func(r map[string]any) { delete(r, "clientDataJSON") } },
	"client data that is none": func(c *ceremony) {
		c.response = func(r map[string]any) { r["clientDataJSON"] = text([]byte("{}")) }
	},
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
	for name, edit := range forgeries {
		_, err := w.enrolWith(alice, newDevice(t), edit)
		if !errors.Is(err, api.ErrUserVerification) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if phones, err := w.Store.Phones(t.Context(), alice.UIN); err != nil || len(phones) > 0 {
		t.Fatalf("%d phones, %v", len(phones), err)
	}
	phone, err := w.enrolWith(alice, newDevice(t), func(c *ceremony) { c.counter = 7 })
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
	phone, err := w.enrolWith(alice, own, func(c *ceremony) { c.counter = 5 })
	if err != nil {
		t.Fatal(err)
	}
	bobs, err := w.enrolWith(bob, others)
	if err != nil {
		t.Fatal(err)
	}
	message, another := []byte("signed attributes"), []byte("those of another document")
	counted := func(c *ceremony) { c.counter = 6 }
	get := func(d device, message []byte, edits ...func(*ceremony)) []byte {
		return d.answer("webauthn.get", message, append([]func(*ceremony){counted}, edits...)...)
	}
	refuses := func(name string, phone signer.Phone, response []byte) {
		t.Helper()
		_, err := verifier.Verify(phone, message, response)
		if !errors.Is(err, api.ErrUserVerification) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, edit := range forgeries {
		refuses(name, phone, get(own, message, edit))
	}
	for name, edit := range map[string]func(*ceremony){
		"the counter of the last one":      func(c *ceremony) { c.counter = 5 },
		"a counter that goes back":         func(c *ceremony) { c.counter = 4 },
		"a device that counts no more":     func(c *ceremony) { c.counter = 0 },
		"a device that can be backed up":   func(c *ceremony) { c.flags |= eligible },
		"another credential's name":        func(c *ceremony) { c.id = others.id },
		"no credential's name":             func(c *ceremony) { c.id = []byte{} },
		"another credential's key":         func(c *ceremony) { c.key = others.key },
		"the handle of another":            func(c *ceremony) { c.handle = bobs.Credential.Handle },
		"no signature":                     func(c *ceremony) { c.response = func(r map[string]any) { r["signature"] = "" } },
		"authenticator data cut off":       func(c *ceremony) { c.response = func(r map[string]any) { r["authenticatorData"] = "AAAA" } },
		"a flag of extensions without any": func(c *ceremony) { c.flags |= 1 << 7 },
	} {
		refuses(name, phone, get(own, message, edit))
	}
	flipped := get(own, message, func(c *ceremony) {
		c.flags = present
		c.response = func(r map[string]any) {
			data, err := base64.RawURLEncoding.DecodeString(r["authenticatorData"].(string))
			if err != nil {
				t.Fatal(err)
			}
			data[32] |= verified
			r["authenticatorData"] = text(data)
		}
	})
	refuses("the flag set afterwards", phone, flipped)
	refuses("an assertion for another document", phone, get(own, another))
	refuses("another person's assertion", phone, get(others, message))
	refuses("another person's phone", bobs, get(own, message))
	refuses("a phone without a credential", signer.Phone{ID: phone.ID}, get(own, message))
	refuses("the registration", phone, own.answer("webauthn.create", message))
	for _, junk := range []string{"", "null", "{}", "[]", `{"id":"AA"}`, `"x"`} {
		refuses(junk, phone, []byte(junk))
	}

	good := get(own, message)
	a, err := verifier.Verify(phone, message, good)
	if err != nil || a.Counter != 6 {
		t.Fatalf("%+v, %v", a, err)
	}
	if err := w.Counted(t.Context(), phone, a); err != nil {
		t.Fatal(err)
	}
	if phone, err = w.Store.Phone(t.Context(), phone.ID); err != nil {
		t.Fatal(err)
	}
	refuses("the same assertion again", phone, good)
	if _, err := verifier.Verify(phone, message, get(own, message, func(c *ceremony) {
		c.counter, c.handle = 7, phone.Credential.Handle
	})); err != nil {
		t.Errorf("the next one, with its handle: %v", err)
	}
}
