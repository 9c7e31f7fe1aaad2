//go:build linux

package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/signet-sign/signet/internal/store/disktest"
)

// TestDiskFull has the commands that write files do it on a disk that takes one byte. Each says why
// it fails and leaves no file, which another try would not replace; the next try succeeds.
func TestDiskFull(t *testing.T) {
	if !disktest.Child(t) {
		return
	}
	const recipient = "age1x9pwah8gps4l056ezzhr4lmv5ggz52n2ps64zkhk60va2jmnfu7sxl9g9c"
	dir := t.TempDir()
	data, file := filepath.Join(dir, "data"), filepath.Join(dir, "file")
	signet := func(args ...string) (code int, errs string) {
		var out, text bytes.Buffer
		code = run(t.Context(), args, func(string) string { return "" }, &out, &text)
		return code, text.String()
	}
	service := []string{"--public-url", "https://sign.example", "--listen", "127.0.0.1:0", "--data", data}
	if code, errs := signet(append([]string{"ca", "init", "--offline-root"}, service...)...); code != 0 {
		t.Fatal(errs)
	}
	for _, command := range [][]string{
		{"keys", "new", "--out", file},
		append([]string{"ca", "csr", "--part", "issuing", "--output", file}, service...),
		append([]string{"audit", "export", "--output", file}, service...),
		{"backup", "--data", data, "--recipient", recipient, "--to", file},
	} {
		name := strings.Join(command[:2], " ")
		undo := disktest.FailWrites(t)
		code, errs := signet(command...)
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
		if code, errs := signet(command...); code != 0 {
			t.Errorf("%s with room: status %d, %s", name, code, errs)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != 0o600 {
			t.Errorf("%s: mode %v, %v", name, info.Mode(), err)
		}
		_ = os.Remove(file)
	}
}
