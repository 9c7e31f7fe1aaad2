package store_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/store"
)

// TestEraseMonths sweeps a month whose requests are all old enough: its partitions are dropped, the
// audit log accounts for every event, and the documents get purge jobs. A month with a request that
// has to be kept stays.
func TestEraseMonths(t *testing.T) {
	url := cluster.Database(t)
	s := openPostgres(t, url)
	if _, err := s.MakePartitions(t.Context(), february); err != nil {
		t.Fatal(err)
	}
	march := february.AddDate(0, 1, 0)
	april := march.AddDate(0, 1, 0)
	add := func(at time.Time, i int, state request.State) string {
		t.Helper()
		r := requestAt(at, i)
		r.State, r.CancelledAt = state, at
		err := s.Create(t.Context(), r, request.Effects{Events: []request.Event{
			{At: at, Kind: request.EventInitiated}, {At: at, Kind: request.EventKind(state)},
		}})
		if err == nil {
			err = s.AddCalls(t.Context(), []calllog.Record{{At: at, RequestID: r.ID}}, calllog.DefaultLimits)
		}
		if err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	var gone []string
	for i := range 1200 {
		if i%100 == 0 {
			gone = append(gone, add(february, i, request.StateCancelled))
		}
	}
	kept := []string{add(march, 1, request.StateCancelled), add(march, 2, request.StateCreated)}
	now := april.AddDate(1, 0, 0)
	sweep := func() map[string]int {
		t.Helper()
		unsigned := func(tlog.Tree) (string, error) { return "", nil }
		for n := 1; n > 0; {
			var err error
			if n, err = s.Integrate(t.Context(), 1000, unsigned); err != nil {
				t.Fatal(err)
			}
		}
		sweeper := &retention.Sweeper{
			Store: onlyMonths{s}, Policy: retention.Policy{
				Signed: 90 * 24 * time.Hour, Unsigned: 60 * 24 * time.Hour, MaxCalls: 1000,
			},
			Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler),
		}
		erased, err := sweeper.Sweep(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return erased
	}
	if diff := cmp.Diff(map[string]int{retention.Requests: len(gone)}, sweep()); diff != "" {
		t.Errorf("erased (-want +got):\n%s", diff)
	}
	isGone := func(ids []string) {
		t.Helper()
		for _, id := range ids {
			if _, err := s.Get(t.Context(), id); !errors.Is(err, api.ErrNoRecord) {
				t.Errorf("%s is there: %v", id, err)
			}
			jobs, err := s.Jobs(t.Context(), id)
			if err != nil || len(jobs) != 1 || jobs[0].Kind != request.JobPurge || !jobs[0].DueAt.Equal(now) {
				t.Errorf("%s: jobs %+v, %v", id, jobs, err)
			}
			calls, err := s.Calls(t.Context(), calllog.Filter{RequestID: id, Limit: 9})
			if err != nil || len(calls) > 0 {
				t.Errorf("%s: calls %+v, %v", id, calls, err)
			}
		}
	}
	isGone(gone)
	for _, id := range kept {
		if _, err := s.Get(t.Context(), id); err != nil {
			t.Errorf("%s: %v", id, err)
		}
	}
	left := query(t, url, `SELECT relname FROM pg_class WHERE relkind IN ('r', 'p')
		AND relname ~ '(requests|events).*2041_0[23]' ORDER BY 1`)
	if diff := cmp.Diff([]string{"events_2041_03", "requests_2041_03"}, left); diff != "" {
		t.Errorf("partitions (-want +got):\n%s", diff)
	}
	if got, err := s.EntriesOf(t.Context(), audit.ErasureTrail); err != nil || len(got) != 0 {
		t.Errorf("the erasure is in the log: %+v, %v", got, err)
	}
	sweep() // takes the erasure into the log
	got, err := s.EntriesOf(t.Context(), audit.ErasureTrail)
	if want := fmt.Sprintf(`{"leaves":"0-%d"}`, 2*len(gone)-1); err != nil || len(got) != 1 ||
		got[0].Detail != want {
		t.Errorf("the erasure is %+v, %v, want %s", got, err, want)
	}

	// A request with a job to do keeps its month, and so does one that changes while it is erased.
	ask(t, url, `DELETE FROM requests WHERE state = 'created'`)
	ask(t, url, `INSERT INTO outbox (request_id, kind, status, attempts, due_at, ready_at, lease, payload, last_error)
		VALUES ('`+kept[0]+`', 'webhook', 'pending', 0, 0, 0, 0, '', '')`)
	if erased := sweep(); len(erased) > 0 {
		t.Errorf("with a job to do: erased %v", erased)
	}
	ask(t, url, `UPDATE outbox SET status = 'done'`)

	// an interrupted run, with a request that may not be erased any more
	if err := s.Detach(t.Context(), march); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Get(t.Context(), kept[0]); !errors.Is(err, api.ErrNoRecord) {
		t.Errorf("a detached request: %v", err)
	}
	ask(t, url, `UPDATE erased_events_2041_03 SET leaf = NULL WHERE seq = (SELECT max(seq) FROM erased_events_2041_03)`)
	now = march.AddDate(0, 1, 20) // so that the month is too young when it is attached again
	if erased := sweep(); len(erased) > 0 {
		t.Errorf("after an interruption: erased %v", erased)
	}
	if _, err := s.Get(t.Context(), kept[0]); err != nil {
		t.Errorf("a request that was attached again: %v", err)
	}
	// and one that goes on
	sweep()
	now = april.AddDate(1, 0, 0)
	if err := s.Detach(t.Context(), march); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]int{retention.Requests: 1}, sweep()); diff != "" {
		t.Errorf("after an interruption (-want +got):\n%s", diff)
	}
	isGone(kept[:1])
}

