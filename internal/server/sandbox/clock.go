package sandbox

import (
	"sync/atomic"
	"time"
)

// Clock runs with the machine's, ahead by what has been advanced. It is the one clock of a sandbox. The zero Clock is ready.
type Clock struct{ ahead atomic.Int64 }

// Now is the sandbox's time.
func (c *Clock) Now() time.Time { return time.Now().Add(time.Duration(c.ahead.Load())) }

// Advance moves the clock forward.
func (c *Clock) Advance(d time.Duration) { c.ahead.Add(int64(d)) }
