package console_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/audit"
	"github.com/signet-sign/signet/internal/ca"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/documents"
	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/party/partytest"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/safehttp"
	"github.com/signet-sign/signet/internal/server/console"
	"github.com/signet-sign/signet/internal/server/control"
	"github.com/signet-sign/signet/internal/server/ui"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/store"
	"github.com/signet-sign/signet/internal/store/storetest"
	"github.com/signet-sign/signet/pades/pdf/pdftest"
	"github.com/signet-sign/signet/pades/tsa"
)

var alice = signer.Person{UIN: "S8979373D", Name: "TAN XIAO HUI"}

// world is a console over a real service and store, with a clock that only the test advances.
type world struct {
	*console.Console
	store  *store.Store
	worker *request.Worker
	phones *control.SoftPhones
	shop   *partytest.Party

	mu         sync.Mutex
	now        time.Time
	webhookErr error // error of the next attempts
	handler    http.Handler
	user       string // user name to log in with, and the console's password
}

func newWorld(t *testing.T, edit ...func(*console.Console)) *world {
	t.Helper()
	w := &world{now: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	dir := t.TempDir()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	clock := func() time.Time { w.mu.Lock(); defer w.mu.Unlock(); return w.now }
	log := slog.New(slog.DiscardHandler)
	var err error
	w.store, err = store.Open(
		t.Context(),
		store.Options{Database: storetest.File(t), Kind: store.Sandbox, Log: log},
	)
	must(err)
	docs, err := documents.OpenDir(documents.Options{Path: filepath.Join(dir, "documents")})
	must(err)
	t.Cleanup(func() { must(errors.Join(w.store.Close(), docs.Close())) })
	authority, err := ca.Open(filepath.Join(dir, "authority"), ca.Options{
		Name: "Test", Sandbox: true, BaseURL: "http://127.0.0.1/pki", Now: clock, Rand: rand.Reader,
	})
	must(err)
	key, chain := authority.TSA()
	stamps, err := tsa.New(tsa.Config{
		Key: key, Chain: chain, Policy: "1.2.3.4", Accuracy: time.Second, Now: clock,
		Rand: rand.Reader,
	})
	must(err)
	signers := &signer.Service{
		Store: w.store, Authority: authority,
		ChallengeSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
		Replay:           w.store, Now: clock, Rand: rand.Reader,
		Log: slog.New(slog.DiscardHandler),
	}
	service := request.New(request.Config{
		Store: w.store, Outbox: w.store, Watcher: w.store, Documents: docs, Timestamper: stamps,
		Revocation: signers,
		Chain:      authority.ChainOf, Roots: authority.Roots(), TSARoots: authority.Roots(),
		Now: clock, Rand: rand.Reader, PublicURL: "http://sign.test",
		LinkSecrets: func() [][]byte { return [][]byte{make([]byte, 32)} },
		Sandbox:     true, Log: log,
	})
	w.phones = &control.SoftPhones{Requests: service, Signers: signers, Rand: rand.Reader}
	w.worker = request.NewWorker(service, w.deliver)

	w.shop = partytest.Start(t)
	shop := w.shop.Registration()
	shop.WebhookURL += "?token=hook-secret"
	policy := safehttp.Policy{AllowPrivate: true}
	parties, err := party.NewRegistry(policy, shop, party.Party{
		ClientID: "rival", Name: `Rival <b>"&</b>`, JWKSURL: "http://127.0.0.1:1/jwks", RedirectURL: "http://127.0.0.1:1/",
	})
	must(err)
	must(parties.Open(t.Context(), w.store))
	kit, err := ui.New(ui.Options{
		Now: clock, Location: request.Singapore(), Sandbox: true,
		Templates: []ui.Templates{console.Templates()},
	})
	must(err)
	auditor, err := audit.NewSigner("sign.test/audit", make([]byte, 32))
	must(err)
	w.Console = &console.Console{
		Audit:    &audit.Log{Store: w.store, Signer: auditor, Log: log},
		Requests: service, Lister: w.store, Parties: parties,
		Diagnose: party.Diagnoser{Policy: policy},
		Registrar: &party.Registrar{
			Registry: parties, Store: w.store, Policy: policy, Now: clock, Rand: rand.Reader,
		},
		Keys:      party.NewKeys(party.KeysConfig{Clients: &party.Clients{Policy: policy}, Now: clock}),
		Sessions:  &operator.Sessions{Store: w.store, Now: clock},
		PublicURL: "http://sign.test",
		Kit:       kit, Now: clock, Log: log,
		Certificates: authority.Certificates, Issued: w.store, Signers: signers,
		Metrics: func() (console.Metrics, error) {
			return console.Metrics{
				Routes: []console.Route{
					{Route: "GET /static/", N: 90},
					{Route: "GET /sign/{request_id}/events", N: 20},
					{Route: "GET /sign/{request_id}", N: 12, Refused: 3},
				},
				Webhooks: map[string]uint64{"done": 3, "failed": 1},
			}, nil
		},
	}
	w.Console.Calls = w.store
	w.Recorder = calllog.NewRecorder(calllog.Config{
		Store: w.store, Mode: calllog.All, Limits: calllog.DefaultLimits, Now: clock, Log: log,
		Registered: func(_ context.Context, id string) bool { return id == w.shop.ClientID },
	})
	w.Console.People = &person.Service{
		Store: w.store, Signers: signers, Now: clock, Rand: rand.Reader,
		Before: func(ctx context.Context) error {
			return errors.Join(w.Recorder.Flush(ctx), w.Audit.Integrate(ctx))
		},
		After: w.store.Overwrite,
	}
	for _, e := range edit {
		e(w.Console)
	}
	w.handler = w.Handler()
	return w
}

func (w *world) advance(d time.Duration) { w.mu.Lock(); defer w.mu.Unlock(); w.now = w.now.Add(d) }

// deliver is the webhook's handler. It returns the error that the test has set.
func (w *world) deliver(_ context.Context, job *request.Job) []request.Event {
	w.mu.Lock()
	defer w.mu.Unlock()
	e := request.Event{
		At: w.now, Kind: request.EventWebhook, Detail: request.Detail{Attempt: "1"},
	}
	if w.webhookErr == nil {
		job.Finish()
		e.Detail.Status = "204"
	} else {
		job.Fail(w.webhookErr)
		e.Detail.Error = w.webhookErr.Error()
	}
	return []request.Event{e}
}

// in brings a new request into a state by the calls that lead there.
func (w *world) in(t *testing.T, state request.State) string {
	t.Helper()
	w.advance(time.Millisecond) // requests of one millisecond are not ordered
	do := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("on the way to %s: %v", state, err)
		}
	}
	r, err := w.Requests.Initiate(t.Context(), request.Application{
		ClientID: w.shop.ClientID, DocName: "lease.pdf",
		Locations: []api.Location{{Page: 1, X: 0.1, Y: 0.1}}, SignerHash: alice.Hash(),
	}, bytes.NewReader(pdftest.Minimal()))
	do(err)
	if state == request.StateCreated {
		return r.RequestID
	}
	_, err = w.Requests.Open(t.Context(), r.RequestID, alice)
	do(err)
	if state == request.StateLocked {
		return r.RequestID
	}
	_, err = w.Requests.Proceed(t.Context(), r.RequestID, alice, request.SeenUnasked)
	do(err)
	if state == request.StateSession {
		return r.RequestID
	}
	do(w.phones.Approve(t.Context(), r.RequestID, alice))
	if state == request.StateSealing {
		return r.RequestID
	}
	do(w.worker.Drain(t.Context()))
	return r.RequestID
}

// answer is a response with its whole body.
type answer struct {
	status int
	header http.Header
	body   string
}

func (w *world) do(t *testing.T, r *http.Request) answer {
	t.Helper()
	if w.user != "" {
		r.SetBasicAuth(w.user, w.Password)
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	body, err := io.ReadAll(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{rec.Code, rec.Header(), string(body)}
}

func (w *world) get(t *testing.T, path string) answer {
	t.Helper()
	return w.do(t, httptest.NewRequest("GET", path, nil))
}

func (w *world) post(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return w.do(t, r)
}

// has fails the test unless the page has the status and contains all texts.
func (a answer) has(t *testing.T, status int, texts ...string) {
	t.Helper()
	if a.status != status {
		t.Errorf("status %d, want %d", a.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(a.body, text) {
			t.Errorf("the page lacks %q", text)
		}
	}
}

func (w *world) request(t *testing.T, id string) *request.Request {
	t.Helper()
	r, err := w.store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
