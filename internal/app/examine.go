package app

import (
	"context"
	"crypto"
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

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/store"
)

// Examine looks at what a start of the service would use. It makes and changes nothing, listens
// nowhere, and may run beside a running service.
func Examine(ctx context.Context, c Config, log *slog.Logger) []Finding {
	return stopped(&c, log).examine(ctx, atStart)
}

// Diagnose makes the checks of [Examine], asks everything that the service depends on, and signs,
// timestamps and verifies a document of its own, which it does not store. The service may run.
func Diagnose(ctx context.Context, c Config) []Finding {
	return stopped(&c, slog.New(slog.DiscardHandler)).examine(ctx, atDoctor)
}

// Diagnose makes the checks of the function [Diagnose] with the parts of the running service.
func (a *App) Diagnose(ctx context.Context) []Finding { return a.subject(nil).run(ctx, atDoctor) }

// stopped is a service that does not run in this process.
func stopped(c *Config, log *slog.Logger) *subject {
	return &subject{config: c, listen: c.Listen, now: time.Now, log: log, free: documents.FreeSpace}
}

// examine opens the parts of a service that does not run in this process, and checks it.
func (s *subject) examine(ctx context.Context, at occasions) []Finding {
	list := s.configuration()
	if list[0].Level == Fault {
		return list
	}
	opened := s.open(ctx)
	defer s.close()
	return append(append(list, opened...), s.run(ctx, at)...)
}

// configuration completes and checks the configuration, without which nothing else can be checked.
func (s *subject) configuration() []Finding {
	err := s.config.complete(s.log)
	if err == nil {
		err = s.config.check()
	}
	if err == nil {
		var parties []party.Party
		if parties, _, err = s.config.registered(); err == nil {
			_, err = party.NewRegistry(s.config.policy(0), parties...)
		}
	}
	f := faulty(err, "correct the key that the text names; docs/operating.md describes it", "")
	f.Check = "configuration"
	return []Finding{f}
}

// open opens the database and the documents to read them, as far as they are there.
func (s *subject) open(ctx context.Context) (list []Finding) {
	find := func(check string, f Finding) {
		f.Check = check
		list = append(list, f)
	}
	c := s.config
	folders, err := c.folders(ctx)
	if err != nil {
		find("documents", faulty(err, documentsRemedy, ""))
		return list
	}
	db, err := store.Open(ctx, store.Options{
		Database: c.databasePath(), Session: c.sessionURL(), Kind: store.AnyKind, Keep: true,
		Log: s.log,
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		none := deployment.None("the new database")
		_, err = deployment.Check(ctx, none, folders...)
		find("deployment", faulty(err, deploymentRemedy, "a start makes a new one"))
		return list
	case err != nil:
		find("database", faulty(err, databaseRemedy(err), ""))
		m, _ := s.folder("keys").Mark(ctx) // checkKeys reports the error
		s.id = m.ID
		return list
	}
	s.store = db
	s.clock = &clock{
		store: db, now: s.now, log: slog.New(slog.DiscardHandler), metric: func(time.Duration) {},
	}
	checked, err := deployment.Check(ctx, db, folders...)
	s.id = checked.ID
	text := ""
	if err == nil && checked.Old {
		text = "a start gives it an identity"
	}
	find("deployment", faulty(err, deploymentRemedy, text))
	if err != nil || checked.Old {
		return list
	}
	s.documents, err = c.openDocuments(ctx, documents.Options{Free: s.free})
	if err != nil {
		find("documents", faulty(err, documentsRemedy, ""))
	}
	return list
}

// close closes what open has opened.
func (s *subject) close() {
	if s.store != nil {
		_ = s.store.Close() // it was only read
	}
	if s.documents != nil {
		_ = s.documents.Close()
	}
}

const deploymentRemedy = "correct data, documents or database in the configuration, or mount the folder that is missing"

// databaseRemedy says what to do about a database that cannot be opened.
func databaseRemedy(err error) string {
	switch {
	case errors.Is(err, store.ErrNewerSchema):
		return "start the newer release that migrated the database"
	case errors.Is(err, store.ErrOtherKind):
		return "set data and database to those of the service"
	}
	return "start the database; check host, port, user, password and name in database, and what the server's pg_hba.conf allows"
}

// checkFacts compares the configuration with what all nodes of the deployment share.
func checkFacts(ctx context.Context, s *subject) (list []Finding) {
	root, err := readCertificate(filepath.Join(s.config.Data, "authority", "root.crt"))
	if errors.Is(err, fs.ErrNotExist) && s.id == "" {
		return nil
	}
	if err != nil {
		f := faulty(err, "restore the folder authority from a backup", "")
		f.Check = "authority"
		return []Finding{f}
	}
	for _, fact := range s.config.facts(root) {
		recorded, err := s.store.Recorded(ctx, fact.key)
		text := ""
		switch {
		case err != nil:
		case recorded == "":
			text = "a start records it"
		default:
			if err = fact.against(recorded); err != nil {
				err = errors.New(strings.TrimPrefix(err.Error(), fact.key+": "))
			}
		}
		f := faulty(err, "set "+fact.key+" to the deployment's on this node", text)
		f.Check = fact.key
		list = append(list, f)
	}
	return list
}

// checkKeys looks whether all keys can be read. A key that is missing would be made at a start, and
// what the old one has signed would not be valid any more.
func checkKeys(ctx context.Context, s *subject) (list []Finding) {
	err := errors.Join(s.marked(ctx, s.folder("keys")), s.marked(ctx, s.folder("authority")))
	if err != nil {
		return []Finding{faulty(err, "mount the folder that the other nodes use", "")}
	}
	for _, k := range s.config.serviceKeys() {
		path := filepath.Join(s.config.Data, k.folder)
		_, err := os.Stat(path)
		if err == nil {
			_, err = s.config.existingKey(k)
		}
		remedy := "restore it from a backup"
		if errors.Is(err, keydir.ErrPermissions) {
			remedy = "chmod 600 " + filepath.Join(path, k.name+".key")
		}
		if err != nil {
			err = fmt.Errorf("%w: %s", err, remedy)
		}
		f := faulty(err, remedy, "")
		f.Check = k.folder + "/" + k.name + ".key"
		list = append(list, f)
	}
	return list
}

// serviceKey is a private key of the service.
type serviceKey struct {
	folder, name string
	curve        elliptic.Curve
}

// serviceKeys returns the keys that a deployment has from its beginning.
func (c *Config) serviceKeys() []serviceKey {
	list := []serviceKey{
		{"keys", "webhook", elliptic.P256()},
		{"authority", "issuing", elliptic.P384()},
		{"authority", "ocsp", elliptic.P256()},
	}
	if !ca.Offline(c.authorityFolder()) {
		list = append(
			list, serviceKey{"authority", "root", elliptic.P384()},
			serviceKey{"authority", "tsa", elliptic.P256()},
		)
	}
	return list
}

// existingKey reads a key.
func (c *Config) existingKey(k serviceKey) (crypto.Signer, error) {
	dir, err := keydir.Open(filepath.Join(c.Data, k.folder), rand.Reader)
	if err != nil {
		return nil, err
	}
	return dir.Existing(k.name, k.curve)
}