// onlyMonths is a store whose requests are erased by the month only.
type onlyMonths struct{ *store.Store }

func (onlyMonths) EraseRequests(
	context.Context, []string, time.Time, func(*request.Request) bool,
) (int, error) {
	return 0, nil
}

// TestDetachDuringBackup detaches a month while a backup reads all tables, as pg_dump does, or a
// vacuum works on the month. It waits for their end, and calls do not wait for it. If it gives up, it
// says for whom it has waited.
func TestDetachDuringBackup(t *testing.T) {
	for name, work := range map[string]string{
		"backup": `SELECT count(*) FROM requests, events`,
		"vacuum": `LOCK TABLE requests_2041_02 IN SHARE UPDATE EXCLUSIVE MODE`,
	} {
		t.Run(name, func(t *testing.T) { detachDuring(t, name, work) })
	}
}

func detachDuring(t *testing.T, name, work string) {
	url := cluster.Database(t)
	s := openPostgresAt(t, url, february)
	impatient := openPostgresAt(t, url, february)
	impatient.Impatient()
	r := requestAt(february.AddDate(0, 1, 0), 1)
	if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
		t.Fatal(err)
	}
	other, err := pgx.Connect(t.Context(), url+"&application_name="+name)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close(context.Background()) }()
	if _, err := other.Exec(t.Context(), `BEGIN ISOLATION LEVEL REPEATABLE READ; `+work); err != nil {
		t.Fatal(err)
	}
	detached, refused := make(chan error, 1), make(chan error, 1)
	go func() { detached <- s.Detach(t.Context(), february) }()
	go func() { refused <- impatient.Detach(t.Context(), february) }()
	var longest time.Duration
	for waiting := true; waiting; {
		began := time.Now()
		err := s.Update(t.Context(), r.ID, only(func(r *request.Request) error {
			r.DocName += "."
			return nil
		}))
		if err != nil {
			t.Fatal(err)
		}
		longest = max(longest, time.Since(began))
		select {
		case err := <-refused:
			waiting = false
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf(
				"process %d (%s, for ", other.PgConn().PID(), name,
			)) {
				t.Errorf("the detachment says: %v", err)
			}
		default:
		}
	}
	if longest > 2*time.Second {
		t.Errorf("a call waited %s for the detachment", longest)
	}
	select {
	case err := <-detached:
		t.Fatalf("detached during the %s: %v", name, err)
	default:
	}
	if _, err := other.Exec(t.Context(), `COMMIT`); err != nil {
		t.Fatal(err)
	}
	if err := <-detached; err != nil {
		t.Error(err)
	}
}
