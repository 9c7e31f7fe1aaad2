package audit

import (
	"archive/zip"
	"bytes"
	"math"
	"strings"
	"testing"
)

// TestReadBundle reads bundles of a hostile author: sizes that are not true, files that inflate
// beyond the bound, and names that come twice.
func TestReadBundle(t *testing.T) {
	const name = EvidenceFile
	stored := func(size uint64) func(*zip.Writer) error {
		return func(z *zip.Writer) error {
			w, err := z.CreateRaw(&zip.FileHeader{
				Name: name, CompressedSize64: 5, UncompressedSize64: size, CRC32: 0x3610a686,
			})
			if err == nil {
				_, err = w.Write([]byte("hello"))
			}
			return err
		}
	}
	write := func(name, text string) func(*zip.Writer) error {
		return func(z *zip.Writer) error {
			w, err := z.Create(name)
			if err == nil {
				_, err = w.Write([]byte(text))
			}
			return err
		}
	}
	both := func(first, second string) func(*zip.Writer) error {
		return func(z *zip.Writer) error {
			if err := write(first, "a")(z); err != nil {
				return err
			}
			return write(second, "b")(z)
		}
	}
	for _, test := range []struct {
		name string
		make func(*zip.Writer) error
		want string // text, or part of the error after "!"
	}{
		{"a file", write(name, "hello"), "hello"},
		{"an empty file", write(name, ""), ""},
		{"true size", stored(5), "hello"},
		{"size beyond memory", stored(1 << 40), "!"},
		{"size beyond a slice", stored(1 << 62), "!"},
		{"largest size", stored(math.MaxInt64), "!"},
		{"negative size", stored(math.MaxUint64), "!"},
		{"smaller size", stored(1), "!"},
		{"at the bound", write(name, strings.Repeat("x", 1000)), strings.Repeat("x", 1000)},
		{"beyond the bound", write(name, strings.Repeat("x", 1001)), "!more than 1000 bytes"},
		{"inflated", write(name, strings.Repeat("x", 1<<20)), "!more than 1000 bytes"},
		{"twice", both(name, name), "!twice"},
		{"another twice", both("x/y", "x/y"), "!twice"},
		{"in another case", both(name, strings.ToUpper(name)), "!twice"},
		{"with other separators", both("x/y", `x\y`), "!twice"},
		{"two files", both("x", name), "b"},
		{"absent", write("x", "hello"), "!not exist"},
		{"a folder", write(name+"/x", "hello"), "!"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var file bytes.Buffer
			z := zip.NewWriter(&file)
			if err := test.make(z); err != nil {
				t.Fatal(err)
			}
			if err := z.Close(); err != nil {
				t.Fatal(err)
			}
			r, err := zip.NewReader(bytes.NewReader(file.Bytes()), int64(file.Len()))
			if err != nil {
				t.Fatal(err)
			}
			text, err := readBundle(r, name, 1000)
			why, refused := strings.CutPrefix(test.want, "!")
			if refused != (err != nil) || refused && !strings.Contains(err.Error(), why) {
				t.Fatalf("%d bytes, error %v, want %.20q", len(text), err, test.want)
			}
			if !refused && string(text) != test.want {
				t.Errorf("%.20q, want %.20q", text, test.want)
			}
		})
	}
}
