// Package softhsm makes tokens of SoftHSM, a PKCS #11 library without hardware, for tests.
package softhsm

import (
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// PIN is the user's PIN of all tokens.
const PIN = "secret-pin-1234"

// library is SoftHSM's, as Debian installs it.
const library = "/usr/lib/softhsm/libsofthsm2.so"

// New makes tokens with labels, for this process and those that it starts, and returns a function
// that gives the URI of each.
func New(t *testing.T, labels ...string) (uri func(label string) string) {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "softhsm2.conf")
	text := fmt.Sprintf("directories.tokendir = %s\nlog.level = ERROR\n", dir)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SOFTHSM2_CONF", config)
	for _, label := range labels {
		out, err := exec.Command(
			"softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin",
			PIN,
		).CombinedOutput()
		if err != nil {
			t.Fatalf("softhsm2-util (Debian: softhsm2): %v\n%s", err, out)
		}
	}
	return func(label string) string {
		return "pkcs11:token=" + url.PathEscape(label) + "?module-path=" + library
	}
}
