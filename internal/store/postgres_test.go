package store_test

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-sign/signet/internal/sign"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// cluster is the PostgreSQL of these tests.
var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}

func openPostgres(t testing.TB, url string) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{Database: url, Kind: store.Sandbox})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestPostgres(t *testing.T) {
	url := cluster.Database(t)
	openPostgres(t, url) // makes the tables
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		ask(t, url, `DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
			WHERE schemaname = 'public' AND tablename NOT IN ('meta', 'goose_db_version')); END $$`)
		return storetest.Harness{
			Open:    func(t *testing.T) storetest.Store { return openPostgres(t, url) },
			Durable: true,
			Shared:  true,
		}
	})
}

// ask runs a statement on a connection of its own.
func ask(t testing.TB, url, statement string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err == nil {
		_, err = conn.Exec(t.Context(), statement)
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestPostgresCrash(t *testing.T) { testCrash(t, cluster.Database(t)) }

// TestPostgresRestart breaks all connections under load, again and again. Changes are repeated or refused, but what was
// acknowledged is there, once, and watchers on another node hear of what came after.
func TestPostgresRestart(t *testing.T) {
	url := cluster.Database(t)
	a, b := openPostgres(t, url), openPostgres(t, url)
	for i := range 4 {
		r := plainRequest(i)
		r.DocName = "0"
		if err := a.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var acknowledged, uncertain [4]int
	made := make(chan struct{}) // tells whoever waits for it of changes that were acknowledged
	for i := range 4 {
		s := []*store.Store{a, b}[i%2]
		all.Go(func() {
			for ctx.Err() == nil {
				err := s.Update(ctx, plainRequest(i).ID, func(r *sign.Request) error {
					n, err := strconv.Atoi(r.DocName)
					r.DocName = strconv.Itoa(n + 1)
					return err
				})
				switch {
				case err == nil:
					acknowledged[i]++
					select {
					case made <- struct{}{}:
					default:
					}
				case errors.Is(err, store.ErrUncertain):
					uncertain[i]++
				}
				if _, err := s.Get(t.Context(), plainRequest(i).ID); err != nil {
					t.Errorf("Get: %v", err)
				}
			}
		})
	}
	goOn := func() {
		for range 40 {
			<-made
		}
	}
	for round := range 6 {
		goOn()
		if round == 3 {
			cluster.Restart(t)
			continue
		}
		ask(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()`)
	}
	goOn()
	stop()
	all.Wait()
	for i := range 4 {
		r, err := a.Get(t.Context(), plainRequest(i).ID)
		if err != nil {
			t.Fatal(err)
		}
		got, err := strconv.Atoi(r.DocName)
		if err != nil || got < acknowledged[i] || got > acknowledged[i]+uncertain[i] {
			t.Errorf("request %d stands at %d; acknowledged were %d, uncertain %d", i, got, acknowledged[i], uncertain[i])
		}
		if got == 0 {
			t.Errorf("request %d was never changed", i)
		}
	}
	changed, stopWatching := b.Watch(plainRequest(0).ID)
	defer stopWatching()
	for deadline := time.Now().Add(5 * time.Second); ; {
		if err := a.Update(t.Context(), plainRequest(0).ID, rename(time.Now().String())); err != nil {
			t.Fatal(err)
		}
		select {
		case <-changed:
			return
		case <-time.After(100 * time.Millisecond):
			if time.Now().After(deadline) {
				t.Fatal("the other node does not hear of changes any more")
			}
		}
	}
}

// TestPostgresOutcome asks for the ends of transactions whose commit was not answered.
func TestPostgresOutcome(t *testing.T) {
	db, err := sql.Open("pgx", cluster.Database(t))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	cause := errors.New("the connection broke")
	begin := func() (tx *sql.Tx, id string) {
		tx, err := db.BeginTx(t.Context(), nil)
		if err == nil {
			err = tx.QueryRowContext(t.Context(), `SELECT pg_current_xact_id()::text`).Scan(&id)
		}
		if err != nil {
			t.Fatal(err)
		}
		return tx, id
	}
	committed, id := begin()
	if err := committed.Commit(); err != nil {
		t.Fatal(err)
	}
	if err := store.Outcome(db, id, cause); err != nil {
		t.Errorf("a committed transaction: %v", err)
	}
	aborted, id := begin()
	if err := aborted.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := store.Outcome(db, id, cause); !errors.Is(err, cause) || errors.Is(err, store.ErrUncertain) {
		t.Errorf("an aborted transaction: %v, want the cause alone", err)
	}
	slow, id := begin()
	time.AfterFunc(120*time.Millisecond, func() { _ = slow.Commit() })
	if err := store.Outcome(db, id, cause); err != nil {
		t.Errorf("a transaction that takes its time: %v", err)
	}
}

// TestPostgresCommitCutOff ends the writer's connection after the changes and before the commit: they are made again.
func TestPostgresCommitCutOff(t *testing.T) {
	url := cluster.Database(t)
	var cut atomic.Bool
	s, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Sandbox, Fault: func(point string) {
		if point == store.FaultWritten && cut.CompareAndSwap(true, false) {
			ask(t, url, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Create(t.Context(), plainRequest(1)); err != nil {
		t.Fatal(err)
	}
	cut.Store(true)
	calls := 0
	err = s.Update(t.Context(), plainRequest(1).ID, func(r *sign.Request) error { calls++; return rename("new")(r) })
	if err != nil || calls != 2 || cut.Load() {
		t.Errorf("Update: %v after %d calls; want success at the second", err, calls)
	}
	if r, err := s.Get(t.Context(), plainRequest(1).ID); err != nil || r.DocName != "new" || r.Version != 2 {
		t.Errorf("Get = %+v, %v", r, err)
	}
}

func TestPostgresRefusals(t *testing.T) {
	url := cluster.Database(t)
	if err := openPostgres(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Service}); !errors.Is(err, store.ErrOtherKind) {
		t.Errorf("Open as the other kind: %v, want ErrOtherKind", err)
	}
	ask(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`)
	if _, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Sandbox}); !errors.Is(err, store.ErrNewerSchema) {
		t.Errorf("Open of a newer schema: %v, want ErrNewerSchema", err)
	}
	_, err := store.Open(t.Context(), store.Options{Database: "postgres://u:hunter2@127.0.0.1:1/x", Kind: store.Sandbox})
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Open of no server: %v, want an error without the password", err)
	}
}

// TestPostgresNodesStartAtOnce opens a new database on several nodes: one makes the tables, the others wait for it.
func TestPostgresNodesStartAtOnce(t *testing.T) {
	url := cluster.Database(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s, err := store.Open(context.Background(), store.Options{Database: url, Kind: store.Sandbox})
			if err != nil {
				t.Errorf("Open: %v", err)
				return
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
	all.Wait()
}

func BenchmarkUpdatePostgres(b *testing.B) {
	real := pgtest.Cluster{Durable: true}
	defer real.Stop()
	benchUpdate(b, func(b testing.TB) *store.Store { return openPostgres(b, real.Database(b)) })
}
