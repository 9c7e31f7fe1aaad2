package store_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestCallsReadOnePartition makes the calls of requests of one month, alone and at once. The server
// counts the scans of each table and index: there are none of other months.
func TestCallsReadOnePartition(t *testing.T) {
	url := cluster.Database(t)
	s := openPostgresAt(t, url, february)
	ask(t, url, `INSERT INTO requests SELECT 'r' || n, 'c', 'created', 1, n, NULL, '' FROM generate_series(1, 20000) AS n;
		INSERT INTO events SELECT 'r' || n, 1, n, 'k', '', n, 1 FROM generate_series(1, 20000) AS n`)
	ask(t, url, `VACUUM ANALYZE`)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	scans := func() map[string]string {
		all := map[string]string{}
		for _, line := range query(t, url, `SELECT relname, coalesce(seq_scan, 0) + coalesce(idx_scan, 0)
			FROM pg_stat_user_tables WHERE relname ~ '^(requests|events)_'`) {
			name, n, _ := strings.Cut(line, " ")
			all[name] = n
		}
		return all
	}
	settled := func() (last map[string]string) { // a connection reports its counts when it ends
		for same := 0; same < 3; time.Sleep(200 * time.Millisecond) {
			now := scans()
			if same++; cmp.Diff(last, now) != "" {
				same = 0
			}
			last = now
		}
		return last
	}
	check := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	others := func(what string, run func(), also ...string) {
		t.Helper()
		before := settled()
		s = openPostgresAt(t, url, february)
		run()
		check(s.Close())
		after := settled()
		touched := map[string]bool{}
		for name, n := range after {
			if n != before[name] {
				touched[name] = true
			}
		}
		for _, name := range append(also, "requests_2041_02", "events_2041_02") {
			delete(touched, name)
		}
		if len(touched) > 0 {
			t.Errorf("%s reads %v", what, touched)
		}
		if cmp.Diff(before, after) == "" {
			t.Errorf("%s reads nothing: the counts do not work", what)
		}
	}
	call := func(i int) {
		r := requestAt(february, i)
		ctx := t.Context()
		check(s.Create(ctx, r, request.Effects{Events: []request.Event{{At: february, Kind: "k"}}}))
		_, err := s.Get(ctx, r.ID)
		check(err)
		check(s.Update(ctx, r.ID, func(r *request.Request) (request.Effects, error) {
			r.State = request.StateCancelled
			e := request.Effects{Events: []request.Event{{At: february, Kind: "cancelled"}}}
			e.Enqueue(request.JobPurge, february)
			return e, nil
		}))
		jobs, err := s.Jobs(ctx, r.ID)
		check(err)
		if len(jobs) != 1 {
			t.Errorf("jobs %+v", jobs)
			return
		}
		jobs[0].Finish()
		check(s.Settle(ctx, request.Settlement{
			Job: jobs[0], Events: []request.Event{{At: february, Kind: request.EventPurged}},
		}))
		all, err := s.GetAll(ctx, []string{r.ID, requestAt(february, i+1000).ID})
		check(err)
		if len(all) == 0 {
			t.Error("GetAll finds nothing")
		}
		events, err := s.Events(ctx, r.ID)
		check(err)
		if len(events) != 3 {
			t.Errorf("events %+v", events)
		}
		_, err = s.EntriesOf(ctx, r.ID)
		check(err)
		_, err = s.Pending(ctx, r.ID)
		check(err)
	}
	others("a call alone", func() { call(0) })
	others("a tenth call", func() {
		for i := range 12 { // the server plans a statement for its arguments five times
			call(1 + i)
		}
	})
	others("calls at once", func() {
		for round := range 8 {
			var all sync.WaitGroup
			for i := range 40 {
				all.Go(func() { call(100 + 40*round + i) })
			}
			all.Wait()
		}
	})
	others("a list of days", func() {
		for _, f := range []request.Filter{
			{},
			{State: request.StateCancelled},
			{ClientID: "BENCH"},
			{OldestFirst: true},
			{Sort: request.SortState},
		} {
			f.From, f.To, f.Limit = february.Add(-3*24*time.Hour), february.Add(3*24*time.Hour), 5
			page, err := s.List(t.Context(), f)
			check(err)
			if len(page) != 5 {
				t.Errorf("%+v: %d requests", f, len(page))
			}
			counts, err := s.Count(t.Context(), f)
			check(err)
			if counts[request.StateCancelled] == 0 {
				t.Errorf("%+v: %v", f, counts)
			}
		}
		_, err := s.Timeline(t.Context(), february, time.Hour, 24)
		check(err)
	})
	others("a page of the newest requests", func() {
		for _, f := range []request.Filter{
			{}, {ClientID: "BENCH"}, {State: request.StateCancelled}, {Text: "agreement"},
		} {
			f.Limit = 5
			page, err := s.List(t.Context(), f)
			check(err)
			if len(page) != 5 {
				t.Errorf("%+v: %d requests", f, len(page))
			}
		}
	}, "requests_2041_03", "requests_2041_04", "requests_2041_05", "requests_default")
}

