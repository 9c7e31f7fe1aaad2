package app

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/kms"
	"github.com/signet-sign/signet/internal/pkcs11"
)

// openKeys opens the keys folder, which it makes, with the protection of its files. [keydir.Dir]
// has the protection for the authority's files, too.
func (c *Config) openKeys() (*keydir.Dir, error) {
	provider, err := c.keyProvider()
	if err != nil {
		return nil, err
	}
	dir, err := keydir.Open(filepath.Join(c.Data, "keys"), rand.Reader)
	if err != nil || provider == nil {
		return dir, err
	}
	return dir.With(keydir.Protect(dir, provider)), nil
}

// existingKeys opens the keys folder, and does not make one.
func (c *Config) existingKeys() (*keydir.Dir, error) {
	if c.Data == "" {
		return nil, errors.New("data: a folder is needed")
	}
	if _, err := os.Stat(filepath.Join(c.Data, "keys")); err != nil {
		return nil, err
	}
	return c.openKeys()
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
	password, err := c.keysPassword()
	if err == nil {
		err = c.checkKeys(password)
	}
	switch {
	case err != nil:
		return nil, err
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
		return nil, fmt.Errorf("keys %s: %w", uri, err)
	}
	return m, nil
}

// keysPassword returns KeysPassword, or what is in its file if the secrets were not read yet.
func (c *Config) keysPassword() (string, error) {
	if c.KeysPassword != "" || c.KeysPasswordFile == "" {
		return c.KeysPassword, nil
	}
	file := Config{KeysPasswordFile: c.KeysPasswordFile}
	err := file.readSecrets()
	return file.KeysPassword, err
}

// EncryptKeys encrypts the keys and secrets of a deployment that are in plain files, as Keys and
// KeysPassword say, and returns their files. The service must be stopped.
func EncryptKeys(c Config) ([]string, error) {
	keys, err := c.existingKeys()
	if err != nil {
		return nil, err
	}
	p := keys.Protection()
	if p == nil {
		return nil, errors.New(
			"keys_password: it is needed to encrypt keys, as a password or as the PIN of the token in keys",
		)
	}
	defer p.Close()
	dirs, err := c.keyDirs()
	if err != nil {
		return nil, err
	}
	return p.Encrypt(dirs...)
}

// keyDirs returns the folders with keys as they are on the disk, without protection.
func (c *Config) keyDirs() (dirs []*keydir.Dir, err error) {
	for _, path := range []string{filepath.Join(c.Data, "keys"), c.authorityFolder()} {
		if _, err := os.Stat(path); err != nil {
			continue
		}
		d, err := keydir.Open(path, rand.Reader)
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
func ImportKeys(c Config, password string) ([]string, error) {
	return c.importing(func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error) {
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
func FinishImport(c Config) ([]string, error) {
	return c.importing(func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error) {
		return keys.Protection().FinishImport(dirs...)
	})
}

func (c *Config) importing(
	do func(keys *keydir.Dir, dirs []*keydir.Dir) ([]string, error),
) (files []string, err error) {
	keys, err := c.existingKeys()
	if err != nil {
		return nil, err
	}
	if keys.Protection() == nil {
		return nil, errors.New("keys: it must name the provider into which keys are imported")
	}
	defer func() { err = errors.Join(err, keys.Protection().Close()) }()
	dirs, err := c.keyDirs()
	if err != nil {
		return nil, err
	}
	return do(keys, dirs)
}

// ChangeKeysPassword encrypts the key of the protected keys under another password. Running nodes
// go on; their configuration has to name it before their next start.
func ChangeKeysPassword(c Config, password string) error {
	keys, err := c.existingKeys()
	if err != nil {
		return err
	}
	p := keys.Protection()
	if p == nil {
		return errors.New("keys_password: the present password is needed")
	}
	defer p.Close()
	to, err := keydir.NewPassword(password, rand.Reader)
	if err != nil {
		return err
	}
	return p.ChangePassword(to)
}

// openCA opens the authority with the protection of its keys.
func (c *Config) openCA(keys *keydir.Dir, o ca.Options) (*ca.Authority, error) {
	o.Protection = keys.Protection()
	return ca.Open(c.authorityFolder(), o)
}
