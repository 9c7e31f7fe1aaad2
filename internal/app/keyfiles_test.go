package app

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestKeyFiles checks which configurations can have their keys in the database, and which then need
// no folder.
func TestKeyFiles(t *testing.T) {
	const (
		postgres = "postgres://signet@db.example/signet"
		bucket   = "s3://signet/documents"
		password = "quartz-heron-lantern-77"
	)
	for name, test := range map[string]struct {
		config Config
		want   string // part of the error; "": none
	}{
		"folder":           {Config{Data: "data"}, ""},
		"folder, by name":  {Config{Data: "data", KeyFiles: "data"}, ""},
		"no folder":        {Config{}, "data: a folder is needed"},
		"nonsense":         {Config{Data: "data", KeyFiles: "db"}, "key_files"},
		"SQLite":           {Config{Data: "data", KeyFiles: "database", KeysPassword: password}, "PostgreSQL"},
		"no password":      {Config{Data: "data", Database: postgres, KeyFiles: "database"}, "keys_password"},
		"documents inside": {Config{Database: postgres, KeyFiles: "database", KeysPassword: password}, "data: a folder is needed"},
		"keys inside":      {Config{Database: postgres, Documents: bucket}, "data: a folder is needed"},
		"nothing inside": {
			Config{Database: postgres, Documents: bucket, KeyFiles: "database", KeysPassword: password},
			"",
		},
	} {
		err := test.config.checkData()
		if err == nil {
			err = test.config.checkKeyFiles()
		}
		if (err != nil) != (test.want != "") ||
			err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
	}
	c := Config{Database: postgres, Documents: bucket, KeyFiles: "database", KeysPassword: password}
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

	imported := func(config Config) ([]string, error) {
		config.KeyFiles = "database"
		return ImportKeys(t.Context(), config, "")
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
