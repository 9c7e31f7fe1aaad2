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

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/disk"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// makeData makes the data folder, if there is to be one.
func makeData(c *config.Config) error {
	if c.Data == "" {
		return nil
	}
	return os.MkdirAll(c.Data, 0o700)
}

// directory opens the directory "keys" or "authority", without protection: a folder, or files of
// db. The error wraps fs.ErrNotExist if there is none.
func directory(c *config.Config, name string, db *store.Store) (*keydir.Dir, error) {
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

// makeDirectory is directory, but makes the folder if there is none.
func makeDirectory(c *config.Config, name string, db *store.Store) (*keydir.Dir, error) {
	if c.KeyFiles == config.InDatabase {
		return keydir.New(db.KeyFiles(name), rand.Reader)
	}
	return keydir.Open(filepath.Join(c.Data, name), rand.Reader)
}

// keyPart returns the directory "keys" or "authority" as a part of the deployment. db is nil if
// there is no database yet.
func keyPart(c *config.Config, name string, db *store.Store) (deployment.Part, error) {
	switch {
	case c.KeyFiles != config.InDatabase:
		return deployment.Folder{Name: name, Path: filepath.Join(c.Data, name)}, nil
	case db == nil:
		return deployment.None("the " + name + " in the database"), nil
	}
	dir, err := keydir.New(db.KeyFiles(name), rand.Reader)
	return deployment.Directory{Name: name, Dir: dir}, err
}

// keyAccess gives a command the keys and the authority of a deployment, whose service may run.
type keyAccess struct {
	config *config.Config
	db     *store.Store // nil unless the files are in it
	keys   *keydir.Dir
}

// openKeyAccess reads the secrets of c and opens the keys, which must exist.
func openKeyAccess(ctx context.Context, c *config.Config) (_ *keyAccess, err error) {
	if err := c.ReadSecrets(); err != nil {
		return nil, err
	}
	if err := errors.Join(c.CheckData(), c.CheckKeyFiles()); err != nil {
		return nil, err
	}
	k := &keyAccess{config: c}
	if c.KeyFiles == config.InDatabase {
		if k.db, err = openKeyFiles(ctx, c); err != nil {
			return nil, err
		}
	}
	if k.keys, err = existingKeys(c, k.db); err != nil {
		return nil, errors.Join(err, k.Close())
	}
	return k, nil
}

// openKeyFiles opens the database that has, or is to have, the files of keys.
func openKeyFiles(ctx context.Context, c *config.Config) (*store.Store, error) {
	return store.Open(ctx, store.Options{
		Database: c.DatabasePath(), Session: c.SessionURL(), Kind: store.AnyKind, Keep: true,
		Now: time.Now,
	})
}

// authority opens the directory of the authority, which must exist, with the protection of the
// keys.
func (k *keyAccess) authority() (*keydir.Dir, error) {
	if k.config.PublicURL == "" {
		return nil, errors.New("public_url: it is needed, because it stands in certificates")
	}
	dir, err := directory(k.config, "authority", k.db)
	if err == nil {
		_, err = dir.Read("issuing.key")
	}
	if err != nil {
		return nil, fmt.Errorf("%s: no authority: %w", keyFiles(k.config), err)
	}
	return dir.With(k.keys.Protection()), nil
}

// keyFiles returns the key of the configuration that says where the keys are.
func keyFiles(c *config.Config) string {
	if c.KeyFiles == config.InDatabase {
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

// importIntoDatabase copies the folders with keys and the authority into the database, each file
// with its time, and returns the files. The folders stay. The identity of the deployment is copied
// last, so that no node starts with a part of the files. The next call completes one that was
// interrupted.
func importIntoDatabase(ctx context.Context, c *config.Config) (copied []string, err error) {
	if err := c.ReadSecrets(); err != nil {
		return nil, err
	}
	if err := c.CheckKeyFiles(); err != nil {
		return nil, err
	}
	if c.Data == "" {
		return nil, errors.New("data: it must be the folder with keys and authority")
	}
	folders := *c
	folders.KeyFiles = config.InData
	keys, err := existingKeys(&folders, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keys.Protection().Close()) }()
	db, err := openKeyFiles(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	want, err := db.Mark(ctx)
	if err != nil {
		return nil, err
	}
	var files []keyFile
	for _, name := range []string{"keys", "authority"} {
		more, err := readKeyFiles(ctx, &folders, name, want.ID, keys.Protection())
		if err != nil {
			return nil, err
		}
		files = append(files, more...)
	}
	for _, identity := range []bool{false, true} {
		for _, f := range files {
			if (f.name == deployment.File) != identity {
				continue
			}
			if err := db.ImportKeyFile(ctx, f.folder, f.name, f.data, f.changed); err != nil {
				return copied, err
			}
			if !identity {
				copied = append(copied, f.folder+"/"+f.name)
			}
		}
	}
	return copied, nil
}

// keyFile is a file of the folder "keys" or "authority".
type keyFile struct {
	folder, name string
	data         []byte
	changed      time.Time
}

// readKeyFiles reads the files of the folder "keys" or "authority", which must be those of a
// deployment, with keys and secrets that the protection opens.
func readKeyFiles(
	ctx context.Context, c *config.Config, folder, deploymentID string,
	protection *keydir.Protection,
) (files []keyFile, err error) {
	part, err := keyPart(c, folder, nil)
	if err != nil {
		return nil, err
	}
	if m, err := part.Mark(ctx); err != nil || m.ID == "" || m.ID != deploymentID {
		return nil, errors.Join(
			err, fmt.Errorf("%s is not of the deployment in the database", part),
		)
	}
	dir, err := directory(c, folder, nil)
	if err != nil {
		return nil, err
	}
	dir = dir.With(protection)
	list, err := dir.List()
	if err != nil {
		return nil, err
	}
	for _, f := range list {
		if err := dir.CheckProtected(f.Name); err != nil {
			return nil, err
		}
		data, err := dir.Read(f.Name)
		if err != nil {
			return nil, err
		}
		files = append(files, keyFile{folder, f.Name, data, f.Changed})
	}
	return files, nil
}

// unfinishedAge is the age from which on a file that was not completed is left of a program that
// was killed. Another node may be writing a younger one, by a clock that differs.
const unfinishedAge = 24 * time.Hour

// sweepUnfinished removes the hidden files that killed programs have left in the folders of the
// deployment, such as the beginning of a key.
func (a *App) sweepUnfinished() {
	if a.Config.Data == "" {
		return
	}
	for _, name := range []string{"", "keys", "authority"} {
		folder := filepath.Join(a.Config.Data, name)
		removed, err := disk.Sweep(folder, a.now().Add(-unfinishedAge))
		if err != nil {
			a.log.Warn("a file that was not completed stays", "err", err)
		}
		for _, name := range removed {
			a.log.Info("removed a file that was not completed", "folder", folder, "file", name)
		}
	}
}
