package audit

import (
	"archive/zip"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxInBundle is the largest size in bytes of a file that [ReadBundle] reads. Signed documents have
// at most some 20 MiB, and the part of the log that evidence needs has less.
const maxInBundle = 256 << 20

// ReadBundle reads a file of an evidence bundle. Anyone can make a bundle, so it believes no size
// that the bundle states. It refuses a bundle with a name twice, of which other programs would show
// the other file.
func ReadBundle(bundle *zip.Reader, name string) ([]byte, error) {
	return readBundle(bundle, name, maxInBundle)
}

func readBundle(bundle *zip.Reader, name string, most int64) (_ []byte, err error) {
	names := map[string]bool{}
	for _, f := range bundle.File {
		// Some file systems do not distinguish cases, and Windows has other separators.
		plain := strings.ToLower(strings.ReplaceAll(f.Name, `\`, "/"))
		if names[plain] {
			return nil, fmt.Errorf("the bundle has %q twice", f.Name)
		}
		names[plain] = true
	}
	f, err := bundle.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = fmt.Errorf("%s: it has more than %d bytes", name, most)
	}
	return text, err
}
