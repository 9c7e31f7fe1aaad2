package control

import (
	"errors"
	"testing"
	"time"
)

// TestClock walks through what tests do to the clock.
func TestClock(t *testing.T) {
	base := time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)
	wall := base
	c := &Clock{Base: func() time.Time { return wall }}
	is := func(what string, ahead time.Duration, frozen bool) {
		t.Helper()
		now, still := c.State()
		if now != c.Now() || now.Sub(base) != ahead || still != frozen {
			t.Errorf(
				"%s: %s after the start, frozen %v; want %s, %v", what, now.Sub(base), still, ahead,
				frozen,
			)
		}
	}
	is("new", 0, false)
	c.Advance(time.Hour)
	is("advanced", time.Hour, false)
	c.Freeze(true)
	wall = wall.Add(time.Minute)
	is("frozen", time.Hour, true)
	c.Advance(time.Minute)
	is("advanced while frozen", time.Hour+time.Minute, true)
	c.Freeze(true)
	is("frozen twice", time.Hour+time.Minute, true)
	c.Freeze(false)
	is("going on", time.Hour+time.Minute, false)
	wall = wall.Add(time.Minute)
	is("running", time.Hour+2*time.Minute, false)
	c.Freeze(false)
	is("running on", time.Hour+2*time.Minute, false)
	if err := c.Set(base.Add(24 * time.Hour)); err != nil {
		t.Error(err)
	}
	is("set", 24*time.Hour, false)
	if err := c.Set(base.Add(5 * time.Minute)); err != nil {
		t.Error(err)
	}
	is("set back", 5*time.Minute, false)
	if err := c.Set(base); !errors.Is(err, errBeforeWall) {
		t.Errorf("set to a time that is over: %v", err)
	}
	c.Freeze(true)
	c.Reset()
	is("reset", 2*time.Minute, false)
}
