// Package signertest is a WebAuthn authenticator in software, with the browser that asks it. Tests
// can change everything that it answers.
package signertest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
)

// The flags of authenticator data (WebAuthn Level 3, section 6.1).
const (
	Present  = 1 << 0
	Verified = 1 << 2
	Eligible = 1 << 3 // for backup
	BackedUp = 1 << 4
	attested = 1 << 6
)

// Model is the AAGUID of a [Device].
var Model = []byte("software devices")

// Device is an authenticator with one credential. A copy of it has a copy of the credential.
type Device struct {
	t      testing.TB
	Origin string // of the page that its browser is at
	Key    *ecdsa.PrivateKey
	ID     []byte // of the credential
	Backup bool   // the credential is on other devices of the person, too
}

// New returns a device with a new credential.
func New(t testing.TB, origin string) Device {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	id := make([]byte, 16)
	rand.Read(id)
	return Device{t: t, Origin: origin, Key: key, ID: id}
}

// Ceremony is what a device and its browser answer to a challenge, with everything that an attacker
// can change.
type Ceremony struct {
	Kind, Origin, RPID, Challenge string
	Top                           string // topOrigin; "" is none
	Cross                         bool   // crossOrigin
	Flags                         byte
	Counter                       uint32
	ID, Handle                    []byte
	Key                           *ecdsa.PrivateKey // that signs
	Response                      func(map[string]any)
}

// The kinds of ceremonies.
const (
	Create = "webauthn.create"
	Get    = "webauthn.get"
)

// Text is base64url.
func Text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// Counter makes a device answer with a counter.
func Counter(n uint32) func(*Ceremony) { return func(c *Ceremony) { c.Counter = n } }

// Answer is the JSON of the answer to a ceremony whose challenge is the SHA-256 of message.
func (d Device) Answer(kind string, message []byte, edits ...func(*Ceremony)) []byte {
	d.t.Helper()
	site, err := url.Parse(d.Origin)
	if err != nil {
		d.t.Fatal(err)
	}
	digest := sha256.Sum256(message)
	c := Ceremony{
		Kind: kind, Origin: d.Origin, RPID: site.Hostname(), Challenge: Text(digest[:]),
		Flags: Present | Verified, ID: d.ID, Key: d.Key,
	}
	if d.Backup {
		c.Flags |= Eligible | BackedUp
	}
	for _, edit := range edits {
		edit(&c)
	}
	client := map[string]any{
		"type": c.Kind, "challenge": c.Challenge, "origin": c.Origin, "crossOrigin": c.Cross,
	}
	if c.Top != "" {
		client["topOrigin"] = c.Top
	}
	clientData, err := json.Marshal(client)
	if err != nil {
		d.t.Fatal(err)
	}
	rp := sha256.Sum256([]byte(c.RPID))
	data := append(rp[:], c.Flags)
	data = binary.BigEndian.AppendUint32(data, c.Counter)
	response := map[string]any{"clientDataJSON": Text(clientData)}
	if kind == Create {
		data[32] |= attested
		data = append(data, Model...)
		data = binary.BigEndian.AppendUint16(data, uint16(len(c.ID)))
		data = append(append(data, c.ID...), d.cose()...)
		// {"fmt": "none", "attStmt": {}, "authData": data} in CBOR
		object := append([]byte("\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"),
			byte(len(data)>>8), byte(len(data)))
		response["attestationObject"] = Text(append(object, data...))
	} else {
		hash := sha256.Sum256(clientData)
		digest := sha256.Sum256(append(append([]byte{}, data...), hash[:]...))
		signature, err := ecdsa.SignASN1(rand.Reader, c.Key, digest[:])
		if err != nil {
			d.t.Fatal(err)
		}
		response["authenticatorData"], response["signature"] = Text(data), Text(signature)
		if c.Handle != nil {
			response["userHandle"] = Text(c.Handle)
		}
	}
	if c.Response != nil {
		c.Response(response)
	}
	b, err := json.Marshal(map[string]any{
		"id": Text(c.ID), "rawId": Text(c.ID), "type": "public-key", "response": response,
		"clientExtensionResults": map[string]any{},
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

// cose is the public key as a COSE_Key: EC2, ES256, P-256 (RFC 9053, section 7.1.1).
func (d Device) cose() []byte {
	point, err := d.Key.PublicKey.Bytes() // 4, x, y
	if err != nil {
		d.t.Fatal(err)
	}
	b := append([]byte{0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32}, point[1:33]...)
	return append(append(b, 0x22, 0x58, 32), point[33:]...)
}

// Forgeries are what an attacker can do to an answer of a device, other than to answer another
// challenge.
var Forgeries = map[string]func(*Ceremony){
	"another challenge":               func(c *Ceremony) { c.Challenge = Text(make([]byte, 32)) },
	"no challenge":                    func(c *Ceremony) { c.Challenge = "" },
	"a challenge with something more": func(c *Ceremony) { c.Challenge += "AA" },
	"another site":                    func(c *Ceremony) { c.Origin = "https://evil.example" },
	"another port":                    func(c *Ceremony) { c.Origin += "1" },
	"another scheme":                  func(c *Ceremony) { c.Origin = swap(c.Origin, "https:", "http:") },
	"a host below":                    func(c *Ceremony) { c.Origin = swap(c.Origin, "https://", "https://a.") },
	"an origin that begins so":        func(c *Ceremony) { c.Origin += ".evil.example" },
	"no origin":                       func(c *Ceremony) { c.Origin = "" },
	"the origin null":                 func(c *Ceremony) { c.Origin = "null" },
	"a frame of another site": func(c *Ceremony) {
		c.Cross, c.Top = true, "https://evil.example"
	},
	"a frame that names no site":   func(c *Ceremony) { c.Cross = true },
	"another relying party":        func(c *Ceremony) { c.RPID = "example" },
	"a relying party below":        func(c *Ceremony) { c.RPID = "a." + c.RPID },
	"no user present":              func(c *Ceremony) { c.Flags = Verified },
	"no user verified":             func(c *Ceremony) { c.Flags = Present },
	"no flags":                     func(c *Ceremony) { c.Flags = 0 },
	"backed up but not for backup": func(c *Ceremony) { c.Flags |= BackedUp },
	"another ceremony":             func(c *Ceremony) { c.Kind = swap(c.Kind, Get, Create) },
	"a payment":                    func(c *Ceremony) { c.Kind = "payment.get" },
	"no client data": func(c *Ceremony) {
		c.Response = func(r map[string]any) { delete(r, "clientDataJSON") }
	},
	"client data that is none": func(c *Ceremony) {
		c.Response = func(r map[string]any) { r["clientDataJSON"] = Text([]byte("{}")) }
	},
}

// swap is s with the prefix that it has of the two replaced by the other one.
func swap(s, a, b string) string {
	if rest, ok := strings.CutPrefix(s, a); ok {
		return b + rest
	}
	return a + strings.TrimPrefix(s, b)
}
