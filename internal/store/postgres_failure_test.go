package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// TestPostgresRestart breaks all connections under load, again and again. Changes are repeated or
// refused, but what was acknowledged is there, once, and watchers on another node hear of what came
// after. Reads never notice, unless the server itself is away for longer than they wait.
func TestPostgresRestart(t *testing.T) {
	url := cluster.Migrated(t)
	a, b := openPostgres(t, url), openPostgres(t, url)
	for i := range 4 {
		r := plainRequest(i)
		r.DocName = "0"
		if err := a.Create(t.Context(), r, request.Effects{}); err != nil {
			t.Fatal(err)
		}
	}
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	var acknowledged, uncertain [4]int
	made := make(chan struct{}) // receives when a change was acknowledged
	// restarts is odd while the server restarts, which takes as long as the machine likes.
	var restarts atomic.Int32
	for i := range 4 {
		s := []*store.Store{a, b}[i%2]
		all.Go(func() {
			for ctx.Err() == nil {
				err := s.Update(ctx, plainRequest(i).ID, only(func(r *request.Request) error {
					n, err := strconv.Atoi(r.DocName)
					r.DocName = strconv.Itoa(n + 1)
					return err
				}))
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
				before := restarts.Load()
				_, err = s.Get(t.Context(), plainRequest(i).ID)
				during := before%2 == 1 || restarts.Load() != before
				if err != nil && !(during && errors.Is(err, request.ErrAway)) {
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
			restarts.Add(1)
			cluster.Restart(t)
			restarts.Add(1)
			continue
		}
		ask(
			t, url,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname = current_database()`,
		)
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
			t.Errorf(
				"request %d stands at %d; acknowledged were %d, uncertain %d", i, got,
				acknowledged[i], uncertain[i],
			)
		}
		if got == 0 {
			t.Errorf("request %d was never changed", i)
		}
	}
	changed, stopWatching := b.Watch(plainRequest(0).ID)
	defer stopWatching()
	for deadline := time.Now().Add(time.Minute); ; {
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

// tunnel is a network between a store and its server that can lose everything.
type tunnel struct {
	net.Listener
	mu   sync.Mutex
	lost []*atomic.Bool // a flag for each connection
}

// openTunnel gives a tunnel to the server of url, and the URL that leads through it.
func openTunnel(t *testing.T, url string) (*tunnel, string) {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := &tunnel{Listener: l}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			network, address := pgconn.NetworkAddress(config.Host, config.Port)
			far, err := net.Dial(network, address)
			if err != nil {
				_ = near.Close()
				continue
			}
			lost := new(atomic.Bool)
			u.mu.Lock()
			u.lost = append(u.lost, lost)
			u.mu.Unlock()
			carry := func(to, from net.Conn) {
				b := make([]byte, 1<<16)
				for {
					n, err := from.Read(b)
					switch {
					case lost.Load(): // neither bytes nor the end of the connection come through
						if err != nil {
							return
						}
						continue
					case err == nil:
						_, err = to.Write(b[:n])
					}
					if err != nil {
						_ = to.Close()
						return
					}
				}
			}
			go carry(far, near)
			go carry(near, far)
		}
	}()
	return u, fmt.Sprintf(
		"postgres://%s@%s/%s?sslmode=disable", config.User, l.Addr(), config.Database,
	)
}

// lose makes the connections of this moment silent, for ever.
func (u *tunnel) lose() {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, lost := range u.lost {
		lost.Store(true)
	}
}

// TestPostgresSilence checks that connections over which nothing comes any more are given up,
// before the transaction and in the middle of it, and the change is made once.
func TestPostgresSilence(t *testing.T) {
	u, url := openTunnel(t, cluster.Migrated(t))
	var point atomic.Value
	point.Store("")
	s, err := store.Open(t.Context(), store.Options{
		Database: url + "&idle_in_transaction_session_timeout=1500ms", Kind: store.Sandbox,
		ServerTimeout: time.Second,
		Fault: func(p string) {
			if point.CompareAndSwap(p, "") {
				u.lose()
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	add := func() {
		t.Helper()
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		err := s.Update(
			ctx, plainRequest(1).ID,
			only(func(r *request.Request) error { r.DocName += "+"; return nil }),
		)
		if err != nil {
			t.Error(err)
		}
	}
	u.lose()
	add()
	point.Store(store.FaultWritten)
	add()
	if got, err := s.Get(t.Context(), plainRequest(1).ID); err != nil ||
		got.DocName != plainRequest(1).DocName+"++" ||
		point.Load() != "" {
		t.Errorf("after two changes: %+v, %v", got, err)
	}
}

// TestPostgresIdle checks that the time limit of an answer does not end an idle connection.
func TestPostgresIdle(t *testing.T) {
	const timeout = time.Second
	s, err := store.Open(
		t.Context(),
		store.Options{Database: cluster.Migrated(t), Kind: store.Sandbox, ServerTimeout: timeout},
	)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2 {
		if _, err := s.Use(t.Context(), "party", fmt.Sprint(i), time.Now()); err != nil {
			t.Error(err)
		}
		time.Sleep(timeout + timeout/2)
	}
	if err := s.Close(); err != nil {
		t.Errorf("Close: %v", err)
	}
}

// TestPostgresStandstill checks that a paused node with a locked request blocks the others
// for a moment only.
func TestPostgresStandstill(t *testing.T) {
	// on TCP it reads why it was thrown out; on a socket of the machine it may not come so far
	_, url := openTunnel(t, cluster.Migrated(t))
	still, goOn := make(chan struct{}), make(chan struct{})
	var stop atomic.Bool
	a, err := store.Open(t.Context(), store.Options{
		Database: url + "&idle_in_transaction_session_timeout=300ms", Kind: store.Sandbox,
		Fault: func(p string) {
			if p == store.FaultWritten && stop.CompareAndSwap(true, false) {
				close(still)
				<-goOn
			}
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = a.Close() }()
	b := openPostgres(t, url)
	if err := a.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	stop.Store(true)
	var all sync.WaitGroup
	all.Go(func() {
		err := a.Update(
			t.Context(), plainRequest(1).ID,
			only(func(r *request.Request) error { r.DocName += " a"; return nil }),
		)
		if err != nil {
			t.Errorf("the node that stood still: %v", err)
		}
	})
	<-still
	err = b.Update(
		t.Context(), plainRequest(1).ID,
		only(func(r *request.Request) error { r.DocName += " b"; return nil }),
	)
	if err != nil {
		t.Errorf("the other node: %v", err)
	}
	close(goOn)
	all.Wait()
	if got, err := b.Get(t.Context(), plainRequest(1).ID); err != nil ||
		got.DocName != plainRequest(1).DocName+" b a" {
		t.Errorf("after both: %+v, %v", got, err)
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
	if err := store.Outcome(db, id, cause); !errors.Is(err, cause) ||
		errors.Is(err, store.ErrUncertain) {
		t.Errorf("an aborted transaction: %v, want the cause alone", err)
	}
	slow, id := begin()
	time.AfterFunc(120*time.Millisecond, func() { _ = slow.Commit() })
	if err := store.Outcome(db, id, cause); err != nil {
		t.Errorf("a transaction that takes its time: %v", err)
	}
}

// openCut opens a store whose connection ends, once cut is set, after the changes of a transaction
// and before its commit.
func openCut(t *testing.T, url string) (s *store.Store, cut *atomic.Bool) {
	t.Helper()
	cut = new(atomic.Bool)
	s, err := store.Open(
		t.Context(),
		store.Options{Database: url, Kind: store.Sandbox, Fault: func(point string) {
			if point == store.FaultWritten && cut.CompareAndSwap(true, false) {
				ask(
					t, url,
					`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction' AND datname = current_database()`,
				)
			}
		}},
	)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, cut
}

