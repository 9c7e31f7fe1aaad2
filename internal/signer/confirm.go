package signer

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/api"
)

// Act is what a phone does for another phone of its person, or for itself.
type Act string

// The acts. Each is in the prefix of its challenges.
const (
	ActApprove Act = "approval" // end the wait of a phone
	ActRemove  Act = "removal"  // revoke a phone
)

// Confirmation is the answer of a phone of a person to a challenge of [Service.AskConfirmation].
type Confirmation struct {
	PhoneID   string // the phone that waits, or is removed
	By        string // the phone that confirms
	Challenge []byte
	Proof     []byte // the ECDSA/SHA-256 signature of By's key over Challenge, raw r||s or DER

	// The JSON of a WebAuthn assertion whose challenge is the SHA-256 of Challenge; nil: none.
	Assertion []byte
}

// confirmationPrefix begins a challenge for an act. Neither DER nor an enrolment challenge begins
// with it.
func confirmationPrefix(act Act, phoneID, by string) string {
	return "signet phone " + string(act) + " v2\n" + phoneID + "\n" + by + "\n"
}

// AskConfirmation returns bytes that the key of p's phone by has to sign to do something for p's
// phone phoneID: "signet phone ", act, " v2", a line feed, phoneID, a line feed, by, a line feed,
// end (Unix seconds, 8 bytes), 16 random bytes, and a MAC that binds them to p. They are good for
// one answer within 5 minutes. credential is the id of the WebAuthn credential of which an
// assertion is needed; nil: none. The errors are those of [Service.Approve].
func (s *Service) AskConfirmation(
	ctx context.Context, p Person, act Act, phoneID, by string,
) (challenge, credential []byte, err error) {
	phones, err := s.Store.Phones(ctx, p.UIN)
	if err != nil {
		return nil, nil, err
	}
	_, approver, err := confirming(phones, s.now(), phoneID, by)
	if err != nil {
		return nil, nil, err
	}
	if s.Verifies(approver) {
		if approver.Credential == nil {
			return nil, nil, api.ErrUserVerification.Because("%w", errNoCredential)
		}
		credential = approver.Credential.ID
	}
	challenge, err = s.challenge(confirmationPrefix(act, phoneID, by), p)
	return challenge, credential, err
}

// confirming returns the phone that something is done for, and the one that confirms it, which has
// to be able to sign.
func confirming(
	phones []Phone, now time.Time, phoneID, by string,
) (phone, approver Phone, _ error) {
	phone, ok := find(phones, phoneID)
	if !ok || phone.Revoked(now) {
		return phone, approver, ErrNoPhone
	}
	approver, ok = find(phones, by)
	if !ok || !approver.Active(now) {
		return phone, approver, api.ErrSignatureInvalid.Because("the approving phone cannot sign")
	}
	return phone, approver, nil
}

// Approve ends the wait of a phone of p. A login alone is not enough. The error is [ErrNoPhone] if
// p has no such phone or it is revoked; [api.ErrSignatureInvalid] if the challenge or the proof is
// wrong, was used or is too old, or if the confirming phone waits itself or was revoked; and
// [api.ErrUserVerification] if that phone verifies its owner (see [Service.Verifies]) and the
// assertion is wrong. The key of a phone whose certificate has ended may approve its successor.
func (s *Service) Approve(ctx context.Context, p Person, in Confirmation) error {
	return s.confirmed(ctx, p, ActApprove, in, func(phone *Phone, now time.Time) EventKind {
		if !phone.Waiting(now) {
			return ""
		}
		phone.ActiveAt = now
		return EventApproved
	})
}

// Remove revokes a phone of p at once, also one whose removal waits. A phone may remove itself. The
// errors are those of [Service.Approve].
func (s *Service) Remove(ctx context.Context, p Person, in Confirmation) error {
	return s.confirmed(ctx, p, ActRemove, in, func(phone *Phone, now time.Time) EventKind {
		kind := EventRemoved
		if phone.Waiting(now) {
			kind = EventStopped
		}
		phone.RevokedAt, phone.RevokedReason = now, reasonKeyCompromise
		return kind
	})
}

// confirmed checks a confirmation, and makes the change that it confirms. change returns the kind
// of the event, or "" if there is nothing to change.
func (s *Service) confirmed(
	ctx context.Context, p Person, act Act, in Confirmation,
	change func(phone *Phone, now time.Time) EventKind,
) error {
	phones, err := s.Store.Phones(ctx, p.UIN)
	if err != nil {
		return err
	}
	_, approver, err := confirming(phones, s.now(), in.PhoneID, in.By)
	if err != nil {
		return err
	}
	err = s.checkChallenge(confirmationPrefix(act, in.PhoneID, in.By), p, in.Challenge)
	if err == nil {
		err = approver.checkProof(in.Challenge, in.Proof)
	}
	if err != nil {
		return api.ErrSignatureInvalid.Because("%w", err)
	}
	detail := Detail{By: in.By}
	var assertion Assertion
	if s.Verifies(approver) {
		if assertion, err = s.Verifier.Verify(approver, in.Challenge, in.Assertion); err != nil {
			return err
		}
		assertion.Message = in.Challenge
		if detail.Assertion, err = assertion.JSON(); err != nil {
			return err
		}
		detail.UserVerified, detail.Authenticator = VerifiedByWebAuthn, assertion.AAGUID
	}
	if err := s.use(ctx, in.Challenge); err != nil {
		return err
	}
	return s.change(ctx, p, func(
		phones []Phone, now time.Time,
	) (changed []Phone, events []Event, _ error) {
		phone, approver, err := confirming(phones, now, in.PhoneID, in.By)
		if err != nil {
			return nil, nil, err
		}
		if detail.UserVerified != "" { // without an assertion there is no counter
			if err := approver.count(assertion); err != nil {
				return nil, nil, err
			}
		}
		if phone.ID == approver.ID {
			phone = approver
		} else {
			changed = append(changed, approver)
		}
		if kind := change(&phone, now); kind != "" {
			events = []Event{{PhoneID: phone.ID, At: now, Kind: kind, Detail: detail}}
		}
		return append(changed, phone), events, nil
	})
}

// checkProof checks the phone's signature over a message.
func (p Phone) checkProof(message, proof []byte) error {
	cert, err := x509.ParseCertificate(p.Certificate)
	if err != nil {
		return err
	}
	pub, ok := cert.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return fmt.Errorf("the approving phone's key is a %T", cert.PublicKey)
	}
	return checkSignature(pub, message, proof)
}

var errNoCredential = errors.New("the phone has no credential")
