package main

import (
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"
)

func TestVersion(t *testing.T) {
	info := func(version string, settings ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			b.Settings = append(
				b.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]},
			)
		}
		return b
	}
	const commit = "0123456789abcdef0123456789abcdef01234567"
	for want, b := range map[string]*debug.BuildInfo{
		"unknown": info(""),
		"v0.1.0":  info("v0.1.0", "GOOS", "linux"),
		"v0.1.0 (commit 0123456789ab of 2026-11-28)":                info("v0.1.0", "vcs.revision", commit, "vcs.time", "2026-11-28T10:35:50Z", "vcs.modified", "false"),
		"(devel) (commit 0123456789ab of 2026-11-28, with changes)": info("(devel)", "vcs.revision", commit, "vcs.time", "2026-11-28T10:35:50Z", "vcs.modified", "true"),
	} {
		if got := version(b); got != want {
			t.Errorf("%q instead of %q", got, want)
		}
	}
}

// TestVersionOfABuild builds the program in a clone, as a release is built, and asks it.
func TestVersionOfABuild(t *testing.T) {
	dir := t.TempDir()
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	here, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	run("git", "-c", "safe.directory=*", "clone", "-q", here, ".")
	head := run("git", "rev-parse", "HEAD")
	run("go", "build", "-buildvcs=true", "-o", "signet-version", "./cmd/signet")
	if out := run("./signet-version", "version"); !strings.Contains(
		out, "(commit "+head[:12]+" of 20",
	) {
		t.Errorf("%s; HEAD is %s", out, head)
	}
}