// TestPlansOfOneMonthAreKept checks that the server keeps its plans for a recent request, which it
// would otherwise make for each id again, and that they are for one partition.
func TestPlansOfOneMonthAreKept(t *testing.T) {
	url := cluster.Database(t)
	openPostgresAt(t, url, february)
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	id := requestAt(february, 1).ID
	for statement, types := range store.PgOfOne(february, id) {
		if _, err := conn.Exec(t.Context(), "PREPARE p ("+types+") AS "+statement); err != nil {
			t.Fatal(err)
		}
		plan := keptPlan(t, conn, types, id)
		if strings.Contains(plan, "_first") || strings.Contains(plan, "_default") ||
			!strings.Contains(plan, "_2041_02") {
			t.Errorf("%s:\n%s", statement, plan)
		}
		if _, err := conn.Exec(t.Context(), "DEALLOCATE p"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestStatementsOfOldMonthsAreForgotten reads requests of a year while the clock passes it. The
// statements that were narrowed to a month do not stay.
func TestStatementsOfOldMonthsAreForgotten(t *testing.T) {
	now := february
	s, err := store.Open(t.Context(), store.Options{
		Database: cluster.Database(t) + "&statement_cache_capacity=8", Kind: store.Sandbox,
		Now: func() time.Time { return now },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for range 12 {
		id := requestAt(now, 1).ID
		if _, err := s.Get(t.Context(), id); !errors.Is(err, api.ErrNoRecord) {
			t.Fatal(err)
		}
		if _, err := s.Events(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		now = now.AddDate(0, 1, 0)
	}
	n, err := s.Prepared(t.Context())
	if err != nil || n > 10 { // a statement is deallocated with the next query
		t.Errorf("%d statements are prepared, %v", n, err)
	}
}

// TestPlansOfManyMonths checks that the server keeps the plans of what reads all partitions often,
// when there are many: it makes five for arguments before it compares.
func TestPlansOfManyMonths(t *testing.T) {
	url := cluster.Database(t)
	s := openPostgresAt(t, url, february)
	ask(t, url, `DO $$ BEGIN FOR i IN 100..189 LOOP
		EXECUTE format('CREATE TABLE requests_later_%s PARTITION OF requests FOR VALUES FROM (%L) TO (%L)',
			i, 'signv4-' || i, 'signv4-' || i + 1);
	END LOOP; END $$`)
	for range 8 {
		if _, err := s.Due(t.Context(), february, 256); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Count(t.Context(), request.Filter{Limit: 100}); err != nil {
			t.Fatal(err)
		}
	}
	for words, most := range map[string]int{"SELECT id FROM requests": 5, "count(*)": 0} {
		if n, err := s.Replanned(t.Context(), words); err != nil || n > most {
			t.Errorf("%s: %d plans, %v; want %d at most", words, n, err, most)
		}
	}
}

// TestRecent checks to which statements the bounds of months are added.
func TestRecent(t *testing.T) {
	at := func(month time.Month, day int) string {
		return requestAt(time.Date(2041, month, day, 0, 0, 0, 0, time.UTC), 1).ID
	}
	for _, test := range []struct {
		ids      []string
		from, to time.Month // 0 if the statement stays as it is
	}{
		{[]string{at(2, 1)}, 2, 3},
		{[]string{at(2, 28)}, 2, 3},
		{[]string{at(1, 31)}, 1, 2},
		{[]string{at(3, 1), at(1, 1), at(2, 1)}, 1, 4},
		{[]string{at(2, 5), at(4, 1)}, 0, 0},
		{[]string{at(12, 31)}, 0, 0},
		{[]string{"phone/1"}, 0, 0},
		{[]string{at(2, 5), "r1"}, 0, 0},
		{[]string{""}, 0, 0},
	} {
		const query = "SELECT 1 FROM t WHERE a = $1 AND b IN (SELECT 1 WHERE true)"
		want := query
		if test.from != 0 {
			month := func(m time.Month) string {
				return request.FirstID(time.Date(2041, m, 1, 0, 0, 0, 0, time.UTC))
			}
			want = fmt.Sprintf(
				"SELECT 1 FROM t WHERE a >= '%s' AND a < '%s' AND a = $1 AND b IN (SELECT 1 WHERE true)",
				month(test.from), month(test.to),
			)
		}
		if got := store.Narrow(february, query, "a", test.ids...); got != want {
			t.Errorf("%q: %s, want %s", test.ids, got, want)
		}
	}
}

// TestPlansOfAnEmptyMonth checks that plans which the server made while a month was empty, and had
// statistics, do not read all of it when it has grown: its next statistics replace them.
func TestPlansOfAnEmptyMonth(t *testing.T) {
	url := cluster.Database(t)
	s := openPostgresAt(t, url, february)
	ask(t, url, `VACUUM ANALYZE`)
	for i := range 40 {
		if err := s.Create(t.Context(), requestAt(february, i), request.Effects{}); err != nil {
			t.Fatal(err)
		}
	}
	calls := func(n int) {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				id := requestAt(february, i).ID
				err := s.Update(t.Context(), id, only(func(r *request.Request) error {
					r.DocName += "."
					return nil
				}))
				if err != nil {
					t.Errorf("%s: %v", id, err)
				}
			})
		}
		all.Wait()
	}
	for range 10 { // so that the plans are kept
		calls(1)
		calls(40)
	}
	ask(t, url, `INSERT INTO requests
		SELECT left(id, 24) || n || right(id, 12), client_id, 'created', 1, created_at, due_at, data
		FROM requests, generate_series(1000, 1999) AS n`)
	ask(t, url, `ANALYZE`) // as autovacuum does within a minute
	for range 10 {
		calls(1)
		calls(40)
	}
	if err := s.Close(); err != nil { // its connections report their counts
		t.Fatal(err)
	}
	scanned := query(t, url, `SELECT seq_tup_read FROM pg_stat_user_tables
		WHERE relname = 'requests_2041_02'`)
	// The calls before may have read the 40 rows each time.
	if n, err := strconv.Atoi(scanned[0]); err != nil || n > 100_000 {
		t.Errorf("calls scanned %q rows, %v", scanned, err)
	}
}
