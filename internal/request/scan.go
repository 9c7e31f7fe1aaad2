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

// The session's id is what lets a phone take part, and no QR code ever carries it. The code carries
// a value that changes every second; a device gets the id for a value that is still fresh. So a
// picture of the code that is sent on to a victim is worth nothing when it arrives, and there is no
// other way in that could forget to ask: Challenge, Approve and Reject need the id.
const (
	codeStep = time.Second
	// honoured besides the present one: the time to read a code and to send what it says
	codesOnTrust = 2
	// honoured of the time to come: what another node has shown, whose clock is ahead
	codesAhead = 2
	codeBytes  = 12 // of the MAC: too many to guess in a session
)

// ErrStaleCode refuses a scanned value that is not, or no longer, honoured.
var ErrStaleCode = errors.New("sign: the scanned code is not a fresh one")

// Code is the value that the QR code of the present session carries, and how long it is the newest
// one.
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

// Scan lets in a device that has read the QR code: it returns the request with its session if value
// is fresh, else [ErrStaleCode]. Who holds the device is judged later, when it asks what to sign.
func (s *Service) Scan(ctx context.Context, id, value string) (*Request, error) {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if c := table[ActApprove][r.State]; c.refuse != nil {
		return nil, c.refuse
	}
	newest := s.step(s.sharedNow()) + codesAhead
	for back := range int64(codesAhead + 1 + codesOnTrust) {
		if equal(r.codeAt(newest-back), value) {
			return r, nil
		}
	}
	return nil, ErrStaleCode
}

// OpenHere lets in the browser in which the signer is logged in: the portal's own device needs no
// code. It returns the request with its session.
func (s *Service) OpenHere(ctx context.Context, id string, p signer.Person) (*Request, error) {
	r, err := s.view(ctx, id, p)
	if err != nil {
		return nil, err
	}
	if c := table[ActApprove][r.State]; c.refuse != nil {
		return nil, c.refuse
	}
	return r, nil
}

// sharedNow is the time by the clock that all nodes share, as far as this node knows it.
func (s *Service) sharedNow() time.Time {
	if s.ClockOffset == nil {
		return s.now()
	}
	return s.now().Add(-s.ClockOffset())
}

// step numbers the values of a session's code; a static code has one.
func (s *Service) step(now time.Time) int64 {
	if s.StaticCode {
		return 0
	}
	return now.UnixNano() / int64(codeStep)
}

// codeAt is the code's value of one step: a MAC under the session's id, which only we know.
func (r *Request) codeAt(step int64) string {
	m := hmac.New(sha256.New, []byte(r.Session.ID))
	fmt.Fprintf(m, "signet session code\n%s\n%d", r.ID, step)
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:codeBytes])
}
