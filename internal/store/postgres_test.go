package store_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

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

// TestPostgresIsDurable: whatever a database is set to, what we acknowledge is on disk. (That SQLite's is, TestFlushed sees.)
func TestPostgresIsDurable(t *testing.T) {
	url := cluster.Database(t)
	ask(t, url, `DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`)
	if got, err := openPostgres(t, url).Setting(t.Context(), "synchronous_commit"); got != "on" || err != nil {
		t.Errorf("synchronous_commit is %s, %v", got, err)
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
