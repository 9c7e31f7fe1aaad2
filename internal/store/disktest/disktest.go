//go:build linux

// Package disktest takes the disk away from a test. Start at [Child].
package disktest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"regexp"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// Child reports whether this is the process in which the test may call [FailWrites]. If it is not,
// Child runs the test in one: what the go command has a test process write must not fail.
func Child(t *testing.T) bool {
	t.Helper()
	return child(t, nil)
}

// MountChild is [Child] for a test that calls [Mount]: the process has mounts of its own, which end
// with it. Where the system allows that to no process of this user, as in some containers, the test
// fails in CI and is skipped elsewhere.
func MountChild(t *testing.T) bool {
	t.Helper()
	a := &syscall.SysProcAttr{Unshareflags: unix.CLONE_NEWNS}
	if os.Getuid() != 0 { // as root of a user namespace
		a.Cloneflags = unix.CLONE_NEWUSER
		a.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		a.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	return child(t, a)
}

func child(t *testing.T, attributes *syscall.SysProcAttr) bool {
	t.Helper()
	const variable = "DISKTEST_CHILD"
	if os.Getenv(variable) == t.Name() {
		return true
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	child := exec.CommandContext(
		t.Context(), program, "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$",
	)
	child.Env = append(os.Environ(), variable+"="+t.Name())
	child.SysProcAttr = attributes
	out, err := child.CombinedOutput()
	if attributes != nil && errors.Is(err, fs.ErrPermission) {
		const why = "the system refuses a process with mounts of its own"
		if os.Getenv("CI") != "" {
			t.Fatalf("%s: %v", why, err)
		}
		t.Skipf("%s: %v", why, err)
	}
	if err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
}

// Mount makes a folder the mount point of an empty file system in memory with room for so many
// bytes. With readOnly true it refuses every change, until it is called with false.
func Mount(t *testing.T, folder string, bytes int) (readOnly func(bool)) {
	t.Helper()
	mount := func(flags uintptr) {
		size := fmt.Sprintf("size=%d,mode=700", bytes)
		if err := unix.Mount("disktest", folder, "tmpfs", flags, size); err != nil {
			t.Fatal(err)
		}
	}
	mount(0)
	t.Cleanup(func() {
		if err := unix.Unmount(folder, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return func(on bool) {
		flags := uintptr(unix.MS_REMOUNT)
		if on {
			flags |= unix.MS_RDONLY
		}
		mount(flags)
	}
}

// FailWrites makes every write of this process to a file fail beyond its first byte, as on a disk
// that fails or is read-only, until undo is called.
func FailWrites(t *testing.T) (undo func()) {
	t.Helper()
	return LimitFiles(t, 1)
}

// LimitFiles makes every write of this process to a file fail beyond so many bytes, as on a disk
// that is full with some files and not with others, until undo is called.
func LimitFiles(t *testing.T, bytes uint64) (undo func()) {
	t.Helper()
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
		t.Fatal(err)
	}
	undo = func() {
		if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &old); err != nil {
			t.Fatal(err)
		}
	}
	limit := unix.Rlimit{Cur: bytes, Max: old.Max}
	if err := unix.Setrlimit(unix.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(undo)
	return undo
}
