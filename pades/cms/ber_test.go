package cms

import (
	"bytes"
	"crypto/elliptic"
	"testing"
)

func TestDER(t *testing.T) {
	for _, tc := range []struct{ in, want []byte }{
		{[]byte{0x30, 0x80, 0x02, 1, 5, 0, 0}, []byte{0x30, 3, 0x02, 1, 5}},
		{[]byte{0x30, 3, 0x02, 1, 5, 0, 0}, []byte{0x30, 3, 0x02, 1, 5}},
		{[]byte{0x30, 0x80, 0xa0, 0x80, 0x24, 0x80, 4, 2, 'a', 'b', 4, 1, 'c', 0, 0, 0, 0, 0, 0}, []byte{0x30, 7, 0xa0, 5, 4, 3, 'a', 'b', 'c'}},
	} {
		got, n, err := DER(append(bytes.Clone(tc.in), 0, 0, 0))
		if err != nil || !bytes.Equal(got, tc.want) {
			t.Errorf("%x: %x, %v", tc.in, got, err)
		}
		if want := len(tc.in); n != want && n != len(tc.want) {
			t.Errorf("%x: %d bytes", tc.in, n)
		}
	}
	for _, in := range [][]byte{
		nil,
		{0x30},
		{0x04, 0x80, 0, 0},
		{0x30, 0x80},
		{0x30, 0x80, 0},
		{0x30, 0x80, 0x02, 0x80, 0, 0, 0, 0},
		{0x30, 0x84, 0xff, 0xff, 0xff, 0xff},
		{0x30, 0x80, 0x1f, 1, 0, 0},
		bytes.Repeat([]byte{0x30, 0x80}, 100),
	} {
		if out, _, err := DER(in); err == nil {
			t.Errorf("%x: %x", in, out)
		}
	}
}

func FuzzDER(f *testing.F) {
	f.Add([]byte{0x30, 0x80, 0x24, 0x80, 4, 1, 'c', 0, 0, 0, 0})
	f.Add([]byte{0x30, 0x80, 0xa0, 0x80, 0x24, 0x80, 4, 2, 'a', 'b', 4, 1, 'c', 0, 0, 0, 0, 0, 0})
	f.Add([]byte{0x30, 0x82, 0, 6, 0x24, 0x80, 4, 0, 0, 0})
	f.Add(append([]byte{0x30, 0x81, 0x80}, bytes.Repeat([]byte{0x31, 0}, 64)...))
	key := ecKey(f, elliptic.P256())
	f.Add(build(f, key, testCert(f, key, 77), nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		der, n, err := DER(b)
		if err != nil {
			return
		}
		if n > len(b) {
			t.Fatalf("%d of %d bytes", n, len(b))
		}
		if again, m, err := DER(der); err != nil || m != len(der) || !bytes.Equal(again, der) {
			t.Fatalf("%x is not definite: %x, %v", der, again, err)
		}
	})
}
