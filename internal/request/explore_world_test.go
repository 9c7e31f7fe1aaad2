package request

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"math"
	mathrand "math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/pades"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

// What the exploration runs is the Service itself: real operations, real documents and signatures,
// on a store and documents that are values. An operation runs from its start each time it takes a
// step: what it reads is the world as it was when it began, what it writes goes to the world as it
// is now, and before each write it can be left alone for as long as one likes.

// Ticks of the clock. A session lasts two, a request three, so that a session can begin in time and
// end too late.
const (
	tick        = api.RequestLifetime * time.Second / 3
	sessionTime = 2 // ticks
	horizon     = 4 // ticks until the clock stops: by then everything that can end by itself has
	lastProceed = horizon - sessionTime
)

var dawn = time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)

// phone is one of the phones: both are Alice's.
type explorePhone struct {
	signer.Phone
	key *ecdsa.PrivateKey
}

// world is what operations run in. The maps only grow: they name values with small numbers.
type world struct {
	t       *testing.T
	service *Service
	people  []signer.Person
	phones  []explorePhone
	plant   plant

	requests intern[*Request]
	docs     intern[[]string]
	answers  intern[heldAnswer]
	contents map[string][]byte // by key; a key is only ever written with one content
	memo     map[memoKey]effect

	run run // the operation that runs
}

// plant names bugs that are no cell of the table.
type plant struct {
	blindStore  bool // a store that writes what it computed from an old read
	lazyStore   bool // a store that answers before the change is on disk
	lazyBytes   bool // documents that are not on disk when Put returns
	eagerWorker bool // a worker that announces what is being sealed
	idlePurge   bool // a worker that deletes nothing
	noSweep     bool // a worker that does not look for strays
	anyPerson   bool // another person who proceeds passes for the first one
	anyParty    bool // another relying party passes for the request's
	oldReads    bool // a clock that stands still for reads
}

// heldAnswer is a phone's signed answer to a challenge.
type heldAnswer struct{ session, signature string }

// intern gives equal values the same number, from 1.
type intern[T any] struct {
	ids map[string]int16
	all []T
}

func (n *intern[T]) id(key string, v T) int16 {
	if id, ok := n.ids[key]; ok {
		return id
	}
	if n.ids == nil {
		n.ids = map[string]int16{}
	}
	n.all = append(n.all, v)
	id := int16(min(len(n.all), math.MaxInt16))
	if int(id) != len(n.all) {
		panic("the exploration has too many values")
	}
	n.ids[key] = id
	return id
}

func (n *intern[T]) get(id int16) (v T) {
	if id == 0 {
		return v
	}
	return n.all[id-1]
}

