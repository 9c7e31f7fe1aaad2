package parts

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// How far the clock of a node may be from the database's.
const (
	ClockWarn   = time.Second
	clockRefuse = 5 * time.Second // from there on the node is not ready, and does not start
	ClockEvery  = 10 * time.Second
	clockRemind = time.Minute // between two warnings
)

// Clock is the time of a node of the service. That is the machine's clock, except after someone has
// set it by five seconds or more: then the time goes on as before, until the next measurement shows
// which of the two is nearer to the database's clock. What has expired or was deleted for its age
// in an hour that was none cannot come back.
type Clock struct {
	machine func() time.Time
	log     *slog.Logger
	metric  func(ahead time.Duration)

	// Database measures how far a clock is ahead of the database's.
	Database func(ctx context.Context, now func() time.Time) (ahead time.Duration, err error)

	// elapsed is how long ago the clock was made at a time of machine, by a clock that cannot be
	// set. If it is nil, the time is always the machine's.
	elapsed func(t time.Time) time.Duration

	mu     sync.Mutex
	origin time.Time     // when the clock was made, as far as the machine's is followed
	last   time.Duration // how far origin and what has elapsed were ahead of the database's clock
	warned time.Time
}

// NewClock returns the clock of a node by that of its machine. Set Database before the first
// measurement, each of which calls metric.
func NewClock(machine func() time.Time, log *slog.Logger, metric func(time.Duration)) *Clock {
	made := machine()
	c := &Clock{machine: machine, log: log, metric: metric, origin: made.Round(0)}
	if made != c.origin { // it has a monotonic reading
		c.elapsed = func(t time.Time) time.Duration { return t.Sub(made) }
	}
	return c
}

// Now returns the time.
func (c *Clock) Now() time.Time {
	t := c.machine()
	c.mu.Lock()
	defer c.mu.Unlock()
	if jump := c.jump(t); jump.Abs() >= clockRefuse {
		return t.Round(0).Add(-jump)
	}
	return t
}

// jump returns by how much the machine's clock was set since origin, if it shows t now. It requires
// c.mu to be held.
func (c *Clock) jump(t time.Time) time.Duration {
	if c.elapsed == nil {
		return 0
	}
	return t.Round(0).Sub(c.origin) - c.elapsed(t)
}

// Offset is how far now is ahead of the database's clock, as it was measured last.
func (c *Clock) Offset() time.Duration {
	t := c.machine()
	c.mu.Lock()
	defer c.mu.Unlock()
	if jump := c.jump(t); jump.Abs() < clockRefuse {
		return c.last + jump
	}
	return c.last
}

// Begin measures for the first time. A machine whose clock is wrong from the start is refused:
// there is no other time to go on with.
func (c *Clock) Begin(ctx context.Context) error {
	err := c.Measure(ctx)
	if err == nil && c.elapsed != nil {
		err = c.Check(ctx)
	}
	return err
}

// Measure measures how far the machine's clock is ahead of the database's, warns if it is too far,
// and follows it unless it was set wrongly.
func (c *Clock) Measure(ctx context.Context) error {
	before := c.machine()
	ahead, err := c.Database(ctx, c.machine)
	if err != nil {
		return err
	}
	t := c.machine()
	c.mu.Lock()
	defer c.mu.Unlock()
	jump := c.jump(t)
	if (jump - c.jump(before)).Abs() >= ClockWarn {
		return nil // it was set just now: the next measurement will tell
	}
	c.metric(ahead)
	c.last = ahead - jump
	wrong := jump.Abs() >= clockRefuse && ahead.Abs() > c.last.Abs()
	if !wrong {
		c.origin, c.last = c.origin.Add(jump), ahead
		if jump.Abs() >= clockRefuse {
			c.log.Warn("the clock of this node was set", "by", jump.Round(time.Millisecond))
		}
	}
	if ahead.Abs() >= ClockWarn && t.Sub(c.warned).Abs() >= clockRemind {
		c.warned = t
		c.log.Warn(
			"the clock of this node is not the database's: synchronise it, as by chrony",
			"ahead", ahead.Round(time.Millisecond), "followed", !wrong,
		)
	}
	return nil
}

// Check returns an error if the machine's clock keeps the node from being ready.
func (c *Clock) Check(context.Context) error {
	t := c.machine()
	c.mu.Lock()
	defer c.mu.Unlock()
	if ahead := c.last + c.jump(t); ahead.Abs() >= clockRefuse {
		return fmt.Errorf(
			"the clock of this node is %s the database's, and %s are too much: "+
				"synchronise it, as by chrony",
			Apart(ahead), clockRefuse,
		)
	}
	return nil
}

// Apart says where a clock is that is ahead of another one, or behind it if ahead is negative.
func Apart(ahead time.Duration) string {
	word := "ahead of"
	if ahead < 0 {
		word = "behind"
	}
	return fmt.Sprint(ahead.Abs().Round(time.Millisecond), " ", word)
}
