package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/keydir"
)

// How long a secret is accepted after its successor is in use. Links, challenges and logins live
// for hours at most; the cookie that identifies a phone lives for a year.
const (
	secretOverlap = 24 * time.Hour
	cookieOverlap = 366 * 24 * time.Hour
)

// RotateSecret creates the next secret of cookies, links, enrolment or console. Running nodes use
// it a minute later.
func RotateSecret(c Config, name string) error {
	names := []string{"cookies", "links", "enrolment", "console"}
	if !slices.Contains(names, name) {
		return fmt.Errorf("secret %q: it must be one of %s", name, strings.Join(names, ", "))
	}
	keys, err := c.existing("keys")
	if err != nil {
		return err
	}
	return keys.Rotate(name)
}

// RotateDocumentKey makes a new key in the keys folder, under which the keys of documents are to be
// wrapped, and returns its name. Running nodes use it from their next sweep on, within an hour, and
// wrap the keys under older ones again.
func RotateDocumentKey(c Config) (string, error) {
	keys, err := c.existing("keys")
	if err != nil {
		return "", err
	}
	return keys.Wrapping(wrappingKeys).Rotate()
}

// existing opens the folder of keys with that name below the data folder, and does not make one.
func (c *Config) existing(folder string) (*keydir.Dir, error) {
	if c.Data == "" {
		return nil, errors.New("data: a folder is needed")
	}
	path := filepath.Join(c.Data, folder)
	if _, err := os.Stat(path); err != nil {
		return nil, err
	}
	return keydir.Open(path, rand.Reader)
}
