package e2e_test

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
)

// TestStraysOfAnotherDatabase starts the program on the documents of 700 requests with a database
// that does not know them. An empty one deletes none of them, at any age. One that is older than
// they are, such as another service's or a backup, moves those of seven to the trash in a sweep and
// logs each.
func TestStraysOfAnotherDatabase(t *testing.T) {
	t.Run(
		"SQLite",
		func(t *testing.T) { testStraysOfAnotherDatabase(t, func() string { return "" }) },
	)
	t.Run("PostgreSQL", func(t *testing.T) {
		testStraysOfAnotherDatabase(t, func() string { return cluster.Database(t) })
	})
}

func testStraysOfAnotherDatabase(t *testing.T, database func() string) {
	const stored = 700
	clock := new(control.Clock)
	for _, test := range []struct {
		name      string
		requests  time.Duration // from the database's creation
		now       time.Duration
		wantSwept int // in one sweep
	}{
		{"empty", -48 * time.Hour, 2 * time.Hour, 0},
		{"empty, later", -48 * time.Hour, 400 * 24 * time.Hour, 0},
		{"not a day old", time.Hour, 23 * time.Hour, 0},
		{"older", time.Hour, 25 * time.Hour, stored / 100},
		{"older, the documents in use", 24*time.Hour + 30*time.Minute, 25 * time.Hour, 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			var log bytes.Buffer
			start := clock.Now()
			ids := fillDocuments(t, dir, start.Add(test.requests), stored)
			w, err := openWorld(
				t.Context(), worldOptions{dir: dir, database: database(), now: clock.Now},
			)
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := w.close(); err != nil {
					t.Error(err)
				}
			}()
			w.Log = slog.New(slog.NewTextHandler(&log, nil))
			clock.Advance(test.now)
			for sweep := 1; sweep <= 2; sweep++ {
				if err := w.PurgeStrays(t.Context()); err != nil {
					t.Fatal(err)
				}
				gone := 0
				for _, id := range ids {
					keys, err := w.docs.Keys(t.Context(), id)
					if err != nil {
						t.Fatal(err)
					}
					if len(keys) > 0 {
						continue
					}
					gone++
					if !strings.Contains(log.String(), "request_id="+id) {
						t.Errorf("the log does not name %s", id)
					}
				}
				// Of 693 the second sweep deletes six.
				if want := test.wantSwept * (sweep*stored - (sweep - 1)) / stored; gone != want {
					t.Errorf(
						"sweep %d: %d requests have lost their documents, want %d", sweep, gone,
						want,
					)
				}
			}
			wantError := test.name != "older, the documents in use"
			if got := strings.Contains(log.String(), "level=ERROR"); got != wantError {
				t.Errorf("an error is logged: %t, want %t", got, wantError)
			}
		})
	}
}

// fillDocuments stores a document for each of n requests of another database, initiated at a time.
func fillDocuments(t *testing.T, dir string, at time.Time, n int) (ids []string) {
	t.Helper()
	docs, err := documents.OpenDir(documents.Options{
		Path: filepath.Join(dir, "documents"), Now: func() time.Time { return at },
	})
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		id := fmt.Sprintf("signv3-%s", idAt(at, i))
		if _, err := docs.Put(t.Context(), id+"/document", bytes.NewReader([]byte("%PDF"))); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id)
	}
	if err := docs.Close(); err != nil {
		t.Fatal(err)
	}
	return ids
}

// idAt is the i-th UUIDv7 of a millisecond.
func idAt(at time.Time, i int) uuid.UUID {
	u := uuid.UUID{6: 0x70, 8: 0x80, 14: byte(i >> 8), 15: byte(i)}
	for b := range 6 {
		u[b] = byte(at.UnixMilli() >> (40 - 8*b))
	}
	return u
}

