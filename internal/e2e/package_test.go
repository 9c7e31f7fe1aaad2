//go:build linux

package e2e_test

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/kms/kmstest"
)

// packageRoot is a folder that dpkg installs into.
type packageRoot struct {
	*testing.T
	dir string
}

func (p packageRoot) path(parts ...string) string {
	return filepath.Join(append([]string{p.dir}, parts...)...)
}

// run runs a program, and returns what it prints.
func (p packageRoot) run(env []string, name string, args ...string) string {
	p.Helper()
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), env...)
	out, err := c.CombinedOutput()
	if err != nil {
		p.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// dpkg runs dpkg. Its scripts run outside of the root, which DPKG_ROOT names.
func (p packageRoot) dpkg(args ...string) {
	p.Helper()
	p.run(nil, "dpkg", append([]string{
		"--root=" + p.dir, "--force-script-chrootless", "--force-depends",
	}, args...)...)
}

// user returns the numbers of the service's user, as the package has made it.
func (p packageRoot) user() (uid, gid uint32) {
	p.Helper()
	users, err := os.ReadFile(p.path("etc", "passwd"))
	if err != nil {
		p.Fatal(err)
	}
	for line := range strings.Lines(string(users)) {
		if f := strings.Split(line, ":"); f[0] == "signet" {
			u, _ := strconv.Atoi(f[2])
			g, _ := strconv.Atoi(f[3])
			return uint32(u), uint32(g)
		}
	}
	p.Fatalf("there is no user signet in %s", users)
	return 0, 0
}

// TestPackage builds the Debian package, installs it into an empty root, lets systemd judge the
// unit, and runs the service as its user. An upgrade and a removal keep configuration and data.
func TestPackage(t *testing.T) {
	for program, debian := range map[string]string{
		"dpkg": "dpkg", "systemd-analyze": "systemd", "systemd-sysusers": "systemd",
	} {
		if tool(t, program, debian) == "" {
			return
		}
	}
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("dpkg needs root")
		}
		t.Skip("dpkg needs root")
	}
	p := packageRoot{t, t.TempDir()}
	for _, dir := range []string{p.dir, filepath.Dir(p.dir)} { // for the service's user
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{
		"var/lib/dpkg/info", "var/lib/dpkg/updates", "var/lib/dpkg/triggers", "etc", "bin",
	} {
		if err := os.MkdirAll(p.path(dir), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(text string, parts ...string) {
		if err := os.WriteFile(p.path(parts...), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("", "var", "lib", "dpkg", "status")
	program, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	kms := kmsProgram(t)
	into := t.TempDir()
	install := func(version string) {
		p.run([]string{"BINARY=" + program, "KMS=" + kms}, "../../deploy/package/build", version, into)
		packages, err := filepath.Glob(filepath.Join(into, "signet_"+version+"_*.deb"))
		if err != nil || len(packages) != 1 {
			t.Fatalf("the packages are %q, %v", packages, err)
		}
		p.dpkg("--install", packages[0])
	}
	install("0.1.9")

	uid, gid := p.user()
	for _, want := range []struct {
		path string
		mode os.FileMode
		uid  uint32
		gid  uint32
	}{
		{"usr/bin/signet", 0o755, 0, 0},
		{"usr/bin/signet-kms", 0o755, 0, 0},
		{"etc/signet", os.ModeDir | 0o750, 0, gid},
		{"etc/signet/signet.yaml", 0o640, 0, gid},
		{"etc/signet/secrets", os.ModeDir | 0o700, 0, 0},
		{"var/lib/signet", os.ModeDir | 0o700, uid, gid},
	} {
		info, err := os.Stat(p.path(want.path))
		if err != nil {
			t.Error(err)
			continue
		}
		stat := info.Sys().(*syscall.Stat_t)
		if info.Mode() != want.mode || stat.Uid != want.uid || stat.Gid != want.gid {
			t.Errorf("%s: %s of %d:%d", want.path, info.Mode(), stat.Uid, stat.Gid)
		}
	}

	// The units that the service's one names, and kill, are of other packages.
	const units = "usr/lib/systemd/system"
	p.run(nil, "sh", "-c", "cp -an /lib/systemd/system/. "+p.path(units)+"/")
	p.run(nil, "cp", "/bin/kill", p.path("bin"))
	p.run(nil, "systemd-analyze", "verify", "--man=no", "--root="+p.dir, "signet.service")
	const mostExposed = 15 // in tenths, from 0 to 100
	p.run(
		nil, "systemd-analyze", "security", "--offline=true", "--root="+p.dir,
		fmt.Sprintf("--threshold=%d", mostExposed), "signet.service",
	)

	unit, err := os.ReadFile(p.path(units + "/signet.service"))
	if err != nil {
		t.Fatal(err)
	}
	wrong := exec.Command(p.path("usr/bin/signet"), "serve", "--public-url", "sign.example.com")
	_ = wrong.Run() // its status is judged
	never := fmt.Sprintf("\nRestartPreventExitStatus=%d\n", wrong.ProcessState.ExitCode())
	if !bytes.Contains(unit, []byte(never)) {
		t.Errorf("the unit starts a service with a wrong configuration again and again:\n%s", unit)
	}

	serve := func(more ...string) {
		t.Helper()
		listen, control := freeAddr(t), freeAddr(t)
		c := exec.Command(
			p.path("usr/bin/signet"), append([]string{
				"serve", "--config", p.path("etc/signet/signet.yaml"), "--data",
				p.path("var/lib/signet"), "--listen", listen, "--control", control,
			}, more...)...,
		)
		c.Env = append(os.Environ(), "PATH=/nowhere") // signet-kms is beside signet
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: gid}}
		c.Dir = "/"
		var log bytes.Buffer
		c.Stderr = &log
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		ready := false
		for deadline := time.Now().Add(time.Minute); !ready && time.Now().Before(deadline); {
			time.Sleep(50 * time.Millisecond)
			resp, err := http.Get("http://" + control + "/readyz")
			if err == nil {
				ready = resp.StatusCode == http.StatusOK
				resp.Body.Close()
			}
		}
		_ = c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil || !ready {
			t.Errorf("ready %t, %v: %s", ready, err, &log)
		}
	}
	serve()

	kmstest.NewAWS(t)
	other := p.path("var/lib/signet/kms")
	serve("--data", other, "--keys", "awskms:region=ap-southeast-1;decryption-key="+kmstest.DecryptionKey)
	if key, err := os.ReadFile(filepath.Join(other, "keys", "webhook.key")); err != nil ||
		!strings.Contains(string(key), "awskms") {
		t.Errorf("the key of the service is %q, %v", key, err)
	}

	// An upgrade keeps what the operator has changed.
	config := p.path("etc/signet/signet.yaml")
	text, err := os.ReadFile(config)
	if err != nil {
		t.Fatal(err)
	}
	write(string(text)+"log_level: warn\n", "etc/signet/signet.yaml")
	install("0.2.0")
	if now, err := os.ReadFile(config); err != nil ||
		!strings.HasSuffix(string(now), "log_level: warn\n") {
		t.Errorf("after the upgrade the configuration is %q, %v", now, err)
	}
	serve()
	p.dpkg("--remove", "signet")
	for path, want := range map[string]bool{
		"usr/bin/signet": false, "var/lib/signet/signet.db": true, "etc/signet/signet.yaml": true,
	} {
		if _, err := os.Stat(p.path(path)); (err == nil) != want {
			t.Errorf("after the removal: %s: %v", path, err)
		}
	}
}

// kmsProgram returns the path of a signet-kms that is built for this machine.
func kmsProgram(t *testing.T) string {
	t.Helper()
	kmstest.Program(t)
	path, err := exec.LookPath("signet-kms")
	if err == nil {
		path, err = filepath.EvalSymlinks(path)
	}
	if err != nil {
		t.Fatal(err)
	}
	return path
}
