package pdf_test

import (
	"bytes"
	"runtime"
	"testing"
	"time"

	"github.com/signet-sign/signet/pades/pdf"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHostile opens files that are made to cost time or memory, up to the size
// that the service accepts. Each must end, with whatever answer, well before it
// hurts; the times are far above what the files take, so that only a lost bound
// fails the test.
func TestHostile(t *testing.T) {
	const (
		maxTime   = 15 * time.Second // for a quarter of a budget that is meant to last 5 s
		maxMemory = 400 << 20
	)
	// to spare the reader of test results three quarters of the wait
	lim := pdf.Limits{Work: 128 << 20}
	if raceEnabled {
		t.Skip("times and sizes mean nothing under the race detector")
	}
	for _, c := range pdftest.Hostile() {
		t.Run(c.Name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.GC()
			runtime.ReadMemStats(&before)
			start := time.Now()
			d, err := pdf.Open(bytes.NewReader(c.PDF), int64(len(c.PDF)), lim)
			if err == nil {
				_, err = sign(d)
			}
			took := time.Since(start)
			runtime.ReadMemStats(&after)
			t.Logf(
				"%d bytes: %v after %v, heap grew by %d MB", len(c.PDF), err, took,
				(int64(after.HeapAlloc)-int64(before.HeapAlloc))>>20,
			)
			if err != nil && pdf.ReasonOf(err) == "" {
				t.Errorf("not a refusal: %v", err)
			}
			if took > maxTime {
				t.Errorf("took %v", took)
			}
			if got := int64(after.HeapSys) - int64(before.HeapSys); got > maxMemory {
				t.Errorf("needed %d MB of heap", got>>20)
			}
		})
	}
}
