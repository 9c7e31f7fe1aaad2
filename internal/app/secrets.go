package app

import (
	"crypto/rand"
	"errors"
	"fmt"
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
	if c.Data == "" {
		return errors.New("data: the folder with the keys is needed")
	}
	keys, err := keydir.Open(filepath.Join(c.Data, "keys"), rand.Reader)
	if err != nil {
		return err
	}
	return keys.Rotate(name)
}