func (w *world) requestID(r *Request) int16 {
	b, err := json.Marshal(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.requests.id(string(b), r)
}

func (w *world) docsID(keys []string) int16 {
	slices.Sort(keys)
	return w.docs.id(strings.Join(keys, " "), slices.Compact(keys))
}

// run is one step of one operation: what it finds, and what comes of it.
type run struct {
	began, now  int8
	read, write *Request // as it was when the operation began, and as it is
	docs        []string // as a purge found them
	// 0: stop before the first write; 1: do a first Put or Delete, stop before the next write; 2:
	// go on to the end
	step int
	live bool // writes have effect from here on
	out  effect
	rand io.Reader
}

// effect is what a step did. It is a value, so that a step that was taken once need not be taken
// again.
type effect struct {
	paused    int8 // the step after this one; 0: the operation has ended
	request   int16
	put       int16 // what it put
	deleted   int16
	jobs      [3]JobKind
	purged    bool // it settled a purge
	refused   *api.Error
	approved  bool // an approval was accepted
	failed    bool // an operator discarded a signature
	announced bool
	url       bool // a link was given to the signed document
	retry     bool // the job wants to run again
	answer    int16
}

var errPaused = errors.New("paused")

func (r *run) pause(step int8) error {
	if r.out.paused == 0 {
		r.out.paused = step
	}
	return errPaused
}

// stopped reports whether a write has to wait for another step, and makes writes live otherwise.
func (r *run) stopped() bool {
	if r.out.paused != 0 {
		return true
	}
	if r.step < 2 {
		_ = r.pause(2)
		return true
	}
	r.live = true
	return false
}

func (w *world) now() time.Time {
	at := w.run.began
	if w.run.live {
		at = w.run.now
	}
	return dawn.Add(time.Duration(at) * tick)
}

// Store, Outbox and Documents of the Service.

func (w *world) Create(context.Context, *Request, Effects) error { return errors.ErrUnsupported }

func (w *world) Get(context.Context, string) (*Request, error) {
	if w.run.live {
		return w.run.write.Clone(), nil
	}
	return w.run.read.Clone(), nil
}

func (w *world) GetAll(ctx context.Context, ids []string) (map[string]*Request, error) {
	r, err := w.Get(ctx, ids[0]) // purges are of one request here
	return map[string]*Request{ids[0]: r}, err
}

func (w *world) Update(_ context.Context, _ string, change func(*Request) (Effects, error)) error {
	if w.run.stopped() {
		return errPaused
	}
	from := w.run.write
	if w.plant.blindStore {
		from = w.run.read
	}
	// a store may call it again after a conflict, so the first call must have no effect
	_, _ = change(from.Clone())
	r := from.Clone()
	e, err := change(r)
	if err != nil {
		return err
	}
	for i, j := range e.Jobs {
		w.run.out.jobs[i] = j.Kind
	}
	for _, e := range e.Events {
		w.run.out.approved = w.run.out.approved || e.Kind == EventApproved
		w.run.out.failed = w.run.out.failed ||
			e.Kind == EventSessionEnded && e.Detail.Outcome == string(OutcomeFailed)
	}
	w.run.write = r
	return nil
}

func (w *world) Due(context.Context, time.Time, int) ([]string, error) { return nil, nil }
func (w *world) Events(context.Context, string) ([]Event, error)       { return nil, nil }
func (w *world) CreatedAt(context.Context) (time.Time, error)          { return time.Time{}, nil }
func (w *world) Requests(context.Context, time.Time) ([]string, error) {
	return []string{w.run.read.ID}, nil
}
func (*world) Room(context.Context) error               { return nil }
func (*world) Discard(context.Context, ...string) error { panic("the request is known") }
func (*world) Discarded(context.Context, time.Time) ([]string, error) {
	return nil, nil
}
func (*world) DeleteDiscarded(context.Context, ...string) error { return nil }
func (w *world) Read(p []byte) (int, error)                     { return w.run.rand.Read(p) }
func (w *world) Keys(context.Context, string) ([]string, error) {
	return slices.Clone(w.run.docs), nil
}

// settlePurge is the worker's settling of a purge, which it has claimed.
func (w *world) settlePurge() error {
	if w.run.stopped() {
		return errPaused
	}
	w.run.out.purged = true
	return nil
}

func (w *world) Put(_ context.Context, key string, r io.Reader) (int64, error) {
	// first, because the writer must end before the world continues
	b, err := io.ReadAll(r)
	if w.run.out.paused != 0 || w.run.step == 0 {
		return 0, w.run.pause(1)
	}
	if err != nil {
		return 0, err
	}
	w.contents[key] = b
	if w.run.step == 1 {
		w.run.out.put = w.docsID([]string{key})
	}
	return int64(len(b)), nil
}

type exploreBlob struct{ *bytes.Reader }

func (exploreBlob) Close() error { return nil }

func (w *world) Open(_ context.Context, key string) (Blob, error) {
	b, ok := w.contents[key] // whether it is there still, the invariants look after
	if !ok {
		return nil, fs.ErrNotExist
	}
	return exploreBlob{bytes.NewReader(b)}, nil
}

// Delete takes the first step as Put does, so that everything can happen between the deletion and
// its record.
func (w *world) Delete(_ context.Context, keys ...string) error {
	if len(keys) == 0 {
		return nil
	}
	if w.run.out.paused != 0 || w.run.step == 0 {
		return w.run.pause(1)
	}
	if w.run.step == 1 || w.run.live {
		w.run.out.deleted = w.docsID(slices.Clone(keys))
	}
	return nil
}

// operation is one step of a person or of the worker. arg is what a phone holds.
type operation struct {
	name string
	job  JobKind // the worker does it when it has claimed such a job
	docs bool    // it looks at what is stored
	late bool    // the worker does it, without a job
	one  bool    // it reads nothing before it writes, so that its one step is its transaction's
	do   func(w *world, job *Job, held heldAnswer) error
}

// memoKey is everything that a step depends on.
type memoKey struct {
	op          uint8
	step        int8
	began, now  int8
	session     uint8 // number of the next session
	read, write int16
	docs        int16
	held        int16
}

// take runs one step of an operation.
func (w *world) take(op *operation, k memoKey) effect {
	if e, ok := w.memo[k]; ok {
		return e
	}
	read := w.requests.get(k.read)
	session := ""
	if read.Session != nil {
		session = read.Session.ID
	}
	seed := sha256.Sum256(fmt.Append(nil, op.name, k.began, k.session, session))
	w.run = run{
		began: k.began, now: k.now, step: int(k.step), rand: mathrand.NewChaCha8(seed),
		read: read, write: w.requests.get(k.write), docs: w.docs.get(k.docs),
	}
	var held heldAnswer
	if k.held != 0 {
		held = w.answers.get(k.held)
	}
	job := &Job{RequestID: w.run.read.ID, Kind: op.job, Status: JobPending, Attempts: 1}
	err := op.do(w, job, held)
	out := w.run.out
	var refusal *api.Error
	switch {
	case out.paused != 0:
	case errors.As(err, &refusal):
		out.refused = refusal
	case err != nil:
		w.t.Fatalf("%s: %v", op.name, err)
	}
	out.retry = out.paused == 0 && op.job != "" && job.Status == JobPending
	out.request = w.requestID(w.run.write)
	if out.retry { // nothing of the kind is planned
		w.t.Fatalf("%s: %s", op.name, job.LastError)
	}
	w.memo[k] = out
	return out
}

// newWorld makes a world with one request in it that has just been initiated.
func newExploreWorld(t *testing.T) (*world, *Request) {
	w := &world{
		t: t, contents: map[string][]byte{}, memo: map[memoKey]effect{},
		people: []signer.Person{
			{UIN: "S8979373D", Name: "TAN XIAO HUI"}, {UIN: "S8116474F", Name: "LIM CHENG HAO"},
		},
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	authority, err := ca.Open(t.TempDir(), ca.Options{
		Name: "Test", Sandbox: true, BaseURL: "http://127.0.0.1/pki",
		Now: func() time.Time { return dawn }, Rand: rand.Reader,
	})
	must(err)
	key, chain := authority.TSA()
	stamps, err := tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: "1.2.3.4", Accuracy: time.Second, Now: w.now,
		Rand: rand.Reader,
	})
	must(err)
	for i, person := range []int{0, 0} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(err)
		cert, err := authority.IssueSigner(
			ca.Subject{UIN: w.people[person].UIN, Name: w.people[person].Name}, &key.PublicKey,
		)
		must(err)
		w.phones = append(w.phones, explorePhone{
			signer.Phone{ID: fmt.Sprint(i), UIN: w.people[person].UIN, Certificate: cert.Raw},
			key,
		})
	}
	w.service = New(Config{
		Store: w, Watcher: unwatched{}, Documents: w, Timestamper: &stampsOnce{stamps, w.now, map[string][]byte{}},
		Chain: authority.ChainOf, Roots: authority.Roots(), TSARoots: authority.Roots(),
		Now: w.now, Rand: w, PublicURL: "http://sign.test",
		LinkSecrets:     func() [][]byte { return [][]byte{make([]byte, 32)} },
		SessionLifetime: sessionTime * tick, Level: pades.LevelT,
		SealTimeout: 1, // the first attempt that fails is the last one
		Log:         slog.New(slog.DiscardHandler),
	})
	pdf := pdftest.Minimal()
	sum := sha256.Sum256(pdf)
	r := &Request{
		ID: "signv3-019cae3b-0000-7000-8000-000000000001", ClientID: "shop", State: StateCreated,
		DocName:   "lease.pdf",
		Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}}, ExchangeHash: exchangeHash("code"),
		CreatedAt: dawn, ExpiresAt: dawn.Add(api.RequestLifetime * time.Second),
	}
	r.Document = Document{Key: r.ID + "/original", Size: int64(len(pdf)), SHA256: sum[:], Pages: 1}
	w.contents[r.Document.Key] = pdf
	return w, r
}

