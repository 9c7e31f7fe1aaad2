package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/pades"
)

// openHealth sets the checks of what the service requires.
func (a *App) openHealth(stamps *usedStamps) {
	marked := func(ctx context.Context, p deployment.Part) error {
		switch m, err := p.Mark(ctx); {
		case err != nil:
			return err
		case m.ID != a.deployment:
			return fmt.Errorf("%s is not of this deployment any more: is it mounted?", p)
		}
		return nil
	}
	folder := func(name string) deployment.Folder {
		return deployment.Folder{Name: name, Path: filepath.Join(a.Config.Data, name)}
	}
	checks := []obs.Check{
		{Name: "database", Run: func(ctx context.Context) error { return marked(ctx, a.store) }},
		{Name: "migrations", Run: a.store.CheckSchema},
		{Name: "documents", Run: func(ctx context.Context) error {
			return errors.Join(marked(ctx, folder("documents")), a.documents.Check(ctx))
		}},
		{Name: "keys", Run: func(ctx context.Context) error {
			_, err := a.keys.Read("webhook.key")
			return errors.Join(marked(ctx, folder("keys")), marked(ctx, folder("authority")), err)
		}},
		// Only sealing depends on it.
		{Name: "timestamps", Optional: true, Run: stamps.check},
	}
	if a.clock != nil {
		checks = append(checks, obs.Check{Name: "clock", Run: a.clock.check})
	}
	a.health = obs.NewHealth(checks...)
}

// quiet returns a logger that says once a minute that the database or the disk is unavailable.
func quiet(log *slog.Logger) *slog.Logger {
	return slog.New(obs.Quiet(log.Handler(), func(err error) bool {
		return errors.Is(err, request.ErrAway) || errors.Is(err, request.ErrNoRoom)
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
