package keydir

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

const passwordA, passwordB = "correct horse battery", "staple correct horse"

// locked returns the directory with a password, as another process opens it.
func locked(t *testing.T, d *Dir, password string) *Dir {
	t.Helper()
	p, err := NewPassword(password, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	plain := d.With(nil)
	return plain.With(Protect(plain, p))
}

func public(t *testing.T, d *Dir, name string) crypto.PublicKey {
	t.Helper()
	key, err := d.Existing(name, elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	return key.Public()
}

func TestPassword(t *testing.T) {
	plain, path := open(t)
	d := locked(t, plain, passwordA)
	key, err := d.Signer("webhook", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := d.Secret("cookies")
	if err != nil {
		t.Fatal(err)
	}
	scalar, err := key.(*ecdsa.PrivateKey).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"webhook.key", "cookies.secret", sealingFile} {
		text, err := os.ReadFile(filepath.Join(path, file))
		if err != nil || !bytes.HasPrefix(text, []byte("-----BEGIN SEAL")) ||
			bytes.Contains(text, secret) || bytes.Contains(text, scalar) {
			t.Errorf("%s: %q, %v", file, text, err)
		}
	}
	again := locked(t, plain, passwordA)
	if got, err := again.Secret("cookies"); err != nil || !bytes.Equal(got, secret) {
		t.Errorf("Secret = %x, %v; want %x", got, err, secret)
	}
	if !key.Public().(*ecdsa.PublicKey).Equal(public(t, again, "webhook")) {
		t.Error("another key")
	}

	files := func() string {
		var names []string
		list, err := plain.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range list {
			names = append(names, f.Name)
		}
		return strings.Join(names, " ")
	}
	before := files()
	refused := func(what string, d *Dir, want error) {
		t.Helper()
		if _, err := d.Secret("cookies"); !errors.Is(err, want) {
			t.Errorf("%s: Secret: %v; want %v", what, err, want)
		}
		if _, err := d.Existing("webhook", elliptic.P256()); !errors.Is(err, want) {
			t.Errorf("%s: Existing: %v; want %v", what, err, want)
		}
		if _, err := d.Signer("webhook", elliptic.P256()); !errors.Is(err, want) {
			t.Errorf("%s: Signer: %v; want %v", what, err, want)
		}
	}
	refused("another password", locked(t, plain, passwordB), ErrPassword)
	if _, err := locked(t, plain, passwordB).Secret("new"); !errors.Is(err, ErrPassword) {
		t.Errorf("a new secret with another password: %v", err)
	}
	refused("no password", plain, ErrProtected)
	if after := files(); after != before {
		t.Errorf("refusals have left %s; there was %s", after, before)
	}

	// A secret is in its own file only.
	stolen, err := os.ReadFile(filepath.Join(path, "cookies.secret"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "links.secret"), stolen, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Secret("links"); err == nil {
		t.Error("the secret of cookies is accepted as that of links")
	}
	if err := os.WriteFile(
		filepath.Join(path, "links.secret"), bytes.Repeat([]byte{7}, SecretSize), 0o600,
	); err != nil {
		t.Fatal(err)
	}
	if _, err := again.Secret("links"); !errors.Is(err, ErrNotProtected) {
		t.Errorf("a plain secret among encrypted ones: %v", err)
	}

	if err := os.Remove(filepath.Join(path, sealingFile)); err != nil {
		t.Fatal(err)
	}
	refused("no sealing key", locked(t, plain, passwordA), ErrSealing)
	if _, err := locked(t, plain, passwordA).Secret("new"); !errors.Is(err, ErrSealing) {
		t.Errorf("a new secret without the sealing key: %v", err)
	}
	if _, err := os.Stat(filepath.Join(path, sealingFile)); err == nil {
		t.Error("another sealing key is made in the place of the lost one")
	}
	if _, err := NewPassword("short", rand.Reader); err == nil {
		t.Error("a short password is accepted")
	}
}

func TestChangePassword(t *testing.T) {
	plain, _ := open(t)
	d := locked(t, plain, passwordA)
	secret, err := d.Secret("cookies")
	if err != nil {
		t.Fatal(err)
	}
	to, err := NewPassword(passwordB, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if err := locked(t, plain, passwordB).Protection().ChangePassword(to); !errors.Is(
		err, ErrPassword,
	) {
		t.Errorf("with another password: %v", err)
	}
	if err := locked(t, plain, passwordA).Protection().ChangePassword(to); err != nil {
		t.Fatal(err)
	}
	if _, err := locked(t, plain, passwordA).Secret("cookies"); !errors.Is(err, ErrPassword) {
		t.Errorf("the old password: %v", err)
	}
	for what, d := range map[string]*Dir{"running": d, "started": locked(t, plain, passwordB)} {
		if got, err := d.Secret("cookies"); err != nil || !bytes.Equal(got, secret) {
			t.Errorf("%s: Secret = %x, %v; want %x", what, got, err, secret)
		}
	}
}

// TestEncrypt encrypts plain directories, also after an interruption. A ring continues where it was.
func TestEncrypt(t *testing.T) {
	plain, path := open(t)
	other, err := Open(filepath.Join(filepath.Dir(path), "authority"), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	first, err := plain.Secret("cookies")
	if err != nil {
		t.Fatal(err)
	}
	if err := plain.Rotate("cookies"); err != nil {
		t.Fatal(err)
	}
	old := time.Now().Add(-time.Hour).Truncate(time.Second)
	if err := os.Chtimes(filepath.Join(path, "cookies-2.secret"), old, old); err != nil {
		t.Fatal(err)
	}
	key, err := other.Signer("ocsp", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Create("ocsp.crt", []byte("public")); err != nil {
		t.Fatal(err)
	}
	d := locked(t, plain, passwordA)
	if got, err := d.Protection().Encrypt(d); err != nil || len(got) != 2 {
		t.Fatalf("Encrypt = %q, %v", got, err)
	}
	d = locked(t, plain, passwordA)
	got, err := d.Protection().Encrypt(d, other)
	if err != nil || len(got) != 1 || got[0] != "authority/ocsp.key" {
		t.Errorf("Encrypt = %q, %v", got, err)
	}
	if got, err := d.Protection().Encrypt(d, other); err != nil || len(got) != 0 {
		t.Errorf("Encrypt once more = %q, %v", got, err)
	}
	ring, err := d.Ring("cookies", 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Secret("cookies-2")
	if err != nil {
		t.Fatal(err)
	}
	if got := bytes.Join(ring.Secrets(), nil); !bytes.Equal(got, append(second, first...)) {
		t.Errorf("the ring has %x, want the second and the first", got)
	}
	if !key.Public().(*ecdsa.PublicKey).Equal(public(t, other.With(d.Protection()), "ocsp")) {
		t.Error("another key")
	}
	if text, err := other.Read("ocsp.crt"); err != nil || string(text) != "public" {
		t.Errorf("a certificate is %q, %v", text, err)
	}
	if err := os.Remove(filepath.Join(path, sealingFile)); err != nil {
		t.Fatal(err)
	}
	if _, err := plain.Secret("late"); err != nil {
		t.Fatal(err)
	}
	d = locked(t, plain, passwordA)
	if _, err := d.Protection().Encrypt(d, other); !errors.Is(err, ErrSealing) {
		t.Errorf("without the key of what is encrypted: %v", err)
	}
}

// TestConcurrentSealing starts processes together, which must make one sealing key.
func TestConcurrentSealing(t *testing.T) {
	plain, _ := open(t)
	var wg sync.WaitGroup
	got := make([][]byte, 2)
	for i := range got {
		d := locked(t, plain, passwordA)
		wg.Go(func() {
			if _, err := d.Signer("webhook", elliptic.P256()); err != nil {
				t.Error(err)
			}
			var err error
			if got[i], err = d.Secret("cookies"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range got {
		if len(s) != SecretSize || !bytes.Equal(s, got[0]) {
			t.Errorf("secrets %x and %x", s, got[0])
		}
	}
}

// signing is a module whose keys only sign.
type signing struct {
	*Password
	keys map[string]crypto.Signer
}

func (m signing) NewSigner(curve elliptic.Curve) ([]byte, error) {
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		return nil, err
	}
	return m.Import(key)
}

func (m signing) Import(key *ecdsa.PrivateKey) ([]byte, error) {
	record := []byte(rand.Text())
	m.keys[string(record)] = struct{ crypto.Signer }{key}
	return record, nil
}

func (m signing) Signer(record []byte) (crypto.Signer, error) { return m.keys[string(record)], nil }
func (m signing) Discard([]byte) error                        { return nil }

// TestKeysThatDecrypt checks that a key that is to decrypt is never brought into a module.
func TestKeysThatDecrypt(t *testing.T) {
	password, err := NewPassword(passwordA, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	m := signing{password, map[string]crypto.Signer{}}
	names := []string{"oidc", "oidc-encryption"}
	check := func(d *Dir, names ...string) {
		t.Helper()
		for _, name := range names {
			key, err := d.Existing(name, elliptic.P256())
			if err != nil {
				t.Fatal(err)
			}
			want := strings.HasPrefix(name, "oidc-encryption")
			if _, decrypts := key.(*ecdsa.PrivateKey); decrypts != want {
				t.Errorf("%s is a %T", name, key)
			}
		}
	}

	plain, _ := open(t)
	d := plain.With(Protect(plain, m, "oidc-encryption"))
	for _, name := range names {
		_, err := d.KeyRing(name, time.Hour, time.Hour)
		if err := errors.Join(err, d.RotateKey(name)); err != nil {
			t.Fatal(err)
		}
	}
	check(d, "oidc", "oidc-2", "oidc-encryption", "oidc-encryption-2")

	plain, _ = open(t)
	for _, name := range names {
		if _, err := plain.Signer(name, elliptic.P256()); err != nil {
			t.Fatal(err)
		}
	}
	d = plain.With(Protect(plain, m, "oidc-encryption"))
	if _, err := d.Protection().Import(nil, plain); err != nil {
		t.Fatal(err)
	}
	check(d, names...)
	if _, err := d.Protection().FinishImport(plain); err != nil {
		t.Fatal(err)
	}
	check(d, names...)
}
