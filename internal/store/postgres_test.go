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
		truncate(t, url)
		return storetest.Harness{
			Open:    func(t *testing.T) storetest.Store { return openPostgres(t, url) },
			Durable: true,
			Shared:  true,
		}
	})
}

// truncate empties all tables of a database.
func truncate(t testing.TB, url string) {
	t.Helper()
	ask(
		t,
		url,
		`DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(quote_ident(tablename), ', ') FROM pg_tables
		WHERE schemaname = 'public' AND tablename NOT IN ('meta', 'goose_db_version'));
		UPDATE meta SET value = '0' WHERE key = 'audit_size'; DELETE FROM meta WHERE key = 'swept_at'; END $$`,
	)
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

// TestPostgresIsDurable checks that acknowledged changes are on disk for every setting of the
// database. (For SQLite, TestFlushed does.)
func TestPostgresIsDurable(t *testing.T) {
	url := cluster.Database(t)
	ask(
		t,
		url,
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`,
	)
	if got, err := openPostgres(t, url).Setting(t.Context(), "synchronous_commit"); got != "on" ||
		err != nil {
		t.Errorf("synchronous_commit is %s, %v", got, err)
	}
}

// TestPostgresPlans checks that with many rows, the writers find theirs by an index, whether the
// server plans for the arguments or for any.
func TestPostgresPlans(t *testing.T) {
	url := cluster.Database(t)
	openPostgres(t, url)
	ask(
		t,
		url,
		`INSERT INTO requests SELECT 'r' || n, 'c', 'created', 1, n, NULL, '' FROM generate_series(1, 20000) AS n;
		INSERT INTO events SELECT 'r' || n, 1, n, 'k', '' FROM generate_series(1, 20000) AS n;
		INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
			SELECT 'r' || n, 'k', 'done', 1, 1, 1, 0, '', '' FROM generate_series(1, 20000) AS n; ANALYZE`,
	)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	values := strings.NewReplacer(
		"text[]", "'{r1,r2,r3,r4,r5,r6,r7,r8}'", "bigint[]", "'{1,2,3,4,5,6,7,8}'", "text", "'r1'",
		"bigint", "1",
	)
	for statement, types := range store.PgStatements {
		if _, err := conn.Exec(t.Context(), "PREPARE p ("+types+") AS "+statement); err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode); err != nil {
				t.Fatal(err)
			}
			rows, err := conn.Query(
				t.Context(), "EXPLAIN EXECUTE p ("+values.Replace(types)+")",
				pgx.QueryExecModeSimpleProtocol,
			)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			if plan := strings.Join(lines, "\n"); !strings.Contains(plan, "Index") ||
				strings.Contains(plan, "Seq Scan") {
				t.Errorf("%s, %s:\n%s", statement, mode, plan)
			}
		}
		// By default the server makes five plans for arguments, and then keeps one for any if those
		// were not cheaper.
		if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = auto"); err != nil {
			t.Fatal(err)
		}
		short := strings.NewReplacer(
			"text[]", "'{r1}'", "bigint[]", "'{1}'", "text", "'r1'", "bigint", "1",
		)
		for range 20 {
			_, err := conn.Exec(
				t.Context(), "EXPLAIN EXECUTE p ("+short.Replace(types)+")",
				pgx.QueryExecModeSimpleProtocol,
			)
			if err != nil {
				t.Fatal(err)
			}
		}
		var kept int
		err := conn.QueryRow(
			t.Context(), "SELECT generic_plans FROM pg_prepared_statements WHERE name = 'p'",
		).Scan(&kept)
		if err != nil || kept < 15 {
			t.Errorf("%s: of 20 executions %d keep the plan, %v", statement, kept, err)
		}
		if _, err := conn.Exec(t.Context(), "DEALLOCATE p"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestPostgresRefusals(t *testing.T) {
	url := cluster.Database(t)
	if err := openPostgres(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Service}); !errors.Is(
		err,
		store.ErrOtherKind,
	) {
		t.Errorf("Open as the other kind: %v, want ErrOtherKind", err)
	}
	ask(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true);
		UPDATE meta SET value = '9998' WHERE key = 'oldest_program'`)
	if _, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Sandbox}); !errors.Is(
		err,
		store.ErrNewerSchema,
	) {
		t.Errorf("Open of a newer schema: %v, want ErrNewerSchema", err)
	}
	_, err := store.Open(
		t.Context(),
		store.Options{Database: "postgres://u:hunter2@127.0.0.1:1/x", Kind: store.Sandbox},
	)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("Open of no server: %v, want an error without the password", err)
	}
}

// TestPostgresNodesStartAtOnce opens a new database on several nodes: one makes the tables, the
// others wait for it.
func TestPostgresNodesStartAtOnce(t *testing.T) {
	url := cluster.Database(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s, err := store.Open(
				context.Background(), store.Options{Database: url, Kind: store.Sandbox},
			)
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
