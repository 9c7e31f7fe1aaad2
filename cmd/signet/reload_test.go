package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestHangup: SIGHUP makes the service read its configuration again. Relying parties and the log
// level change at once, other keys are reported, and a bad file leaves the old configuration in
// force.
func TestHangup(t *testing.T) {
	const password = "correct-horse-battery"
	dir, control := t.TempDir(), freeAddr(t)
	file := filepath.Join(dir, "signet.yaml")
	write := func(text string) {
		t.Helper()
		text = fmt.Sprintf(`
listen: 127.0.0.1:0
control: %s
console_password: %s
public_url: https://sign.test
data: %s
%s
`, control, password, filepath.Join(dir, "data"), text)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	party := func(name, scheme string) string {
		return fmt.Sprintf(
			"parties: [{client_id: a, name: %s, jwks_url: '%s://rp.test/j', redirect_url: 'https://rp.test/r'}]\n",
			name, scheme,
		)
	}

	write(party("First", "https"))
	cmd := exec.Command("signet", "serve", "--config", file)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	stop := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
	defer stop.Stop()
	log := bufio.NewScanner(stderr)
	logged := func(text string) string {
		t.Helper()
		for log.Scan() {
			if strings.Contains(log.Text(), text) {
				return log.Text()
			}
		}
		t.Fatalf("the log ended without %q", text)
		return ""
	}
	signal := func(s syscall.Signal) {
		t.Helper()
		if err := cmd.Process.Signal(s); err != nil {
			t.Fatal(err)
		}
	}
	shows := func(name string) {
		t.Helper()
		resp, err := http.Get("http://operator:" + password + "@" + control + "/console/parties")
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		page, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(page), name) {
			t.Errorf("the console does not show %s: %d, %v", name, resp.StatusCode, err)
		}
	}
	logged("listening")
	shows("First")

	write(party("Second", "https"))
	signal(syscall.SIGHUP)
	if line := logged("reloaded"); !strings.Contains(line, "changed=[parties] parties=1") {
		t.Error(line)
	}
	shows("Second")

	for _, bad := range []string{
		"partys: []",
		party("Third", "https") + "session_lifetime: 1s",
		party("Third", "https") + "log_level: loud",
		party("Third", "http"),
		party("Third", "https") + "data: [",
	} {
		write(bad)
		signal(syscall.SIGHUP)
		if line := logged("the old one stays in force"); !strings.Contains(line, "level=ERROR") {
			t.Error(line)
		}
		shows("Second")
	}

	write(party("Fourth", "https") + "session_lifetime: 60s\nlog_level: warn")
	signal(syscall.SIGHUP)
	if line := logged("reloaded"); !strings.Contains(line, `changed="[parties log_level]"`) {
		t.Error(line)
	}
	if line := logged("next start"); !strings.Contains(line, "session_lifetime") {
		t.Error(line)
	}
	shows("Fourth")
	write(party("Fifth", "https") + "session_lifetime: 60s\nlog_level: warn")
	signal(syscall.SIGHUP)
	logged("next start") // it still waits
	shows("Fifth")

	signal(syscall.SIGTERM)
	for log.Scan() {
		if strings.Contains(log.Text(), "level=INFO") {
			t.Errorf("at level warn the log says %s", log.Text())
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the service ended with %v", err)
	}
}

// TestInterrupted checks that a start that Ctrl-C ends says so, whatever it was about.
func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var out, errs bytes.Buffer
	args := []string{"sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0"}
	code := run(ctx, args, func(string) string { return "" }, &out, &errs)
	if last := errs.String(); code != 1 || !strings.Contains(last, "signet: interrupted: ") {
		t.Errorf("%d %s", code, last)
	}
}

// TestSandboxHangup checks that a sandbox whose terminal is closed stops as it does at Ctrl-C, and
// deletes its temporary data.
func TestSandboxHangup(t *testing.T) {
	tmp := t.TempDir()
	cmd := exec.CommandContext(
		t.Context(), "signet", "sandbox", "--listen", "127.0.0.1:0", "--control", "127.0.0.1:0",
	)
	cmd.Env = append(os.Environ(), "TMPDIR="+tmp)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() && !strings.Contains(lines.Text(), "Ctrl-C") {
	}
	if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the sandbox ended with %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(tmp, "signet-sandbox-*")); err != nil ||
		len(left) > 0 {
		t.Errorf("it leaves %v, %v", left, err)
	}
}

// freeAddr is an address that nothing listens on.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := freePort()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
