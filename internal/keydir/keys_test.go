package keydir

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"testing"
)

func open(t *testing.T) (*Dir, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a", "keys")
	d, err := Open(path, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return d, path
}

func TestSignerIsMadeOnceAndKept(t *testing.T) {
	d, path := open(t)
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384()} {
		name := curve.Params().Name
		if _, err := d.Existing(name, curve); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("Existing before creation: %v", err)
		}
		first, err := d.Signer(name, curve)
		if err != nil {
			t.Fatal(err)
		}
		again, err := d.Signer(name, curve)
		if err != nil || !first.Public().(*ecdsa.PublicKey).Equal(again.Public()) {
			t.Errorf("%s: another key on the second call (%v)", name, err)
		}
		info, err := os.Stat(filepath.Join(path, name+".key"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v; want 0600", info.Mode(), err)
		}
	}
	if _, err := d.Signer("P-256", elliptic.P384()); err == nil {
		t.Error("a P-256 key is served as P-384")
	}
	if _, err := d.Signer("x", elliptic.P521()); err == nil {
		t.Error("P-521 is offered")
	}
}

func TestSecret(t *testing.T) {
	d, path := open(t)
	a, err := d.Secret("session")
	if err != nil || len(a) != SecretSize || bytes.Equal(a, make([]byte, SecretSize)) {
		t.Fatalf("Secret = %x, %v", a, err)
	}
	b, _ := d.Secret("session")
	c, _ := d.Secret("other")
	if !bytes.Equal(a, b) || bytes.Equal(a, c) {
		t.Error("secrets must be stable by name and differ between names")
	}
	if err := os.WriteFile(filepath.Join(path, "short.secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secret("short"); err == nil {
		t.Error("a cut secret is accepted")
	}
}

func TestLooseModeIsRefused(t *testing.T) {
	d, path := open(t)
	if _, err := d.Secret("s"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(path, "s.secret"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Secret("s"); !errors.Is(err, ErrPermissions) {
		t.Errorf("%v, want ErrPermissions", err)
	}
}

func TestNamesStayInside(t *testing.T) {
	d, _ := open(t)
	for _, name := range []string{"", "..", "../x", "a/b", ".hidden", `a\b`} {
		if _, err := d.Create(name, nil); !errors.Is(err, ErrName) {
			t.Errorf("Create(%q) = %v", name, err)
		}
		if _, err := d.Read(name); !errors.Is(err, ErrName) {
			t.Errorf("Read(%q) = %v", name, err)
		}
	}
}

// Processes that start together must end with the same key.
func TestConcurrentCreationAgrees(t *testing.T) {
	d, path := open(t)
	var wg sync.WaitGroup
	got := make([][]byte, 16)
	for i := range got {
		wg.Go(func() {
			s, err := d.Secret("race")
			if err != nil {
				t.Error(err)
			}
			got[i] = s
		})
	}
	wg.Wait()
	for _, s := range got {
		if !bytes.Equal(s, got[0]) {
			t.Fatal("two secrets under one name")
		}
	}
	left, _ := os.ReadDir(path)
	if len(left) != 1 {
		t.Errorf("%d files left, want 1", len(left))
	}
}

func TestGarbageIsRefusedNotReplaced(t *testing.T) {
	d, path := open(t)
	file := filepath.Join(path, "k.key")
	if err := os.WriteFile(file, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Signer("k", elliptic.P256()); err == nil {
		t.Error("garbage is served as a key")
	}
	if b, _ := os.ReadFile(file); string(b) != "not a key" {
		t.Error("the file was replaced")
	}
}
