package maintenance

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"github.com/signet-sign/signet/internal/config"
)

// TestRestoreHostile restores archives that no backup writes, which anyone can encrypt who has the
// recipient: each is refused, and nothing is left in the data folder or written beside it.
func TestRestoreHostile(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	file := func(name string) tar.Header { return tar.Header{Name: name, Mode: 0o600, Size: 1} }
	of := func(kind byte, name, link string) tar.Header {
		return tar.Header{Typeflag: kind, Name: name, Linkname: link, Mode: 0o6777}
	}
	for name, entries := range map[string][]tar.Header{
		"parent":                 {file("../evil")},
		"parent inside":          {file("keys/../../evil")},
		"absolute":               {file("/tmp/signet-evil")},
		"no name":                {file("")},
		"dot":                    {file(".")},
		"symbolic link":          {of(tar.TypeSymlink, "keys", "/tmp")},
		"file through a link":    {of(tar.TypeSymlink, "keys", ".."), file("keys/evil")},
		"hard link":              {of(tar.TypeLink, "keys/a", "/etc/passwd")},
		"device":                 {of(tar.TypeChar, "keys/null", "")},
		"block device":           {of(tar.TypeBlock, "keys/sda", "")},
		"pipe":                   {of(tar.TypeFifo, "keys/pipe", "")},
		"folder":                 {of(tar.TypeDir, "keys/", "")},
		"folder for a file":      {of(tar.TypeDir, "signet.db", "")},
		"twice":                  {file("signet.db"), file("signet.db")},
		"twice, written another": {file("keys/a"), file("keys//a")},
		"file and folder":        {file("keys"), file("keys/a")},
		"deep":                   {file(strings.Repeat("a/", 5000) + "a")},
		"long":                   {file(strings.Repeat("a", 300))},
		"control characters":     {file("keys/\x1b[2J")},
		"sparse": {{Name: "keys/a", Size: 1, PAXRecords: map[string]string{
			"XNU.sparse.map": "0,1", "XNU.sparse.numblocks": "1", "XNU.sparse.size": "1000000",
		}}},
	} {
		t.Run(name, func(t *testing.T) {
			var plain, text bytes.Buffer
			archive := tar.NewWriter(&plain)
			for _, h := range entries {
				if err := archive.WriteHeader(&h); err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(archive, "x"[:h.Size]); err != nil {
					t.Fatal(err)
				}
			}
			if err := archive.Close(); err != nil {
				t.Fatal(err)
			}
			w, err := age.Encrypt(&text, key.Recipient())
			if err != nil {
				t.Fatal(err)
			}
			// archive/tar writes no sparse file itself.
			_, err = w.Write(bytes.ReplaceAll(plain.Bytes(), []byte("XNU."), []byte("GNU.")))
			if err := errors.Join(err, w.Close()); err != nil {
				t.Fatal(err)
			}
			parent := t.TempDir()
			c := config.Config{Data: filepath.Join(parent, "data")}
			err = Restore(t.Context(), c, strings.NewReader(key.String()), &text)
			if err == nil {
				t.Error("it is restored")
			}
			_ = filepath.WalkDir(parent, func(path string, _ fs.DirEntry, err error) error {
				if path != parent {
					t.Errorf("%s is there, %v", path, err)
				}
				return nil
			})
			if _, err := os.Lstat("/tmp/signet-evil"); err == nil {
				t.Error("a file is in /tmp")
			}
		})
	}
}
