package e2e_test

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/keydir"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/vault"
	"github.com/signet-sign/signet/pades/tsa"
)

// world is the domain on real storage, without HTTP, so that a test can stand between the domain
// and what it uses.
type world struct {
	*request.Service
	worker *request.Worker
	store  *store.Store
	docs   *vault.Vault
	files  documents.Store // of docs
	phones *control.SoftPhones
}

// worldOptions say what a world is made of. Nil wraps change nothing.
type worldOptions struct {
	dir      string          // of a world that outlives its process
	database string          // empty: a file in dir
	bucket   documents.Store // nil: a folder in dir
	plain    bool            // documents are not encrypted, as by releases before 0.2.0
	fault    func(point string)
	store    func(request.Store) request.Store
	outbox   func(request.Outbox) request.Outbox
	docs     func(request.Documents) request.Documents
	stamps   func(request.Timestamper) request.Timestamper
	deliver  request.Handler // of webhooks; nil: they count as delivered
	now      func() time.Time
}

// openWorld opens a world, or opens it again after its process died.
func openWorld(ctx context.Context, o worldOptions) (*world, error) {
	w := new(world)
	var err error
	database := cmp.Or(o.database, filepath.Join(o.dir, "signet.db"))
	w.store, err = store.Open(
		ctx, store.Options{Database: database, Kind: store.Sandbox, Now: o.now, Fault: o.fault},
	)
	if err != nil {
		return nil, err
	}
	if o.now == nil {
		o.now = time.Now
	}
	if w.files = o.bucket; w.files == nil {
		w.files, err = documents.OpenDir(documents.Options{
			Path: filepath.Join(o.dir, "documents"), Fault: o.fault, Now: o.now,
		})
	}
	if err != nil {
		return nil, errors.Join(err, w.store.Close())
	}
	keys, err := keydir.Open(filepath.Join(o.dir, "keys"), rand.Reader)
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	w.docs = vault.New(vault.Options{
		Documents: w.files, Keys: w.store, Wrapper: keys.Wrapping("documents"), Plain: o.plain,
		Now: o.now,
		Log: slog.New(slog.DiscardHandler),
	})
	authority, err := ca.Open(filepath.Join(o.dir, "authority"), ca.Options{
		Name: "Test", Sandbox: true, BaseURL: "http://127.0.0.1/pki", Now: o.now, Rand: rand.Reader,
	})
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	key, chain := authority.TSA()
	stamps, err := tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: "1.2.3.4", Accuracy: time.Second, Now: o.now,
		Rand: rand.Reader,
	})
	if err != nil {
		return nil, errors.Join(err, w.close())
	}
	signers := &signer.Service{
		Store: w.store, Authority: authority,
		ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
		Replay:           w.store, Now: o.now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	w.Service = request.New(request.Config{
		Store:  wrap[request.Store](w.store, o.store),
		Outbox: wrap[request.Outbox](w.store, o.outbox), Watcher: w.store,
		Documents:   wrap[request.Documents](w.docs, o.docs),
		Timestamper: wrap[request.Timestamper](stamps, o.stamps), Revocation: signers,
		Chain: authority.ChainOf, Roots: authority.Roots(), TSARoots: authority.Roots(), Now: o.now,
		Rand:        rand.Reader,
		PublicURL:   "http://sign.test",
		LinkSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} }, Sandbox: true,
		Log: slog.New(slog.DiscardHandler),
	})
	w.phones = &control.SoftPhones{Requests: w.Service, Signers: signers, Rand: rand.Reader}
	if o.deliver == nil {
		o.deliver = func(_ context.Context, job *request.Job) []request.Event { job.Finish(); return nil }
	}
	w.worker = request.NewWorker(w.Service, o.deliver)
	return w, nil
}

func (w *world) close() error { return errors.Join(w.store.Close(), w.files.Close()) }

func wrap[T any](v T, with func(T) T) T {
	if with == nil {
		return v
	}
	return with(v)
}
