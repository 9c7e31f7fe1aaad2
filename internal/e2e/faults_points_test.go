package e2e_test

import (
	"context"
	"io"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// points are where the child of the fault tests may be killed. pass is called with the name of each
// point that the journey passes. Storage has its own points, store.FaultPoints and
// documents.FaultPoints; the others are between the domain and the interfaces that it uses.
type points struct {
	mu   sync.Mutex
	step string // of the journey
	pass func(point string)
}

func (p *points) at(point string) {
	p.mu.Lock()
	point = p.step + " | " + point
	p.mu.Unlock()
	p.pass(point)
}

func (p *points) begin(step string) {
	p.mu.Lock()
	p.step = step
	p.mu.Unlock()
}

// options wraps everything that the domain uses.
func (p *points) options(dir string, told func(words ...string)) worldOptions {
	return worldOptions{
		dir:    dir,
		fault:  p.at,
		store:  func(s request.Store) request.Store { return faultyStore{s, p} },
		outbox: func(o request.Outbox) request.Outbox { return faultyOutbox{o, p, told} },
		docs:   func(d request.Documents) request.Documents { return faultyDocuments{d, p} },
		stamps: func(t request.Timestamper) request.Timestamper { return faultyTimestamper{t, p} },
		deliver: func(_ context.Context, job *request.Job) []request.Event {
			p.at("webhook: not sent")
			told("sent", job.RequestID)
			p.at("webhook: sent, not recorded")
			job.Finish()
			return []request.Event{{At: time.Now(), Kind: request.EventWebhook}}
		},
	}
}

type faultyStore struct {
	request.Store
	p *points
}

func (s faultyStore) Create(ctx context.Context, r *request.Request, e request.Effects) error {
	s.p.at("record: not begun")
	defer s.p.at("record: made, not acknowledged")
	return s.Store.Create(ctx, r, e)
}

func (s faultyStore) Update(
	ctx context.Context, id string, change func(*request.Request) (request.Effects, error),
) error {
	s.p.at("change: not begun")
	defer s.p.at("change: made, not acknowledged")
	return s.Store.Update(ctx, id, func(r *request.Request) (request.Effects, error) {
		e, err := change(r)
		s.p.at("change: decided, not written")
		return e, err
	})
}

type faultyOutbox struct {
	request.Outbox
	p    *points
	told func(words ...string)
}

func (o faultyOutbox) Claim(
	ctx context.Context, kind request.JobKind, now time.Time, lease time.Duration, q request.Quota,
) ([]request.Job, error) {
	jobs, err := o.Outbox.Claim(ctx, kind, now, lease, q)
	if len(jobs) > 0 {
		o.p.at("outbox: " + string(kind) + " claimed")
	}
	return jobs, err
}

func (o faultyOutbox) Settle(ctx context.Context, settled ...request.Settlement) error {
	kind := string(settled[0].Job.Kind)
	o.p.at("outbox: " + kind + " done, not recorded")
	err := o.Outbox.Settle(ctx, settled...)
	for _, s := range settled {
		if err == nil && s.Job.Status == request.JobDone {
			o.told("recorded-"+kind, s.Job.RequestID)
		}
	}
	o.p.at("outbox: " + kind + " recorded")
	return err
}

type faultyDocuments struct {
	request.Documents
	p *points
}

// kindOf is "original", "prepared" or "signed".
func kindOf(key string) string {
	kind, _, _ := strings.Cut(path.Base(key), "-")
	return kind
}

func (d faultyDocuments) Put(ctx context.Context, key string, r io.Reader) (int64, error) {
	d.p.at("documents: " + kindOf(key) + " not begun")
	n, err := d.Documents.Put(
		ctx, key,
		&halfway{r: r, passed: func() { d.p.at("documents: " + kindOf(key) + " half received") }},
	)
	d.p.at("documents: " + kindOf(key) + " stored, without a record")
	return n, err
}

func (d faultyDocuments) Delete(ctx context.Context, keys ...string) error {
	if len(keys) == 0 {
		return d.Documents.Delete(ctx)
	}
	d.p.at("documents: not deleted")
	defer d.p.at("documents: deleted, not recorded")
	return d.Documents.Delete(ctx, keys...)
}

// halfway gives a few bytes, tells, and goes on.
type halfway struct {
	r      io.Reader
	passed func()
	read   int
}

func (h *halfway) Read(b []byte) (int, error) {
	if h.read == 0 {
		b = b[:min(len(b), 100)]
	} else if h.passed != nil {
		h.passed()
		h.passed = nil
	}
	n, err := h.r.Read(b)
	h.read += n
	return n, err
}

type faultyTimestamper struct {
	request.Timestamper
	p *points
}

func (t faultyTimestamper) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	t.p.at("timestamp: not asked")
	defer t.p.at("timestamp: made, not embedded")
	return t.Timestamper.Timestamp(ctx, imprint)
}
