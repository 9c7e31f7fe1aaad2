package request

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/signet-sign/signet/pades"
)

// TestPreparedFile compares the stored form with the bytes of release 0.1.0, which had no version.
func TestPreparedFile(t *testing.T) {
	p := &pades.Prepared{
		Size: 1, Before: []byte("before"), After: []byte("after"), Hole: 2,
		ByteRange: [4]int64{0, 3, 4, 5}, Appearances: 6,
	}
	p.SHA256[0], p.Digest[31] = 7, 8
	zeros := strings.Repeat(",0", 31)
	release := `"size":1,"sha256":[7` + zeros + `],"before":"YmVmb3Jl","after":"YWZ0ZXI=","hole":2,` +
		`"byte_range":[0,3,4,5],"digest":[` + strings.TrimPrefix(
		zeros, ",",
	) + `,8],"appearances":6}`
	text, err := encodePrepared(p)
	if want := `{"v":1,` + release; string(text) != want || err != nil {
		t.Errorf("stored %s, %v; want %s", text, err, want)
	}
	for _, head := range []string{`{`, `{"v":1,`} {
		got, err := decodePrepared(strings.NewReader(head + release))
		if diff := cmp.Diff(p, got); diff != "" || err != nil {
			t.Errorf("%s…: %v (-want +got)\n%s", head, err, diff)
		}
	}
	if _, err := decodePrepared(strings.NewReader(`{"v":2,` + release)); err == nil {
		t.Error("the program reads a form that it does not know")
	}
}
