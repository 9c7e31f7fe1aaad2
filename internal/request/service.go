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

// Service is the operations on sign requests, one file each. It holds no state of the requests: any
// number of processes may run one over the same store.
type Service struct {
	Config
	parsing *turns      // bounds what documents that are being parsed take together
	memo    *pades.Memo // certificates that the gate has seen before
	// repeated uses of download links, until they are written down
	downloads *downloads
}

// Config is what a Service works with. All fields are required unless they say otherwise.
type Config struct {
	Store       Store
	Outbox      Outbox
	Watcher     Watcher
	Documents   Documents
	Timestamper Timestamper
	Revocation  pades.EvidenceSource // revocation data for levels from B-LT
	Level       pades.Level          // of signed documents: B-T, B-LT or B-LTA; 0: B-LTA

	Chain    []*x509.Certificate // above a phone's certificate: issuing CA first, root last
	Roots    *x509.CertPool      // that phones' certificates chain to
	TSARoots *x509.CertPool      // that the Timestamper's tokens chain to
	// that complete the chains of an external Timestamper; may be empty
	Known []*x509.Certificate

	Now  func() time.Time
	Rand io.Reader

	// ClockOffset, if set, is how far Now is ahead of the clock that all nodes share, as it was
	// measured last. QR codes change by that clock.
	ClockOffset func() time.Duration

	// scheme and host under which browsers and relying parties reach us; no trailing slash
	PublicURL       string
	LinkSecret      []byte        // 32 bytes; authenticates download links
	SessionLifetime time.Duration // of a sign session (docs/contract.md, 14.9); 0: 180 s
	// the end of its newest time stamp a document is renewed; 0: DefaultRenewBefore
	RenewBefore time.Duration
	SealTimeout time.Duration // for which sealing is tried; 0: DefaultSealTimeout
	// a session's QR code never changes: for tests, because a picture of it can be sent on
	StaticCode bool
	Sandbox    bool       // signatures say SANDBOX
	Background bool       // signatures lighten what is below them
	PDFLimits  pdf.Limits // zero: the defaults
	// RefuseContent are the findings with which an upload is refused; nil for none.
	RefuseContent []pades.FindingCode

	// WarnContent are the findings that the signer is shown before Proceed and on the phone; nil
	// for none. A finding that is in neither list is in the trail only.
	WarnContent []pades.FindingCode
	Log         *slog.Logger

	// Stalled, if set, is called for each document that could not be sealed in time.
	Stalled func()

	// Strays, if set, is called with the number of stray documents that a sweep has found, and what
	// became of them: StrayKept, StrayDiscarded or StrayDeleted.
	Strays func(outcome string, n int)

	// Sealed, if set, hears how long each sealing took, from the phone's approval to the signed
	// document.
	Sealed func(took time.Duration)
}

// New returns a Service.
func New(c Config) *Service {
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
	}
}

// Get returns the request as it stands now: what time has done to it shows whether or not a sweeper
// has written it down.
func (s *Service) Get(ctx context.Context, id string) (*Request, error) {
	r, err := s.Store.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	r.settle(s.now())
	return r, nil
}

// update is Store.Update on the request as it stands now.
func (s *Service) update(
	ctx context.Context, id string, change func(r *Request, now time.Time) (Effects, error),
) error {
	return s.Store.Update(ctx, id, func(r *Request) (Effects, error) {
		// read inside the transaction: the order of changes is the order of their times
		now := s.now()
		e := r.settle(now)
		more, err := change(r, now)
		e.add(more)
		return e, err
	})
}

// now is the time to the precision that stores keep.
func (s *Service) now() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// newRequestID makes "signv3-" and a UUIDv7 (RFC 9562, section 5.7) of the service's own clock.
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

// initiatedAt is the time in an id that newRequestID made; zero for any other.
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

// refusalOf turns a refused PDF into the wire's CLIENT_SIDE_ERROR: what is wrong in a sentence,
// then where. The reasons of pades, which are about places and signatures, say both in the detail.
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

// view is what the signer's read operations share: the request as it stands, if p may see it.
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
