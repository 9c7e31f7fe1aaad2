package control

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// SoftPhones are the phones of personas. They are created and enrolled when first needed. They use
// the same operations as the phone's pages.
type SoftPhones struct {
	Requests *request.Service
	Signers  *signer.Service
	Rand     io.Reader

	// Save keeps the phones, with their private keys, for the next start, which gives them to
	// [SoftPhones.Load]. May be nil. It is called after each change.
	Save func(phones []byte)

	mu     sync.Mutex
	phones map[string]*softPhone
}

type softPhone struct {
	signer.Phone
	key *ecdsa.PrivateKey
}

// of returns the person's enrolled phone.
func (s *SoftPhones) of(ctx context.Context, p signer.Person) (*softPhone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if ph := s.phones[p.UIN]; ph != nil {
		if now, err := s.Signers.Store.Phone(ctx, ph.ID); err == nil &&
			!now.Revoked(s.Signers.Now()) &&
			s.lasts(now) {
			return &softPhone{now, ph.key}, nil
		}
	}
	ph, err := s.enrol(ctx, p)
	// Another call has moved the clock past the end of the challenge. Try again.
	if errors.Is(err, api.ErrSignatureInvalid) {
		ph, err = s.enrol(ctx, p)
	}
	if err != nil {
		return nil, fmt.Errorf("enrolling a software phone: %w", err)
	}
	if s.phones == nil {
		s.phones = map[string]*softPhone{}
	}
	s.phones[p.UIN] = ph
	return ph, s.save()
}

func (s *SoftPhones) enrol(ctx context.Context, p signer.Person) (*softPhone, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), s.Rand)
	if err != nil {
		return nil, err
	}
	challenge, err := s.Signers.Challenge(p)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(challenge)
	proof, err := ecdsa.SignASN1(s.Rand, key, digest[:])
	if err != nil {
		return nil, err
	}
	phone, err := s.Signers.Enrol(ctx, p, signer.Enrolment{
		Name: "Software phone", Key: &key.PublicKey, Challenge: challenge, Proof: proof,
	})
	if err != nil {
		return nil, err
	}
	return &softPhone{phone, key}, nil
}

// lasts reports whether the phone's certificate is valid now and until the end of the longest
// session, and its issuing CA is not revoked. A certificate that was issued before the clock was
// set back is not valid yet.
func (s *SoftPhones) lasts(ph signer.Phone) bool {
	cert, err := x509.ParseCertificate(ph.Certificate)
	now := s.Signers.Now()
	if err != nil || cert.NotBefore.After(now) || !cert.NotAfter.After(now.Add(40*time.Minute)) {
		return false
	}
	_, err = s.Signers.Authority.ChainOf(cert)
	return err == nil
}

// session returns the id of the open session of a request, as the phone gets it from the QR code.
func (s *SoftPhones) session(ctx context.Context, id string) (string, error) {
	r, err := s.Requests.Get(ctx, id)
	if err != nil {
		return "", err
	}
	if r.Session == nil {
		return "", nil // package request refuses the empty session with the right error
	}
	return r.Session.ID, nil
}

// scan returns the open session and the person's phone.
func (s *SoftPhones) scan(
	ctx context.Context, id string, p signer.Person,
) (session string, phone *softPhone, err error) {
	if session, err = s.session(ctx, id); err == nil {
		phone, err = s.of(ctx, p)
	}
	return session, phone, err
}

// Approve scans the QR code, signs and approves. It returns when the signature is accepted.
func (s *SoftPhones) Approve(ctx context.Context, id string, p signer.Person) error {
	session, phone, err := s.scan(ctx, id, p)
	if err != nil {
		return err
	}
	c, err := s.Requests.Challenge(ctx, id, session, phone.Phone)
	if err != nil {
		return err
	}
	digest := sha256.Sum256(c.ToBeSigned)
	signature, err := ecdsa.SignASN1(s.Rand, phone.key, digest[:])
	if err != nil {
		return err
	}
	return s.Requests.Approve(ctx, id, session, phone.Phone, signature, nil)
}

// Reject scans the QR code and rejects.
func (s *SoftPhones) Reject(ctx context.Context, id string, p signer.Person) error {
	session, phone, err := s.scan(ctx, id, p)
	if err != nil {
		return err
	}
	return s.Requests.Reject(ctx, id, session, phone.Phone)
}

// act runs a signer's step by its name.
func (s *SoftPhones) act(ctx context.Context, id string, p signer.Person, do string) error {
	switch do {
	case "open":
		_, err := s.Requests.Open(ctx, id, p)
		return err
	case "proceed":
		_, err := s.Requests.Proceed(ctx, id, p, request.SeenUnasked)
		return err
	case "approve":
		return s.Approve(ctx, id, p)
	case "reject":
		return s.Reject(ctx, id, p)
	case "leave":
		return s.Requests.Leave(ctx, id, p)
	}
	return api.ErrClientSide(`"do" must be open, proceed, approve, reject or leave`)
}
