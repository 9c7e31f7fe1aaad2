package e2e_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/token"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestHostileUploads sends 40 hostile documents of one relying party at once, and small ones of
// another at the same time. The process stays under 600 MiB, every document gets its answer, and
// the other party's are accepted. Then the memory comes back, sooner than the runtime would give it.
func TestHostileUploads(t *testing.T) {
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Fatalf("this test reads the memory of a process from /proc: %v", err)
	}
	p, other := newProcess(t), partytest.Start(t)
	text, err := yaml.Marshal(
		map[string]any{"parties": slices.Concat(configOf(p.party).Parties, configOf(other).Parties)},
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.args[2], text, 0o600); err != nil {
		t.Fatal(err)
	}
	p.start(t)
	initiate := func(rp *partytest.Party, doc []byte) (int, string) {
		status, answer, ok := p.call(
			"POST", api.BasePath+api.PathRequest, rp.Token(token.Initiate),
			"application/octet-stream", doc,
		)
		if !ok {
			t.Error("no answer")
		}
		return status, answer
	}

	hostile := pdftest.Hostile()
	var attack sync.WaitGroup
	for i := range 40 {
		attack.Go(func() {
			c := hostile[i%len(hostile)]
			if status, answer := initiate(p.party, c.PDF); status != 400 && status != 429 &&
				status != 200 {
				t.Errorf("%s: %d %.200s", c.Name, status, answer)
			}
		})
	}
	done := make(chan struct{})
	go func() { attack.Wait(); close(done) }()
	var took []time.Duration
	for attacked := true; attacked; {
		select {
		case <-done:
			attacked = false
		case <-time.After(20 * time.Millisecond):
		}
		begin := time.Now()
		if status, answer := initiate(other, pdftest.Minimal()); status != 200 {
			t.Fatalf("the other party: %d %s", status, answer)
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	t.Logf(
		"the other party's %d small documents: median %v, 99th percentile %v", len(took),
		took[len(took)/2], took[len(took)*99/100],
	)

	peak := p.memory(t, "VmHWM")
	t.Logf("peak %d MiB, then %d MiB", peak>>20, p.memory(t, "VmRSS")>>20)
	if peak > 600<<20 {
		t.Errorf("the process needed %d MiB", peak>>20)
	}
	waitFor(t, "the memory of the documents", func() bool { return p.memory(t, "VmRSS") < 200<<20 })
}

// memory reads a figure of the process in bytes (proc(5), status).
func (p *process) memory(t *testing.T, name string) (bytes int64) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			if _, err := fmt.Sscanf(rest, "%d kB", &bytes); err != nil {
				t.Fatal(err)
			}
			return bytes << 10
		}
	}
	t.Fatalf("no %s in %s", name, text)
	return 0
}
