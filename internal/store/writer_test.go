package store_test

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
)

// hold makes every writer busy with a change of a request, and returns when all are under way. They
// go on with release, which waits for them, and rename their requests. It takes the requests from
// the first number on, of which it returns the next.
func hold(t *testing.T, s *store.Store, first int) (release func(), next int) {
	t.Helper()
	proceed := make(chan struct{})
	var all sync.WaitGroup
	release = sync.OnceFunc(func() { close(proceed); all.Wait() })
	t.Cleanup(release)
	busy := map[int]bool{}
	for next = first; len(busy) < s.Writers(); next++ {
		id := plainRequest(next).ID
		if busy[s.Writer(id)] {
			continue
		}
		busy[s.Writer(id)] = true
		if err := s.Create(t.Context(), plainRequest(next), request.Effects{}); err != nil {
			t.Fatal(err)
		}
		holdOne(t, s, id, proceed, &all)
	}
	return release, next
}

// holdOne begins a change of a request, which renames it when proceed is closed, and returns when
// it is under way.
func holdOne(
	t *testing.T, s *store.Store, id string, proceed <-chan struct{}, all *sync.WaitGroup,
) {
	begun := make(chan struct{})
	begin := sync.OnceFunc(func() { close(begun) })
	all.Go(func() {
		err := s.Update(
			context.Background(),
			id,
			func(r *request.Request) (request.Effects, error) {
				begin()
				<-proceed
				return rename("held")(r)
			},
		)
		if err != nil {
			t.Error(err)
		}
	})
	<-begun
}

func TestSQLiteWritesOverNothing(t *testing.T) {
	testWritesOverNothing(t, openSQLite(t, filepath.Join(t.TempDir(), "signet.db")))
}

func TestPostgresWritesOverNothing(t *testing.T) {
	testWritesOverNothing(t, openPostgres(t, cluster.Migrated(t)))
}

