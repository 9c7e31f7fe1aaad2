package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
)

func openSQLite(t testing.TB, path string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Database: path, Kind: store.Sandbox})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		path := filepath.Join(t.TempDir(), "odd name?%20#.db")
		if err := os.Rename(storetest.File(t), path); err != nil {
			t.Fatal(err)
		}
		return storetest.Harness{
			Open: func(t *testing.T) *store.Store { return openSQLite(t, path) },
		}
	})
}

// only returns a change without effects.
func only(change func(*request.Request) error) func(*request.Request) (request.Effects, error) {
	return func(r *request.Request) (request.Effects, error) { return request.Effects{}, change(r) }
}

// rename returns a small change.
func rename(name string) func(*request.Request) (request.Effects, error) {
	return only(func(r *request.Request) error { r.DocName = name; return nil })
}

func TestSQLiteBelongsToOneProcess(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	first := openSQLite(t, path)
	link := filepath.Join(t.TempDir(), "another-name.db")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, link} {
		_, err := store.Open(t.Context(), store.Options{Database: name, Kind: store.Sandbox})
		if !errors.Is(err, store.ErrInUse) ||
			!strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
			t.Errorf("a second Open: %v, want ErrInUse with the process", err)
		}
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	openSQLite(t, link)
}

// TestSQLiteKeep checks that a database can be read beside the process that uses it, and that this
// reader cannot write.
func TestSQLiteKeep(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.db")
	s, err := store.Open(t.Context(), store.Options{Database: path, Kind: store.Service})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Record(t.Context(), "fact", "before", false); err != nil {
		t.Fatal(err)
	}
	reader, err := store.Open(
		t.Context(), store.Options{Database: path, Kind: store.AnyKind, Keep: true},
	)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reader.Record(t.Context(), "fact", "from the reader", true); err == nil {
		t.Error("the reader has written")
	}
	if _, err := s.Record(t.Context(), "fact", "after", true); err != nil {
		t.Error(err)
	}
	if got, err := reader.Recorded(t.Context(), "fact"); got != "after" || err != nil {
		t.Errorf("the reader reads %q, %v", got, err)
	}
	if found, err := reader.Server(t.Context()); err != nil || len(found.Flaws) > 0 ||
		!strings.HasPrefix(found.Version, "SQLite 3.") {
		t.Errorf("the server is %+v, %v", found, err)
	}
	if err := reader.Close(); err != nil {
		t.Error(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Database: path, Kind: store.Service}); !errors.Is(
		err, store.ErrInUse,
	) {
		t.Errorf("after the reader another service opens it: %v", err)
	}
}

