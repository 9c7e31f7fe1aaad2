// Package parts opens the parts of a deployment that a configuration names: the database, the
// documents and their keys, the keys folder, the authority, the sources of timestamps, the audit
// log, the keys of the logins, and the clock of a node. Start at [Open], which refuses parts of
// different deployments. Package app builds the service of them, package doctor checks them, and
// package maintenance does what operators do to a deployment by command.
package parts

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/vault"
)

// Parts are the parts of a deployment that hold its data.
type Parts struct {
	Store *store.Store
	Keys  *keydir.Dir     // nil until it is opened
	Files documents.Store // as they are stored
	Vault *vault.Vault    // the documents in them
}

// Close implements io.Closer.
func (p *Parts) Close() error {
	return errors.Join(p.Files.Close(), p.Store.Close(), p.Keys.Protection().Close())
}

// Open opens the database and the documents, unless the parts belong to different deployments,
// or documents could not be decrypted.
func Open(ctx context.Context, c *config.Config, o store.Options) (_ *Parts, err error) {
	o.Database, o.Session = c.DatabasePath(), c.SessionURL()
	if c.Database == "" {
		if _, err := os.Stat(o.Database); errors.Is(err, fs.ErrNotExist) {
			// A database that does not match the other parts is not created.
			folders, err := Folders(ctx, c, nil)
			if err != nil {
				return nil, err
			}
			none := deployment.None("the SQLite database " + o.Database)
			if _, err := deployment.Check(ctx, none, folders...); err != nil {
				return nil, err
			}
		}
	}
	db, err := store.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, db.Close())
		}
	}()
	folders, err := Folders(ctx, c, db)
	if err != nil {
		return nil, err
	}
	checked, err := deployment.Check(ctx, db, folders...)
	if err != nil {
		return nil, err
	}
	born := checked.ID == ""
	p := &Parts{Store: db}
	if p.Keys, err = openKeys(c, db); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Keys.Protection().Close())
		}
	}()
	if !checked.Old {
		// Before the folders have anything else: else the rest of an interrupted first start would
		// be taken for the folders of another deployment.
		if err := checked.Adopt(ctx); err != nil {
			return nil, err
		}
	}
	if p.Files, err = OpenDocuments(ctx, c, documents.Options{Now: o.Now}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.Files.Close())
		}
	}()
	if p.Vault, err = OpenVault(ctx, c, p, o); err != nil {
		return nil, err
	}
	if checked.Old {
		if err := related(ctx, db, p.Vault); err != nil {
			return nil, err
		}
		if err := checked.Adopt(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.Vault.Check(ctx); err != nil {
		return nil, err
	}
	if born && o.Kind == store.Service {
		o.Log.Info(
			"database and folders have got the identity of a deployment",
			"deployment", checked.ID, "new", !checked.Old,
		)
	}
	return p, nil
}

// Folders returns the parts of the deployment beside the database: documents, which may be in a
// bucket, keys and authority, which may be in the database. db is nil if there is none yet.
func Folders(
	ctx context.Context, c *config.Config, db *store.Store,
) (list []deployment.Part, err error) {
	var documents deployment.Part = deployment.Folder{
		Name: "documents", Path: filepath.Join(c.Data, "documents"),
	}
	if c.Documents != "" {
		if documents, err = openBucket(ctx, c); err != nil {
			return nil, err
		}
	}
	keys, err := KeyPart(c, "keys", db)
	if err != nil {
		return nil, err
	}
	authority, err := KeyPart(c, "authority", db)
	if c.KeyFiles == config.InDatabase {
		return []deployment.Part{keys, authority, documents}, err
	}
	return []deployment.Part{documents, keys, authority}, err
}

func openBucket(ctx context.Context, c *config.Config) (*documents.S3, error) {
	at, err := documents.ParseLocation(c.Documents)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	return documents.OpenS3(
		ctx, documents.S3Options{Location: at, Credentials: c.DocumentsCredentials},
	)
}

// OpenDocuments opens the bucket or the folder, which it makes.
func OpenDocuments(
	ctx context.Context, c *config.Config, o documents.Options,
) (documents.Store, error) {
	// After an error the result must be nil, which a *documents.S3 that is nil is not.
	if c.Documents != "" {
		bucket, err := openBucket(ctx, c)
		if err != nil {
			return nil, err
		}
		return bucket, nil
	}
	o.Path = filepath.Join(c.Data, "documents")
	dir, err := documents.OpenDir(o)
	if err != nil {
		return nil, err
	}
	return dir, nil
}

// WrappingKeys is the name of the keys in the keys folder under which those of documents are
// wrapped.
const WrappingKeys = "documents"

// OpenVault returns the vault over the files of p.
func OpenVault(
	ctx context.Context, c *config.Config, p *Parts, o store.Options,
) (*vault.Vault, error) {
	encrypt := c.EncryptDocuments
	if encrypt == nil {
		recorded, err := p.Store.Recorded(ctx, "encrypt_documents")
		if err != nil {
			return nil, err
		}
		encrypt = new(recorded == "true")
	}
	return vault.New(vault.Options{
		Documents: p.Files, Keys: p.Store, Wrapper: p.Keys.Wrapping(WrappingKeys), Plain: !*encrypt,
		Now: o.Now, Log: o.Log,
	}), nil
}

// related checks that documents are stored of which a database knows them as the newest. It accepts
// any if the database knows none.
func related(ctx context.Context, db *store.Store, docs request.Documents) error {
	const newest = 20
	signed, err := db.List(ctx, request.Filter{State: request.StateSigned, Limit: newest})
	if err != nil || len(signed) == 0 {
		return err
	}
	for _, r := range signed {
		switch f, err := docs.Open(ctx, r.Signed.Key); {
		case err == nil:
			return f.Close()
		case !errors.Is(err, fs.ErrNotExist):
			return err
		}
	}
	return fmt.Errorf(
		"%w: of the %d documents that were signed last none is stored: correct data, documents or database in the configuration, or restore them",
		deployment.ErrMixed, len(signed),
	)
}
