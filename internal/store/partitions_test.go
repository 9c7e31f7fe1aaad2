package store_test

import (
	"context"
	"fmt"
	neturl "net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// february is a month that begins after those of the first partition.
var february = time.Date(2041, 2, 14, 0, 0, 0, 0, time.UTC)

// requestAt is request i of a time.
func requestAt(at time.Time, i int) *request.Request {
	r := plainRequest(i)
	r.ID = fmt.Sprintf("%s-7000-8000-%012d", request.FirstID(at), i)
	r.CreatedAt, r.ExpiresAt = at, at.Add(30*time.Minute)
	return r
}

// query returns the rows of a query, with a space between columns.
func query(t testing.TB, url, text string) (list []string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.Background()) }()
	rows, err := conn.Query(t.Context(), text, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		values, err := rows.Values()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, strings.TrimSuffix(fmt.Sprintln(values...), "\n"))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestPartitionsAhead makes the partitions of new months, also of one whose requests are in the
// default partition because there was none.
func TestPartitionsAhead(t *testing.T) {
	url := cluster.Database(t)
	s := openPostgres(t, url)
	if err := s.CheckPartitions(t.Context(), time.Now()); err != nil {
		t.Errorf("a new database: %v", err)
	}
	if n, err := s.MakePartitions(t.Context(), time.Now()); n != 0 || err != nil {
		t.Errorf("made %d more, %v", n, err)
	}
	for i := range 3 {
		r := requestAt(february, i)
		err := s.Create(t.Context(), r, request.Effects{Events: []request.Event{{At: february, Kind: "k"}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	err := s.CheckPartitions(t.Context(), february)
	for _, want := range []string{
		"no partition requests_2041_02", "no partition events_2041_03", "rows in requests_default",
		"rows in events_default",
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("CheckPartitions: %v, want %q", err, want)
		}
	}
	var nodes sync.WaitGroup
	for range 2 {
		nodes.Go(func() { _, _ = s.MakePartitions(t.Context(), february) })
	}
	nodes.Wait()
	if _, err := s.MakePartitions(t.Context(), february); err != nil {
		t.Fatal(err)
	}
	if err := s.CheckPartitions(t.Context(), february); err != nil {
		t.Error(err)
	}
	got := query(t, url, `SELECT tableoid::regclass::text, count(*) FROM requests GROUP BY 1
		UNION ALL SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1 ORDER BY 1`)
	if diff := cmp.Diff([]string{"events_2041_02 3", "requests_2041_02 3"}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	if got := query(t, url, `SELECT indexdef FROM pg_indexes WHERE tablename = 'events_2041_05'
		AND indexdef LIKE '%UNIQUE%(leaf)%'`); len(got) != 1 {
		t.Errorf("indexes by leaf: %q", got)
	}
}

// TestLeavesAreUnique integrates events of several months from several nodes at once: each event
// gets another leaf, without gaps, though no index is unique over all partitions.
func TestLeavesAreUnique(t *testing.T) {
	url := cluster.Database(t)
	var nodes []*store.Store
	for range 3 {
		nodes = append(nodes, openPostgres(t, url))
	}
	if _, err := nodes[0].MakePartitions(t.Context(), february); err != nil {
		t.Fatal(err)
	}
	const events = 120
	unsigned := func(tlog.Tree) (string, error) { return "", nil }
	var all sync.WaitGroup
	for k, s := range nodes {
		all.Go(func() {
			for i := range events / len(nodes) {
				r := requestAt(february.AddDate(0, (i+k)%4, 0), i*len(nodes)+k)
				err := s.Create(t.Context(), r, request.Effects{Events: []request.Event{{Kind: "k"}}})
				if err == nil {
					_, err = s.Integrate(t.Context(), 5, unsigned)
				}
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	for n := 1; n > 0; {
		var err error
		if n, err = nodes[0].Integrate(t.Context(), events, unsigned); err != nil {
			t.Fatal(err)
		}
	}
	got := query(t, url, `SELECT count(DISTINCT leaf), min(leaf), max(leaf),
		count(DISTINCT tableoid) FROM events`)
	if diff := cmp.Diff([]string{fmt.Sprint(events, 0, events-1, 4)}, got); diff != "" {
		t.Errorf("leaves, the first, the last, partitions (-want +got):\n%s", diff)
	}
}

// TestPartitionsInALocale checks that ids fall into the partitions of their months in a database
// whose texts have the order of a language.
func TestPartitionsInALocale(t *testing.T) {
	server := cluster.Database(t)
	ask(t, server, `DROP DATABASE IF EXISTS english`)
	ask(t, server, `CREATE DATABASE english TEMPLATE template0
		LOCALE_PROVIDER icu ICU_LOCALE 'en-US'`)
	u, err := neturl.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/english"
	s := openPostgresAt(t, u.String(), february)
	first := time.Date(2041, 2, 1, 0, 0, 0, 0, time.UTC)
	for i, at := range []time.Time{
		first, first.Add(time.Millisecond), first.AddDate(0, 1, 0).Add(-time.Millisecond),
	} {
		r := requestAt(at, i)
		err := s.Create(t.Context(), r, request.Effects{Events: []request.Event{{Kind: "k"}}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Get(t.Context(), r.ID); err != nil {
			t.Error(err)
		}
	}
	got := query(t, u.String(), `SELECT tableoid::regclass::text, count(*) FROM requests GROUP BY 1
		UNION ALL SELECT tableoid::regclass::text, count(*) FROM events GROUP BY 1 ORDER BY 1`)
	if diff := cmp.Diff([]string{"events_2041_02 3", "requests_2041_02 3"}, got); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}