func TestSQLiteRefusals(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "sandbox.db")
	if err := openSQLite(t, good).Close(); err != nil {
		t.Fatal(err)
	}
	newer := filepath.Join(dir, "newer.db")
	if err := openSQLite(t, newer).Close(); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", newer)
	if err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(
		t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1);
			UPDATE meta SET value = '9998' WHERE key = 'oldest_program'`,
	)
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "letter.txt")
	if err := os.WriteFile(other, []byte(strings.Repeat("To the addressee, ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		o    store.Options
		want error  // if set
		says string // in any case
	}{
		{"other kind", store.Options{Database: good, Kind: store.Service}, store.ErrOtherKind, "sandbox"},
		{"no kind", store.Options{Database: good}, nil, "kind"},
		{"newer schema", store.Options{Database: newer, Kind: store.Sandbox}, store.ErrNewerSchema, "9999"},
		{"not a database", store.Options{Database: other, Kind: store.Sandbox}, nil, "not a database"},
		{"no folder", store.Options{Database: filepath.Join(dir, "no", "where.db"), Kind: store.Sandbox}, nil, "no such file"},
	} {
		s, err := store.Open(t.Context(), test.o)
		if err == nil {
			_ = s.Close()
			t.Errorf("%s: opened", test.name)
			continue
		}
		if test.want != nil && !errors.Is(err, test.want) ||
			!strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	openSQLite(t, good) // the refusals left no lock behind
}

func TestSQLiteIsPrivate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openSQLite(t, path)
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	found, err := filepath.Glob(path + "*")
	if err != nil || len(found) < 3 { // with its log
		t.Fatalf("files %v, %v", found, err)
	}
	for _, name := range found {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s: mode %v, want 0600", filepath.Base(name), info.Mode().Perm())
		}
	}
}

// TestSQLiteSurvivesGoexit checks that a change that ends its goroutine, for example by t.FailNow,
// does not hang the store.
func TestSQLiteSurvivesGoexit(t *testing.T) {
	s := openSQLite(t, filepath.Join(t.TempDir(), "a.db"))
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	// Each ends the writer's goroutine, while the others wait.
	ended := make(chan error, 3)
	for range cap(ended) {
		go func() {
			err := errors.New("its goroutine ended")
			defer func() { ended <- err }()
			err = s.Update(t.Context(), plainRequest(1).ID, only(func(r *request.Request) error {
				r.DocName = "spoiled"
				runtime.Goexit()
				return nil
			}))
		}()
	}
	for range cap(ended) {
		if err := <-ended; err == nil {
			t.Error("a change that ended its goroutine succeeded")
		}
	}
	if r, err := s.Get(t.Context(), plainRequest(1).ID); err != nil || r.DocName == "spoiled" {
		t.Errorf("Get = %+v, %v", r, err)
	}
	if err := s.Update(t.Context(), plainRequest(1).ID, rename("fine")); err != nil {
		t.Errorf("the next change: %v", err)
	}
}

// TestSQLiteSharesCommits counts commits: changes that wait for one another's commit share the
// next.
func TestSQLiteSharesCommits(t *testing.T) {
	var mu sync.Mutex
	commits := 0
	s, err := store.Open(t.Context(), store.Options{
		Database: filepath.Join(t.TempDir(), "a.db"), Kind: store.Sandbox,
		Fault: func(point string) {
			if point == store.FaultCommitted {
				mu.Lock()
				commits++
				mu.Unlock()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	const n = 300
	if err := s.Create(t.Context(), plainRequest(0), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	// While this change is under way, the others queue up.
	begun, proceed := make(chan struct{}), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		err := s.Update(
			t.Context(),
			plainRequest(0).ID,
			func(r *request.Request) (request.Effects, error) {
				close(begun)
				<-proceed
				return rename("first")(r)
			},
		)
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
	for i := 1; i <= n; i++ {
		all.Go(func() {
			if err := s.Create(t.Context(), plainRequest(i), request.Effects{}); err != nil {
				t.Error(err)
			}
		})
	}
	for s.Queued() < n {
		runtime.Gosched()
	}
	close(proceed)
	all.Wait()
	if commits != 3 { // the first request, its change, and all that waited
		t.Errorf("%d changes at once took %d commits, want 3", n+2, commits)
	}
}

// TestSQLiteIdleDoesNotWait checks that one caller after another pays for its commit and for
// nothing else. Inside the bubble the clock stands still unless a goroutine sleeps.
func TestSQLiteIdleDoesNotWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	synctest.Test(t, func(t *testing.T) {
		s := openSQLite(t, path)
		start := time.Now()
		for i := range 20 {
			if err := s.Create(t.Context(), plainRequest(i), request.Effects{}); err != nil {
				t.Fatal(err)
			}
			if err := s.Update(t.Context(), plainRequest(i).ID, rename("x")); err != nil {
				t.Fatal(err)
			}
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("40 changes of one caller waited %v beside the disk", waited)
		}
	})
}

// TestSQLiteBusy checks that the store is busy for a moment after a commit that many changes shared,
// and not after the commits of one caller.
func TestSQLiteBusy(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	synctest.Test(t, func(t *testing.T) {
		s := openSQLite(t, path)
		create := func(i int) {
			if err := s.Create(t.Context(), plainRequest(i), request.Effects{}); err != nil {
				t.Error(err)
			}
		}
		for i := range 20 {
			create(i)
		}
		if s.Busy() {
			t.Error("one caller makes the store busy")
		}
		release, _ := hold(t, s, 20)
		var all sync.WaitGroup
		for i := range 20 {
			all.Go(func() { create(100 + i) })
		}
		for s.Queued() < 20 {
			runtime.Gosched()
		}
		release()
		all.Wait()
		synctest.Wait()
		if !s.Busy() {
			t.Error("20 callers at once do not make the store busy")
		}
		time.Sleep(time.Second)
		if s.Busy() {
			t.Error("the store is busy a second later")
		}
	})
}

// TestSQLiteCallsAreWrittenOnce checks that a caller that goes away while old records are dropped
// is not told that the new one is lost, because it is written.
func TestSQLiteCallsAreWrittenOnce(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	s, err := store.Open(t.Context(), store.Options{
		Database: filepath.Join(t.TempDir(), "a.db"), Kind: store.Sandbox,
		Fault: func(point string) {
			if point == store.FaultCommitted {
				cancel()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.AddCalls(ctx, []calllog.Record{{At: time.UnixMicro(1), Kind: calllog.Cancel}}, calllog.DefaultLimits); err != nil {
		t.Error(err)
	}
	if list, err := s.Calls(t.Context(), calllog.Filter{Limit: 2}); err != nil || len(list) != 1 {
		t.Errorf("%d records, %v", len(list), err)
	}
}
