package signer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
)

// Verification is whether phones verify the person who holds them for each signature, and for what
// they confirm for other phones.
type Verification string

const (
	VerificationRequired  Verification = "required"  // phones that cannot do not sign
	VerificationPreferred Verification = "preferred" // phones that could when they were enrolled
	VerificationOff       Verification = "off"
)

// Credential is a WebAuthn credential of the device that a phone is: it shows that the person who
// holds the device has unlocked it, by fingerprint, face or PIN, for one signature.
type Credential struct {
	ID             []byte
	PublicKey      []byte // COSE_Key (RFC 9052)
	Handle         []byte // the user handle, 32 bytes
	AAGUID         []byte // the model of the authenticator, or zeros
	Counter        uint32 // of the last assertion; 0 if the authenticator does not count
	BackupEligible bool   // the credential may be on other devices of the person
}

// Verifier verifies the people who hold phones, with WebAuthn Level 3.
type Verifier struct {
	w *webauthn.WebAuthn
}

// NewVerifier returns a verifier for pages below publicURL. The host must be a name: browsers have
// no credentials for addresses.
func NewVerifier(publicURL string) (*Verifier, error) {
	u, err := url.Parse(publicURL)
	if err != nil {
		return nil, err
	}
	w, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: "Signet", RPOrigins: []string{u.Scheme + "://" + u.Host},
	})
	if err != nil {
		return nil, err
	}
	return &Verifier{w}, nil
}

// owner is the one user of a ceremony.
type owner struct {
	handle      []byte
	credentials []webauthn.Credential
}

func (o owner) WebAuthnID() []byte                         { return o.handle }
func (o owner) WebAuthnName() string                       { return "" }
func (o owner) WebAuthnDisplayName() string                { return "" }
func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.credentials }

// session is a ceremony whose challenge is the digest of message.
func session(message []byte, handle []byte, allowed ...[]byte) webauthn.SessionData {
	digest := sha256.Sum256(message)
	return webauthn.SessionData{
		Challenge: base64.RawURLEncoding.EncodeToString(digest[:]), UserID: handle,
		AllowedCredentialIDs: allowed, UserVerification: protocol.VerificationRequired,
		CredParams: webauthn.CredentialParametersDefault(),
	}
}

// register checks a new credential: response is the JSON of the registration, whose challenge and
// user handle are the SHA-256 of the enrolment challenge, and which verified the user.
func (v *Verifier) register(challenge, response []byte) (*Credential, error) {
	parsed, err := protocol.ParseCredentialCreationResponseBytes(response)
	if err != nil {
		return nil, reason(err)
	}
	handle := sha256.Sum256(challenge)
	c, err := v.w.CreateCredential(owner{handle: handle[:]}, session(challenge, handle[:]), parsed)
	if err != nil {
		return nil, reason(err)
	}
	return &Credential{
		ID: c.ID, PublicKey: c.PublicKey, Handle: handle[:], AAGUID: c.Authenticator.AAGUID,
		Counter: c.Authenticator.SignCount, BackupEligible: c.Flags.BackupEligible,
	}, nil
}

// Verifies reports whether what the phone signs needs an assertion.
func (s *Service) Verifies(phone Phone) bool {
	return s.Verification == VerificationRequired ||
		s.Verification == VerificationPreferred && phone.Credential != nil
}

// VerifiedByWebAuthn is how a trail says that an assertion was verified.
const VerifiedByWebAuthn = "webauthn"

// Assertion is a verified assertion, with which anyone can verify it again.
type Assertion struct {
	AAGUID    string // UUID of the authenticator's model
	Counter   uint32
	PublicKey []byte // COSE_Key

	// The bytes that the authenticator signed, and its signature (WebAuthn, section 6.3.3). The
	// challenge in ClientData is the SHA-256 of the message.
	AuthenticatorData, ClientData, Signature []byte

	// Message is the challenge of a confirmation; nil if the message is in the signed document.
	Message []byte
}

// Verify checks that the person who holds the phone was verified for exactly this message, the DER
// of the CMS signed attributes or the challenge of a confirmation: response is the JSON of the
// assertion, whose challenge is the message's SHA-256. The error is [api.ErrUserVerification] for
// anything else: another message, origin or credential, no user verification, or a counter that
// does not count, which a copy of the credential shows.
func (v *Verifier) Verify(phone Phone, message, response []byte) (Assertion, error) {
	refuse := func(err error) (Assertion, error) {
		return Assertion{}, api.ErrUserVerification.Because("%w", err)
	}
	c := phone.Credential
	if c == nil {
		return refuse(errNoCredential)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(response)
	if err != nil {
		return refuse(reason(err))
	}
	known := webauthn.Credential{
		ID: c.ID, PublicKey: c.PublicKey, Flags: webauthn.CredentialFlags{
			UserPresent: true, UserVerified: true, BackupEligible: c.BackupEligible,
		},
		Authenticator: webauthn.Authenticator{AAGUID: c.AAGUID, SignCount: c.Counter},
	}
	user := owner{c.Handle, []webauthn.Credential{known}}
	used, err := v.w.ValidateLogin(user, session(message, c.Handle, c.ID), parsed)
	if err != nil {
		return refuse(reason(err))
	}
	if used.Authenticator.CloneWarning {
		return refuse(errCopied)
	}
	a := Assertion{
		Counter: used.Authenticator.SignCount, PublicKey: c.PublicKey,
		AuthenticatorData: parsed.Raw.AssertionResponse.AuthenticatorData,
		ClientData:        parsed.Raw.AssertionResponse.ClientDataJSON,
		Signature:         parsed.Raw.AssertionResponse.Signature,
	}
	if id, err := uuid.FromBytes(c.AAGUID); err == nil {
		a.AAGUID = id.String()
	}
	return a, nil
}

// reason is what an error of the WebAuthn library says, without the parts for developers.
func reason(err error) error {
	if e := new(protocol.Error); errors.As(err, &e) {
		return fmt.Errorf("%s: %s", e.Details, e.DevInfo)
	}
	return err
}

// Counted keeps the counter of a verified assertion, before what it is for is done. The error is
// [api.ErrUserVerification] if another assertion of the credential had this counter or a higher one
// in the meantime: of two copies of a credential that assert at the same time, one is refused.
func (s *Service) Counted(ctx context.Context, phone Phone, a Assertion) error {
	if a.Counter == 0 {
		return nil
	}
	return s.changeOne(
		ctx, Person{UIN: phone.UIN}, phone.ID,
		func(phone *Phone, _ time.Time) (Event, error) { return Event{}, phone.count(a) },
	)
}

// count takes over the counter of an assertion. A device that does not count sends 0.
func (p *Phone) count(a Assertion) error {
	c := p.Credential
	if c == nil || c.Counter == 0 && a.Counter == 0 {
		return nil
	}
	if a.Counter <= c.Counter {
		return api.ErrUserVerification.Because("%w", errCopied)
	}
	next := *c
	next.Counter = a.Counter
	p.Credential = &next
	return nil
}

// errCopied is the error of an assertion that a copy of the credential may have made.
var errCopied = errors.New("the counter of the credential does not count")

// JSON is the assertion for the trail.
func (a Assertion) JSON() (string, error) {
	text := base64.RawURLEncoding.EncodeToString
	members := map[string]string{
		"authenticator_data": text(a.AuthenticatorData), "client_data": text(a.ClientData),
		"signature": text(a.Signature), "public_key": text(a.PublicKey),
	}
	if a.Message != nil {
		members["message"] = text(a.Message)
	}
	b, err := json.Marshal(members)
	return string(b), err
}
