package request

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/signet-sign/signet/internal/signer"
)

// A phone that takes part in a session presents the session's id, which no QR code contains. The
// code contains a value that changes every second, and a device gets the id in exchange for a fresh
// value. So a forwarded picture of the code is useless when it arrives. No operation can omit this
// check, because Challenge, Approve and Reject require the id.
const (
	codeStep = time.Second
	// accepted before the present one: the time to read a code and send its value
	codesOnTrust = 2
	// accepted after the present one: shown by another node whose clock is ahead
	codesAhead = 2
	codeBytes  = 12 // of the MAC: too many to guess in a session
)

// ErrStaleCode is the error for a scanned value that is not accepted, or no longer.
var ErrStaleCode = errors.New("the scanned code is not a fresh one")

// Code returns the value for the QR code of the present session, and how long it is the newest one.
func (s *Service) Code(
	ctx context.Context, id string, p signer.Person,
) (value string, fresh time.Duration, err error) {
	r, err := s.OpenHere(ctx, id, p)
	if err != nil {
		return "", 0, err
	}
	now := s.sharedNow()
	return r.codeAt(s.step(now)), now.Truncate(codeStep).Add(codeStep).Sub(now), nil
}

// Scan admits a device that has read the QR code. It returns the request with its session if value
// is fresh, and [ErrStaleCode] otherwise. Challenge checks later who uses the device.
func (s *Service) Scan(ctx context.Context, id, value string) (*Request, error) {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if err := r.refusal(ActApprove); err != nil {
		return nil, err
	}
	newest := s.step(s.sharedNow()) + codesAhead
	for back := range int64(codesAhead + 1 + codesOnTrust) {
		if equal(r.codeAt(newest-back), value) {
			return r, nil
		}
	}
	return nil, ErrStaleCode
}

// OpenHere admits the browser in which the signer is logged in to the portal, without a code. It
// returns the request with its session.
func (s *Service) OpenHere(ctx context.Context, id string, p signer.Person) (*Request, error) {
	r, err := s.view(ctx, id, p)
	if err != nil {
		return nil, err
	}
	return r, r.refusal(ActApprove)
}

// sharedNow returns the time of the clock that all nodes share, as far as this node knows it.
func (s *Service) sharedNow() time.Time {
	if s.ClockOffset == nil {
		return s.now()
	}
	return s.now().Add(-s.ClockOffset())
}

// step returns the number of the present value of a code. A static code has one.
func (s *Service) step(now time.Time) int64 {
	if s.StaticCode {
		return 0
	}
	return now.UnixNano() / int64(codeStep)
}

// codeAt returns the code's value of one step: a MAC with the session's id as key, which is secret.
func (r *Request) codeAt(step int64) string {
	m := hmac.New(sha256.New, []byte(r.Session.ID))
	fmt.Fprintf(m, "signet session code\n%s\n%d", r.ID, step)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:codeBytes])
}
