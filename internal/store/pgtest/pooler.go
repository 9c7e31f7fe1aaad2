package pgtest

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Pooler starts PgBouncer in transaction mode in front of the server and returns the URL of a
// database through it. Of any number of clients four have a connection of the server at a time.
// PgBouncer stops at the end of the test. Without PgBouncer the test is skipped, or fails if the
// environment variable CI is set.
func (c *Cluster) Pooler(t testing.TB, database string) string {
	t.Helper()
	return c.pooler(t, database, "pool_mode = transaction")
}

// ignored are the settings of connections that a PgBouncer is to ignore instead of refusing them.
const ignored = "ignore_startup_parameters = synchronous_commit,idle_in_transaction_session_timeout\n"

// LooseTransactionPooler is [Cluster.Pooler] with a PgBouncer that accepts connections which need a
// session.
func (c *Cluster) LooseTransactionPooler(t testing.TB, database string) string {
	t.Helper()
	return c.pooler(t, database, ignored+"pool_mode = transaction")
}

// SessionPooler is [Cluster.Pooler] in session mode.
func (c *Cluster) SessionPooler(t testing.TB, database string) string {
	t.Helper()
	return c.pooler(t, database, ignored+"pool_mode = session")
}

func (c *Cluster) pooler(t testing.TB, database, settings string) string {
	t.Helper()
	program, err := exec.LookPath("pgbouncer")
	if err != nil {
		program, err = exec.LookPath("/usr/sbin/pgbouncer")
	}
	if err != nil {
		err := errors.New("PgBouncer is not installed; on Debian: apt-get install pgbouncer")
		if os.Getenv("CI") == "" {
			t.Skip(err)
		}
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "pool") // t.TempDir() is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	file := filepath.Join(dir, "pgbouncer.ini")
	text := fmt.Sprintf(`[databases]
* = host=%s user=postgres
[pgbouncer]
listen_addr =
unix_socket_dir = %s
auth_type = any
%s
default_pool_size = 4
max_client_conn = 200
logfile = %s/log
`, c.dir, dir, settings, dir)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	attributes := c.attributes()
	if attributes != nil {
		id := attributes.Credential
		err := errors.Join(
			os.Chown(dir, int(id.Uid), int(id.Gid)), os.Chown(file, int(id.Uid), int(id.Gid)),
		)
		if err != nil {
			t.Fatal(err)
		}
	}
	pooler := exec.CommandContext(
		context.Background(), "/bin/sh", "-c", watch, "sh", program, "-q", file,
	)
	pooler.Dir, pooler.SysProcAttr = dir, attributes
	leash, err := pooler.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := pooler.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = leash.Close()
		_ = pooler.Wait() // its exit code reports the signal
	})
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	u.RawQuery = url.Values{"host": {dir}, "port": {"6432"}, "user": {"postgres"}}.Encode()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, u.String())
		if err == nil {
			err = conn.Close(ctx)
		}
		cancel()
		if err == nil {
			return u.String()
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(dir, "log"))
			t.Fatalf("PgBouncer does not answer: %v\n%s", err, log)
		}
	}
}
