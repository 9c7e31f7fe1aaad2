package request

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf"
)

// Service is the operations on sign requests, one file each. It keeps no state of requests: any
// number of processes may use one store.
type Service struct {
	Config
	parsing   *turns      // bounds what documents that are being parsed take together
	memo      *pades.Memo // certificates that the gate has seen before
	downloads *downloads  // repeated uses of download links, until they are written down
	phases    *phases
}

// Config is the configuration of a Service. All fields are required unless they say otherwise.
type Config struct {
	Store       Store
	Outbox      Outbox
	Watcher     Watcher
	Documents   Documents
	Timestamper Timestamper
	Revocation  pades.EvidenceSource // revocation data for levels from B-LT
	Level       pades.Level          // of signed documents: B-T, B-LT or B-LTA; 0: B-LTA

	// Chain returns the certificates above a phone's: issuing CA first, root last. The error is
	// [api.ErrPhoneNotEnrolled] if one of them was revoked.
	Chain    func(cert *x509.Certificate) ([]*x509.Certificate, error)
	Roots    *x509.CertPool      // that phones' certificates chain to
	TSARoots *x509.CertPool      // that the Timestamper's tokens chain to
	Known    []*x509.Certificate // complete the chains of an external Timestamper; may be empty

	Now  func() time.Time
	Rand io.Reader

	// Hang, if set, is called when a sign session starts. It returns how long the session lasts at
	// least. Silent, if set, reports whether phones do not answer in a session. Both are a fault of
	// the sandbox.
	Hang   func(r *Request, sessionID string) (least time.Duration)
	Silent func(sessionID string) bool

	// Clocks, if set, are the clocks of single requests, in a sandbox.
	Clocks Clocks

	// ClockOffset, if set, returns how far Now is ahead of the clock that all nodes share, as
	// measured last. QR codes change by that clock.
	ClockOffset func() time.Duration

	// PublicURL is the scheme and host at which browsers and relying parties reach the service,
	// without a trailing slash.
	PublicURL string

	// LinkSecrets returns secrets of 32 bytes that authenticate download links: the one to use
	// first, then others that are accepted.
	LinkSecrets func() [][]byte

	SessionLifetime time.Duration // of a sign session (docs/contract.md, 14.9); 0: 180 s
	SealTimeout     time.Duration // for which sealing is tried; 0: DefaultSealTimeout

	// RenewBefore is how long before the end of its newest timestamp's certificate a document is
	// renewed; 0: DefaultRenewBefore.
	RenewBefore time.Duration

	// StaticCode never changes a session's QR code. It is for tests only, because a picture of the
	// code can then be forwarded.
	StaticCode bool

	Sandbox    bool           // signatures say SANDBOX
	Background bool           // signatures lighten what is below them
	HanForms   pades.HanForms // of signers' names; see pades.Options
	Certify    bool           // the first signature of a document certifies it
	PDFLimits  pdf.Limits     // zero: the defaults

	// RefuseContent are the findings for which an upload is refused; may be nil.
	RefuseContent []pades.FindingCode

	// WarnContent are the findings that the signer is warned of before Proceed and on the phone;
	// may be nil. A finding in neither list is only recorded in the trail.
	WarnContent []pades.FindingCode

	Log *slog.Logger

	// MaxDocument is the size in bytes below which an uploaded document must be; 0:
	// api.MaxDocumentBytes.
	MaxDocument int64

	// Initiated, if set, is called with each new request, before the relying party has its answer.
	Initiated func(*Request)

	// Stalled, if set, is called for each document that could not be sealed in time.
	Stalled func()

	// Strays, if set, is called with the number of stray documents that a sweep has found, and
	// their outcome: StrayKept, StrayDiscarded or StrayDeleted.
	Strays func(outcome string, n int)

	// Sealed, if set, is called with the duration of each sealing, from the phone's approval to the
	// signed document.
	Sealed func(took time.Duration)
}

