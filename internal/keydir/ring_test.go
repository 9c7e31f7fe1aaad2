package keydir

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// TestRing rotates a secret under two processes.
func TestRing(t *testing.T) {
	d, path := open(t)
	start := time.Now().Truncate(time.Second)
	now := start
	clock := func() time.Time { return now }
	a, err := d.ring("cookies", time.Hour, clock)
	if err != nil {
		t.Fatal(err)
	}
	first := a.Secrets()[0]
	if len(a.Secrets()) != 1 || len(first) != SecretSize {
		t.Fatalf("at first: %x", a.Secrets())
	}
	if err := d.Rotate("other"); err == nil {
		t.Error("a secret that does not exist is rotated")
	}
	if err := d.Rotate("cookies"); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(filepath.Join(path, "cookies-2.secret"), now, now); err != nil {
		t.Fatal(err)
	}
	b, err := d.ring("cookies", time.Hour, clock)
	if err != nil {
		t.Fatal(err)
	}
	second, err := d.Secret("cookies-2")
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		after time.Duration
		want  [][]byte
	}{
		{ringReread, [][]byte{first, second}},
		{ringDelay - time.Second, [][]byte{first, second}},
		{ringDelay + ringReread, [][]byte{second, first}},
		{ringDelay + time.Hour - time.Second, [][]byte{second, first}},
		{ringDelay + time.Hour + ringReread, [][]byte{second}},
	} {
		now = start.Add(test.after)
		for _, r := range []*Ring{a, b} {
			if got := r.Secrets(); !bytes.Equal(bytes.Join(got, nil), bytes.Join(test.want, nil)) {
				t.Errorf("after %s: %x, want %x", test.after, got, test.want)
			}
		}
	}
	if err := os.Remove(filepath.Join(path, "cookies.secret")); err != nil {
		t.Fatal(err)
	}
	now = start.Add(ringReread)
	a.loaded = time.Time{}
	if got := a.Secrets(); len(got) != 1 || !bytes.Equal(got[0], second) {
		t.Errorf("without the first file: %x", got)
	}
	if bytes.Equal(first, second) {
		t.Error("the secret did not change")
	}
}

// TestKeyRing rotates a key pair: the successor is listed at once, and used after the delay or when
// the file of the first key is gone. A folder without the key stays as it is.
func TestKeyRing(t *testing.T) {
	d, path := open(t)
	if _, err := d.ExistingKeyRing("oidc", time.Hour, time.Hour); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("a ring of no key: %v", err)
	}
	if files, err := os.ReadDir(path); err != nil || len(files) != 0 {
		t.Fatalf("the folder has %v, %v", files, err)
	}
	if err := d.RotateKey("oidc"); err == nil {
		t.Error("a key that does not exist is rotated")
	}
	r, err := d.KeyRing("oidc", time.Hour, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	first := r.Keys()[0]
	if err := d.RotateKey("oidc"); err != nil {
		t.Fatal(err)
	}
	second, err := d.Existing("oidc-2", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string, want ...crypto.Signer) {
		t.Helper()
		r.ring.loaded = time.Time{}
		got := r.Keys()
		same := slices.EqualFunc(got, want, func(a, b crypto.Signer) bool {
			return a.(*ecdsa.PrivateKey).Equal(b)
		})
		if !same {
			t.Errorf("%s: %d keys, want %d, or in another order", when, len(got), len(want))
		}
	}
	made := time.Now()
	for _, test := range []struct {
		after time.Duration
		want  []crypto.Signer
	}{
		{30 * time.Minute, []crypto.Signer{first, second}},
		{61 * time.Minute, []crypto.Signer{second, first}},
		{2*time.Hour + time.Minute, []crypto.Signer{second}},
	} {
		r.ring.now = func() time.Time { return made.Add(test.after) }
		check(test.after.String(), test.want...)
	}
	r.ring.now = time.Now
	if err := os.Remove(filepath.Join(path, "oidc.key")); err != nil {
		t.Fatal(err)
	}
	check("without the first file", second)
}
