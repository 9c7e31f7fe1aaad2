package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/config"
)

// TestNothingInFolders checks that what has no folder is neither backed up nor restored.
func TestNothingInFolders(t *testing.T) {
	c := config.Config{
		Database: "postgres://signet@db.example/signet", Documents: "s3://signet/documents",
		KeyFiles: "database", KeysPassword: strong,
	}
	if err := Backup(t.Context(), c, nil, io.Discard); err == nil ||
		!strings.Contains(err.Error(), "back up the database") {
		t.Errorf("a backup of nothing: %v", err)
	}
	if err := Restore(t.Context(), c, strings.NewReader(""), strings.NewReader("")); err == nil ||
		!strings.Contains(err.Error(), "data: a folder") {
		t.Errorf("a restore to nowhere: %v", err)
	}
}

// TestKeysIntoDatabase imports the folders of a deployment into its database while a node uses them.
// A node without the folders then starts with the same keys.
func TestKeysIntoDatabase(t *testing.T) {
	c := newClinic(t, cluster.Database(t))
	other := newClinic(t, cluster.Database(t))
	plain := newClinic(t, cluster.Database(t))
	c.config.KeysPassword, other.config.KeysPassword = strong, strong
	plain.start(false)
	other.start(false)
	a := c.start(true)

	imported := func(settings config.Config) ([]string, error) {
		settings.KeyFiles = "database"
		return ImportKeys(t.Context(), settings, "")
	}
	stranger := c.config
	stranger.Data = other.config.Data
	if _, err := imported(stranger); err == nil || !strings.Contains(err.Error(), "not of the deployment") {
		t.Errorf("the folders of another deployment: %v", err)
	}
	plain.config.KeysPassword = strong
	if _, err := imported(plain.config); err == nil || !strings.Contains(err.Error(), "signet secret encrypt") {
		t.Errorf("plain folders: %v", err)
	}
	files, err := imported(c.config)
	if err != nil || len(files) < 10 {
		t.Fatalf("%q, %v", files, err)
	}
	if again, err := imported(c.config); err != nil || len(again) != len(files) {
		t.Errorf("again: %q, %v", again, err)
	}

	one, err := a.keys.Existing("webhook", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	next := *c
	next.config.KeyFiles = "database"
	for _, folder := range []string{"keys", "authority"} { // the first node has read them
		path := filepath.Join(c.config.Data, folder)
		if err := os.Rename(path, path+"-away"); err != nil {
			t.Fatal(err)
		}
	}
	b := next.start(true)
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
	c := newClinic(t, "")
	c.start(false)
	const left = ".new-ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	for folder, age := range map[string]time.Duration{
		"keys": 25 * time.Hour, "authority": 23 * time.Hour, "": 48 * time.Hour, "other": 48 * time.Hour,
	} {
		c.must(os.MkdirAll(c.data(folder), 0o700))
		c.must(os.WriteFile(c.data(folder, left), []byte("-----BEGIN"), 0o600))
		c.must(os.Chtimes(c.data(folder, left), time.Time{}, time.Now().Add(-age)))
	}
	c.start(false)
	for folder, stays := range map[string]bool{
		"keys": false, "authority": true, "": false, "other": true,
	} {
		if _, err := os.Stat(c.data(folder, left)); (err == nil) != stays {
			t.Errorf("%q: %v", folder, err)
		}
	}
}
