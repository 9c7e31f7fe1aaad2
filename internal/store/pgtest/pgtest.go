// Package pgtest runs a PostgreSQL server for tests. The server starts on first use, listens on a
// socket in a temporary folder, and ends with the test process. Start at [Cluster].
package pgtest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Cluster is one server. The zero value is ready for use. TestMain calls Stop at the end.
type Cluster struct {
	Durable bool // flush to disk, as a real server does, for measurements; set before the first use
	TLS     *TLS // not nil: set before the first use, which fills it

	// Migrate makes the tables of [Cluster.Migrated] in an empty database.
	Migrate func(url string) error

	mu     sync.Mutex
	bin    string // folder of the server's programs
	dir    string // data and socket; empty before the first use
	err    error  // why it did not start
	server *exec.Cmd
	leash  io.Closer // closing it stops the server, and so does the end of this process
	count  int       // number of databases
	tables bool      // Migrate has filled the database of that name
}

// errMissing says how to install PostgreSQL.
var errMissing = errors.New("PostgreSQL is not installed; on Debian: apt-get install postgresql")

// Database creates an empty database and returns its URL. Without PostgreSQL it skips the test, or
// fails it if the environment variable CI is set.
func (c *Cluster) Database(t testing.TB) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.database(t, "template1")
}

// Migrated is [Cluster.Database], but the database has the tables that Migrate makes. They are made
// once and copied.
func (c *Cluster) Migrated(t testing.TB) string {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.tables {
		c.run(t)
		c.make(t, "migrated", "template1")
		if err := c.Migrate(c.url("migrated")); err != nil {
			t.Fatalf("making the tables: %v", err)
		}
		c.tables = true
	}
	return c.database(t, "migrated")
}

func (c *Cluster) database(t testing.TB, template string) string {
	t.Helper()
	c.run(t)
	c.count++
	name := fmt.Sprintf("test%d", c.count)
	c.make(t, name, template)
	return c.url(name)
}

// run starts the server, if it was not started.
func (c *Cluster) run(t testing.TB) {
	t.Helper()
	if c.dir == "" && c.err == nil {
		c.err = c.create()
	}
	switch {
	case errors.Is(c.err, errMissing) && os.Getenv("CI") == "":
		t.Skip(c.err)
	case c.err != nil:
		t.Fatalf("starting PostgreSQL: %v", c.err)
	}
}

// make creates a database.
func (c *Cluster) make(t testing.TB, name, template string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		t.Fatalf("connecting to PostgreSQL: %v", err)
	}
	_, err = conn.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatalf("making a database: %v", err)
	}
}

// Restart stops the server, breaking all connections, and starts it again.
func (c *Cluster) Restart(t testing.TB) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt()
	if err := c.start(); err != nil {
		t.Fatalf("restarting PostgreSQL: %v", err)
	}
}

// Away stops the server, calls during, and starts the server again.
func (c *Cluster) Away(t testing.TB, during func()) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt()
	during()
	if err := c.start(); err != nil {
		t.Fatalf("starting PostgreSQL: %v", err)
	}
}

// Stop stops the server, if it was started, and removes its files.
func (c *Cluster) Stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.halt()
	if c.dir != "" {
		_ = os.RemoveAll(c.dir)
	}
}

func (c *Cluster) url(database string) string {
	q := url.Values{"host": {c.dir}, "user": {"postgres"}}
	if c.TLS != nil {
		q.Set("port", c.TLS.Port)
	}
	return (&url.URL{Scheme: "postgres", Path: "/" + database, RawQuery: q.Encode()}).String()
}

// create creates the cluster's files and starts the server.
func (c *Cluster) create() error {
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil {
		return err
	}
	if path, err := exec.LookPath("initdb"); err == nil {
		found = append(found, filepath.Dir(path))
	}
	if len(found) == 0 {
		return errMissing
	}
	c.bin = slices.Max(found)
	if c.dir, err = os.MkdirTemp("", "pg"); err != nil {
		return err
	}
	if attr := c.attributes(); attr != nil {
		if err := os.Chown(c.dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			return err
		}
	}
	initdb := exec.CommandContext(
		context.Background(), filepath.Join(c.bin, "initdb"), "-D", filepath.Join(c.dir, "data"),
		"-U", "postgres", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8",
	)
	initdb.Dir, initdb.SysProcAttr = c.dir, c.attributes()
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	if c.TLS != nil {
		if err := c.secure(); err != nil {
			return err
		}
	}
	return c.start()
}

// attributes returns those of the server's processes. The server refuses to run as root, so there
// it runs as its package's user.
func (c *Cluster) attributes() *syscall.SysProcAttr {
	if os.Geteuid() != 0 {
		return nil
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		return nil // the server will report the error
	}
	uid, _ := strconv.ParseUint(u.Uid, 10, 32)
	gid, _ := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
}

// watch runs the server while its own input is open. Closing the input, or the end of this process,
// stops the server at once.
const watch = `"$@" </dev/null & server=$!; trap 'kill -QUIT $server' TERM INT; cat >/dev/null; kill -INT $server; wait $server`

func (c *Cluster) start() error {
	fsync := "off"
	if c.Durable {
		fsync = "on"
	}
	c.server = exec.CommandContext(context.Background(), "/bin/sh", "-c", watch, "sh",
		filepath.Join(c.bin, "postgres"), "-D", filepath.Join(c.dir, "data"), "-k", c.dir,
		"-c", "fsync="+fsync, "-c", "max_connections=300", "-c", "logging_collector=off")
	c.server.Args = append(c.server.Args, c.TLS.network()...)
	c.server.Dir, c.server.SysProcAttr = c.dir, c.attributes()
	leash, err := c.server.StdinPipe()
	if err != nil {
		return err
	}
	log, err := os.OpenFile(filepath.Join(c.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	c.server.Stderr = log
	if err := c.server.Start(); err != nil {
		return err
	}
	c.leash = leash
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		conn, err := pgx.Connect(ctx, c.url("postgres"))
		if err == nil {
			err = conn.Close(ctx)
			cancel()
			return err
		}
		cancel()
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(log.Name())
			c.halt()
			return fmt.Errorf("the server does not answer: %w\n%s", err, text)
		}
	}
}

func (c *Cluster) halt() {
	if c.leash == nil {
		return
	}
	_ = c.leash.Close()
	_ = c.server.Wait() // its exit code reports the signal
	c.leash, c.server = nil, nil
}
