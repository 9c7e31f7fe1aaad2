package request

import (
	"context"
	"crypto/rand"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// Seen is where the signer says to have seen every page of the document.
type Seen string

// The places. A page of the portal asks for it if the relying party requires it.
const (
	SeenUnasked   Seen = ""
	SeenViewer    Seen = "viewer"    // in the viewer, which showed each page
	SeenElsewhere Seen = "elsewhere" // in another window, as the signer declares
)

// Proceed starts a sign session after the signer pressed Proceed to Sign. A QR code may then be
// shown ([Service.Code]), and the relying party cannot cancel until the session ends. Proceeding
// again starts a new session, and the old QR code stops working. After the request's own end, the
// new session ends when the old one would have.
func (s *Service) Proceed(
	ctx context.Context, id string, p signer.Person, seen Seen,
) (*Request, error) {
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	code, err := rand.Int(s.Rand, big.NewInt(10_000))
	if err != nil {
		return nil, err
	}
	lifetime, err := s.sessionLifetime(ctx, id, p, secret)
	if err != nil {
		return nil, err
	}
	var session *Request
	err = s.update(ctx, id, func(r *Request, now time.Time) (e Effects, err error) {
		c, err := r.actBy(p, ActProceed)
		if err != nil {
			return e, err
		}
		ends := now.Add(lifetime)
		if r.State.InSession() && !now.Before(r.ExpiresAt) {
			// A session may outlast the request, once. Starting again must not prevent a cancel for
			// ever.
			ends = r.Session.EndsAt
		}
		r.State, r.Outcome = c.to, ""
		r.Session = &Session{
			ID:        secret,
			StartedAt: now,
			EndsAt:    ends,
			MatchCode: fmt.Sprintf("%04d", code),
		}
		detail := authDetail(p)
		detail.EndsAt = r.Session.EndsAt.Format(time.RFC3339)
		detail.Seen = string(seen)
		detail.WarnedOf = strings.Join(r.Warnings, ", ")
		e.record(now, EventProceeded, detail)
		session = r.Clone()
		return e, nil
	})
	return session, err
}

// sessionLifetime returns how long a new session lasts.
func (s *Service) sessionLifetime(
	ctx context.Context, id string, p signer.Person, sessionID string,
) (time.Duration, error) {
	if s.Hang == nil {
		return s.SessionLifetime, nil
	}
	r, err := s.Get(ctx, id)
	if err != nil {
		return 0, err
	}
	if _, err := r.actBy(p, ActProceed); err != nil {
		return 0, err
	}
	return max(s.SessionLifetime, s.Hang(r, sessionID)), nil
}

// Leave ends the session because the signer leaves the QR page.
func (s *Service) Leave(ctx context.Context, id string, p signer.Person) error {
	return s.update(ctx, id, func(r *Request, now time.Time) (Effects, error) {
		if _, err := r.actBy(p, ActLeave); err != nil {
			return Effects{}, err
		}
		return r.endSession(ActLeave, OutcomeLeft, now), nil
	})
}
