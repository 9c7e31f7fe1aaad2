package app

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/vault"
)

// folders returns the parts of the deployment beside the database: documents, which may be in a
// bucket, keys and authority, which may be in the database. db is nil if there is none yet.
func (c *Config) folders(ctx context.Context, db *store.Store) (list []deployment.Part, err error) {
	var documents deployment.Part = deployment.Folder{
		Name: "documents", Path: filepath.Join(c.Data, "documents"),
	}
	if c.Documents != "" {
		if documents, err = c.openBucket(ctx); err != nil {
			return nil, err
		}
	}
	keys, err := c.keyPart("keys", db)
	if err != nil {
		return nil, err
	}
	authority, err := c.keyPart("authority", db)
	if c.KeyFiles == inDatabase {
		return []deployment.Part{keys, authority, documents}, err
	}
	return []deployment.Part{documents, keys, authority}, err
}

func (c *Config) openBucket(ctx context.Context) (*documents.S3, error) {
	at, err := documents.ParseLocation(c.Documents)
	if err != nil {
		return nil, fmt.Errorf("documents: %w", err)
	}
	return documents.OpenS3(
		ctx, documents.S3Options{Location: at, Credentials: c.DocumentsCredentials},
	)
}

// openDocuments opens the bucket or the folder, which it makes.
func (c *Config) openDocuments(ctx context.Context, o documents.Options) (documents.Store, error) {
	if c.Documents != "" {
		return c.openBucket(ctx)
	}
	o.Path = filepath.Join(c.Data, "documents")
	return documents.OpenDir(o)
}

// databasePath returns the URL of the PostgreSQL database, or the path of the SQLite file.
func (c *Config) databasePath() string {
	if c.Database != "" {
		return c.withPassword(c.Database)
	}
	return filepath.Join(c.Data, "signet.db")
}

// sessionURL returns the URL of the PostgreSQL database past a pooler; "" if there is none.
func (c *Config) sessionURL() string {
	if c.DatabaseListen == "" {
		return ""
	}
	return c.withPassword(c.DatabaseListen)
}

func isPostgres(database string) bool {
	return strings.HasPrefix(database, "postgres://") ||
		strings.HasPrefix(database, "postgresql://")
}

// withPassword adds database_password to a URL.
func (c *Config) withPassword(database string) string {
	u, err := url.Parse(database)
	if c.DatabasePassword == "" || err != nil {
		return database // the store refuses a URL that is none
	}
	// In the URL of a database a plus sign is no space, as in libpq.
	parameter := "password=" + strings.ReplaceAll(url.QueryEscape(c.DatabasePassword), "+", "%20")
	u.RawQuery = strings.Trim(u.RawQuery+"&"+parameter, "&")
	return u.String()
}

// passwordIn returns the password in the URL of a database; "" if there is none.
func passwordIn(database string) string {
	u, err := url.Parse(database)
	if err != nil {
		return ""
	}
	password, _ := u.User.Password()
	return cmp.Or(password, u.Query().Get("password"))
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
func (c *Config) openParts(ctx context.Context, o store.Options) (_ *parts, err error) {
	o.Database, o.Session = c.databasePath(), c.sessionURL()
	if c.Database == "" {
		if _, err := os.Stat(o.Database); errors.Is(err, fs.ErrNotExist) {
			// A database that does not match the other parts is not created.
			folders, err := c.folders(ctx, nil)
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
	folders, err := c.folders(ctx, db)
	if err != nil {
		return nil, err
	}
	checked, err := deployment.Check(ctx, db, folders...)
	if err != nil {
		return nil, err
	}
	born := checked.ID == ""
	p := &parts{store: db}
	if p.keys, err = c.openKeys(db); err != nil {
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
	if p.files, err = c.openDocuments(ctx, documents.Options{Now: o.Now}); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.files.Close())
		}
	}()
	if p.vault, err = c.openVault(ctx, p, o); err != nil {
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
func (c *Config) openVault(ctx context.Context, p *parts, o store.Options) (*vault.Vault, error) {
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
func (c *Config) facts(root *x509.Certificate) []fact {
	sum := sha256.Sum256(root.Raw)
	return []fact{
		{"public_url", c.PublicURL},
		{"signature_level", c.level().String()},
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
	facts := a.Config.facts(a.authority.Root())
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