// TestStraysOfASmallStore checks that one stray of a few requests is deleted in a sweep.
func TestStraysOfASmallStore(t *testing.T) {
	clock := new(control.Clock)
	dir := t.TempDir()
	ids := fillDocuments(t, dir, clock.Now().Add(time.Minute), 20)
	w, err := openWorld(t.Context(), worldOptions{dir: dir, now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	clock.Advance(25 * time.Hour)
	for sweep := range 3 {
		if err := w.PurgeStrays(t.Context()); err != nil {
			t.Fatal(err)
		}
		left, err := w.docs.Requests(t.Context(), clock.Now())
		if err != nil || len(left) != len(ids)-sweep-1 {
			t.Errorf("after %d sweeps %d are left, %v", sweep+1, len(left), err)
		}
	}
}

// TestStraysOfABackup restores a database from before a document was renewed, when the renewed file
// is all that is stored. The sweep keeps it and reports the request.
func TestStraysOfABackup(t *testing.T) {
	clock := new(control.Clock)
	dir := t.TempDir()
	w, err := openWorld(t.Context(), worldOptions{dir: dir, now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	in, err := w.Initiate(ctx, request.Application{
		ClientID: shop, DocName: "a.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}, bytes.NewReader(pdftest.Minimal()))
	if err != nil {
		t.Fatal(err)
	}
	id := in.RequestID
	_, err = w.Open(ctx, id, signerAlice)
	if err == nil {
		_, err = w.Proceed(ctx, id, signerAlice, request.SeenUnasked)
	}
	if err = cmp.Or(err, w.phones.Approve(ctx, id, signerAlice), w.worker.Drain(ctx)); err != nil {
		t.Fatal(err)
	}
	r, err := w.Get(ctx, id)
	if err != nil || r.State != request.StateSigned {
		t.Fatalf("%+v, %v", r, err)
	}
	file := filepath.Join(dir, "documents")
	found, err := filepath.Glob(filepath.Join(file, "*", id, "*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("stored are %q, %v", found, err)
	}
	renewed := found[0] + "-renewed"
	if err := os.Rename(found[0], renewed); err != nil {
		t.Fatal(err)
	}
	clock.Advance(25 * time.Hour)
	if err := w.PurgeStrays(ctx); err == nil || !strings.Contains(err.Error(), id) {
		t.Errorf("the sweep reports %v", err)
	}
	_, statErr := os.Stat(renewed)
	if err := errors.Join(statErr, w.close()); err != nil {
		t.Error(err)
	}
}

// TestStraysInTheTrash checks that a stray document is in the trash for a week, and every step is
// logged and counted. A signed one stays where it is.
func TestStraysInTheTrash(t *testing.T) {
	ctx := t.Context()
	clock := new(control.Clock)
	dir := t.TempDir()
	ids := fillDocuments(t, dir, clock.Now().Add(time.Minute), 2)
	w, err := openWorld(ctx, worldOptions{dir: dir, now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = w.close() }()
	signed := ids[0] + "/signed-1"
	if _, err := w.docs.Put(ctx, signed, bytes.NewReader([]byte("%PDF"))); err != nil {
		t.Fatal(err)
	}
	var log bytes.Buffer
	w.Log = slog.New(slog.NewTextHandler(&log, nil))
	counts := map[string]int{}
	w.Strays = func(outcome string, n int) { counts[outcome] += n }
	trashed := ids[1] + "/document"
	sweep := func(after time.Duration, wantLog string, want map[string]int, inTrash ...string) {
		t.Helper()
		clock.Advance(after)
		log.Reset()
		clear(counts)
		if err := w.PurgeStrays(ctx); err != nil {
			t.Fatal(err)
		}
		got, err := w.docs.Discarded(ctx, clock.Now().Add(time.Hour))
		if err != nil || !slices.Equal(got, inTrash) {
			t.Errorf("in the trash are %q, %v; want %q", got, err, inTrash)
		}
		for outcome, n := range want {
			if counts[outcome] != n {
				t.Errorf("%d are %s, want %d", counts[outcome], outcome, n)
			}
		}
		if !strings.Contains(log.String(), wantLog) {
			t.Errorf("the log does not contain %q:\n%s", wantLog, &log)
		}
		if keys, err := w.docs.Keys(ctx, ids[0]); err != nil || len(keys) != 2 {
			t.Errorf("of the signed request are stored %q, %v", keys, err)
		}
		if !strings.Contains(log.String(), "signed=1") {
			t.Errorf("the log does not tell of the signed document:\n%s", &log)
		}
	}
	sweep(25*time.Hour, "trash\" request_id="+ids[1]+" key="+trashed,
		map[string]int{request.StrayKept: 2, request.StrayDiscarded: 1}, trashed)
	sweep(7*24*time.Hour-time.Minute, "", map[string]int{request.StrayDeleted: 0}, trashed)
	sweep(2*time.Minute, "week\" request_id="+ids[1]+" key="+trashed,
		map[string]int{request.StrayDeleted: 1})
}
