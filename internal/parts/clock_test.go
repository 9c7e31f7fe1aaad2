package parts

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestClockIsSet sets the clock of a machine while a node runs. The time of the node goes on
// as before, until a measurement shows that the database's clock agrees with the machine's.
func TestClockIsSet(t *testing.T) {
	var log bytes.Buffer
	c := NewClock(time.Now, slog.New(slog.NewTextHandler(&log, nil)), func(time.Duration) {})
	// From here on all clocks are the test's.
	var passed, set time.Duration
	begin := c.origin
	c.machine = func() time.Time { return begin.Add(passed + set) }
	c.elapsed = func(time.Time) time.Duration { return passed }
	c.Database = func(_ context.Context, now func() time.Time) (time.Duration, error) {
		return now().Sub(begin.Add(passed)), nil
	}
	measure := func() {
		t.Helper()
		if err := c.Measure(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	is := func(when string, want time.Duration, ready bool) {
		t.Helper()
		if got := c.Now().Sub(begin); got != want {
			t.Errorf("%s: the time is %s, want %s", when, got, want)
		}
		if err := c.Check(t.Context()); (err == nil) != ready {
			t.Errorf("%s: check: %v", when, err)
		}
		if off := c.Offset(); ready && off != want-passed {
			t.Errorf("%s: the time is %s ahead", when, off)
		}
	}
	is("as it was made", 0, true)
	for _, wrong := range []time.Duration{time.Hour, -time.Hour, 24 * time.Hour} {
		passed, set = passed+10*time.Second, wrong
		is("set", passed, false)
		measure()
		passed += 10 * time.Second
		is("measured", passed, false)
		set = 0
		is("set back", passed, true)
	}
	if n := strings.Count(log.String(), "followed=false"); n != 3 {
		t.Errorf("%d warnings of a clock that is not followed:\n%s", n, &log)
	}
	// A small correction is followed at once.
	set = 3 * time.Second
	is("corrected", passed+set, true)
	measure()
	// The machine's clock was wrong, and is set right.
	c.origin = begin.Add(-time.Hour)
	set = 0
	is("before it is measured", passed-time.Hour, false)
	measure()
	is("set right", passed, true)
}
