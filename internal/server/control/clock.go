package control

import (
	"errors"
	"sync"
	"time"
)

// Clock is the clock of a sandbox. It shows the time of Base until a test moves or stops it. The
// zero Clock is ready for use.
type Clock struct {
	Base func() time.Time // nil means time.Now

	mu     sync.Mutex
	ahead  time.Duration // of Base
	frozen time.Time     // time at which it is stopped; zero if it runs
}

// errBeforeWall refuses times at which the sandbox's certificates may not be valid yet.
var errBeforeWall = errors.New("the clock cannot be set to a time before that of this machine")

func (c *Clock) base() time.Time {
	if c.Base == nil {
		return time.Now()
	}
	return c.Base()
}

// Now returns the sandbox's time.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

func (c *Clock) now() time.Time {
	if !c.frozen.IsZero() {
		return c.frozen
	}
	return c.base().Add(c.ahead)
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
	if !c.frozen.IsZero() {
		c.frozen = c.frozen.Add(d)
	}
}

// Set moves the clock to t, which must not be before the time of Base.
func (c *Clock) Set(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	base := c.base()
	if t.Before(base) {
		return errBeforeWall
	}
	c.ahead = t.Sub(base)
	if !c.frozen.IsZero() {
		c.frozen = t
	}
	return nil
}

// Freeze stops the clock, or makes it run again from its present time.
func (c *Clock) Freeze(stop bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch now := c.now(); {
	case stop:
		c.frozen = now
	case !c.frozen.IsZero():
		c.ahead, c.frozen = now.Sub(c.base()), time.Time{}
	}
}

// Reset makes the clock show the time of Base again.
func (c *Clock) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead, c.frozen = 0, time.Time{}
}

// State returns the clock's time and whether it is stopped.
func (c *Clock) State() (now time.Time, frozen bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now(), !c.frozen.IsZero()
}
