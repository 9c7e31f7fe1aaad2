package request_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

// The persons and relying parties of the tests.
var (
	alice = signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}
	bob   = signer.Person{UIN: "S8116474F", Name: "LIM CHENG HAO"}
)

const (
	shop  = "shop"  // the relying party
	rival = "rival" // another
)

// world is a service on a real store, with real documents, certificates and timestamps, and a
// clock that stands still until a test moves it.
type world struct {
	*request.Service
	worker   *request.Worker
	store    *store.Store
	docs     *documents.Dir
	signers  *signer.Service
	clock    *clock
	sent     *sync.Map // request id -> number of webhooks
	dir      string
	database string

	mu     sync.Mutex
	phones map[string]*phone
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// phone is a software phone.
type phone struct {
	signer.Phone
	key *ecdsa.PrivateKey
}

func newWorld(t testing.TB) *world {
	t.Helper()
	dir := t.TempDir()
	w := &world{
		dir:      dir,
		database: storetest.File(t),
		clock:    &clock{t: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)},
		sent:     new(sync.Map),
		phones:   map[string]*phone{},
	}
	var err error
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	log := slog.New(slog.DiscardHandler)
	w.store, err = store.Open(t.Context(), store.Options{
		Database: w.database, Kind: store.Sandbox, Now: w.clock.Now, Log: log,
	})
	must(err)
	w.docs, err = documents.OpenDir(documents.Options{Path: filepath.Join(dir, "documents")})
	must(err)
	authority, err := ca.Open(filepath.Join(dir, "authority"), ca.Options{
		Name: "Test", Sandbox: true, BaseURL: "http://127.0.0.1/pki", Now: w.clock.Now,
		Rand: rand.Reader,
	})
	must(err)
	key, chain := authority.TSA()
	stamps, err := tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: "1.2.3.4", Accuracy: time.Second, Now: w.clock.Now,
		Rand: rand.Reader,
	})
	must(err)
	w.signers = &signer.Service{
		Store: w.store, Authority: authority,
		ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
		Replay:           w.store, Now: w.clock.Now, Rand: rand.Reader, Log: slog.New(slog.DiscardHandler),
	}
	w.Service = request.New(request.Config{
		Store: w.store, Outbox: w.store, Watcher: w.store, Documents: w.docs, Timestamper: stamps,
		Revocation: w.signers,
		Chain:      authority.ChainOf, Roots: authority.Roots(), TSARoots: authority.Roots(),
		Now: w.clock.Now, Rand: rand.Reader, PublicURL: "http://sign.test",
		LinkSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} }, Sandbox: true, Log: log,
	})
	w.worker = request.NewWorker(
		w.Service,
		func(_ context.Context, job *request.Job) []request.Event {
			n, _ := w.sent.LoadOrStore(job.RequestID, 0)
			w.sent.Store(job.RequestID, n.(int)+1)
			job.Finish()
			return nil
		},
	)
	t.Cleanup(func() {
		if err := errors.Join(w.store.Close(), w.docs.Close()); err != nil {
			t.Error(err)
		}
	})
	return w
}

var minimal = sync.OnceValue(pdftest.Minimal)

// initiate makes a request of the shop with a real document.
func (w *world) initiate(t testing.TB, edits ...func(*request.Application)) *api.Initiated {
	t.Helper()
	a := request.Application{
		ClientID: shop, DocName: "lease.pdf", Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}},
	}
	for _, edit := range edits {
		edit(&a)
	}
	got, err := w.Initiate(t.Context(), a, bytes.NewReader(minimal()))
	if err != nil {
		t.Fatalf("initiate: %v", err)
	}
	return got
}

