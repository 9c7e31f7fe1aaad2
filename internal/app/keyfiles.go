package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// The values of [Config.KeyFiles].
const (
	inData     = "data"
	inDatabase = "database"
)

// checkKeyFiles returns an error if KeyFiles does not go with the other keys.
func (c *Config) checkKeyFiles() error {
	switch c.KeyFiles {
	case "", inData:
		return nil
	case inDatabase:
	default:
		return fmt.Errorf("key_files %q: it must be data or database", c.KeyFiles)
	}
	if !isPostgres(c.Database) {
		return errors.New("key_files: database needs a PostgreSQL URL in database")
	}
	if c.KeysPassword == "" {
		return errors.New(
			"keys_password: it is needed to encrypt what key_files has in the database",
		)
	}
	return nil
}

// checkData returns an error if there is no folder for what is not stored elsewhere.
func (c *Config) checkData() error {
	if c.Data == "" && (c.Database == "" || c.Documents == "" || c.KeyFiles != inDatabase) {
		return errors.New(
			"data: a folder is needed, unless database, documents and key_files are all elsewhere",
		)
	}
	return nil
}

// makeData makes the data folder, if there is to be one.
func (c *Config) makeData() error {
	if c.Data == "" {
		return nil
	}
	return os.MkdirAll(c.Data, 0o700)
}

// directory opens the directory "keys" or "authority", without protection: a folder, or files of
// db. The error wraps fs.ErrNotExist if there is none.
func (c *Config) directory(name string, db *store.Store) (*keydir.Dir, error) {
	if c.KeyFiles != inDatabase {
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

// makeDirectory is directory, but makes the folder if there is none.
func (c *Config) makeDirectory(name string, db *store.Store) (*keydir.Dir, error) {
	if c.KeyFiles == inDatabase {
		return keydir.New(db.KeyFiles(name), rand.Reader)
	}
	return keydir.Open(filepath.Join(c.Data, name), rand.Reader)
}

// keyPart returns the directory "keys" or "authority" as a part of the deployment. db is nil if
// there is no database yet.
func (c *Config) keyPart(name string, db *store.Store) (deployment.Part, error) {
	switch {
	case c.KeyFiles != inDatabase:
		return deployment.Folder{Name: name, Path: filepath.Join(c.Data, name)}, nil
	case db == nil:
		return deployment.None("the " + name + " in the database"), nil
	}
	dir, err := keydir.New(db.KeyFiles(name), rand.Reader)
	return deployment.Directory{Name: name, Dir: dir}, err
}

// keyAccess gives a command the keys and the authority of a deployment, whose service may run.
type keyAccess struct {
	config *Config
	db     *store.Store // nil unless the files are in it
	keys   *keydir.Dir
}

// openKeyAccess opens the keys, which must exist. The secrets of c have been read.
func (c *Config) openKeyAccess(ctx context.Context) (_ *keyAccess, err error) {
	if err := errors.Join(c.checkData(), c.checkKeyFiles()); err != nil {
		return nil, err
	}
	k := &keyAccess{config: c}
	if c.KeyFiles == inDatabase {
		k.db, err = store.Open(ctx, store.Options{
			Database: c.databasePath(), Session: c.sessionURL(), Kind: store.AnyKind, Keep: true,
			Now: time.Now,
		})
		if err != nil {
			return nil, err
		}
	}
	if k.keys, err = c.existingKeys(k.db); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// authority opens the directory of the authority, which must exist, with the protection of the
// keys.
func (k *keyAccess) authority() (*keydir.Dir, error) {
	if k.config.PublicURL == "" {
		return nil, errors.New("public_url: it is needed, because it stands in certificates")
	}
	dir, err := k.config.directory("authority", k.db)
	if err == nil {
		_, err = dir.Read("issuing.key")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: no authority: %w", k.config.keyFiles(), err)
	}
	return dir.With(k.keys.Protection()), nil
}

// keyFiles returns the key of the configuration that says where the keys are.
func (c *Config) keyFiles() string {
	if c.KeyFiles == inDatabase {
		return "database"
	}
	return "data"
}

// Close implements io.Closer.
func (k *keyAccess) Close() (err error) {
	if k.keys != nil {
		err = k.keys.Protection().Close()
	}
	if k.db != nil {
		err = errors.Join(err, k.db.Close())
	}
	return err
}
