package pgtest

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// Standby starts a second server that streams from this one, as a synchronous replica: a commit is
// acknowledged when both have it. It stops at the end of the test.
func (c *Cluster) Standby(t testing.TB) *Cluster {
	t.Helper()
	s := &Cluster{Durable: c.Durable, bin: c.bin}
	var err error
	if s.dir, err = os.MkdirTemp("", "pg"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	if attr := c.attributes(); attr != nil {
		if err := os.Chown(s.dir, int(attr.Credential.Uid), int(attr.Credential.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	program, err := exec.LookPath(filepath.Join(c.bin, "pg_basebackup"))
	if err != nil {
		program, err = exec.LookPath("pg_basebackup")
	}
	if err != nil {
		t.Fatalf("pg_basebackup (on Debian: apt-get install postgresql-client): %v", err)
	}
	backup := exec.CommandContext(
		t.Context(), program, "--pgdata", filepath.Join(s.dir, "data"),
		"--dbname", c.url("postgres"), "--write-recovery-conf", "--wal-method=stream",
		"--checkpoint=fast", "--no-sync",
	)
	backup.Dir, backup.SysProcAttr = s.dir, c.attributes()
	if out, err := backup.CombinedOutput(); err != nil {
		t.Fatalf("pg_basebackup: %v\n%s", err, out)
	}
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
	c.exec(t, "ALTER SYSTEM SET synchronous_standby_names = '*'")
	c.exec(t, "SELECT pg_reload_conf()")
	return s
}

// Promote stops this server at once, and makes its standby the one that takes writes.
func (c *Cluster) Promote(t testing.TB, standby *Cluster) {
	t.Helper()
	c.mu.Lock()
	c.halt()
	c.mu.Unlock()
	standby.exec(t, "SELECT pg_promote()")
}

// Hosts returns the URL of a database of this server or of its standby, whichever takes writes.
func (c *Cluster) Hosts(database string, standby *Cluster) string {
	return fmt.Sprintf(
		"postgres:///%s?host=%s,%s&user=postgres&target_session_attrs=read-write", database, c.dir,
		standby.dir,
	)
}

func (c *Cluster) exec(t testing.TB, query string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, c.url("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err := conn.Exec(ctx, query); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}