// in brings a new request into a state, by the way that people and time would take.
func (w *world) in(t testing.TB, state request.State) *api.Initiated {
	t.Helper()
	r := w.initiate(t)
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("on the way to %s: %v", state, err)
		}
	}
	if state == request.StateCreated {
		return r
	}
	if state == request.StateCancelled {
		do(w.Cancel(t.Context(), shop, r.RequestID))
		return r
	}
	_, err := w.Open(t.Context(), r.RequestID, alice)
	do(err)
	switch state {
	case request.StateLocked:
		return r
	case request.StateExpired:
		w.clock.advance(31 * time.Minute)
		return r
	}
	_, err = w.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked)
	do(err)
	if state == request.StateSession {
		return r
	}
	do(w.approve(t.Context(), r.RequestID, alice))
	switch state {
	case request.StateStalled:
		w.away(t, func() {
			do(w.worker.Drain(t.Context()))
			w.clock.advance(request.DefaultSealTimeout)
			do(w.worker.Drain(t.Context()))
		})
	case request.StateSigned:
		do(w.worker.Drain(t.Context()))
	}
	return r
}

// away runs do while no timestamp authority answers.
func (w *world) away(t testing.TB, do func()) {
	t.Helper()
	stamps := w.Timestamper
	w.Timestamper = silent{}
	defer func() { w.Timestamper = stamps }()
	do()
}

// silent is a timestamp authority that does not answer.
type silent struct{}

func (silent) Timestamp(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("the authority does not answer")
}

// phoneOf returns the person's enrolled software phone.
func (w *world) phoneOf(ctx context.Context, p signer.Person) (*phone, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ph := w.phones[p.UIN]; ph != nil {
		return ph, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	challenge, err := w.signers.Challenge(p)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(challenge)
	proof, err := ecdsa.SignASN1(rand.Reader, key, digest[:])
	if err != nil {
		return nil, err
	}
	enrolled, err := w.signers.Enrol(ctx, p, signer.Enrolment{
		Name: "test phone", Key: &key.PublicKey, Challenge: challenge, Proof: proof,
	})
	if err != nil {
		return nil, err
	}
	w.phones[p.UIN] = &phone{enrolled, key}
	return w.phones[p.UIN], nil
}

// approval is a phone's answer that can be sent, again or late.
type approval struct {
	id, session string
	phone       signer.Phone
	signature   []byte
}

// scan asks for the challenge of the present session and signs it, without sending the answer.
func (w *world) scan(ctx context.Context, id string, p signer.Person) (*approval, error) {
	r, err := w.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	session := ""
	if r.Session != nil {
		session = r.Session.ID
	}
	ph, err := w.phoneOf(ctx, p)
	if err != nil {
		return nil, err
	}
	c, err := w.Challenge(ctx, id, session, ph.Phone)
	if err != nil {
		return nil, err
	}
	digest := sha256.Sum256(c.ToBeSigned)
	signature, err := ecdsa.SignASN1(rand.Reader, ph.key, digest[:])
	return &approval{id, session, ph.Phone, signature}, err
}

func (w *world) send(ctx context.Context, a *approval) error {
	return w.Approve(ctx, a.id, a.session, a.phone, a.signature, nil)
}

// approve scans and approves.
func (w *world) approve(ctx context.Context, id string, p signer.Person) error {
	a, err := w.scan(ctx, id, p)
	if err != nil {
		return err
	}
	return w.send(ctx, a)
}

// reject needs the session and the phone, but no scan.
func (w *world) reject(ctx context.Context, id string, p signer.Person) error {
	r, err := w.Get(ctx, id)
	if err != nil {
		return err
	}
	session := ""
	if r.Session != nil {
		session = r.Session.ID
	}
	ph, err := w.phoneOf(ctx, p)
	if err != nil {
		return err
	}
	return w.Reject(ctx, id, session, ph.Phone)
}

// state returns the state of the request.
func (w *world) state(t testing.TB, id string) request.State {
	t.Helper()
	r, err := w.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r.State
}

// code is the wire code of an error; "" is success, and an error that is no refusal shows whole.
func code(err error) string {
	var refusal *api.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &refusal):
		return refusal.Code
	}
	return "FAULT: " + err.Error()
}
