package doctor

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/deployment"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
)

// Examine looks at what a start of the service would use. It makes and changes nothing, listens
// nowhere, and may run beside a running service.
func Examine(ctx context.Context, c config.Config, log *slog.Logger) []Finding {
	s := New(&c)
	s.Log = log
	return s.examine(ctx, atStart)
}

// Diagnose makes the checks of [Examine], asks everything that the service depends on, and signs,
// timestamps and verifies a document of its own, which it does not store. The service may run.
func Diagnose(ctx context.Context, c config.Config) []Finding {
	return New(&c).examine(ctx, atDoctor)
}

// New returns a service on this machine none of whose parts are open.
func New(c *config.Config) *Service {
	return &Service{
		Config: c, Listen: c.Listen, Now: time.Now, After: time.After,
		Log:  slog.New(slog.DiscardHandler),
		Free: documents.FreeSpace, InMemory: documents.InMemory, OpenFiles: openFiles,
	}
}

// examine opens the parts of a service that does not run in this process, and checks it.
func (s *Service) examine(ctx context.Context, at occasions) []Finding {
	list := s.configuration()
	if list[0].Level == Fault {
		return list
	}
	opened := s.open(ctx)
	defer s.close()
	return append(append(list, opened...), s.run(ctx, at)...)
}

// configuration completes and checks the configuration, without which nothing else can be checked.
func (s *Service) configuration() []Finding {
	err := s.Config.CompleteService(s.Log)
	if err == nil {
		err = s.Config.Check()
	}
	if err == nil && s.Config.Database != "" {
		err = store.CheckURL(s.Config.DatabasePath())
	}
	if listen := s.Config.SessionURL(); err == nil && listen != "" {
		err = store.CheckURL(listen)
	}
	if err == nil {
		err = parts.CheckRegistered(s.Config)
	}
	f := faulty(err, "correct the key that the text names; docs/operating.md describes it", "")
	f.Check = "configuration"
	return []Finding{f}
}

// open opens the database and the documents to read them, as far as they are there.
func (s *Service) open(ctx context.Context) (list []Finding) {
	find := func(check string, f Finding) {
		f.Check = check
		list = append(list, f)
	}
	c := s.Config
	o := store.Options{
		Database: c.DatabasePath(), Session: c.SessionURL(), Kind: store.AnyKind, Keep: true,
		Log: s.Log,
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
		folders, err := parts.Folders(ctx, c, nil)
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
			s.Documents, err = parts.OpenDocuments(ctx, c, documents.Options{Free: s.Free})
			if err != nil {
				find("documents", documentsFinding(err))
			}
		}
		return list
	case err != nil:
		s.away = true
		find("database", faulty(err, databaseRemedy(err), ""))
		if part, err := parts.KeyPart(c, "keys", nil); err == nil {
			m, _ := part.Mark(ctx) // checkKeys reports the error
			s.ID = m.ID
		}
		return list
	}
	s.Store = db
	s.Clock = parts.NewClock(s.Now, slog.New(slog.DiscardHandler), func(time.Duration) {})
	s.Clock.Database = db.ClockOffset
	folders, err := parts.Folders(ctx, c, db)
	if err != nil {
		find("documents", documentsFinding(err))
		return list
	}
	checked, err := deployment.Check(ctx, db, folders...)
	s.ID = checked.ID
	text := ""
	if err == nil && checked.Old {
		text = "a start gives it an identity"
	}
	find("deployment", faulty(err, deploymentRemedy(c, err), text))
	if err != nil || checked.Old {
		return list
	}
	s.Documents, err = parts.OpenDocuments(ctx, c, documents.Options{Free: s.Free})
	if err != nil {
		find("documents", documentsFinding(err))
	}
	return list
}

// close closes what open has opened.
func (s *Service) close() {
	if s.Store != nil {
		_ = s.Store.Close() // it was only read
	}
	if s.Documents != nil {
		_ = s.Documents.Close()
	}
	if s.Keys != nil {
		_ = s.Keys.Protection().Close()
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
