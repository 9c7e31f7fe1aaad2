package signer

import (
	"context"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/pades/cms"
)

// Service enrols phones and looks them up.
type Service struct {
	Store     Store
	Authority *ca.Authority
	// ChallengeSecrets returns secrets of 32 bytes that authenticate challenges: the one to use
	// first, then others that are accepted.
	ChallengeSecrets func() [][]byte
	Replay           Replay        // records the challenges that were answered
	Delay            time.Duration // of further phones, without an approval, and of removals
	Limit            int           // of a person's phones that can sign or wait; 0: none
	Verifier         *Verifier     // nil: no phone verifies its owner
	Verification     Verification  // off without a Verifier
	Now              func() time.Time
	Rand             io.Reader
	Log              *slog.Logger
}

// Replay records that a value was used, on all nodes and across restarts. Package store implements
// it with the record of used tokens (package token, Replay).
type Replay interface {
	// Use records id in namespace at least until the given time. first is false if it was recorded
	// before.
	Use(ctx context.Context, namespace, id string, until time.Time) (first bool, err error)
}

// replayNamespace is the namespace of used challenges. It contains a space, so it is not the client
// id of a relying party.
const replayNamespace = "enrolment challenges"

// challengeLifetime is how long a phone may take to answer a challenge.
const challengeLifetime = 5 * time.Minute

// challengePrefix begins every enrolment challenge, so that a signature for enrolment cannot be
// used as an approval, which signs DER, nor an approval for enrolment.
const challengePrefix = "signet enrolment v1\n"

// challengeLen is the length of a challenge after its prefix.
const challengeLen = 8 + 16 + sha256.Size

// Challenge returns bytes that p's new key has to sign: prefix, end (Unix seconds, 8 bytes), 16
// random bytes, and a MAC that binds them to p.
func (s *Service) Challenge(p Person) ([]byte, error) { return s.challenge(challengePrefix, p) }

// challenge returns a challenge that begins with a prefix, which says what it is for.
func (s *Service) challenge(prefix string, p Person) ([]byte, error) {
	b := make([]byte, 0, len(prefix)+challengeLen)
	b = append(b, prefix...)
	b = binary.BigEndian.AppendUint64(b, uint64(s.Now().Add(challengeLifetime).Unix()))
	b = b[:len(b)+16]
	if _, err := io.ReadFull(s.Rand, b[len(b)-16:]); err != nil {
		return nil, err
	}
	return append(b, mac(s.ChallengeSecrets()[0], p, b)...), nil
}

func mac(secret []byte, p Person, body []byte) []byte {
	m := hmac.New(sha256.New, secret)
	fmt.Fprintf(m, "%s\n", p.UIN)
	m.Write(body)
	return m.Sum(nil)
}

// checkChallenge checks that a challenge was made for p, with this prefix, and has not ended.
func (s *Service) checkChallenge(prefix string, p Person, challenge []byte) error {
	if len(challenge) != len(prefix)+challengeLen || !strings.HasPrefix(string(challenge), prefix) {
		return errors.New("the challenge has not the form of one")
	}
	body, sum := challenge[:len(challenge)-sha256.Size], challenge[len(challenge)-sha256.Size:]
	if !slices.ContainsFunc(s.ChallengeSecrets(), func(secret []byte) bool {
		return hmac.Equal(sum, mac(secret, p, body))
	}) {
		return errors.New("the challenge was not made for this person")
	}
	if end := binary.BigEndian.Uint64(body[len(prefix):]); s.Now().Unix() > int64(end) {
		return errors.New("the challenge is too old")
	}
	return nil
}

// use records that a challenge was answered. The error is [api.ErrSignatureInvalid] if it was
// answered before.
func (s *Service) use(ctx context.Context, challenge []byte) error {
	mac := base64.RawURLEncoding.EncodeToString(challenge[len(challenge)-sha256.Size:])
	first, err := s.Replay.Use(ctx, replayNamespace, mac, s.Now().Add(challengeLifetime))
	if err != nil {
		return fmt.Errorf("recording a challenge: %w", err)
	}
	if !first {
		return api.ErrSignatureInvalid.Because("the challenge was answered before")
	}
	return nil
}

// checkSignature checks that signature, raw r||s or DER, is the key's with ECDSA and SHA-256 over
// a message.
func checkSignature(pub *ecdsa.PublicKey, message, signature []byte) error {
	der, err := cms.ECDSAToDER(pub, signature)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(message)
	if !ecdsa.VerifyASN1(pub, digest[:], der) {
		return errors.New("the signature does not verify")
	}
	return nil
}

// Enrolment is a phone's answer to a challenge.
type Enrolment struct {
	Name      string
	Key       *ecdsa.PublicKey
	Challenge []byte // of [Service.Challenge]
	Proof     []byte // the key's ECDSA/SHA-256 signature over Challenge, raw r||s or DER

	// The JSON of a WebAuthn registration whose challenge and user handle are the SHA-256 of
	// Challenge; nil: the device cannot verify its owner.
	Credential []byte
}

