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

// Take takes all tokens away, as if they were pulled out, and returns a function that gives them
// back.
func Take(t *testing.T) (give func()) {
	t.Helper()
	config := os.Getenv("SOFTHSM2_CONF")
	dir := filepath.Join(filepath.Dir(config), "tokens")
	if err := os.Rename(dir, dir+".away"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return func() {
		t.Helper()
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(dir+".away", dir); err != nil {
			t.Fatal(err)
		}
	}
}

// New makes tokens with labels, for this process and those that it starts, and returns a function
// that gives the URI of each.
func New(t *testing.T, labels ...string) (uri func(label string) string) {
	t.Helper()
	dir := t.TempDir()
	config, tokens := filepath.Join(dir, "softhsm2.conf"), filepath.Join(dir, "tokens")
	if err := os.Mkdir(tokens, 0o700); err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("directories.tokendir = %s\nlog.level = ERROR\n", tokens)
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
