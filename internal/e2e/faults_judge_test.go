package e2e_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
)

// TestJudgeSees tampers with what a process has left: the judge of the fault tests must complain.
func TestJudgeSees(t *testing.T) {
	template := t.TempDir()
	w, err := openWorld(t.Context(), worldOptions{dir: template})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	ended, _ := killAt(t, template, 0)
	var ids []string // signed, cancelled, cancelled
	for _, line := range lines(t, filepath.Join(ended, journal)) {
		if id, ok := strings.CutPrefix(line, "initiated\t"); ok {
			ids = append(ids, id)
		}
	}
	for name, tamper := range map[string]func(dir string, w *world) error{
		"an acknowledged cancel is lost": func(dir string, _ *world) error {
			appendTo(t, filepath.Join(dir, journal))("cancel", ids[0])
			return nil
		},
		"an acknowledged request": func(dir string, _ *world) error {
			appendTo(t, filepath.Join(dir, journal))("initiated", "signv3-0199cc9c-8b7c-70df-b29b-39843a10c332")
			return nil
		},
		"which is not stored": func(_ string, w *world) error {
			r, err := w.Get(t.Context(), ids[0])
			if err != nil {
				return err
			}
			return w.docs.Delete(t.Context(), r.Signed.Key)
		},
		"is left": func(_ string, w *world) error {
			_, err := w.docs.Put(t.Context(), ids[1]+"/signed-x", strings.NewReader("left"))
			return err
		},
		"announced again": func(_ string, w *world) error {
			jobs, err := w.store.Jobs(t.Context(), ids[0])
			for _, j := range jobs {
				if j.Kind == request.JobWebhook {
					j.Retry(time.Now(), errors.New("again"))
					err = errors.Join(err, w.store.Settle(t.Context(), request.Settlement{Job: j}))
				}
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if out, err := exec.Command("cp", "-a", ended+"/.", dir).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			w, err := openWorld(t.Context(), worldOptions{dir: dir})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(tamper(dir, w), w.close()); err != nil {
				t.Fatal(err)
			}
			var complaints []string
			judge(
				t, dir,
				func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) },
			)
			if !slices.ContainsFunc(
				complaints, func(s string) bool { return strings.Contains(s, name) },
			) {
				t.Errorf("the judge says %q", complaints)
			}
		})
	}
}

// judge opens what a killed process has left, lets the worker run, and compares.
func judge(t *testing.T, dir string, complain func(format string, args ...any)) {
	t.Helper()
	ctx := t.Context()
	told := map[string]map[string]int{} // id: word: how often
	for _, line := range lines(t, filepath.Join(dir, journal)) {
		word, id, ok := strings.Cut(line, "\t")
		if !ok {
			continue // it died before it said anything
		}
		if told[id] == nil {
			told[id] = map[string]int{}
		}
		told[id][word]++
	}
	sent := map[string]int{} // after the restart
	ahead := time.Duration(0)
	w, err := openWorld(ctx, worldOptions{
		dir: dir, now: func() time.Time { return time.Now().Add(ahead) },
		deliver: func(_ context.Context, job *request.Job) []request.Event {
			sent[job.RequestID]++ // of one kind the worker of this test has at most one under way
			job.Finish()
			return nil
		},
	})
	if err != nil {
		t.Fatalf("after the kill it does not open: %v", err)
	}
	defer func() {
		if err := w.close(); err != nil {
			t.Error(err)
		}
	}()
	drain := func() {
		t.Helper()
		if err := w.worker.Drain(ctx); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	for id, words := range told {
		r, err := w.Get(ctx, id)
		if err != nil {
			complain("an acknowledged request: %v", err)
			continue
		}
		fail := func(format string, args ...any) {
			complain("%s, told %v: %s", r.State, words, fmt.Sprintf(format, args...))
		}
		cancelled := words["cancel"]+words["cancel at once"] > 0
		asked := words["asked-cancel"]+words["asked-cancel at once"] > 0
		switch {
		case cancelled && r.State != request.StateCancelled:
			fail("an acknowledged cancel is lost")
		case !asked && r.State == request.StateCancelled:
			fail("no call has cancelled it")
		case words["approve"] > 0 && r.State != request.StateSigned:
			fail("an acknowledged approval is lost")
		case words["asked-approve"] == 0 && r.State == request.StateSigned:
			fail("no phone has approved it")
		case words["open"] > 0 && (r.Signer == nil || r.Signer.UIN != alice):
			fail("it has forgotten its signer")
		case words["proceed"] > 0 && words["leave"]+words["asked-leave"]+words["asked-approve"] == 0 && r.State != request.StateSession:
			fail("it has forgotten its session")
		}
		switch all := words["sent"] + sent[id]; {
		case r.State != request.StateSigned && all > 0:
			fail("it was announced")
		case r.State == request.StateSigned && all == 0:
			fail("it was not announced")
		case words["recorded-webhook"] > 0 && sent[id] > 0:
			fail("it was announced again after its record")
		case all > 2:
			fail("it was announced %d times", all)
		}
		checkBytes(t, w, r, complain)
		// What is not over yet can be ended.
		if r.State == request.StateSession {
			if err := w.Leave(ctx, id, signerAlice); err != nil {
				fail("leaving: %v", err)
			}
		}
		want := map[request.State]error{request.StateSigned: api.ErrAlreadySigned, request.StateCancelled: api.ErrAlreadyCancelled}[r.State]
		if err := w.Cancel(ctx, shop, id); !errors.Is(err, want) {
			fail("a cancel answers %v, want %v", err, want)
		}
	}
	drain()
	ahead = 25 * time.Hour // a sweep deletes old strays, one request at a time
	for range 1 + len(told) {
		if err := w.PurgeStrays(ctx); err != nil {
			t.Fatal(err)
		}
	}
	drain()
	stored, err := w.docs.Requests(ctx, time.Now().Add(24*time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range stored {
		r, err := w.Get(ctx, id)
		if err != nil {
			complain("documents without a record: %v", err)
			continue
		}
		checkBytes(t, w, r, complain)
	}
}

// checkBytes holds the stored documents of a request against its record.
func checkBytes(
	t *testing.T, w *world, r *request.Request, complain func(format string, args ...any),
) {
	t.Helper()
	keys, err := w.docs.Keys(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range r.Keys() {
		if !slices.Contains(keys, key) {
			complain("%s: the record names %s, which is not stored", r.State, kindOf(key))
		}
	}
	for _, key := range keys {
		needed := slices.Contains(r.Keys(), key)
		switch {
		case r.State == request.StateSigned || r.State == request.StateCancelled || r.State == request.StateExpired:
			if !needed {
				complain("%s: a document %s is left", r.State, kindOf(key))
			}
		case !needed && kindOf(key) == "signed":
			complain("%s: a signed document without a record", r.State)
		}
	}
	if r.State != request.StateSigned {
		return
	}
	b, err := w.docs.Open(t.Context(), r.Signed.Key)
	if err != nil {
		complain("the signed document: %v", err)
		return
	}
	defer func() { _ = b.Close() }()
	h := sha256.New()
	if _, err := io.Copy(h, io.NewSectionReader(b, 0, b.Size())); err != nil ||
		!bytes.Equal(h.Sum(nil), r.Signed.SHA256) {
		complain("the signed document is not the one on record: %v", err)
	}
}