// Enrol certifies the key of a phone for p, who is logged in. The proof of possession is that of
// RFC 4211, section 4.1. The error is [api.ErrSignatureInvalid] if the proof is wrong, or if the
// challenge is wrong, expired or used before; and [api.ErrUserVerification] if the credential is
// not of a verified owner.
//
// A person's first phone can sign at once. Each further phone waits for [Service.Approve] or for
// the end of the delay, also when the others were removed, because a login is enough to remove
// them. The error is [api.ErrTooManyPhones] if the person has as many phones as the limit.
func (s *Service) Enrol(ctx context.Context, p Person, in Enrolment) (Phone, error) {
	name, err := checkName(in.Name)
	if err != nil {
		return Phone{}, err
	}
	err = s.checkChallenge(challengePrefix, p, in.Challenge)
	if err == nil {
		err = checkSignature(in.Key, in.Challenge, in.Proof)
	}
	if err != nil {
		return Phone{}, api.ErrSignatureInvalid.Because("%w", err)
	}
	var credential *Credential
	if in.Credential != nil && s.Verifier != nil {
		if credential, err = s.Verifier.register(in.Challenge, in.Credential); err != nil {
			return Phone{}, api.ErrUserVerification.Because("%w", err)
		}
	}
	if err := s.use(ctx, in.Challenge); err != nil {
		return Phone{}, err
	}
	cert, err := s.Authority.IssueSigner(ca.Subject{UIN: p.UIN, Name: p.Name}, in.Key)
	if err != nil {
		return Phone{}, fmt.Errorf("certifying the phone's key: %w", err)
	}
	id, err := uuid.NewRandomFromReader(s.Rand)
	if err != nil {
		return Phone{}, err
	}
	phone := Phone{
		ID: id.String(), UIN: p.UIN, Name: name, Credential: credential,
		Certificate: cert.Raw, Serial: Serial(cert), EnrolledAt: s.now(),
	}
	err = s.change(
		ctx,
		p,
		func(phones []Phone, now time.Time) (changed []Phone, _ []Event, _ error) {
			if s.Limit > 0 && count(phones, now) >= s.Limit {
				return nil, nil, api.ErrTooManyPhones
			}
			e := Event{PhoneID: phone.ID, At: now, Kind: EventEnrolled, Detail: Detail{Name: name}}
			phone.ActiveAt = phone.EnrolledAt
			if len(phones) > 0 && s.Delay > 0 {
				phone.ActiveAt = phone.EnrolledAt.Add(s.Delay)
				e.Detail.ActiveAt = phone.ActiveAt
			}
			return []Phone{phone}, []Event{e}, nil
		},
	)
	return phone, err
}

// now returns the time in the precision of the store.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// count returns the number of phones that can sign, or will be able to.
func count(phones []Phone, now time.Time) (n int) {
	for _, p := range phones {
		cert, err := x509.ParseCertificate(p.Certificate)
		if !p.Revoked(now) && (err != nil || now.Before(cert.NotAfter)) {
			n++
		}
	}
	return n
}

// Serial returns a certificate's serial number in the form in which it is stored.
func Serial(c *x509.Certificate) string { return c.SerialNumber.Text(16) }

// longestName is the length limit of a phone's name in characters. Pages accept shorter names only;
// 60 Tamil letters have 180 bytes.
const longestName = 100

// checkName returns a phone's name in a form that is safe to show.
func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	switch {
	case name == "":
		return "Phone", nil
	case !utf8.ValidString(name), utf8.RuneCountInString(name) > longestName,
		strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return "", api.ErrClientSide(
			fmt.Sprintf(
				"The phone's name must be at most %d characters of plain text", longestName,
			),
		)
	}
	return name, nil
}

// Status returns the status of a signer's certificate. With it, Service implements
// [ca.Revocations].
func (s *Service) Status(ctx context.Context, serial *big.Int) (ca.Status, error) {
	phone, err := s.Store.PhoneBySerial(ctx, serial.Text(16))
	if errors.Is(err, ErrNoPhone) {
		return ca.Status{}, nil
	}
	if err != nil {
		return ca.Status{}, err
	}
	if phone.Waiting(s.Now()) { // its certificate was not published
		return ca.Status{}, nil
	}
	cert, err := x509.ParseCertificate(phone.Certificate)
	if err != nil {
		return ca.Status{}, err
	}
	status := ca.Status{Known: true, Issuer: cert.AuthorityKeyId}
	if phone.Revoked(s.Now()) {
		status.RevokedAt, status.Reason = phone.RevokedAt, phone.RevokedReason
	}
	return status, nil
}

// Revoked returns the certificates of all revoked phones.
func (s *Service) Revoked(ctx context.Context) ([]ca.Revoked, error) {
	phones, err := s.Store.RevokedPhones(ctx)
	if err != nil {
		return nil, err
	}
	now := s.Now()
	phones = slices.DeleteFunc(phones, func(p Phone) bool { return !p.Revoked(now) })
	list := make([]ca.Revoked, len(phones))
	for i, p := range phones {
		cert, err := x509.ParseCertificate(p.Certificate)
		if err != nil {
			return nil, err
		}
		list[i] = ca.Revoked{
			Serial: cert.SerialNumber, At: p.RevokedAt, Reason: p.RevokedReason,
			Issuer: cert.AuthorityKeyId,
		}
	}
	return list, nil
}

// reasonKeyCompromise is the CRLReason of a phone that its owner removed (RFC 5280, section 5.3.1).
// A lost phone may be used by another person.
const reasonKeyCompromise = 1

// Evidence collects the proofs that certificates of this authority are valid now. With it, Service
// implements pades.EvidenceSource.
func (s *Service) Evidence(
	ctx context.Context, certs []*x509.Certificate,
) (responses, crls [][]byte, err error) {
	return s.Authority.Evidence(ctx, certs, s)
}
