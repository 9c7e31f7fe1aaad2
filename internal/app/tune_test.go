package app

import (
	"math"
	"runtime/debug"
	"testing"
)

// TestTune checks the collector's settings, and that the environment comes first.
func TestTune(t *testing.T) {
	percent, limit := debug.SetGCPercent(100), debug.SetMemoryLimit(-1)
	defer func() {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(limit)
	}()
	for _, c := range []struct {
		gogc, gomemlimit string
		percent          int
		limit            int64
	}{
		{"", "", 400, softLimit},
		{"100", "", 100, softLimit},
		{"", "1GiB", 400, math.MaxInt64},
	} {
		t.Setenv("GOGC", c.gogc)
		t.Setenv("GOMEMLIMIT", c.gomemlimit)
		debug.SetGCPercent(100)
		debug.SetMemoryLimit(math.MaxInt64)
		Tune()
		if p, l := debug.SetGCPercent(100), debug.SetMemoryLimit(-1); p != c.percent ||
			l != c.limit {
			t.Errorf(
				"GOGC=%q GOMEMLIMIT=%q: %d and %d, want %d and %d", c.gogc, c.gomemlimit, p, l,
				c.percent, c.limit,
			)
		}
	}
}