// TestPostgresCommitCutOff ends the writer's connection after the changes and before the commit:
// they are made again.
func TestPostgresCommitCutOff(t *testing.T) {
	url := cluster.Migrated(t)
	s, cut := openCut(t, url)
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	cut.Store(true)
	calls := 0
	err := s.Update(
		t.Context(), plainRequest(1).ID,
		func(r *request.Request) (request.Effects, error) { calls++; return rename("new")(r) },
	)
	if err != nil || calls != 2 || cut.Load() {
		t.Errorf("Update: %v after %d calls; want success at the second", err, calls)
	}
	if r, err := s.Get(t.Context(), plainRequest(1).ID); err != nil || r.DocName != "new" ||
		r.Version != 2 {
		t.Errorf("Get = %+v, %v", r, err)
	}
}

// TestPostgresMissedNotifications checks that watchers learn of what another node changed while
// this node did not listen.
func TestPostgresMissedNotifications(t *testing.T) {
	url := cluster.Migrated(t)
	a, b := openPostgres(t, url), openPostgres(t, url)
	id := plainRequest(0).ID
	if err := a.Create(t.Context(), plainRequest(0), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	name := config.Database
	config.Database = "postgres"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	do := func(statement string) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	do(`ALTER DATABASE "` + name + `" ALLOW_CONNECTIONS false`)
	do(`DO $$ BEGIN
		PERFORM pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '` + name + `' AND query = 'LISTEN signet';
		WHILE EXISTS (SELECT FROM pg_stat_activity WHERE datname = '` + name + `' AND query = 'LISTEN signet') LOOP
			PERFORM pg_sleep(0.001); PERFORM pg_stat_clear_snapshot();
		END LOOP; END $$`)
	changed, stop := b.Watch(id)
	defer stop()
	if err := a.Update(t.Context(), id, rename("new")); err != nil { // on a connection that it has
		t.Fatal(err)
	}
	select {
	case <-changed:
		t.Error("a notification came although no connection listens: the test is wrong")
	default:
	}
	do(`ALTER DATABASE "` + name + `" ALLOW_CONNECTIONS true`)
	select {
	case <-changed:
	case <-time.After(time.Minute):
		t.Error("the watcher on the other node never hears of it")
	}
}

// TestPostgresForgotten checks that if the server no longer knows the outcome of a commit, the
// outcome stays unknown, the change is not retried, and watchers of the request are signalled.
func TestPostgresForgotten(t *testing.T) {
	url := cluster.Migrated(t)
	ask(
		t, url,
		`CREATE SCHEMA forgetful; CREATE FUNCTION forgetful.pg_xact_status(xid8) RETURNS text LANGUAGE sql AS 'SELECT NULL';
		DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET search_path = public, forgetful, pg_catalog', current_database()); END $$`,
	)
	s, cut := openCut(t, url)
	id := plainRequest(1).ID
	if err := s.Create(t.Context(), plainRequest(1), request.Effects{}); err != nil {
		t.Fatal(err)
	}
	changed, stop := s.Watch(id)
	defer stop()
	cut.Store(true)
	calls := 0
	err := s.Update(
		t.Context(), id,
		func(r *request.Request) (request.Effects, error) { calls++; return rename("new")(r) },
	)
	if !errors.Is(err, store.ErrUncertain) || calls != 1 {
		t.Errorf("Update: %v after %d calls; want it uncertain after one", err, calls)
	}
	select {
	case <-changed:
	default:
		t.Error("the watcher was not told to look")
	}
	if err := s.Update(t.Context(), id, rename("newer")); err != nil {
		t.Errorf("the next Update: %v", err)
	}
}
