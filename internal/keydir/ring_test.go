package keydir

import (
	"bytes"
	"os"
	"path/filepath"
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
	a.read = time.Time{}
	if got := a.Secrets(); len(got) != 1 || !bytes.Equal(got[0], second) {
		t.Errorf("without the first file: %x", got)
	}
	if bytes.Equal(first, second) {
		t.Error("the secret did not change")
	}
}
