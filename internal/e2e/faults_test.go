package e2e_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// allFaults kills the child each time that it passes a point, and not only the first time, or once
// in an approval and a cancel.
var allFaults = flag.Bool("faults.all", false, "kill at every passage of every fault point")

// The environment of the child.
const (
	faultDir = "SIGNET_FAULT_DIR" // where its world is
	faultAt  = "SIGNET_FAULT_AT"  // number of the passage at which it dies, from 1; 0: at the end
)

const shop = "shop"

var signerAlice = signer.Person{UIN: alice, Name: "TAN XIAO HUI"}

// journal is the file of what the child has answered and sent. The child writes each line to the
// system before it continues.
const journal = "told"

// TestFaultChild is the child: it makes the calls of four requests, and kills itself.
func TestFaultChild(t *testing.T) {
	dir := os.Getenv(faultDir)
	if dir == "" {
		t.Skip("this is the child of the fault tests")
	}
	var target int
	fmt.Sscan(os.Getenv(faultAt), &target)
	told := appendTo(t, filepath.Join(dir, journal))
	passed := appendTo(t, filepath.Join(dir, "passed"))
	n := 0
	p := &points{pass: func(point string) {
		n++ // the journey is one thread, but for the worker's, which a mutex keeps apart
		passed(point)
		if n == target {
			die()
		}
	}}
	p.pass = serial(p.pass)
	w, err := openWorld(t.Context(), p.options(dir, told))
	if err != nil {
		t.Fatal(err)
	}
	if err := journey(t.Context(), w, p, told); err != nil {
		t.Fatal(err)
	}
	die()
}

// journey is what the child does.
func journey(ctx context.Context, w *world, p *points, told func(...string)) error {
	initiate := func() (string, error) {
		p.begin("initiate")
		in, err := w.Initiate(ctx, request.Application{
			ClientID: shop, DocName: "lease.pdf",
			Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
		}, bytes.NewReader(pdftest.Minimal()))
		if err != nil {
			return "", err
		}
		told("initiated", in.RequestID)
		return in.RequestID, nil
	}
	step := func(name, id string, do func() error) error {
		p.begin(name)
		told("asked-"+name, id)
		if err := do(); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		told(name, id)
		return nil
	}
	open := func(id string) func() error {
		return func() error { _, err := w.Open(ctx, id, signerAlice); return err }
	}
	proceed := func(id string) func() error {
		return func() error { _, err := w.Proceed(ctx, id, signerAlice, request.SeenUnasked); return err }
	}
	cancel := func(id string) func() error { return func() error { return w.Cancel(ctx, shop, id) } }
	work := func() error { return w.worker.Drain(ctx) }

	signed, err := initiate()
	if err != nil {
		return err
	}
	err = errors.Join(
		step("open", signed, open(signed)),
		step("proceed", signed, proceed(signed)),
		step("approve", signed, func() error { return w.phones.Approve(ctx, signed, signerAlice) }),
		step("seal", signed, work),
	)
	if err != nil {
		return err
	}
	left, err := initiate()
	if err != nil {
		return err
	}
	err = errors.Join(
		step("open", left, open(left)),
		step("proceed", left, proceed(left)),
		step("leave", left, func() error { return w.Leave(ctx, left, signerAlice) }),
		step("cancel", left, cancel(left)),
		step("purge", left, work),
	)
	if err != nil {
		return err
	}
	fresh, err := initiate()
	if err != nil {
		return err
	}
	return errors.Join(
		step("cancel at once", fresh, cancel(fresh)), step("purge at once", fresh, work),
	)
}

// die ends the process as kill -9 does.
func die() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {}
}

// appendTo writes lines that survive.
func appendTo(t *testing.T, name string) func(...string) {
	f, err := os.OpenFile(name, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return func(words ...string) {
		if _, err := fmt.Fprintln(f, strings.Join(words, "\t")); err != nil {
			panic(err)
		}
	}
}

// serial runs f for one caller at a time, and for none after a call that does not return.
func serial(f func(string)) func(string) {
	turn := make(chan struct{}, 1)
	return func(s string) {
		turn <- struct{}{}
		f(s)
		<-turn
	}
}

// kill runs the journey in a copy of an empty world, up to a passage, and returns the world's
// folder and the points passed.
func killAt(t *testing.T, template string, passage int) (dir string, passed []string) {
	t.Helper()
	dir = t.TempDir()
	// with the keys' permissions
	if out, err := exec.Command("cp", "-a", template+"/.", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestFaultChild$")
	child.Env = append(os.Environ(), faultDir+"="+dir, fmt.Sprintf("%s=%d", faultAt, passage))
	out, err := child.CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child was not killed: %v\n%s", err, out)
	}
	return dir, lines(t, filepath.Join(dir, "passed"))
}

func lines(t *testing.T, name string) []string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimRight(string(b), "\n"), "\n")
}

// TestKillAtFaultPoints kills a process at each named point of its work, and compares the data that
// it leaves with what it had answered and sent.
func TestKillAtFaultPoints(t *testing.T) {
	template := t.TempDir()
	w, err := openWorld(t.Context(), worldOptions{dir: template})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	dir, passed := killAt(t, template, 0)
	t.Run("at the end", func(t *testing.T) { judge(t, dir, t.Errorf) })

	seen := map[string]bool{}
	kinds := map[string]bool{}
	kills := 0
	for i, point := range passed {
		step, kind, _ := strings.Cut(point, " | ")
		known := kinds[kind] && step != "approve" && step != "cancel" || seen[point]
		seen[point], kinds[kind] = true, true
		if known && !*allFaults {
			continue
		}
		kills++
		t.Run(fmt.Sprintf("%03d %s", i+1, point), func(t *testing.T) {
			dir, _ := killAt(t, template, i+1)
			judge(t, dir, t.Errorf)
		})
	}
	t.Logf("%d kills at %d named points, out of %d passages", kills, len(kinds), len(passed))
	for _, want := range slices.Concat(store.FaultPoints(), documents.FaultPoints()) {
		if !kinds[want] {
			t.Errorf("the journey does not pass %q", want)
		}
	}
	if len(kinds) < 20 {
		t.Errorf("only %d named points: %v", len(kinds), kinds)
	}
}
