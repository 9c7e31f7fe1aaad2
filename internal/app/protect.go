package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/kms"
	"github.com/signet-sign/signet/internal/pkcs11"
	"github.com/signet-sign/signet/internal/store"
)

// openKeys opens the directory of the keys, which it makes, with the protection of its files.
// [keydir.Dir] has the protection for the authority's files, too.
func openKeys(c *config.Config, db *store.Store) (*keydir.Dir, error) {
	dir, err := makeDirectory(c, "keys", db)
	if err != nil {
		return nil, err
	}
	return protected(c, dir)
}

// existingKeys is openKeys, and does not make the directory.
func existingKeys(c *config.Config, db *store.Store) (*keydir.Dir, error) {
	dir, err := directory(c, "keys", db)
	if err != nil {
		return nil, err
	}
	return protected(c, dir)
}

// protected returns the directory of the keys with the protection that Keys names.
func protected(c *config.Config, dir *keydir.Dir) (*keydir.Dir, error) {
	provider, err := keyProvider(c)
	switch {
	case err != nil:
		return nil, err
	case provider == nil:
		return dir, nil
	}
	return dir.With(keydir.Protect(dir, provider, encryptionKey)), nil
}

// keyProvider returns the provider that Keys names; nil for plain files. It makes no key.
func keyProvider(c *config.Config) (keydir.Provider, error) {
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
		return nil, providerError{fmt.Errorf("keys %s: %w", uri, err)}
	}
	return m, nil
}

// providerError is the error of a token or a key management service that cannot be opened.
type providerError struct{ error }

func (e providerError) Unwrap() error { return e.error }

// EncryptKeys encrypts the keys and secrets of a deployment that are in plain files, as Keys and
// KeysPassword say, and returns their files. The service must be stopped.
func EncryptKeys(ctx context.Context, c config.Config) (_ []string, err error) {
	if c.KeyFiles == config.InDatabase {
		return nil, errors.New("key_files: keys in the database are always encrypted")
	}
	k, err := openKeyAccess(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	p := k.keys.Protection()
	if p == nil {
		return nil, errors.New(
			"keys_password: it is needed to encrypt keys, as a password or as the PIN of the token in keys",
		)
	}
	dirs, err := keyDirs(&c)
	if err != nil {
		return nil, err
	}
	return p.Encrypt(dirs...)
}

// keyDirs returns the folders with keys as they are on the disk, without protection.
func keyDirs(c *config.Config) (dirs []*keydir.Dir, err error) {
	for _, name := range []string{"keys", "authority"} {
		d, err := directory(c, name, nil)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, d)
	}
	return dirs, nil
}

// ImportKeys brings the keys and secrets of a deployment under the protection that Keys and
// KeysPassword say, and returns their files. Nodes with the earlier configuration go on, those with
// this one use the imported files. password is that of the files; empty if they are plain.
//
// With the files in the database, as KeyFiles says, it copies the folders in Data there. These must
// be encrypted as Keys and KeysPassword say.
func ImportKeys(ctx context.Context, c config.Config, password string) ([]string, error) {
	if c.KeyFiles == config.InDatabase {
		return importIntoDatabase(ctx, &c)
	}
	return importing(ctx, &c, func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error) {
		var from *keydir.Protection
		if password != "" {
			provider, err := keydir.NewPassword(password, rand.Reader)
			if err != nil {
				return nil, err
			}
			from = keydir.Protect(dirs[0], provider)
		}
		return keys.Protection().Import(from, dirs...)
	})
}

// FinishImport removes the keys and secrets that [ImportKeys] has imported, and returns their
// files. No node may have the earlier configuration.
func FinishImport(ctx context.Context, c config.Config) ([]string, error) {
	return importing(ctx, &c, func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error) {
		return keys.Protection().FinishImport(dirs...)
	})
}

func importing(
	ctx context.Context, c *config.Config,
	do func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error),
) (files []string, err error) {
	if c.KeyFiles == config.InDatabase {
		return nil, errors.New("key_files: an import into the database needs no end")
	}
	k, err := openKeyAccess(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if k.keys.Protection() == nil {
		return nil, errors.New("keys: it must name the provider into which keys are imported")
	}
	dirs, err := keyDirs(c)
	if err != nil {
		return nil, err
	}
	return do(k.keys, dirs)
}

// ChangeKeysPassword encrypts the key of the protected keys under another password. Running nodes
// go on; their configuration has to name it before their next start.
func ChangeKeysPassword(ctx context.Context, c config.Config, password string) (err error) {
	k, err := openKeyAccess(ctx, &c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	p := k.keys.Protection()
	if p == nil {
		return errors.New("keys_password: the present password is needed")
	}
	to, err := keydir.NewPassword(password, rand.Reader)
	if err != nil {
		return err
	}
	return p.ChangePassword(to)
}

// openCA opens the authority, which it makes, with the protection of the keys.
func openCA(
	c *config.Config, db *store.Store, keys *keydir.Dir, o ca.Options,
) (*ca.Authority, error) {
	dir, err := makeDirectory(c, "authority", db)
	if err != nil {
		return nil, err
	}
	return ca.OpenIn(dir.With(keys.Protection()), o)
}
