package storetest

import (
	"crypto"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"io/fs"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

var keyFileTests = []test{
	{name: "files of keys", run: keyFiles},
	{name: "files of keys are durable", run: keepKeyFiles},
}

func keyFiles(t *testing.T, s *suite, _ Harness) {
	keys, authority := s.KeyFiles("keys"), s.KeyFiles("authority")
	if _, err := keys.Read("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before: %v", err)
	}
	begin := time.Now().Truncate(time.Microsecond)
	got := make([]string, 8)
	var wg sync.WaitGroup
	for i := range got {
		wg.Go(func() {
			stored, err := keys.Create("a", []byte{0, 0xff, byte(i)})
			if err != nil {
				t.Error(err)
			}
			got[i] = string(stored)
		})
	}
	wg.Wait()
	if distinct := slices.Compact(got); len(distinct) != 1 || len(distinct[0]) != 3 {
		t.Errorf("calls to create one file got %q", got)
	}
	if stored, err := keys.Read("a"); err != nil || string(stored) != got[0] {
		t.Errorf("%q, %v; want %q", stored, err, got[0])
	}
	if _, err := authority.Read("a"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the other folder has the file, too: %v", err)
	}
	for _, text := range []string{"first", "second"} {
		if err := keys.Replace("b", []byte(text)); err != nil {
			t.Fatal(err)
		}
		if stored, err := keys.Read("b"); err != nil || string(stored) != text {
			t.Errorf("%q, %v; want %q", stored, err, text)
		}
	}
	list, err := keys.List()
	if err != nil || len(list) != 2 || list[0].Name != "a" || list[1].Name != "b" {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, f := range list {
		if f.Size == 0 || f.Changed.Before(begin) || f.Changed.After(time.Now()) {
			t.Errorf("%+v, stored after %s", f, begin)
		}
	}
}

func keepKeyFiles(t *testing.T, s *suite, h Harness) {
	open := func(s *suite) *keydir.Dir {
		dir, err := keydir.New(s.KeyFiles("keys"), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		provider, err := keydir.NewPassword("a password of 24 bytes!!", rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return dir.With(keydir.Protect(dir, provider))
	}
	dir := open(s)
	key, err := dir.Signer("webhook", elliptic.P256())
	if err != nil {
		t.Fatal(err)
	}
	secret, err := dir.Secret("cookies")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	dir = open(s.another(h))
	again, err := dir.Existing("webhook", elliptic.P256())
	if err != nil ||
		!again.Public().(interface{ Equal(crypto.PublicKey) bool }).Equal(key.Public()) {
		t.Errorf("another key: %v", err)
	}
	if got, err := dir.Secret("cookies"); err != nil || !slices.Equal(got, secret) {
		t.Errorf("another secret: %v", err)
	}
}
