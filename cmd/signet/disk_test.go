//go:build linux

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/signet-sign/signet/internal/store/disktest"
)

// TestDiskFull has the commands that write files do it on a disk that takes one byte. Each says why
// it fails and leaves no file, which another try would not replace; the next try succeeds.
func TestDiskFull(t *testing.T) {
	if !disktest.Child(t) {
		return
	}
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "file")
	for _, command := range writing(t, data, file) {
		name := strings.Join(command[:2], " ")
		undo := disktest.FailWrites(t)
		code, errs := quietly(t, command)
		undo()
		if code == 0 || !strings.Contains(errs, "too large") && !strings.Contains(errs, "disk I/O error") {
			t.Errorf("%s on a full disk: status %d, %s", name, code, errs)
		}
		if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s on a full disk leaves a file: %v", name, err)
		}
		for _, hidden := range []string{filepath.Join(data, ".backup-*"), filepath.Join(dir, ".*")} {
			if left, err := filepath.Glob(hidden); len(left) > 0 || err != nil {
				t.Errorf("%s leaves %q, %v", name, left, err)
			}
		}
		if code, errs := quietly(t, command); code != 0 {
			t.Errorf("%s with room: status %d, %s", name, code, errs)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		_ = os.Remove(file)
	}
}

// TestDiskMounted has commands write to a disk of their own that is full, or read-only. Each says so
// and leaves nothing, and the next try succeeds. A backup is restored into the mount point of a
// disk, which is not removed.
func TestDiskMounted(t *testing.T) {
	if !disktest.MountChild(t) {
		return
	}
	dir, disk := t.TempDir(), t.TempDir()
	readOnly := disktest.Mount(t, disk, 4<<20)
	filler, backup := filepath.Join(disk, "filler"), filepath.Join(dir, "backup.age")
	key := filepath.Join(dir, "identity")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.WriteFile(key, []byte(backupIdentity), 0o600))
	left := func() (names []string) {
		entries, err := os.ReadDir(disk)
		must(err)
		for _, e := range entries {
			if e.Name() != "filler" {
				names = append(names, e.Name())
			}
		}
		return names
	}
	// On each disk, then with room.
	try := func(command []string) {
		t.Helper()
		name := strings.Join(command[:2], " ")
		fails := func(want string) {
			t.Helper()
			code, errs := quietly(t, command)
			if code == 0 || !strings.Contains(errs, want) {
				t.Errorf("%s: status %d, %s, want %q", name, code, errs, want)
			}
			if names := left(); len(names) > 0 {
				t.Errorf("%s leaves %q: %s", name, names, want)
			}
		}
		must(fill(filler))
		fails("no space left on device")
		must(os.Remove(filler))
		readOnly(true)
		fails("read-only file system")
		readOnly(false)
		if code, errs := quietly(t, command); code != 0 {
			t.Errorf("%s with room: status %d, %s", name, code, errs)
		}
	}
	file := filepath.Join(disk, "file")
	for _, command := range writing(t, filepath.Join(dir, "data"), file) {
		try(command)
		must(os.Rename(file, file+".moved"))
		must(copyFile(file+".moved", backup)) // the last one is the backup
		must(os.Remove(file + ".moved"))
	}
	restore := []string{"restore", "--from", backup, "--data", disk, "--identity", key}
	if code, errs := quietly(t, restore); code != 0 {
		t.Errorf("a restore into a mount point: status %d, %s", code, errs)
	}
	if code, errs := quietly(t, restore); code == 0 || !strings.Contains(errs, "must be empty") {
		t.Errorf("a restore into a folder in use: status %d, %s", code, errs)
	}
	for _, name := range left() {
		must(os.RemoveAll(filepath.Join(disk, name)))
	}
	must(os.Mkdir(filepath.Join(disk, "lost+found"), 0o700)) // of a disk that is empty
	must(fill(filepath.Join(disk, ".filler")))
	code, errs := quietly(t, restore)
	if code == 0 || !strings.Contains(errs, "no space left on device") {
		t.Errorf("a restore to a full disk: status %d, %s", code, errs)
	}
	must(os.Remove(filepath.Join(disk, ".filler")))
	if names := left(); len(names) != 1 {
		t.Errorf("a restore to a full disk leaves %q", names)
	}
	if code, errs := quietly(t, restore); code != 0 {
		t.Errorf("a restore with room: status %d, %s", code, errs)
	}
}

// fill writes a file that takes all the room of its disk.
func fill(name string) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4<<10))
	}
	if errors.Is(err, syscall.ENOSPC) {
		err = nil
	}
	return errors.Join(err, f.Close())
}

func copyFile(from, to string) error {
	text, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, text, 0o600))
}

// The key pair of the backups.
const (
	backupRecipient = "age1x9pwah8gps4l056ezzhr4lmv5ggz52n2ps64zkhk60va2jmnfu7sxl9g9c"
	backupIdentity  = "AGE-SECRET-KEY-1A04HGENHQWH0WSLAEDU47Q4XSJLKGPLFMWRKDFRJPMH5F0E29NHS5CTFEQ"
)

// writing makes a deployment in the folder data, and returns the commands that write a file.
func writing(t *testing.T, data, file string) [][]string {
	t.Helper()
	service := []string{
		"--public-url", "https://sign.example", "--listen", "127.0.0.1:0", "--data", data,
	}
	with := func(words ...string) []string { return append(words, service...) }
	if code, errs := quietly(t, with("ca", "init", "--offline-root")); code != 0 {
		t.Fatal(errs)
	}
	return [][]string{
		{"keys", "new", "--out", file},
		with("ca", "csr", "--part", "issuing", "--output", file),
		with("audit", "export", "--output", file),
		{"backup", "--data", data, "--recipient", backupRecipient, "--to", file},
	}
}

// quietly runs a command, and returns its status and what it writes about errors.
func quietly(t *testing.T, args []string) (code int, errs string) {
	t.Helper()
	var out, text bytes.Buffer
	code = run(t.Context(), args, func(string) string { return "" }, &out, &text)
	return code, text.String()
}
