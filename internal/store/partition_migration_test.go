package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signet-sign/signet/internal/store"
)

const partitionsOf = `SELECT inhrelid::regclass::text FROM pg_inherits
	WHERE inhparent = '%s'::regclass ORDER BY 1`

// TestPartitionMigration migrates a database while nodes of the release before make calls: their
// statements work before, during and after it, none waits for long, and the migration neither
// writes the rows again nor reads them under its exclusive lock, nor makes an index again.
func TestPartitionMigration(t *testing.T) {
	url := cluster.Database(t)
	if err := store.MigrateTo(t.Context(), url, 26); err != nil {
		t.Fatal(err)
	}
	const rows = 20_000
	ask(t, url, fmt.Sprintf(`INSERT INTO requests
			SELECT 'signv3-0199' || lpad(to_hex(n), 4, '0') || '-0000-7000-8000-000000000000', 'c', 'created', 1, n, NULL, ''
			FROM generate_series(1, %d) AS n;
		INSERT INTO events SELECT id, 1, 1, 'k', '', created_at, 1 FROM requests;
		INSERT INTO events VALUES ('phone/1', 1, 1, 'k', '', 0, 1), ('erasure', 1, 1, 'k', '', NULL, NULL)`, rows))
	const files = `SELECT c.oid, pg_relation_filenode(c.oid) FROM pg_class AS c JOIN pg_index AS i
		ON c.oid IN (i.indrelid, i.indexrelid) WHERE i.indrelid IN
		(to_regclass('requests%[1]s'), to_regclass('events%[1]s')) GROUP BY 1 ORDER BY 1`
	before := query(t, url, fmt.Sprintf(files, ""))

	// the statements of the release before, prepared once for each connection
	old := []string{
		`SELECT id, version, data FROM requests WHERE id = ANY ((SELECT $1::text[])::text[])
			ORDER BY id COLLATE "C" FOR UPDATE`,
		`UPDATE requests AS r SET state = n.state, version = r.version + 1, data = n.data
			FROM unnest((SELECT $1::text[]), (SELECT $2::text[]), (SELECT $3::text[])) AS n (id, state, data)
			WHERE r.id = n.id RETURNING r.id`,
		`INSERT INTO events (request_id, seq, at, kind, detail)
			SELECT id, seq, 1, 'k', '' FROM unnest((SELECT $1::text[]), (SELECT $2::bigint[])) AS n (id, seq)
			RETURNING request_id`,
	}
	ctx, cancel := context.WithCancel(t.Context())
	var nodes sync.WaitGroup
	var mu sync.Mutex
	var calls int
	var longest time.Duration
	for node := range 3 {
		nodes.Go(func() {
			conn, err := pgx.Connect(t.Context(), url)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = conn.Close(context.Background()) }()
			for i := 2; ctx.Err() == nil; i++ {
				id := fmt.Sprintf("signv3-0199%04x-0000-7000-8000-000000000000", 3*(i%6000)+node+1)
				began := time.Now()
				tx, err := conn.Begin(t.Context())
				for k, args := range [][]any{
					{[]string{id}},
					{[]string{id}, []string{"cancelled"}, []string{"{}"}},
					{[]string{id}, []int64{int64(i)}},
				} {
					var got string
					if err == nil {
						rows, failed := tx.Query(t.Context(), old[k], args...)
						if failed == nil {
							var all []string
							all, failed = pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
								values, err := row.Values()
								return fmt.Sprint(values[0]), err
							})
							got = strings.Join(all, ",")
						}
						err = failed
					}
					if err == nil && got != id {
						err = fmt.Errorf("statement %d found %q", k, got)
					}
				}
				if err == nil {
					err = tx.Commit(t.Context())
				}
				if err != nil {
					t.Errorf("node %d, call %d: %v", node, i, err)
					return
				}
				mu.Lock()
				calls, longest = calls+1, max(longest, time.Since(began))
				mu.Unlock()
			}
		})
	}
	waitFor := func(n int) {
		t.Helper()
		for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
			mu.Lock()
			enough := calls >= n
			mu.Unlock()
			if enough {
				return
			}
			if time.Now().After(end) {
				t.Fatal("the nodes make no calls")
			}
		}
	}
	waitFor(50)
	var notices []string
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["client_min_messages"] = "debug1"
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) { notices = append(notices, n.Message) }
	schema, err := store.ReadSchema(t.Context(), url)
	if err != nil || len(schema.Pending) == 0 || schema.Pending[0].Version != 27 {
		t.Fatalf("%+v, %v", schema, err)
	}
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err == nil {
		_, err = conn.Exec(t.Context(), schema.Pending[0].SQL)
		err = errors.Join(err, conn.Close(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"requests_first", "events_first"} {
		if !slices.ContainsFunc(notices, func(n string) bool {
			return strings.Contains(n, table) && strings.Contains(n, "implied by existing constraints")
		}) {
			t.Errorf("the attachment of %s reads its rows: %q", table, notices)
		}
	}
	if diff := cmp.Diff(before, query(t, url, fmt.Sprintf(files, "_first"))); diff != "" {
		t.Errorf("tables and indexes (-before +after):\n%s", diff)
	}
	// The start repeats the migration, whose version was not recorded, and makes the partitions.
	s := openPostgres(t, url)
	mu.Lock()
	so := calls
	mu.Unlock()
	waitFor(so + 50)
	cancel()
	nodes.Wait()
	t.Logf("%d calls, the longest took %s", calls, longest)
	if longest > 5*time.Second {
		t.Errorf("a call waited %s for the migration", longest)
	}
	for _, table := range []string{"requests", "events"} {
		if got := query(t, url, fmt.Sprintf(partitionsOf, table)); len(got) < 4 ||
			!slices.Contains(got, table+"_first") || !slices.Contains(got, table+"_default") {
			t.Errorf("partitions of %s: %q", table, got)
		}
	}
	if got := query(t, url, `SELECT count(*) FROM requests`); got[0] != fmt.Sprint(rows) {
		t.Errorf("%s requests after the migration", got)
	}
	if got, err := s.Entries(t.Context(), 0, 2); err != nil || len(got) != 2 ||
		got[0].RequestID != "phone/1" {
		t.Errorf("entries %+v, %v", got, err)
	}
}

// TestPartitionMigrationWaits migrates a database beside a long reader: the log names it, calls do
// not wait, and the migration goes on when it has ended.
func TestPartitionMigrationWaits(t *testing.T) {
	url := cluster.Database(t)
	if err := store.MigrateTo(t.Context(), url, 26); err != nil {
		t.Fatal(err)
	}
	reader, err := pgx.Connect(t.Context(), url+"&application_name=report")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close(context.Background()) }()
	if _, err := reader.Exec(t.Context(), `BEGIN; SELECT count(*) FROM requests`); err != nil {
		t.Fatal(err)
	}
	caller, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = caller.Close(context.Background()) }()
	said := make(lines, 100)
	opened := make(chan error, 1)
	go func() {
		s, err := store.Open(t.Context(), store.Options{
			Database: url, Kind: store.Service, Log: slog.New(slog.NewTextHandler(said, nil)),
		})
		if err == nil {
			err = s.Close()
		}
		opened <- err
	}()
	var longest time.Duration
	for n := 0; ; n++ {
		began := time.Now()
		if _, err := caller.Exec(t.Context(), `INSERT INTO requests
			(id, client_id, state, version, created_at, data) VALUES ($1, 'c', 'created', 1, 1, '')`,
			fmt.Sprintf("signv3-0199%04x-0000-7000-8000-000000000000", n)); err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
		select {
		case line := <-said:
			if strings.Contains(line, "level=INFO") { // that it begins
				continue
			}
			if want := fmt.Sprintf("process %d (report, for ", reader.PgConn().PID()); !strings.Contains(line, want) {
				t.Errorf("the log says %s, want %q", line, want)
			}
		case err := <-opened:
			t.Fatalf("opened beside the reader: %v", err)
		default:
			continue
		}
		break
	}
	if longest > 5*time.Second {
		t.Errorf("a call waited %s for the migration", longest)
	}
	if _, err := reader.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if err := <-opened; err != nil {
		t.Error(err)
	}
}

// lines are the lines of a log.
type lines chan string

func (l lines) Write(p []byte) (int, error) {
	select {
	case l <- string(p):
	default: // the test reads the first ones
	}
	return len(p), nil
}