// operations is what can be done, beside the clock, crashes and lost answers.
func (w *world) operations(scope scope) []*operation {
	ctx := context.Background()
	id := "signv3-019cae3b-0000-7000-8000-000000000001"
	s := w.service
	ops := []*operation{
		{
			name: "cancel",
			one:  true,
			do:   func(*world, *Job, heldAnswer) error { return s.Cancel(ctx, "shop", id) },
		},
		{name: "rival cancels", one: true, do: func(w *world, _ *Job, _ heldAnswer) error {
			party := "rival"
			if w.plant.anyParty {
				party = "shop"
			}
			return s.Cancel(ctx, party, id)
		}},
		{name: "result", do: func(w *world, _ *Job, _ heldAnswer) error {
			_, err := s.Result(ctx, id, "code", s.Now())
			w.run.out.url = err == nil
			return err
		}},
		{name: "sweep", one: true, do: func(*world, *Job, heldAnswer) error {
			return s.update(
				ctx, id, func(*Request, time.Time) (Effects, error) { return Effects{}, nil },
			)
		}},
		{name: "seal", job: JobSeal, do: func(w *world, j *Job, _ heldAnswer) error {
			s.Seal(ctx, j)
			w.run.out.announced = w.plant.eagerWorker && w.run.out.put != 0
			return nil
		}},
		{name: "webhook", job: JobWebhook, do: func(w *world, j *Job, _ heldAnswer) error {
			r, err := s.Get(ctx, id)
			if err != nil {
				return err
			}
			if r.State == StateSigned && !w.run.stopped() {
				w.run.out.announced = true
			}
			j.Finish()
			return nil
		}},
		{name: "purge", late: true, docs: true, do: func(w *world, _ *Job, _ heldAnswer) error {
			if !w.plant.idlePurge {
				s.Purge(ctx, []Job{{RequestID: id, Kind: JobPurge}})
			}
			return w.settlePurge()
		}},
		{
			name: "strays",
			late: true,
			docs: true,
			do:   func(*world, *Job, heldAnswer) error { return s.PurgeStrays(ctx) },
		},
	}
	if scope.failures {
		ops = append(
			ops,
			&operation{
				name: "seal without a timestamp",
				job:  JobSeal,
				do: func(w *world, j *Job, _ heldAnswer) error {
					broken := *s
					broken.Timestamper = noStamps{}
					broken.Seal(ctx, j)
					return nil
				},
			},
			&operation{
				name: "operator seals again",
				one:  true,
				do: func(*world, *Job, heldAnswer) error {
					return s.SealAgain(ctx, id, "operator")
				},
			},
			&operation{
				name: "operator aborts",
				one:  true,
				do: func(*world, *Job, heldAnswer) error {
					return s.Abort(ctx, id, "operator")
				},
			},
		)
	}
	people := w.people
	if !scope.bob {
		people = people[:1]
	}
	for i, p := range people {
		who := names[i]
		ops = append(
			ops,
			&operation{
				name: who + " opens",
				do:   func(*world, *Job, heldAnswer) error { _, err := s.Open(ctx, id, p); return err },
			},
			&operation{
				name: who + " proceeds", one: true,
				do: func(w *world, _ *Job, _ heldAnswer) error {
					p := p
					if w.plant.anyPerson {
						p = people[0]
					}
					_, err := s.Proceed(ctx, id, p, SeenUnasked)
					return err
				},
			},
			&operation{
				name: who + " leaves", one: true,
				do: func(*world, *Job, heldAnswer) error { return s.Leave(ctx, id, p) },
			},
		)
	}
	for i, p := range w.phones[:scope.phones] {
		name := fmt.Sprintf("phone %d", i+1)
		ops = append(
			ops,
			&operation{name: name + " scans", do: func(w *world, _ *Job, _ heldAnswer) error {
				session := w.run.read.Session
				if session == nil {
					return api.ErrNoActiveSession // there is no QR code
				}
				c, err := s.Challenge(ctx, id, session.ID, p.Phone)
				if err != nil {
					return err
				}
				digest := sha256.Sum256(c.ToBeSigned)
				// RFC 6979: the same input gives the same signature
				sig, err := p.key.Sign(nil, digest[:], crypto.SHA256)
				w.run.out.answer = w.answers.id(
					session.ID+string(sig), heldAnswer{session.ID, string(sig)},
				)
				return err
			}},
			&operation{name: name + " approves", do: func(_ *world, _ *Job, held heldAnswer) error {
				return s.Approve(ctx, id, held.session, p.Phone, []byte(held.signature), nil)
			}},
			&operation{
				name: name + " rejects",
				one:  true,
				do: func(_ *world, _ *Job, held heldAnswer) error {
					return s.Reject(ctx, id, held.session, p.Phone)
				},
			},
		)
	}
	return ops
}

// stampsOnce gives the same stamp for the same question, so that the same step has the same effect.
type stampsOnce struct {
	Timestamper
	now   func() time.Time
	known map[string][]byte
}

func (s *stampsOnce) Timestamp(ctx context.Context, imprint []byte) (token []byte, err error) {
	k := fmt.Sprint(s.now(), imprint)
	if token = s.known[k]; token == nil {
		token, err = s.Timestamper.Timestamp(ctx, imprint)
		s.known[k] = token
	}
	return token, err
}

// noStamps is a timestamp authority that never answers.
type noStamps struct{}

func (noStamps) Timestamp(context.Context, []byte) ([]byte, error) {
	return nil, errors.New("the authority is away")
}

// unwatched is a Watcher of requests that no page follows.
type unwatched struct{ Watcher }

func (unwatched) Signal(string) {}
