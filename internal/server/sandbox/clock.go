package sandbox

import (
	"sync/atomic"
	"time"
)

// Clock runs ahead of another clock by what has been advanced. It is the one clock of a sandbox.
// The zero Clock is ready.
type Clock struct {
	Base  func() time.Time // the other clock; nil is time.Now
	ahead atomic.Int64
}

// Now is the sandbox's time.
func (c *Clock) Now() time.Time {
	base := time.Now
	if c.Base != nil {
		base = c.Base
	}
	return base().Add(time.Duration(c.ahead.Load()))
}

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
