//go:build linux

package store_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sys/unix"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/disktest"
)

const immutable = 0x10 // FS_IMMUTABLE_FL

// protect makes a file read-only, as on a disk that is remounted after an error, until undo is
// called. Root writes to a file without permission, but not to an immutable one.
func protect(t *testing.T, path string) (undo func()) {
	t.Helper()
	change := func(mode os.FileMode, flags func(uint32) uint32) error {
		if os.Getuid() != 0 {
			return os.Chmod(path, mode)
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fd := int(f.Fd())
		old, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags(old)))
	}
	undo = func() {
		err := change(0o600, func(f uint32) uint32 { return f &^ immutable })
		if err != nil {
			t.Fatal(err)
		}
	}
	err := change(0o400, func(f uint32) uint32 { return f | immutable })
	if err != nil {
		t.Skip("this file system, or this user, cannot make a file immutable: ", err)
	}
	t.Cleanup(undo)
	return undo
}

// TestSQLiteDisk takes the disk away from a database: writes fail, or the file is read-only. Each
// change fails with an ErrAway and without effect, what was acknowledged can be read, CheckWrites
// says so, and as soon as the disk is back changes are made again.
func TestSQLiteDisk(t *testing.T) {
	if !disktest.Child(t) {
		return
	}
	for _, test := range []struct {
		name, says string
		away       func(t *testing.T, s *store.Store, path string) (back func())
	}{
		{"writes fail", "disk I/O error", func(t *testing.T, _ *store.Store, _ string) func() {
			return disktest.FailWrites(t)
		}},
		{"read-only", "readonly", func(t *testing.T, s *store.Store, path string) func() {
			back := disktest.FailWrites(t)
			// The writer gives its connection up, and finds the file read-only.
			if err := s.Create(t.Context(), plainRequest(8), request.Effects{}); err == nil {
				t.Error("a change was made without a write")
			}
			back()
			return protect(t, path)
		}},
		{"moved away", "moved or replaced|unable to open", func(t *testing.T, _ *store.Store, path string) func() {
			if err := os.Rename(path, path+"-away"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Rename(path+"-away", path); err != nil {
					t.Fatal(err)
				}
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "signet.db")
			s := openSQLite(t, path)
			create := func(i int) error {
				return s.Create(t.Context(), plainRequest(i), request.Effects{})
			}
			if err := errors.Join(create(1), s.CheckWrites(t.Context())); err != nil {
				t.Fatal(err)
			}
			back := test.away(t, s, path)
			for i := 2; i < 4; i++ {
				err := create(i)
				if !errors.Is(err, request.ErrAway) || !regexp.MustCompile(test.says).MatchString(err.Error()) {
					t.Errorf("create: %v, want an ErrAway that says %q", err, test.says)
				}
			}
			if err := s.CheckWrites(t.Context()); !errors.Is(err, request.ErrAway) {
				t.Errorf("CheckWrites: %v", err)
			}
			_, err := s.Get(t.Context(), plainRequest(1).ID)
			if err != nil && !(errors.Is(err, request.ErrAway) && test.name == "moved away") {
				t.Errorf("what was acknowledged: %v", err)
			}
			back()
			if err := errors.Join(s.CheckWrites(t.Context()), create(2)); err != nil {
				t.Errorf("with the disk back: %v", err)
			}
			if _, err := s.Get(t.Context(), plainRequest(3).ID); err == nil {
				t.Error("a change that failed has had an effect")
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if _, err := openSQLite(t, path).Get(t.Context(), plainRequest(2).ID); err != nil {
				t.Errorf("after a restart: %v", err)
			}
		})
	}
}

// TestPostgresReadOnly has the server refuse changes, as a standby does, and as some operators have
// it do while its disk is nearly full.
func TestPostgresReadOnly(t *testing.T) {
	url := cluster.Migrated(t)
	s := openPostgres(t, url)
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.RuntimeParams["default_transaction_read_only"] = "off"
	admin, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.Background()) }()
	set := func(value string) {
		t.Helper()
		for _, statement := range []string{
			`ALTER DATABASE "` + config.Database + `" SET default_transaction_read_only = ` + value,
			`SELECT pg_terminate_backend(pid) FROM pg_stat_activity
				WHERE pid <> pg_backend_pid() AND datname = current_database()`,
		} {
			if _, err := admin.Exec(t.Context(), statement); err != nil {
				t.Fatal(err)
			}
		}
	}
	create := func(i int) error {
		return s.Create(t.Context(), plainRequest(i), request.Effects{})
	}
	if err := create(1); err != nil {
		t.Fatal(err)
	}
	set("on")
	for range 2 {
		if err := create(2); !errors.Is(err, request.ErrAway) {
			t.Errorf("create: %v, want an ErrAway", err)
		}
		if err := s.CheckWrites(t.Context()); !errors.Is(err, request.ErrAway) {
			t.Errorf("CheckWrites: %v, want an ErrAway", err)
		}
	}
	set("off")
	if err := errors.Join(s.CheckWrites(t.Context()), create(2)); err != nil {
		t.Errorf("the server takes changes again: %v", err)
	}
}
