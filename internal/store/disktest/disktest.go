//go:build linux

// Package disktest takes the disk away from a test. Start at [Child].
package disktest

import (
	"os"
	"os/exec"
	"regexp"
	"testing"

	"golang.org/x/sys/unix"
)

// Child reports whether this is the process in which the test may call [FailWrites]. If it is not,
// Child runs the test in one: what the go command has a test process write must not fail.
func Child(t *testing.T) bool {
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
	if out, err := child.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
	return false
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
