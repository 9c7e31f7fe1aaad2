package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades"
)

// Doctor returns the running service for its checks.
func (a *App) Doctor() *doctor.Service {
	s := doctor.New(&a.Config)
	s.Listen, s.Now, s.Log, s.Running = a.Addr.String(), a.now, a.log, true
	s.ID, s.Store, s.Documents, s.Keys, s.Clock = a.deployment, a.store, a.files, a.keys, a.clock
	return s
}

// reading reads the metrics that are not counted.
func (a *App) reading(ctx context.Context) obs.Reading {
	r := obs.Reading{Ready: a.health.Report(ctx).Checks, Certificates: map[string]time.Time{}}
	r.Parsing, r.Waiting = a.sign.Parsing()
	for _, c := range a.authority.List() {
		role, _, _ := strings.Cut(c.Name, "-")
		if c.State != ca.StateRevoked && c.NotAfter.After(r.Certificates[role]) {
			r.Certificates[role] = c.NotAfter
		}
	}
	folder := filepath.Join(a.Config.Data, "documents")
	if a.Config.Documents != "" {
		folder = a.Config.Data // for the other parts
	}
	if free, err := documents.FreeSpace(folder); folder != "" && err == nil {
		r.Free = &free
	}
	// else the check of the database fails
	if queues, err := a.store.Backlog(ctx, a.now()); err == nil {
		r.Queue = map[string]obs.Queue{}
		for kind, q := range queues {
			r.Queue[string(kind)] = obs.Queue{Jobs: q.Jobs, Oldest: q.Oldest}
		}
	}
	if list, err := a.store.Receivers(ctx); err == nil {
		for _, receiver := range list {
			switch {
			case !receiver.PausedAt.IsZero():
				r.Paused++
			case !receiver.HeldUntil.IsZero():
				r.Held++
			}
		}
	}
	return r
}

// quiet returns a logger that says once a minute that the database or the disk is unavailable, and
// that a client asks about certificates that were not issued.
func quiet(log *slog.Logger) *slog.Logger {
	away := obs.Quiet(log.Handler(), func(err error) bool {
		return errors.Is(err, request.ErrAway) || errors.Is(err, request.ErrNoRoom)
	})
	return slog.New(obs.Quiet(away, func(err error) bool {
		return errors.Is(err, ca.ErrNotIssued)
	}))
}

// usedStamps records whether the last use of a timestamp authority succeeded. A probe would take a
// timestamp, for which some authorities charge.
type usedStamps struct {
	pades.Timestamper

	mu   sync.Mutex
	last error
}

// Timestamp implements pades.Timestamper.
func (s *usedStamps) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	token, err := s.Timestamper.Timestamp(ctx, imprint)
	if ctx.Err() == nil {
		s.mu.Lock()
		s.last = err
		s.mu.Unlock()
	}
	return token, err
}

// check returns the error of the last use.
func (s *usedStamps) check(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last != nil {
		return fmt.Errorf("the last use failed: %w", s.last)
	}
	return nil
}
