package maintenance

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/parts"
)

// EncryptKeys encrypts the keys and secrets of a deployment that are in plain files, as Keys and
// KeysPassword say, and returns their files. The service must be stopped.
func EncryptKeys(ctx context.Context, c config.Config) (_ []string, err error) {
	if c.KeyFiles == config.InDatabase {
		return nil, errors.New("key_files: keys in the database are always encrypted")
	}
	k, err := parts.OpenKeyAccess(ctx, &c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	p := k.Keys.Protection()
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
		d, err := parts.Directory(c, name, nil)
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
	k, err := parts.OpenKeyAccess(ctx, c)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	if k.Keys.Protection() == nil {
		return nil, errors.New("keys: it must name the provider into which keys are imported")
	}
	dirs, err := keyDirs(c)
	if err != nil {
		return nil, err
	}
	return do(k.Keys, dirs)
}

// ChangeKeysPassword encrypts the key of the protected keys under another password. Running nodes
// go on; their configuration has to name it before their next start.
func ChangeKeysPassword(ctx context.Context, c config.Config, password string) (err error) {
	k, err := parts.OpenKeyAccess(ctx, &c)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, k.Close()) }()
	p := k.Keys.Protection()
	if p == nil {
		return errors.New("keys_password: the present password is needed")
	}
	to, err := keydir.NewPassword(password, rand.Reader)
	if err != nil {
		return err
	}
	return p.ChangePassword(to)
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
	keys, err := parts.ExistingKeys(&folders, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, keys.Protection().Close()) }()
	db, err := parts.OpenKeyFiles(ctx, c)
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
	part, err := parts.KeyPart(c, folder, nil)
	if err != nil {
		return nil, err
	}
	if m, err := part.Mark(ctx); err != nil || m.ID == "" || m.ID != deploymentID {
		return nil, errors.Join(
			err, fmt.Errorf("%s is not of the deployment in the database", part),
		)
	}
	dir, err := parts.Directory(c, folder, nil)
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
