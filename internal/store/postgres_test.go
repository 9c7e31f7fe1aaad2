package store_test

import (
	"context"
	"errors"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/pgtest"
	"github.com/signet-sign/signet/internal/store/storetest"
)

// cluster is the PostgreSQL of these tests.
var cluster = pgtest.Cluster{Migrate: func(url string) error {
	s, err := store.Open(context.Background(), store.Options{Database: url, Kind: store.Sandbox})
	if err != nil {
		return err
	}
	return s.Close()
}}

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}

func openPostgres(t testing.TB, url string) *store.Store {
	t.Helper()
	return openPostgresAt(t, url, time.Now())
}

func openPostgresAt(t testing.TB, url string, now time.Time) *store.Store {
	t.Helper()
	s, err := store.Open(context.Background(), store.Options{
		Database: url, Kind: store.Sandbox, Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func TestPostgres(t *testing.T) {
	url := cluster.Migrated(t)
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		empty(t, url)
		return storetest.Harness{
			Open:   func(t *testing.T) *store.Store { return openPostgres(t, url) },
			Shared: true,
		}
	})
}

// empty deletes all rows of a database. TRUNCATE would make new files for all tables and indexes.
func empty(t testing.TB, url string) {
	t.Helper()
	ask(
		t, url,
		`DO $$ DECLARE name text; BEGIN
		FOR name IN SELECT tablename FROM pg_tables
		WHERE schemaname = 'public' AND tablename NOT IN ('meta', 'goose_db_version')
		LOOP EXECUTE format('DELETE FROM %I', name); END LOOP;
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

// TestOldProposalsPostgres is TestOldProposalsSQLite on PostgreSQL.
func TestOldProposalsPostgres(t *testing.T) {
	url := cluster.Database(t)
	if err := store.MigrateTo(t.Context(), url, 28); err != nil {
		t.Fatal(err)
	}
	ask(t, url, store.AddOldProposal)
	store.CheckOldProposal(t, openPostgres(t, url))
}

func TestPostgresCrash(t *testing.T) { testCrash(t, cluster.Migrated(t)) }

// TestPostgresIsDurable checks that acknowledged changes are on disk for every setting of the
// database. (For SQLite, TestFlushed does.)
func TestPostgresIsDurable(t *testing.T) {
	url := cluster.Migrated(t)
	ask(
		t, url,
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database()); END $$`,
	)
	if got, err := openPostgres(t, url).Setting(t.Context(), "synchronous_commit"); got != "on" ||
		err != nil {
		t.Errorf("synchronous_commit is %s, %v", got, err)
	}
}

// fullScan matches the plan for reading all of a table of TestPostgresPlans; the others are empty.
var fullScan = regexp.MustCompile(`Seq Scan on (\w+_first|outbox)`)

// TestPostgresPlans checks that with many rows, the writers find theirs by an index, and operators
// the requests of a person, whether the server plans for the arguments or for any.
func TestPostgresPlans(t *testing.T) {
	url := cluster.Migrated(t)
	openPostgres(t, url)
	ask(
		t, url,
		`INSERT INTO requests SELECT 'r' || n, 'c', 'created', 1, n, NULL,
			'{"signer_hash":"r' || n || '","signer":{"uin":"S000' || n || '"}}' FROM generate_series(1, 20000) AS n;
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
			if plan := strings.Join(lines, "\n"); !strings.Contains(plan, "Index") || fullScan.MatchString(plan) {
				t.Errorf("%s, %s:\n%s", statement, mode, plan)
			}
		}
		// By default the server makes five plans for arguments, and then keeps one for any if those
		// were not cheaper.
		if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = auto"); err != nil {
			t.Fatal(err)
		}
		keptPlan(t, conn, types, "r1")
		if _, err := conn.Exec(t.Context(), "DEALLOCATE p"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPostgresClaimsDoNotSort checks that a claim of a few jobs does not read all that are due.
func TestPostgresClaimsDoNotSort(t *testing.T) {
	url := cluster.Migrated(t)
	openPostgres(t, url)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	const prepare = "PREPARE p (" + store.PgPickTypes + ") AS "
	for _, before := range []string{
		prepare + store.PgPick, // without statistics
		`INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload,
				last_error)
			SELECT 'r' || n, 'purge', 'pending', 0, n, n, 0, '', ''
			FROM generate_series(1, 20000) AS n`,
		"ANALYZE outbox",
	} {
		if _, err := conn.Exec(t.Context(), before); err != nil {
			t.Fatal(err)
		}
		for _, mode := range []string{"force_custom_plan", "force_generic_plan"} {
			if _, err := conn.Exec(t.Context(), "SET plan_cache_mode = "+mode); err != nil {
				t.Fatal(err)
			}
			rows, err := conn.Query(
				t.Context(), "EXPLAIN EXECUTE p ('purge', 20000, 256, 30000)",
				pgx.QueryExecModeSimpleProtocol,
			)
			if err != nil {
				t.Fatal(err)
			}
			lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
			if err != nil {
				t.Fatal(err)
			}
			plan := strings.Join(lines, "\n")
			if strings.Contains(plan, "Sort") || !strings.Contains(plan, "using outbox_ready") {
				t.Errorf("after %s, %s:\n%s", before, mode, plan)
			}
		}
	}
}

// keptPlan executes the prepared statement p 20 times for one id, checks that the server keeps its
// plan, and returns it.
func keptPlan(t *testing.T, conn *pgx.Conn, types, id string) string {
	t.Helper()
	values := strings.NewReplacer(
		"text[]", "'{"+id+"}'", "bigint[]", "'{1}'", "text", "'"+id+"'", "bigint", "1",
	)
	var plan []string
	for range 20 {
		rows, err := conn.Query(
			t.Context(), "EXPLAIN EXECUTE p ("+values.Replace(types)+")",
			pgx.QueryExecModeSimpleProtocol,
		)
		if err == nil {
			plan, err = pgx.CollectRows(rows, pgx.RowTo[string])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	var kept int
	var statement string
	err := conn.QueryRow(
		t.Context(),
		"SELECT generic_plans, statement FROM pg_prepared_statements WHERE name = 'p'",
	).Scan(&kept, &statement)
	if err != nil || kept < 15 {
		t.Errorf("%s: of 20 executions %d keep the plan, %v", statement, kept, err)
	}
	return strings.Join(plan, "\n")
}

func TestPostgresRefusals(t *testing.T) {
	url := cluster.Database(t)
	if err := openPostgres(t, url).Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Service}); !errors.Is(
		err, store.ErrOtherKind,
	) {
		t.Errorf("Open as the other kind: %v, want ErrOtherKind", err)
	}
	ask(t, url, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true);
		UPDATE meta SET value = '9998' WHERE key = 'oldest_program'`)
	if _, err := store.Open(t.Context(), store.Options{Database: url, Kind: store.Sandbox}); !errors.Is(
		err, store.ErrNewerSchema,
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
