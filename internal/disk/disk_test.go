//go:build unix

package disk_test

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/disk"
)

func text(s string) func(*os.File) error {
	return func(f *os.File) error {
		_, err := f.WriteString(s)
		return err
	}
}

// holds checks what a folder contains: names and contents in turns, without those of hidden files.
func holds(t *testing.T, dir string, want ...string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, e.Name(), string(content))
	}
	if !slices.Equal(got, want) {
		t.Errorf("the folder has %q, want %q", got, want)
	}
}

var writers = map[string]func(string, fs.FileMode, func(*os.File) error) error{
	"create": disk.Create, "replace": disk.Replace,
}

// TestComplete checks that a file has its name only when it is complete, and the mode that it
// should have; and that nothing is left if it cannot be written.
func TestComplete(t *testing.T) {
	failure := errors.New("no more")
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, "file")
			err := write(path, 0o700, func(f *os.File) error {
				return errors.Join(text("half")(f), failure)
			})
			if !errors.Is(err, failure) {
				t.Errorf("an error of the content: %v", err)
			}
			holds(t, dir)
			err = write(path, 0o700, func(f *os.File) error {
				if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("the file exists while it is written: %v", err)
				}
				return text("whole")(f)
			})
			if err != nil {
				t.Fatal(err)
			}
			holds(t, dir, "file", "whole")
			info, err := os.Stat(path)
			if err != nil || info.Mode() != 0o700 {
				t.Errorf("mode %v, %v", info.Mode(), err)
			}
			err = write(filepath.Join(dir, "missing", "file"), 0o600, text("x"))
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("in no folder: %v", err)
			}
		})
	}
}

// TestKilled kills a process when it has written everything and the file has not got its name yet.
func TestKilled(t *testing.T) {
	const variable = "DISK_FILE"
	if path := os.Getenv(variable); path != "" {
		kill := func(f *os.File) error {
			return errors.Join(text("new")(f), syscall.Kill(os.Getpid(), syscall.SIGKILL))
		}
		t.Fatal(writers[os.Getenv("DISK_WRITER")](path, 0o600, kill))
	}
	for name, write := range writers {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "file")
			if name == "replace" {
				if err := write(path, 0o600, text("old")); err != nil {
					t.Fatal(err)
				}
			}
			child := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilled$")
			child.Env = append(os.Environ(), variable+"="+path, "DISK_WRITER="+name)
			if out, err := child.CombinedOutput(); child.ProcessState.Exited() {
				t.Fatalf("%v: %s", err, out)
			}
			switch got, err := os.ReadFile(path); {
			case name == "create" && !errors.Is(err, fs.ErrNotExist):
				t.Errorf("after a kill the file has %q, %v", got, err)
			case name == "replace" && string(got) != "old":
				t.Errorf("after a kill the file has %q, %v", got, err)
			}
			if err := write(path, 0o600, text("again")); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(path); string(got) != "again" {
				t.Errorf("after another try the file has %q, %v", got, err)
			}
			if left, _ := filepath.Glob(filepath.Join(filepath.Dir(path), ".new-*")); len(left) != 1 {
				t.Errorf("hidden files: %q", left)
			}
		})
	}
}

// TestCreateOnce checks that a file which exists remains, also one that appears while another is
// written, and that one of several writers wins.
func TestCreateOnce(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	var won atomic.Int32
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			switch err := disk.Create(path, 0o600, text("first")); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := won.Load(); n != 1 {
		t.Errorf("%d have created it", n)
	}
	err := disk.Create(path, 0o600, func(*os.File) error {
		t.Error("something is written for a name that is taken")
		return nil
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	holds(t, dir, "file", "first")
	err = disk.Create(filepath.Join(dir, "late"), 0o600, func(f *os.File) error {
		return errors.Join(text("mine")(f), os.WriteFile(filepath.Join(dir, "late"), nil, 0o600))
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Error(err)
	}
	holds(t, dir, "file", "first", "late", "")
	dangling := filepath.Join(dir, "link")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	if err := disk.Create(dangling, 0o600, text("x")); !errors.Is(err, fs.ErrExist) {
		t.Errorf("in the place of a link: %v", err)
	}
}

// TestReplaceLinks checks that links and pipes remain what they are.
func TestReplaceLinks(t *testing.T) {
	dir := t.TempDir()
	file, link, pipe := filepath.Join(dir, "file"), filepath.Join(dir, "link"), filepath.Join(dir, "pipe")
	err := errors.Join(
		os.WriteFile(file, []byte("a longer text"), 0o600), os.Symlink("file", link),
		syscall.Mkfifo(pipe, 0o600),
	)
	if err != nil {
		t.Fatal(err)
	}
	if err := disk.Replace(link, 0o600, text("new")); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); string(got) != "new" {
		t.Errorf("behind the link is %q, %v", got, err)
	}
	if to, err := os.Readlink(link); to != "file" {
		t.Errorf("the link is %q, %v", to, err)
	}
	read := make(chan string)
	go func() {
		f, err := os.Open(pipe)
		if err != nil {
			t.Error(err)
		}
		got, err := io.ReadAll(f)
		read <- string(got)
		if err := errors.Join(err, f.Close()); err != nil {
			t.Error(err)
		}
	}()
	if err := disk.Replace(pipe, 0o600, text("through")); err != nil {
		t.Fatal(err)
	}
	if got := <-read; got != "through" {
		t.Errorf("the pipe has %q", got)
	}
	names, err := os.ReadDir(dir)
	if err != nil || len(names) != 3 || strings.HasPrefix(names[0].Name(), ".") {
		t.Errorf("left: %v, %v", names, err)
	}
}

// TestSweep checks that a sweep removes what a killed writer has left, when it is old, and nothing
// else: neither the file that was completed under another name, nor what others have named alike.
func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	if removed, err := disk.Sweep(filepath.Join(dir, "none"), now); len(removed) > 0 || err != nil {
		t.Errorf("no folder: %q, %v", removed, err)
	}
	const random = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	file := filepath.Join(dir, "file")
	if err := disk.Create(file, 0o600, text("complete")); err != nil {
		t.Fatal(err)
	}
	linked := filepath.Join(dir, ".new-"+random) // as after a kill between link and remove
	if err := os.Link(file, linked); err != nil {
		t.Fatal(err)
	}
	young := ".new-" + random[1:] + "2"
	for _, name := range []string{young, ".new-123", ".new", "a.new-" + random} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(filepath.Join(dir, name), now, now.Add(-2*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, ".new-"+random[2:]+"22"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(linked, now, now.Add(-4*time.Hour)); err != nil {
		t.Fatal(err)
	}
	removed, err := disk.Sweep(dir, now.Add(-3*time.Hour))
	if err != nil || !slices.Equal(removed, []string{filepath.Base(linked)}) {
		t.Errorf("%q, %v", removed, err)
	}
	if err := os.Remove(filepath.Join(dir, ".new-"+random[2:]+"22")); err != nil {
		t.Error(err)
	}
	holds(
		t, dir, ".new", ".new", ".new-123", ".new-123", young, young, "a.new-"+random,
		"a.new-"+random, "file", "complete",
	)
	removed, err = disk.Sweep(dir, now)
	if err != nil || !slices.Equal(removed, []string{young}) {
		t.Errorf("later: %q, %v", removed, err)
	}
}
