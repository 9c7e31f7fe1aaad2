package app

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
)

// Tune sets how the Go runtime collects garbage, unless the environment sets it (GOGC, GOMEMLIMIT).
//
// The heap is small, so collecting it less often costs some tens of megabytes and saves a tenth of
// the CPU under load. Beyond the soft limit, which only hostile documents reach, garbage is
// collected as often as necessary.
func Tune() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(400)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(softLimit)
	}
}

// softLimit is a heap size in bytes that a busy service does not reach.
const softLimit = 384 << 20

// unusedMemory is from how many bytes on returnMemory gives memory back.
const unusedMemory = 64 << 20

// returnMemory gives memory that hostile documents have left behind back to the system, once no
// document is parsed. The runtime would keep most of it for minutes: it collects an idle heap every
// two minutes only.
func (a *App) returnMemory(context.Context) {
	running, waiting := a.sign.Parsing()
	if running+waiting == 0 && unused() >= unusedMemory {
		debug.FreeOSMemory()
	}
}

// unused returns how many bytes of the heap are garbage, new or free, and held all the same.
func unused() uint64 {
	m := []metrics.Sample{
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
		{Name: "/gc/heap/live:bytes"},
	}
	metrics.Read(m)
	held := m[0].Value.Uint64() + m[1].Value.Uint64()
	return held - min(held, m[2].Value.Uint64())
}
