package app

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/kms/kmstest"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/store/pgtest"
)

// cluster is shared by the tests that change nothing of the server itself.
var cluster pgtest.Cluster

func TestMain(m *testing.M) {
	code := m.Run()
	cluster.Stop()
	os.Exit(code)
}

// runService runs a service until stop is called, which returns what Run has returned.
func runService(t *testing.T, a *App) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	stop = func() error {
		cancel()
		select {
		case err := <-done:
			done <- err
			return err
		case <-time.After(time.Minute):
			return errors.New("the service does not stop")
		}
	}
	t.Cleanup(func() { _ = stop() })
	return stop
}

// readyz asks for the readiness.
func readyz(t *testing.T, a *App) (status int, r obs.Report) {
	t.Helper()
	resp, err := http.Get("http://" + a.Control.String() + "/readyz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, r
}

// become waits until the readiness is as wanted.
func become(t *testing.T, a *App, ready bool) obs.Report {
	t.Helper()
	var status int
	var r obs.Report
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if status, r = readyz(t, a); r.Ready == ready {
			break
		}
	}
	if r.Ready != ready || (status == http.StatusOK) != ready {
		t.Fatalf("status %d, %+v; want ready %t", status, r, ready)
	}
	return r
}

// TestReadinessKMS takes the service that has the keys away. The node says so, and is ready when
// the service is back.
func TestReadinessKMS(t *testing.T) {
	kmstest.Program(t)
	aws := kmstest.NewAWS(t)
	c := serviceConfig(t, "")
	c.Keys = "awskms:region=ap-southeast-1;decryption-key=" + kmstest.DecryptionKey
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	runService(t, a)
	become(t, a, true)
	aws.Stop()
	if keys := become(t, a, false).Checks["keys"]; keys.OK || keys.Why == "" {
		t.Errorf("keys: %+v", keys)
	}
	aws.Start(t)
	become(t, a, true)
}

// TestReadiness takes away what a node needs, one thing at a time: the node says that it is not
// ready, for which thing and why, and is ready when it has the thing again.
func TestReadiness(t *testing.T) {
	var ahead atomic.Int64
	c := serviceConfig(t, cluster.Database(t))
	a, err := Open(
		t.Context(), c, func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) },
		slog.New(slog.DiscardHandler),
	)
	if err != nil {
		t.Fatal(err)
	}
	runService(t, a)
	become := func(ready bool) obs.Report {
		t.Helper()
		return become(t, a, ready)
	}
	move := func(name string) (away, back func() error) {
		from, to := filepath.Join(c.Data, name), filepath.Join(c.Data, name+"-away")
		return func() error { return errors.Join(os.Rename(from, to), os.Mkdir(from, 0o700)) },
			func() error { return errors.Join(os.Remove(from), os.Rename(to, from)) }
	}
	documentsAway, documentsBack := move("documents")
	keysAway, keysBack := move("keys")
	authorityAway, authorityBack := move("authority")
	skew := func(d time.Duration) func() error {
		return func() error {
			ahead.Store(int64(d))
			return a.clock.Measure(t.Context())
		}
	}
	execute := func(query string) func() error {
		return func() error {
			db, err := sql.Open("pgx", c.Database)
			if err == nil {
				_, err = db.ExecContext(t.Context(), query)
				err = errors.Join(err, db.Close())
			}
			return err
		}
	}
	become(true)
	for _, test := range []struct {
		check, why string
		away, back func() error
	}{
		{"documents", "is it mounted?", documentsAway, documentsBack},
		{"keys", "is it mounted?", keysAway, keysBack},
		{"keys", "is it mounted?", authorityAway, authorityBack},
		// A measurement is wrong by up to half a round trip: half a second on each side is room for
		// it.
		{"clock", "the clock of this node is 6", skew(6500 * time.Millisecond), skew(0)},
		{
			"migrations", "this program needs",
			execute(`UPDATE goose_db_version SET is_applied = false WHERE version_id = (SELECT max(version_id) FROM goose_db_version)`),
			execute(`UPDATE goose_db_version SET is_applied = true`),
		},
		{
			"database", "not of this deployment",
			execute(`UPDATE meta SET value = value || 'X' WHERE key = 'deployment'`),
			execute(`UPDATE meta SET value = left(value, -1) WHERE key = 'deployment'`),
		},
	} {
		if err := test.away(); err != nil {
			t.Fatal(err)
		}
		r := become(false)
		for name, result := range r.Checks {
			if result.OK != (name != test.check) {
				t.Errorf("without %s: %s: %+v", test.check, name, result)
			}
		}
		if why := r.Checks[test.check].Why; !strings.Contains(why, test.why) {
			t.Errorf("%s: %q, want %q", test.check, why, test.why)
		}
		if err := test.back(); err != nil {
			t.Fatal(err)
		}
		become(true)
	}
	cluster.Away(t, func() {
		if r := become(false); r.Checks["database"].Why == "" || !r.Checks["documents"].OK {
			t.Errorf("without a server: %+v", r)
		}
		resp, err := http.Get("http://" + a.Control.String() + "/livez")
		if err != nil {
			t.Error(err)
			return
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("alive: %d", resp.StatusCode)
		}
	})
	become(true)
}

// TestStop checks that a service that is told to stop is not ready first, and serves on for the
// load balancer. Then it takes nothing new, and a call that is under way has its time to finish.
func TestStop(t *testing.T) {
	c := serviceConfig(t, "")
	c.DrainDelay, c.StopTimeout = time.Second, 20*time.Second
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := runService(t, a)
	if status, r := readyz(t, a); status != http.StatusOK || r.Stopping {
		t.Fatalf("%d, %+v", status, r)
	}
	// The head of a call, whose body follows later.
	slow, err := net.Dial("tcp", a.Addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	const head = "POST /phone/enrolment HTTP/1.1\r\nHost: sign.test\r\nContent-Length: 4\r\n\r\n"
	if _, err := io.WriteString(slow, head); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	begin := time.Now()
	go func() { stopped <- stop() }()
	for {
		status, r := readyz(t, a)
		if r.Stopping {
			if status != http.StatusServiceUnavailable || r.Ready {
				t.Errorf("stopping: %d, %+v", status, r)
			}
			break
		}
	}
	resp, err := http.Get("http://" + a.Addr.String() + "/.well-known/keys.json")
	if err != nil {
		t.Fatalf("a call right after the stop began: %v", err)
	}
	resp.Body.Close()
	for {
		conn, err := net.Dial("tcp", a.Addr.String())
		if err != nil {
			break
		}
		conn.Close()
		time.Sleep(time.Millisecond)
	}
	if took := time.Since(begin); took < c.DrainDelay {
		t.Errorf("it takes no connections after %s", took)
	}
	if _, err := io.WriteString(slow, "body"); err != nil {
		t.Error(err)
	}
	answer, err := io.ReadAll(slow)
	if err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
		t.Errorf("the call under way is answered %q, %v", answer, err)
	}
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
