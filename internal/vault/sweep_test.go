package vault_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// TestRotate checks that after a rotation new keys are under the new wrapping key, and a sweep
// wraps the old ones again, so that the old wrapping key can go.
func TestRotate(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, false, storetest.Open(t))
	for i := range 450 { // three pages
		w.put(fmt.Sprintf("r%d/a", i), fmt.Sprint("text ", i))
	}
	if name, err := w.wrapping().Rotate(); err != nil || name != "documents-2" {
		t.Fatalf("Rotate = %s, %v", name, err)
	}
	w.put("r0/b", "by a process that has not noticed")
	if err := w.Sweep(ctx); err != nil {
		t.Fatal(err)
	}
	w.put("r0/c", "after the sweep")
	if names, err := w.keys.WrappingKeys(ctx); err != nil || fmt.Sprint(names) != "[documents-2]" {
		t.Errorf("WrappingKeys = %q, %v", names, err)
	}
	if err := os.Remove(filepath.Join(w.wraps, "documents-1.secret")); err != nil {
		t.Fatal(err)
	}
	w.open(false)
	if err := w.Check(ctx); err != nil {
		t.Error(err)
	}
	for i := range 450 {
		w.holds(fmt.Sprintf("r%d/a", i), fmt.Sprint("text ", i))
	}
	w.holds("r0/b", "by a process that has not noticed")
	w.holds("r0/c", "after the sweep")
}

// TestSweepSpare checks that a sweep deletes the keys that a crash has left without a document,
// when they are old enough that no Put can be under way, and no others.
func TestSweepSpare(t *testing.T) {
	ctx := t.Context()
	w := newWorld(t, false, storetest.Open(t))
	w.put("stray/a", "text")
	w.put("crashed/a", "text")
	if err := os.Remove(w.file("crashed/a")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		after time.Duration
		left  int
	}{{59 * time.Minute, 1}, {2 * time.Minute, 0}} {
		w.now = w.now.Add(step.after)
		if err := w.Sweep(ctx); err != nil {
			t.Fatal(err)
		}
		if keys, err := w.keys.DocumentKeys(ctx, "crashed/a"); err != nil ||
			len(keys) != step.left {
			t.Errorf("%d keys are left, %v; want %d", len(keys), err, step.left)
		}
	}
	w.holds("stray/a", "text")
}

// moving is a store of files that another node moves to the trash when one of them is opened.
type moving struct{ request.Documents }

func (m moving) Open(ctx context.Context, document string) (request.Blob, error) {
	if err := m.Discard(ctx, document); err != nil {
		return nil, err
	}
	return m.Documents.Open(ctx, document)
}

// TestSweepDiscarded checks that a sweep keeps the key of a document that goes to the trash at the
// same time.
func TestSweepDiscarded(t *testing.T) {
	w := newWorld(t, false, storetest.Open(t))
	w.put("stray/a", "text")
	w.now = w.now.Add(2 * time.Hour)
	w.Documents = moving{w.Documents}
	if err := w.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	if keys, err := w.keys.DocumentKeys(t.Context(), "stray/a"); err != nil || len(keys) != 1 {
		t.Errorf("%d keys are left, %v; want 1", len(keys), err)
	}
}