// testWritesOverNothing checks that behind the locks there is a second guard. A write names the
// version of the row that it replaces, and if the row has another one, nothing of the change
// happens.
func testWritesOverNothing(t *testing.T, s *store.Store) {
	r := plainRequest(0)
	if err := s.Create(t.Context(), r, request.Effects{}); err != nil {
		t.Fatal(err)
	}
	if err := s.Update(t.Context(), r.ID, rename("old")); err != nil {
		t.Fatal(err)
	}
	r.Version++
	for _, version := range []int64{r.Version - 1, r.Version + 1} {
		if err := s.WriteOver(t.Context(), r.ID, version); !errors.Is(err, store.Conflict) {
			t.Errorf(
				"writing over version %d as if it were %d: %v, want a conflict", r.Version, version,
				err,
			)
		}
	}
	got, err := s.Get(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if got.Version != r.Version || got.State != r.State {
		t.Errorf(
			"version %d in state %s is stored, want %d in %s", got.Version, got.State, r.Version,
			r.State,
		)
	}
}

func TestSQLiteRefusesAWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "signet.db")
	s := openSQLite(t, path)
	db, err := sql.Open("sqlite", path)
	if err == nil {
		_, err = db.ExecContext(
			t.Context(),
			`CREATE TRIGGER refuse BEFORE UPDATE ON requests WHEN NEW.data LIKE '%poison%' BEGIN SELECT RAISE(ABORT, 'poison'); END`,
		)
		err = errors.Join(err, db.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	testRefusesAWrite(t, s)
}

func TestPostgresRefusesAWrite(t *testing.T) {
	url := cluster.Migrated(t)
	s := openPostgres(t, url)
	ask(
		t, url,
		`CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'poison'; END $$;
		CREATE TRIGGER refuse BEFORE UPDATE ON requests FOR EACH ROW WHEN (NEW.data LIKE '%poison%') EXECUTE FUNCTION refuse()`,
	)
	testRefusesAWrite(t, s)
}

// testRefusesAWrite checks that a write that the database refuses fails that change, alone or in
// company, and so does an error after a change has written. Nothing of either is left, and those
// that share the transaction lose nothing.
func testRefusesAWrite(t *testing.T, s *store.Store) {
	const innocent, refused, late, written, end = 0, 2, 4, 6, 8
	for i := range end {
		if err := s.Create(t.Context(), plainRequest(i), request.Effects{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.ChangePhones(t.Context(), "", func([]signer.Phone) ([]signer.Phone, []signer.Event, error) {
		return []signer.Phone{{ID: "phone", Name: "mine"}}, nil, nil
	}); err != nil {
		t.Fatal(err)
	}
	errLate := errors.New("late")
	change := func(i int) error {
		id := plainRequest(i).ID
		switch i {
		case refused, refused + 1:
			return s.Update(t.Context(), id, rename("poison"))
		case late, late + 1:
			return s.FailLate(t.Context(), id, errLate)
		case written, written + 1:
			return s.FailWritten(t.Context(), id, "phone", errLate)
		}
		return s.Update(t.Context(), id, rename("new"))
	}
	check := func(i int, err error) {
		t.Helper()
		r, reading := s.Get(t.Context(), plainRequest(i).ID)
		switch {
		case reading != nil:
			t.Error(reading)
		case i < refused && (err != nil || r.DocName != "new" || r.Version != 2):
			t.Errorf(
				"request %d, whose change is in order: %v; it is called %s, version %d", i, err,
				r.DocName, r.Version,
			)
		case i >= refused && (err == nil || r.DocName == "poison" || r.State != request.StateCreated || r.Version != 1):
			t.Errorf(
				"request %d, whose change fails: %v; it is called %s, version %d, and is %s", i,
				err, r.DocName, r.Version, r.State,
			)
		case i >= late && !errors.Is(err, errLate):
			t.Errorf("request %d: %v, want its own error", i, err)
		}
		if phone, err := s.Phone(t.Context(), "phone"); err != nil || phone.Name != "mine" {
			t.Errorf("a change that failed has written %q, %v", phone.Name, err)
		}
	}
	for _, i := range []int{innocent, refused, late, written} {
		check(i, change(i))
	}

	release, _ := hold(t, s, end) // so that what comes now shares a transaction
	var all sync.WaitGroup
	company := []int{innocent + 1, refused + 1, late + 1, written + 1}
	var errs [end]error
	for n, i := range company {
		all.Go(func() { errs[i] = change(i) })
		for s.Queued() <= n {
			runtime.Gosched()
		}
	}
	release()
	all.Wait()
	for _, i := range company {
		check(i, errs[i])
	}
}

// TestPostgresNodesTakeTurns checks that a change on one node waits for that of the same request on
// another before it decides, instead of finding out afterwards that it has decided upon what is no
// more.
func TestPostgresNodesTakeTurns(t *testing.T) {
	url := cluster.Migrated(t)
	a, b := openPostgres(t, url), openPostgres(t, url)
	id := plainRequest(0).ID
	if err := a.Create(t.Context(), plainRequest(0), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	proceed := make(chan struct{})
	release := sync.OnceFunc(func() { close(proceed) })
	defer release()
	var all sync.WaitGroup
	holdOne(t, a, id, proceed, &all)
	var saw []string
	all.Go(func() {
		err := b.Update(t.Context(), id, func(r *request.Request) (request.Effects, error) {
			saw = append(saw, r.DocName)
			return rename("second")(r)
		})
		if err != nil {
			t.Error(err)
		}
	})
	waits := `DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock') LOOP
		IF clock_timestamp() > now() + interval '20 s' THEN RAISE 'no session waits'; END IF;
		PERFORM pg_sleep(0.001); PERFORM pg_stat_clear_snapshot(); END LOOP; END $$`
	ask(t, url, waits)
	release()
	all.Wait()
	if !slices.Equal(saw, []string{"held"}) {
		t.Errorf(
			"the second node's change was tried on %q, want it tried once, on what the first had made",
			saw,
		)
	}
}

// TestPostgresTwoAtOnce checks that a change is made durable while another one is being decided,
// but no change of the same request is.
func TestPostgresTwoAtOnce(t *testing.T) {
	s := openPostgres(t, cluster.Migrated(t))
	other := 1
	for s.Writer(plainRequest(other).ID) == s.Writer(plainRequest(0).ID) {
		other++
	}
	for _, i := range []int{0, other} {
		if err := s.Create(t.Context(), plainRequest(i), request.Effects{}); err != nil {
			t.Fatal(err)
		}
	}
	proceed := make(chan struct{})
	release := sync.OnceFunc(func() { close(proceed) })
	defer release()
	var all sync.WaitGroup
	holdOne(t, s, plainRequest(0).ID, proceed, &all)
	saw := ""
	all.Go(func() {
		err := s.Update(
			t.Context(),
			plainRequest(0).ID,
			func(r *request.Request) (request.Effects, error) {
				saw = r.DocName
				return rename("second")(r)
			},
		)
		if err != nil {
			t.Error(err)
		}
	})
	for s.Queued() < 1 {
		runtime.Gosched()
	}
	for range 3 { // one after the other
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		if err := s.Update(ctx, plainRequest(other).ID, rename("new")); err != nil {
			t.Errorf("request %d while another one is under way: %v", other, err)
		}
		stop()
	}
	release()
	all.Wait()
	if saw != "held" {
		t.Errorf("the second change of the request saw %q, want it to wait for the first", saw)
	}
}

// TestPostgresTrailOrder checks that lines that are written with one statement stand in the order
// of their changes, whether they are numbered by a request's version or follow what is there.
func TestPostgresTrailOrder(t *testing.T) {
	s := openPostgres(t, cluster.Migrated(t))
	if err := s.Create(t.Context(), plainRequest(2), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	id := plainRequest(2).ID
	if err := s.Update(t.Context(), id, func(r *request.Request) (e request.Effects, err error) {
		e.Enqueue(request.JobWebhook, r.CreatedAt)
		return e, nil
	}); err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Claim(
		t.Context(), request.JobWebhook, plainRequest(2).CreatedAt, time.Minute,
		request.Quota{Jobs: 1},
	)
	if err != nil || len(jobs) != 1 {
		t.Fatalf("claimed %v, %v", jobs, err)
	}
	release, _ := hold(t, s, 3) // so that what comes now shares a transaction
	var all sync.WaitGroup
	service := request.New(
		request.Config{Store: s, Now: func() time.Time { return plainRequest(2).CreatedAt }},
	)
	for i, change := range []func() error{
		func() error { return service.Cancel(t.Context(), plainRequest(2).ClientID, id) },
		func() error {
			return s.Settle(t.Context(), request.Settlement{Job: jobs[0], Events: []request.Event{{Kind: request.EventWebhook}}})
		},
	} {
		all.Go(func() {
			if err := change(); err != nil {
				t.Error(err)
			}
		})
		for s.Queued() < i+1 {
			runtime.Gosched()
		}
	}
	release()
	all.Wait()
	events, err := s.Events(t.Context(), id)
	if err != nil || len(events) != 2 || events[0].Kind != request.EventCancelled ||
		events[1].Kind != request.EventWebhook ||
		events[1].Seq != 2 {
		t.Errorf("the trail is %+v, %v", events, err)
	}
}
