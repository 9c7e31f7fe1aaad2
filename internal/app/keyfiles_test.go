package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/maintenance"
)

// TestKeysIntoDatabase imports the folders of a deployment into its database while a node uses them.
// A node without the folders then starts with the same keys.
func TestKeysIntoDatabase(t *testing.T) {
	c := serviceConfig(t, cluster.Database(t))
	other := serviceConfig(t, cluster.Database(t))
	plain := serviceConfig(t, cluster.Database(t))
	c.KeysPassword, other.KeysPassword = strong, strong
	startService(t, plain, false)
	startService(t, other, false)
	a := startService(t, c, true)

	imported := func(settings config.Config) ([]string, error) {
		settings.KeyFiles = "database"
		return maintenance.ImportKeys(t.Context(), settings, "")
	}
	stranger := c
	stranger.Data = other.Data
	if _, err := imported(stranger); err == nil || !strings.Contains(err.Error(), "not of the deployment") {
		t.Errorf("the folders of another deployment: %v", err)
	}
	plain.KeysPassword = strong
	if _, err := imported(plain); err == nil || !strings.Contains(err.Error(), "signet secret encrypt") {
		t.Errorf("plain folders: %v", err)
	}
	files, err := imported(c)
	if err != nil || len(files) < 10 {
		t.Fatalf("%q, %v", files, err)
	}
	if again, err := imported(c); err != nil || len(again) != len(files) {
		t.Errorf("again: %q, %v", again, err)
	}

	one, err := a.keys.Existing("webhook", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	next := c
	next.KeyFiles = "database"
	for _, folder := range []string{"keys", "authority"} { // the first node has read them
		path := filepath.Join(c.Data, folder)
		if err := os.Rename(path, path+"-away"); err != nil {
			t.Fatal(err)
		}
	}
	b := startService(t, next, true)
	if !a.authority.Root().Equal(b.authority.Root()) {
		t.Error("the node with keys in the database has another root")
	}
	two, err := b.keys.Existing("webhook", elliptic.P256())
	if err != nil || !one.Public().(*ecdsa.PublicKey).Equal(two.Public()) {
		t.Errorf("its key of webhooks: %v", err)
	}
}

// TestUnfinishedFiles checks that a start removes what a killed program has left in the folders of
// the deployment, when it is old, and leaves other folders alone.
func TestUnfinishedFiles(t *testing.T) {
	c := serviceConfig(t, "")
	startService(t, c, false)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	const left = ".new-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for folder, age := range map[string]time.Duration{
		"keys": 25 * time.Hour, "authority": 23 * time.Hour, "": 48 * time.Hour, "other": 48 * time.Hour,
	} {
		must(os.MkdirAll(filepath.Join(c.Data, folder), 0o700))
		must(os.WriteFile(filepath.Join(c.Data, folder, left), []byte("-----BEGIN"), 0o600))
		must(os.Chtimes(filepath.Join(c.Data, folder, left), time.Time{}, time.Now().Add(-age)))
	}
	startService(t, c, false)
	for folder, stays := range map[string]bool{
		"keys": false, "authority": true, "": false, "other": true,
	} {
		if _, err := os.Stat(filepath.Join(c.Data, folder, left)); (err == nil) != stays {
			t.Errorf("%q: %v", folder, err)
		}
	}
}

// strong is a password that is not easy to guess.
const strong = "mZ7kQ2vX9pLs4TgB"

// startService starts a service, and stops it unless it is to run on.
func startService(t *testing.T, c config.Config, running bool) *App {
	t.Helper()
	a, err := Open(t.Context(), c, time.Now, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	stop := runService(t, a)
	if !running {
		if err := stop(); err != nil {
			t.Fatal(err)
		}
	}
	return a
}
