// Package kmstest has key management services for tests: a program that answers as AWS KMS does,
// and a TPM in software. [Program] builds signet-kms, which talks to them.
package kmstest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Program puts signet-kms, which the go command builds if it is not in its cache, on the PATH of
// the test and of what it starts.
func Program(t *testing.T) {
	t.Helper()
	module, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	build := exec.CommandContext(t.Context(), "go", "tool", "-n", "signet-kms")
	build.Dir = filepath.Join(filepath.Dir(string(module)), "tools/signet-kms")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	build.Stderr = os.Stderr
	path, err := build.Output()
	if err != nil {
		t.Fatalf("build signet-kms: %v", err)
	}
	dir := t.TempDir()
	err = os.Symlink(strings.TrimSpace(string(path)), filepath.Join(dir, "signet-kms"))
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+string(filepath.ListSeparator)+os.Getenv("PATH"))
}

// TPM starts a TPM 2.0 in software, and returns the URI of its keys.
func TPM(t *testing.T) (uri string) {
	t.Helper()
	// The path of a socket has at most 108 bytes.
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "socket")
	c := exec.Command(
		"swtpm", "socket", "--tpm2", "--tpmstate", "dir="+dir, "--server",
		"type=unixio,path="+socket, "--flags", "not-need-init,startup-clear",
	)
	if err := c.Start(); err != nil {
		t.Fatalf("swtpm (Debian: swtpm): %v", err)
	}
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(socket); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Fatal("swtpm does not listen")
		}
	}
	return "tpmkms:device=" + socket + ";storage-directory=" + filepath.Join(dir, "keys")
}
