package parts

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/kms"
	"github.com/signet-sign/signet/internal/pkcs11"
	"github.com/signet-sign/signet/internal/store"
)

// openKeys opens the directory of the keys, which it makes, with the protection of its files.
// [keydir.Dir] has the protection for the authority's files, too.
func openKeys(c *config.Config, db *store.Store) (*keydir.Dir, error) {
	dir, err := MakeDirectory(c, "keys", db)
	if err != nil {
		return nil, err
	}
	return protected(c, dir)
}

// ExistingKeys is openKeys, and does not make the directory.
func ExistingKeys(c *config.Config, db *store.Store) (*keydir.Dir, error) {
	dir, err := Directory(c, "keys", db)
	if err != nil {
		return nil, err
	}
	return protected(c, dir)
}

// protected returns the directory of the keys with the protection that Keys names.
func protected(c *config.Config, dir *keydir.Dir) (*keydir.Dir, error) {
	provider, err := KeyProvider(c)
	switch {
	case err != nil:
		return nil, err
	case provider == nil:
		return dir, nil
	}
	return dir.With(keydir.Protect(dir, provider, EncryptionKey)), nil
}

// KeyProvider returns the provider that Keys names; nil for plain files. It makes no key.
func KeyProvider(c *config.Config) (keydir.Provider, error) {
	password := c.KeysPassword
	if err := c.CheckKeys(); err != nil {
		return nil, err
	}
	switch {
	case strings.HasPrefix(c.Keys, "pkcs11:"):
		return opened(c.Keys, password, pkcs11.Open)
	case c.Keys != "" && c.Keys != "file:":
		return opened(c.Keys, password, kms.Open)
	case password != "":
		return keydir.NewPassword(password, rand.Reader)
	}
	return nil, nil
}

func opened(uri, password string, open func(uri, password string) (keydir.Module, error)) (
	keydir.Provider, error,
) {
	m, err := open(uri, password)
	if err != nil {
		return nil, ProviderError{fmt.Errorf("keys %s: %w", uri, err)}
	}
	return m, nil
}

// ProviderError is the error of a token or a key management service that cannot be opened.
type ProviderError struct{ error }

func (e ProviderError) Unwrap() error { return e.error }

// OpenCA opens the authority, which it makes, with the protection of the keys.
func OpenCA(
	c *config.Config, db *store.Store, keys *keydir.Dir, o ca.Options,
) (*ca.Authority, error) {
	dir, err := MakeDirectory(c, "authority", db)
	if err != nil {
		return nil, err
	}
	return ca.OpenIn(dir.With(keys.Protection()), o)
}

// MakeData makes the data folder, if there is to be one.
func MakeData(c *config.Config) error {
	if c.Data == "" {
		return nil
	}
	return os.MkdirAll(c.Data, 0o700)
}

// Directory opens the directory "keys" or "authority", without protection: a folder, or files of
// db. The error wraps fs.ErrNotExist if there is none.
func Directory(c *config.Config, name string, db *store.Store) (*keydir.Dir, error) {
	if c.KeyFiles != config.InDatabase {
		path := filepath.Join(c.Data, name)
		if _, err := os.Stat(path); err != nil {
			return nil, err
		}
		return keydir.Open(path, rand.Reader)
	}
	if db == nil {
		return nil, fmt.Errorf("%s in the database: %w", name, fs.ErrNotExist)
	}
	dir, err := keydir.New(db.KeyFiles(name), rand.Reader)
	if err != nil {
		return nil, err
	}
	files, err := dir.List()
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s in the database: %w", name, fs.ErrNotExist)
	}
	return dir, err
}

// MakeDirectory is directory, but makes the folder if there is none.
func MakeDirectory(c *config.Config, name string, db *store.Store) (*keydir.Dir, error) {
	if c.KeyFiles == config.InDatabase {
		return keydir.New(db.KeyFiles(name), rand.Reader)
	}
	return keydir.Open(filepath.Join(c.Data, name), rand.Reader)
}

// KeyPart returns the directory "keys" or "authority" as a part of the deployment. db is nil if
// there is no database yet.
func KeyPart(c *config.Config, name string, db *store.Store) (deployment.Part, error) {
	switch {
	case c.KeyFiles != config.InDatabase:
		return deployment.Folder{Name: name, Path: filepath.Join(c.Data, name)}, nil
	case db == nil:
		return deployment.None("the " + name + " in the database"), nil
	}
	dir, err := keydir.New(db.KeyFiles(name), rand.Reader)
	return deployment.Directory{Name: name, Dir: dir}, err
}

// KeyAccess gives a command the keys and the authority of a deployment, whose service may run.
type KeyAccess struct {
	config *config.Config
	Store  *store.Store // nil unless the files are in it
	Keys   *keydir.Dir
}

// OpenKeyAccess reads the secrets of c and opens the keys, which must exist.
func OpenKeyAccess(ctx context.Context, c *config.Config) (_ *KeyAccess, err error) {
	if err := c.ReadSecrets(); err != nil {
		return nil, err
	}
	if err := errors.Join(c.CheckData(), c.CheckKeyFiles()); err != nil {
		return nil, err
	}
	k := &KeyAccess{config: c}
	if c.KeyFiles == config.InDatabase {
		if k.Store, err = OpenKeyFiles(ctx, c); err != nil {
			return nil, err
		}
	}
	if k.Keys, err = ExistingKeys(c, k.Store); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// OpenKeyFiles opens the database that has, or is to have, the files of keys.
func OpenKeyFiles(ctx context.Context, c *config.Config) (*store.Store, error) {
	return store.Open(ctx, store.Options{
		Database: c.DatabasePath(), Session: c.SessionURL(), Kind: store.AnyKind, Keep: true,
		Now: time.Now,
	})
}

// Authority opens the directory of the authority, which must exist, with the protection of the
// keys.
func (k *KeyAccess) Authority() (*keydir.Dir, error) {
	if k.config.PublicURL == "" {
		return nil, errors.New("public_url: it is needed, because it stands in certificates")
	}
	dir, err := Directory(k.config, "authority", k.Store)
	if err == nil {
		_, err = dir.Read("issuing.key")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: no authority: %w", KeyFiles(k.config), err)
	}
	return dir.With(k.Keys.Protection()), nil
}

// KeyFiles returns the key of the configuration that says where the keys are.
func KeyFiles(c *config.Config) string {
	if c.KeyFiles == config.InDatabase {
		return "database"
	}
	return "data"
}

// Close implements io.Closer.
func (k *KeyAccess) Close() (err error) {
	if k.Keys != nil {
		err = k.Keys.Protection().Close()
	}
	if k.Store != nil {
		err = errors.Join(err, k.Store.Close())
	}
	return err
}

// How long a secret is accepted after its successor is in use. Links, challenges and logins live
// for hours at most; the cookie that identifies a phone lives for a year.
const (
	SecretOverlap = 24 * time.Hour
	CookieOverlap = 366 * 24 * time.Hour
)