// New returns a Service.
func New(c Config) *Service {
	if c.MaxDocument == 0 {
		c.MaxDocument = api.MaxDocumentBytes
	}
	if c.SessionLifetime == 0 {
		c.SessionLifetime = 180 * time.Second
	}
	if c.SealTimeout == 0 {
		c.SealTimeout = DefaultSealTimeout
	}
	if c.RenewBefore == 0 {
		c.RenewBefore = DefaultRenewBefore
	}
	if c.Level == 0 {
		c.Level = pades.LevelLTA
	}
	return &Service{
		Config: c, parsing: newTurns(), memo: new(pades.Memo),
		downloads: &downloads{again: map[download]int{}},
		phases:    &phases{now: map[string]SealPhase{}},
	}
}

// Get returns the request in its present state, also if no worker has stored yet what time has done
// to it.
func (s *Service) Get(ctx context.Context, id string) (*Request, error) {
	r, err := s.Store.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	r.settle(s.NowOf(id))
	return r, nil
}

// update is Store.Update on the request in its present state.
func (s *Service) update(
	ctx context.Context, id string, change func(r *Request, now time.Time) (Effects, error),
) error {
	return s.Store.Update(ctx, id, func(r *Request) (Effects, error) {
		// Read in the transaction, so that changes are in the order of their times.
		now := s.NowOf(id)
		e := r.settle(now)
		more, err := change(r, now)
		e.add(more)
		return e, err
	})
}

// now returns the time in the precision that stores keep.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// newRequestID returns "signv3-" and a UUIDv7 (RFC 9562, section 5.7) with the service's time.
func (s *Service) newRequestID(now time.Time) (string, error) {
	var u uuid.UUID
	if _, err := io.ReadFull(s.Rand, u[:]); err != nil {
		return "", err
	}
	ms := uint64(now.UnixMilli())
	for i := range 6 {
		u[i] = byte(ms >> (40 - 8*i))
	}
	u[6] = u[6]&0x0f | 0x70
	u[8] = u[8]&0x3f | 0x80
	return api.RequestIDPrefix + u.String(), nil
}

// FirstID returns a text that is greater than the ids of the requests that were initiated before a
// time, and less than those of the others.
func FirstID(at time.Time) string {
	hex := fmt.Sprintf("%012x", max(at.UnixMilli(), 0))
	return api.RequestIDPrefix + hex[:8] + "-" + hex[8:]
}

// initiatedAt returns the time in an id that newRequestID made, and zero for any other.
func initiatedAt(id string) time.Time {
	u, err := uuid.Parse(strings.TrimPrefix(id, api.RequestIDPrefix))
	if err != nil || u.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(u.Time().UnixTime())
}

// secret returns 128 random bits in base64url.
func (s *Service) secret() (string, error) {
	b := make([]byte, 16)
	if _, err := io.ReadFull(s.Rand, b); err != nil {
		return "", err
	}
	return base64.RawURLEncoding.EncodeToString(b), nil
}

// refusalOf returns the CLIENT_SIDE_ERROR for a refused PDF. Its description says what is wrong,
// and then where. The errors of pades about places and signatures have both in the detail.
func refusalOf(err error) error {
	var refusal *pdf.Refusal
	if !errors.As(err, &refusal) {
		return fmt.Errorf("inspecting the document: %w", err)
	}
	description := refusal.Detail
	if s := refusal.Reason.Sentence(); s != pdf.Reason("").Sentence() {
		description = s + " (" + refusal.Detail + ")"
	}
	return api.ErrClientSide(description).Because("document refused: %w", err)
}

// view returns the request in its present state if p may see it.
func (s *Service) view(ctx context.Context, id string, p signer.Person) (*Request, error) {
	r, err := s.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	if r.Signer == nil || r.Signer.UIN != p.UIN {
		return nil, api.ErrNoAccess
	}
	return r, nil
}
