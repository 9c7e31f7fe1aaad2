package app

import (
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/vault"
)

// folders returns the parts of the deployment beside the database: documents, which may be in a
// bucket, keys and authority, which may be in the database. db is nil if there is none yet.
func folders(
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
	keys, err := keyPart(c, "keys", db)
	if err != nil {
		return nil, err
	}
	authority, err := keyPart(c, "authority", db)
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

// openDocuments opens the bucket or the folder, which it makes.
func openDocuments(
	ctx context.Context, c *config.Config, o documents.Options,
) (documents.Store, error) {
	if c.Documents != "" {
		return openBucket(ctx, c)
	}
	o.Path = filepath.Join(c.Data, "documents")
	return documents.OpenDir(o)
}

// parts are the parts of a deployment that hold its data.
type parts struct {
	store *store.Store
	keys  *keydir.Dir     // nil until it is opened
	files documents.Store // as they are stored
	vault *vault.Vault    // the documents in them
}

func (p *parts) Close() error {
	return errors.Join(p.files.Close(), p.store.Close(), p.keys.Protection().Close())
}

// openParts opens the database and the documents, unless the parts belong to different deployments,
// or documents could not be decrypted.
func openParts(ctx context.Context, c *config.Config, o store.Options) (_ *parts, err error) {
	o.Database, o.Session = c.DatabasePath(), c.SessionURL()
	if c.Database == "" {
		if _, err := os.Stat(o.Database); errors.Is(err, fs.ErrNotExist) {
			// A database that does not match the other parts is not created.
			folders, err := folders(ctx, c, nil)
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
	folders, err := folders(ctx, c, db)
	if err != nil {
		return nil, err
	}
	checked, err := deployment.Check(ctx, db, folders...)
	if err != nil {
		return nil, err
	}
	born := checked.ID == ""
	p := &parts{store: db}
	if p.keys, err = openKeys(c, db); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.keys.Protection().Close())
		}
	}()
	if !checked.Old {
		// Before the folders have anything else: else the rest of an interrupted first start would
		// be taken for the folders of another deployment.
		if err := checked.Adopt(ctx); err != nil {
			return nil, err
		}
	}
	if p.files, err = openDocuments(ctx, c, documents.Options{Now: o.Now}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.files.Close())
		}
	}()
	if p.vault, err = openVault(ctx, c, p, o); err != nil {
		return nil, err
	}
	if checked.Old {
		if err := related(ctx, db, p.vault); err != nil {
			return nil, err
		}
		if err := checked.Adopt(ctx); err != nil {
			return nil, err
		}
	}
	if err := p.vault.Check(ctx); err != nil {
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

// wrappingKeys is the name of the keys in the keys folder under which those of documents are
// wrapped.
const wrappingKeys = "documents"

// openVault returns the vault over the files of p.
func openVault(
	ctx context.Context, c *config.Config, p *parts, o store.Options,
) (*vault.Vault, error) {
	encrypt := c.EncryptDocuments
	if encrypt == nil {
		recorded, err := p.store.Recorded(ctx, "encrypt_documents")
		if err != nil {
			return nil, err
		}
		encrypt = new(recorded == "true")
	}
	return vault.New(vault.Options{
		Documents: p.files, Keys: p.store, Wrapper: p.keys.Wrapping(wrappingKeys), Plain: !*encrypt,
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

// fact is a setting that all nodes of a deployment must share.
type fact struct{ key, value string }

// facts returns what the database records of a configuration and of the root certificate.
func facts(c *config.Config, root *x509.Certificate) []fact {
	sum := sha256.Sum256(root.Raw)
	return []fact{
		{"public_url", c.PublicURL},
		{"signature_level", c.Level().String()},
		{"authority", "the one with the root certificate " + hex.EncodeToString(sum[:])},
	}
}

// against returns an error if the database has recorded another value.
func (f fact) against(recorded string) error {
	if recorded == f.value {
		return nil
	}
	return fmt.Errorf(
		"%s: it is %s on this node, and %s for the deployment: correct this node; or, to change it for all, stop them and start one with --change %s",
		f.key, f.value, recorded, f.key,
	)
}

// recordFacts refuses a node whose configuration differs from that of the deployment's other nodes.
func (a *App) recordFacts(ctx context.Context) error {
	facts := facts(&a.Config, a.authority.Root())
	var errs []error
	for _, key := range a.Config.Change {
		if key != auditKey &&
			!slices.ContainsFunc(facts, func(f fact) bool { return f.key == key }) {
			errs = append(errs, fmt.Errorf(
				"--change %s: it can name public_url, signature_level, authority and %s", key,
				auditKey,
			))
		}
	}
	for _, f := range facts {
		change := slices.Contains(a.Config.Change, f.key)
		recorded, err := a.store.Record(ctx, f.key, f.value, change)
		if err == nil {
			err = f.against(recorded)
		}
		if err == nil && change {
			a.log.Warn("recorded for the deployment", f.key, f.value)
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
