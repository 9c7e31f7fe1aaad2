package app

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"

	"github.com/signet-sign/signet/internal/keydir"
)

// RotateDocumentKey makes a new key in the keys folder, under which the keys of documents are to be
// wrapped, and returns its name. Running nodes use it from their next sweep on, within an hour, and
// wrap the keys under older ones again.
func RotateDocumentKey(c Config) (string, error) {
	if c.Data == "" {
		return "", errors.New("data: a folder is needed")
	}
	path := filepath.Join(c.Data, "keys")
	if _, err := os.Stat(path); err != nil {
		return "", err
	}
	keys, err := keydir.Open(path, rand.Reader)
	if err != nil {
		return "", err
	}
	return keys.Wrapping(wrappingKeys).Rotate()
}
