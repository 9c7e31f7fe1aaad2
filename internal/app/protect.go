package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/kms"
	"github.com/signet-sign/signet/internal/pkcs11"
	"github.com/signet-sign/signet/internal/store"
)

// openKeys opens the directory of the keys, which it makes, with the protection of its files.
// [keydir.Dir] has the protection for the authority's files, too.
func (c *Config) openKeys(db *store.Store) (*keydir.Dir, error) {
	dir, err := c.makeDirectory("keys", db)
	if err != nil {
		return nil, err
	}
	return c.protected(dir)
}

// existingKeys is openKeys, and does not make the directory.
func (c *Config) existingKeys(db *store.Store) (*keydir.Dir, error) {
	dir, err := c.directory("keys", db)
	if err != nil {
		return nil, err
	}
	return c.protected(dir)
}

// protected returns the directory of the keys with the protection that Keys names.
func (c *Config) protected(dir *keydir.Dir) (*keydir.Dir, error) {
	provider, err := c.keyProvider()
	switch {
	case err != nil:
		return nil, err
	case provider == nil:
		return dir, nil
	}
	return dir.With(keydir.Protect(dir, provider, encryptionKey)), nil
}

// checkKeys returns an error if Keys cannot be a provider.
func (c *Config) checkKeys(password string) error {
	scheme, _, _ := strings.Cut(c.Keys, ":")
	switch {
	case c.Keys == "" || c.Keys == "file:":
		if password != "" && len(password) < keydir.MinPassword {
			return fmt.Errorf("keys_password: it must have at least %d bytes", keydir.MinPassword)
		}
		return nil
	case slices.Contains(kms.Schemes, scheme):
		if err := kms.Check(c.Keys, password); err != nil {
			return fmt.Errorf("keys %s: %w", c.Keys, err)
		}
		return nil
	case scheme != "pkcs11":
		return fmt.Errorf(
			"keys %q: it must be file:, or a URI with the scheme pkcs11, %s",
			c.Keys, strings.Join(kms.Schemes, ", "),
		)
	case password == "":
		return errors.New("keys_password: it must be the PIN of the token in keys")
	}
	if err := pkcs11.Check(c.Keys); err != nil {
		return fmt.Errorf("keys %s: %w", c.Keys, err)
	}
	return nil
}

// keyProvider returns the provider that Keys names; nil for plain files. It makes no key.
func (c *Config) keyProvider() (keydir.Provider, error) {
	password := c.KeysPassword
	if err := c.checkKeys(password); err != nil {
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
func EncryptKeys(ctx context.Context, c Config) (_ []string, err error) {
	if c.KeyFiles == inDatabase {
		return nil, errors.New("key_files: keys in the database are always encrypted")
	}
	k, err := c.openKeyAccess(ctx)
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
	dirs, err := c.keyDirs()
	if err != nil {
		return nil, err
	}
	return p.Encrypt(dirs...)
}

// keyDirs returns the folders with keys as they are on the disk, without protection.
func (c *Config) keyDirs() (dirs []*keydir.Dir, err error) {
	for _, name := range []string{"keys", "authority"} {
		d, err := c.directory(name, nil)
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
func ImportKeys(ctx context.Context, c Config, password string) ([]string, error) {
	if c.KeyFiles == inDatabase {
		return c.importIntoDatabase(ctx)
	}
	return c.importing(ctx, func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error) {
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
func FinishImport(ctx context.Context, c Config) ([]string, error) {
	return c.importing(ctx, func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error) {
		return keys.Protection().FinishImport(dirs...)
	})
}

func (c *Config) importing(
	ctx context.Context, do func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error),
) (files []string, err error) {
	if c.KeyFiles == inDatabase {
		return nil, errors.New("key_files: an import into the database needs no end")
	}
	k, err := c.openKeyAccess(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if k.keys.Protection() == nil {
		return nil, errors.New("keys: it must name the provider into which keys are imported")
	}
	dirs, err := c.keyDirs()
	if err != nil {
		return nil, err
	}
	return do(k.keys, dirs)
}

// ChangeKeysPassword encrypts the key of the protected keys under another password. Running nodes
// go on; their configuration has to name it before their next start.
func ChangeKeysPassword(ctx context.Context, c Config, password string) (err error) {
	k, err := c.openKeyAccess(ctx)
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
func (c *Config) openCA(db *store.Store, keys *keydir.Dir, o ca.Options) (*ca.Authority, error) {
	dir, err := c.makeDirectory("authority", db)
	if err != nil {
		return nil, err
	}
	return ca.OpenIn(dir.With(keys.Protection()), o)
}
