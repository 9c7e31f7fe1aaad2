package app

import (
	"context"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/store"
)

// Finding is what came of one look at a service that is not running.
type Finding struct {
	Check string // "database"
	Note  string // what a start would do; may be empty
	Err   error  // what is wrong, and what to do; nil: nothing
}

// examination collects findings.
type examination struct {
	config   Config
	log      *slog.Logger
	findings []Finding
}

func (e *examination) find(check, note string, err error) {
	e.findings = append(e.findings, Finding{check, note, err})
}

// Examine looks at what a start of the service would use. It makes and changes nothing, listens
// nowhere, and may run beside a running service.
func Examine(ctx context.Context, c Config, log *slog.Logger) []Finding {
	e := &examination{config: c, log: log}
	if e.configuration() {
		e.parts(ctx)
	}
	return e.findings
}

// configuration reports whether the rest can be looked at.
func (e *examination) configuration() bool {
	c := &e.config
	err := c.complete(e.log)
	if err == nil {
		err = c.check()
	}
	if err == nil {
		_, _, err = c.registered()
	}
	e.find("configuration", "", err)
	return err == nil
}

// parts looks at the database and the folders.
func (e *examination) parts(ctx context.Context) {
	c := &e.config
	db, err := c.openKept(ctx, e.log)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		none := deployment.None("the new database")
		_, err = deployment.Check(ctx, none, c.folders()...)
		e.find("deployment", "a start makes a new one", err)
		return
	case errors.Is(err, store.ErrInUse):
		e.find("database", "a running process uses it, so this one has not looked into it", nil)
		return
	case err != nil:
		e.find("database", "", err)
		return
	}
	defer func() { _ = db.Close() }()
	e.find("database", "", nil)
	note := ""
	err = db.CheckSchema(ctx)
	if err != nil {
		note, err = "a start migrates it: "+err.Error(), nil
	}
	e.find("migrations", note, err)
	checked, err := deployment.Check(ctx, db, c.folders()...)
	note = ""
	if err == nil && checked.Old {
		note = "a start gives it an identity"
	}
	e.find("deployment", note, err)
	if err != nil {
		return
	}
	e.facts(ctx, db)
	e.documents(ctx)
	e.keys()
	k := clock{
		store: db, now: time.Now, log: slog.New(slog.DiscardHandler),
		metric: func(time.Duration) {},
	}
	if err = k.measure(ctx); err == nil {
		err = k.check(ctx)
	}
	e.find("clock", "", err)
}

// openKept opens the database as it is; fs.ErrNotExist if there is none.
func (c *Config) openKept(ctx context.Context, log *slog.Logger) (*store.Store, error) {
	return store.Open(ctx, store.Options{
		Database: c.databasePath(), Kind: store.AnyKind, Keep: true, Log: log,
	})
}

// facts compares the configuration with the deployment's.
func (e *examination) facts(ctx context.Context, db *store.Store) {
	root, err := readCertificate(filepath.Join(e.config.Data, "authority", "root.crt"))
	if err != nil {
		e.find("authority", "", err)
		return
	}
	for _, f := range e.config.facts(root) {
		recorded, err := db.Recorded(ctx, f.key)
		note := ""
		switch {
		case err != nil:
		case recorded == "":
			note = "a start records it"
		default:
			err = f.against(recorded)
			if err != nil {
				err = errors.New(strings.TrimPrefix(err.Error(), f.key+": "))
			}
		}
		e.find(f.key, note, err)
	}
}

// documents looks whether documents can be stored.
func (e *examination) documents(ctx context.Context) {
	d, err := documents.OpenDir(documents.Options{Path: filepath.Join(e.config.Data, "documents")})
	if err == nil {
		err = errors.Join(d.Check(ctx), d.Close())
	}
	e.find("documents", "", err)
}

// keys looks whether all keys can be read. A key that is missing would be made at a start, and what
// the old one has signed would not be valid any more.
func (e *examination) keys() {
	for _, k := range []struct {
		folder, name string
		curve        elliptic.Curve
	}{
		{"keys", "webhook", elliptic.P256()},
		{"authority", "root", elliptic.P384()},
		{"authority", "issuing", elliptic.P384()},
		{"authority", "ocsp", elliptic.P256()},
		{"authority", "tsa", elliptic.P256()},
	} {
		path := filepath.Join(e.config.Data, k.folder)
		_, err := os.Stat(path)
		if err == nil {
			var dir *keydir.Dir
			if dir, err = keydir.Open(path, rand.Reader); err == nil {
				_, err = dir.Existing(k.name, k.curve)
			}
		}
		if err != nil {
			err = fmt.Errorf("%w: restore it from a backup", err)
		}
		e.find(k.folder+"/"+k.name+".key", "", err)
	}
}
