package app

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/store"
)

// How far the clock of a node may be from the database's.
const (
	clockWarn   = time.Second
	clockRefuse = 5 * time.Second // from there on the node is not ready
	clockEvery  = 10 * time.Second
	clockRemind = time.Minute // between two warnings
)

// clock measures how far the clock of this node is ahead of the database's.
type clock struct {
	store  *store.Store
	now    func() time.Time
	log    *slog.Logger
	metric func(offset time.Duration)

	mu     sync.Mutex
	last   time.Duration // as it was measured last
	warned time.Time
}

// offset is the offset as it was measured last.
func (c *clock) offset() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// measure measures the offset, and warns if it is too large.
func (c *clock) measure(ctx context.Context) error {
	offset, err := c.store.ClockOffset(ctx, c.now)
	if err != nil {
		return err
	}
	c.metric(offset)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = offset
	if now := c.now(); offset.Abs() >= clockWarn && now.Sub(c.warned) >= clockRemind {
		c.warned = now
		c.log.Warn(
			"the clock of this node is not the database's: synchronise it, as by chrony",
			"ahead", offset.Round(time.Millisecond),
		)
	}
	return nil
}

// check returns an error if the offset keeps the node from being ready.
func (c *clock) check(context.Context) error {
	if offset := c.offset(); offset.Abs() >= clockRefuse {
		return fmt.Errorf(
			"the clock of this node is ahead of the database's by %s; allowed are %s",
			offset.Round(time.Millisecond), clockRefuse,
		)
	}
	return nil
}

// run measures until ctx ends. A measurement that fails keeps the one before: the database is away,
// which others report.
func (c *clock) run(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			_ = c.measure(ctx)
		}
	}
}
