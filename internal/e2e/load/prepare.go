package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/token"
)

// bench is all that the measures share.
type bench struct {
	options
	dir       string
	party     *partytest.Party
	reference *server
	signet    *server
	settings  settings

	mu    sync.Mutex
	fresh []string // ids of stored requests that no one has cancelled yet
}

// newBench stores requests, and starts the servers.
func newBench(ctx context.Context, o options, dir string) (*bench, error) {
	rp, err := partytest.New()
	if err != nil {
		return nil, err
	}
	b := &bench{options: o, dir: dir, party: rp}
	key, err := rp.Key("ES256").Private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	b.settings = settings{
		Key: hex.EncodeToString(key), Database: o.database, Documents: o.bucket, Plain: o.plain,
		Party: registered(rp),
	}
	ref := b.settings
	if ref.Dir, err = b.folder("reference"); err != nil {
		return nil, err
	}
	if b.reference, err = startServer("reference", ref); err != nil {
		return nil, err
	}
	if b.settings.Dir, err = b.folder("signet"); err != nil {
		return nil, errors.Join(err, b.reference.stop())
	}
	used := o.exact + o.pages + 5*crowdCalls // and those of the cancel runs
	if o.only == "" || o.only == "cancel" {
		used += int(o.seconds.Seconds() * float64(o.rounds) * 9000) // more than it can cancel
	}
	begin := time.Now()
	if b.fresh, err = storeRequests(ctx, b.settings, used+o.stored); err != nil {
		return nil, errors.Join(err, b.reference.stop())
	}
	b.fresh = b.fresh[:used]
	fmt.Printf("%d requests stored in %s\n", used+o.stored, time.Since(begin).Round(time.Second))
	if b.signet, err = startServer("signet", b.settings); err != nil {
		return nil, errors.Join(err, b.reference.stop())
	}
	return b, nil
}

func registered(p *partytest.Party) config.Party {
	r := p.Registration()
	return config.Party{
		ClientID: r.ClientID, Name: r.Name, JWKSURL: r.JWKSURL, RedirectURL: r.RedirectURL,
	}
}

func (b *bench) folder(name string) (string, error) {
	dir := filepath.Join(b.dir, name)
	return dir, os.Mkdir(dir, 0o700)
}

func (b *bench) close() {
	_ = b.signet.stop()
	_ = b.reference.stop()
	b.party.Close()
}

// storedExchangeCode is the exchange code of all stored requests.
const storedExchangeCode = "0f8fad5b-d9cb-469f-a165-70867728950e"

// storeRequests writes requests that no one has opened, as many initiates would have, but for their
// documents.
func storeRequests(ctx context.Context, s settings, n int) ([]string, error) {
	database := s.Database
	if database == "" {
		database = filepath.Join(s.Dir, "signet.db")
	}
	db, err := store.Open(ctx, store.Options{Database: database, Kind: store.Service})
	if err != nil {
		return nil, err
	}
	exchange := sha256.Sum256([]byte(storedExchangeCode))
	ids := make([]string, n)
	now := time.Now().UTC().Truncate(time.Microsecond)
	var next atomic.Int64
	var wg sync.WaitGroup
	var once sync.Once
	var failed error
	for range 256 {
		wg.Go(func() {
			for i := next.Add(1) - 1; i < int64(n) && ctx.Err() == nil; i = next.Add(1) - 1 {
				id := "signv3-" + uuid.Must(uuid.NewV7()).String()
				err := db.Create(ctx, &request.Request{
					ID: id, ClientID: s.Party.ClientID, State: request.StateCreated,
					DocName:      "Agreement.pdf",
					Locations:    []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
					ExchangeHash: exchange[:],
					CreatedAt:    now, ExpiresAt: now.Add(24 * time.Hour),
					Document: request.Document{
						Key: id + "/original", Size: 100_000, SHA256: make([]byte, 32), Pages: 3,
					},
				}, request.Effects{})
				if err != nil {
					once.Do(func() { failed = err })
					return
				}
				ids[i] = id
			}
		})
	}
	wg.Wait()
	return ids, errors.Join(failed, ctx.Err(), db.Close())
}

// take gives ids that no other caller gets.
func (b *bench) take(n int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	n = min(n, len(b.fresh))
	ids := b.fresh[:n:n]
	b.fresh = b.fresh[n:]
	return ids
}

// cancels are signed cancel calls for as many requests as there are ids. path is the service's, or
// a reference's.
func (b *bench) cancels(p *server, path string, ids []string) [][]byte {
	all := make([][]byte, len(ids))
	now := time.Now().Unix()
	var wg sync.WaitGroup
	for k := range 2 {
		wg.Go(func() {
			for i := k; i < len(ids); i += 2 {
				jws := b.party.Token(
					token.Cancel, partytest.Claim("request_id", ids[i]),
					partytest.Claim("iat", now), partytest.Claim("exp", now+120),
				)
				all[i] = httpRequest(p.addr, "POST", path, jws, "application/json", nil)
			}
		})
	}
	wg.Wait()
	return all
}

const cancelPath = api.BasePath + api.PathCancel

// each hands out messages one by one.
func each(all [][]byte) func(int) []byte {
	return func(i int) []byte {
		if i >= len(all) {
			return nil
		}
		return all[i]
	}
}

// again hands out the same messages over and over.
func again(all [][]byte) func(int) []byte {
	return func(i int) []byte { return all[i%len(all)] }
}
