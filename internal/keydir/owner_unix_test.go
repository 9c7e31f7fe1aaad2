//go:build unix

package keydir

import (
	"crypto/elliptic"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestOwner checks that what a command of root writes belongs to the service's user, who has the
// folder.
func TestOwner(t *testing.T) {
	if os.Getuid() != 0 {
		if os.Getenv("CI") != "" {
			t.Fatal("only root can give a file away")
		}
		t.Skip("only root can give a file away")
	}
	d, path := open(t)
	const uid, gid = 12345, 12346
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Signer("webhook", elliptic.P256()); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secret("links"); err != nil {
		t.Fatal(err)
	}
	if err := d.Rotate("links"); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := d.Replace("root.crl", nil); err != nil {
			t.Fatal(err)
		}
	}
	files, err := d.List()
	if err != nil || len(files) != 4 {
		t.Fatalf("%v, %v", files, err)
	}
	for _, f := range files {
		info, err := os.Stat(filepath.Join(path, f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if s := info.Sys().(*syscall.Stat_t); s.Uid != uid || s.Gid != gid {
			t.Errorf("%s belongs to %d:%d", f.Name, s.Uid, s.Gid)
		}
	}
}
