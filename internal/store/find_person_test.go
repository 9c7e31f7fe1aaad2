package store_test

import (
	"database/sql"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

// found is a person with one request, of which two calls are recorded, beside 20,000 records of
// calls that name the person. exec executes a statement on the same database.
type found struct {
	person signer.Person
	store  *store.Store
}

func newFound(t testing.TB, s *store.Store, exec func(statement string)) found {
	t.Helper()
	f := found{signer.Person{UIN: "S8979373D"}, s}
	r := plainRequest(1)
	r.State, r.SignerHash, r.CancelledAt = request.StateCancelled, f.person.Hash(), eraseOld
	if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
		t.Fatal(err)
	}
	call := calllog.Record{
		At: eraseOld, Kind: calllog.Cancel, Party: "RP", Authentic: true, RequestID: r.ID,
	}
	err := s.AddCalls(t.Context(), []calllog.Record{call, call}, calllog.DefaultLimits)
	if err != nil {
		t.Fatal(err)
	}
	exec(`INSERT INTO calls (at, party, authentic, request_id, kind, refused, code, data)
		WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
		SELECT i, 'RP', 1, 'another ' || i, 'initiate', 0, '', '{"v":1,"claimed":"` +
		f.person.Hash() + `"}' FROM n`)
	return f
}

func (f found) find(t testing.TB) {
	t.Helper()
	here, err := retention.Find(t.Context(), f.store, f.person.UIN, time.Now)
	if want := (retention.Forgotten{Requests: 1, Calls: 2}); err != nil || here.Forgotten != want {
		t.Errorf("Find: %+v, %v; want %+v", here, err, want)
	}
}

// onSQLite returns a store and what executes a statement on its database.
func onSQLite(t testing.TB) (*store.Store, func(statement string)) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a.db")
	s := openSQLite(t, path)
	db, err := sql.Open("sqlite", "file:"+path+"?_pragma=busy_timeout(10000)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return s, func(statement string) {
		t.Helper()
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// hidden is a change of the schema after which no statement can read a record of a call.
const hidden = `ALTER TABLE calls RENAME COLUMN data TO hidden`

// TestFindPersonSQLite checks that operators find a person without reading the records of calls.
// TestSQLitePlans has the index by which those of the person's requests are counted.
func TestFindPersonSQLite(t *testing.T) {
	s, exec := onSQLite(t)
	f := newFound(t, s, exec)
	exec(hidden)
	f.find(t)
}

// TestFindPersonPostgres is TestFindPersonSQLite on PostgreSQL, with the plan of the count.
func TestFindPersonPostgres(t *testing.T) {
	url := cluster.Migrated(t)
	s := openPostgres(t, url)
	f := newFound(t, s, func(statement string) { ask(t, url, statement) })
	ask(t, url, `ANALYZE calls`)
	ask(t, url, hidden)
	f.find(t)
	plan := query(t, url, `EXPLAIN SELECT count(*) FROM calls WHERE request_id = 'signv3-1'`)
	if all := strings.Join(plan, "\n"); !strings.Contains(all, "calls_by_request") {
		t.Errorf("the count does not use calls_by_request:\n%s", all)
	}
}

func BenchmarkFindPerson(b *testing.B) {
	s, exec := onSQLite(b)
	f := newFound(b, s, exec)
	for b.Loop() {
		f.find(b)
	}
}
