package app

import (
	"runtime"
	"runtime/debug"
	"testing"
)

// TestTune: one processor more than there are, and a lazier collector, unless the environment says otherwise.
func TestTune(t *testing.T) {
	procs, percent := runtime.GOMAXPROCS(0), debug.SetGCPercent(100)
	defer func() {
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(percent)
	}()
	for _, c := range []struct {
		name, gogc, gomaxprocs string
		procs, percent         int
	}{
		{"nothing said", "", "", procs + 1, 400},
		{"collector said", "100", "", procs + 1, 100},
		{"processors said", "", "2", procs, 400},
	} {
		t.Setenv("GOGC", c.gogc)
		t.Setenv("GOMAXPROCS", c.gomaxprocs)
		runtime.GOMAXPROCS(procs)
		debug.SetGCPercent(100)
		Tune()
		if n, p := runtime.GOMAXPROCS(0), debug.SetGCPercent(100); n != c.procs || p != c.percent {
			t.Errorf("%s: %d processors, GOGC=%d; want %d and %d", c.name, n, p, c.procs, c.percent)
		}
	}
}
