package app

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// Examine looks at what a start of the service would use. It makes and changes nothing, listens
// nowhere, and may run beside a running service.
func Examine(ctx context.Context, c config.Config, log *slog.Logger) []Finding {
	return stopped(&c, log).examine(ctx, atStart)
}

// Diagnose makes the checks of [Examine], asks everything that the service depends on, and signs,
// timestamps and verifies a document of its own, which it does not store. The service may run.
func Diagnose(ctx context.Context, c config.Config) []Finding {
	return stopped(&c, slog.New(slog.DiscardHandler)).examine(ctx, atDoctor)
}

// Diagnose makes the checks of the function [Diagnose] with the parts of the running service.
func (a *App) Diagnose(ctx context.Context) []Finding { return a.subject(nil).run(ctx, atDoctor) }

// stopped is a service that does not run in this process.
func stopped(c *config.Config, log *slog.Logger) *subject {
	return &subject{
		config: c, listen: c.Listen, now: time.Now, after: time.After, log: log,
		free: documents.FreeSpace, inMemory: documents.InMemory, openFiles: openFiles,
	}
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
	err := s.config.CompleteService(s.log)
	if err == nil {
		err = s.config.Check()
	}
	if err == nil && s.config.Database != "" {
		err = store.CheckURL(s.config.DatabasePath())
	}
	if listen := s.config.SessionURL(); err == nil && listen != "" {
		err = store.CheckURL(listen)
	}
	if err == nil {
		var parties []party.Party
		if parties, _, err = s.config.Registered(); err == nil {
			_, err = party.NewRegistry(s.config.Policy(0), parties...)
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
	o := store.Options{
		Database: c.DatabasePath(), Session: c.SessionURL(), Kind: store.AnyKind, Keep: true,
		Log: s.log,
	}
	db, err := store.Open(ctx, o)
	switch {
	case errors.Is(err, fs.ErrNotExist): // before the first start
		if c.Database != "" {
			for _, f := range s.serverFindings(store.ReadServer(ctx, o)) {
				find("database server", f)
			}
		}
		if c.Keys != "" {
			find("keys", checkKeyProvider(c))
		}
		folders, err := folders(ctx, c, nil)
		if err != nil {
			find("documents", documentsFinding(err))
			return list
		}
		none := deployment.None("the new database")
		_, err = deployment.Check(ctx, none, folders...)
		find("deployment", faulty(
			err, deploymentRemedy(c, err), "a start makes a new one",
		))
		if c.Documents != "" && err == nil {
			s.documents, err = openDocuments(ctx, c, documents.Options{Free: s.free})
			if err != nil {
				find("documents", documentsFinding(err))
			}
		}
		return list
	case err != nil:
		s.away = true
		find("database", faulty(err, databaseRemedy(err), ""))
		if part, err := keyPart(c, "keys", nil); err == nil {
			m, _ := part.Mark(ctx) // checkKeys reports the error
			s.id = m.ID
		}
		return list
	}
	s.store = db
	s.clock = &clock{
		machine: s.now, database: db.ClockOffset,
		log: slog.New(slog.DiscardHandler), metric: func(time.Duration) {},
	}
	folders, err := folders(ctx, c, db)
	if err != nil {
		find("documents", documentsFinding(err))
		return list
	}
	checked, err := deployment.Check(ctx, db, folders...)
	s.id = checked.ID
	text := ""
	if err == nil && checked.Old {
		text = "a start gives it an identity"
	}
	find("deployment", faulty(err, deploymentRemedy(c, err), text))
	if err != nil || checked.Old {
		return list
	}
	s.documents, err = openDocuments(ctx, c, documents.Options{Free: s.free})
	if err != nil {
		find("documents", documentsFinding(err))
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
	if s.keys != nil {
		_ = s.keys.Protection().Close()
	}
}

// deploymentRemedy says what to do about parts that are not of one deployment, or cannot be read.
func deploymentRemedy(c *config.Config, err error) string {
	remedy := "correct data, documents or database in the configuration, or mount the folder that is missing"
	if c.Documents != "" && errors.Is(err, request.ErrAway) {
		remedy = "start the object store, and correct endpoint in documents"
	}
	return storageRemedy(err, remedy)
}
