package storetest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	"github.com/signet-sign/signet/api"
	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/operator"
	"github.com/signet-sign/signet/internal/party"
	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
	"github.com/signet-sign/signet/internal/vault"
)

// Memory is the reference: a store that forgets everything when it is closed. One change at a time,
// nothing clever.
type Memory struct {
	created time.Time

	// held while a method reads or writes what follows; a channel, so that one can give up waiting
	lock chan struct{}

	requests map[string]*record
	jobs     []request.Job // in order of their ids, which count from 1
	phones   map[string]signer.Phone
	// by person
	phoneEvents map[string][]signer.Event
	used        map[[2]string]time.Time
	purposes    map[[2]string]string // that UseFor has recorded
	parties     parties
	calls       []calllog.Record // newest first
	keys        []vault.Key
	sessions    []operator.Session
	lastCall    int64
	swept       time.Time // the latest sweep that was claimed
	closed      bool

	ready    chan struct{}
	watching sync.Mutex
	watchers map[string]map[chan struct{}]bool
}

type record struct {
	request *request.Request // a copy, so that no caller shares memory with us
	due     time.Time
	events  []request.Event
}

// NewMemory returns an empty store.
func NewMemory() *Memory {
	return &Memory{
		created:  time.Now(),
		lock:     make(chan struct{}, 1),
		requests: map[string]*record{},
		phones:   map[string]signer.Phone{}, phoneEvents: map[string][]signer.Event{},
		used: map[[2]string]time.Time{}, purposes: map[[2]string]string{},
		parties: parties{
			registered: map[string]party.Registration{}, pictures: map[string][]byte{},
			epochs: map[string]int64{}, keys: map[string]party.StoredKeys{},
			proposals: map[string]party.Proposal{}, receivers: map[string]party.Receiver{},
		},
		ready:    make(chan struct{}, 1),
		watchers: map[string]map[chan struct{}]bool{},
	}
}

// hold waits for the store to be free; the caller calls unlock.
func (m *Memory) hold(ctx context.Context) (unlock func(), err error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	select {
	case m.lock <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if m.closed {
		<-m.lock
		return nil, errors.New("memory: closed")
	}
	return func() { <-m.lock }, nil
}

// Close implements [Store].
func (m *Memory) Close() error {
	m.lock <- struct{}{}
	m.closed = true
	<-m.lock
	return nil
}

// Create implements request.Store.
func (m *Memory) Create(ctx context.Context, r *request.Request, e request.Effects) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if m.requests[r.ID] != nil {
		return fmt.Errorf("memory: request %s exists", r.ID)
	}
	rec := &record{}
	if err := m.write(rec, r, e); err != nil {
		return err
	}
	m.requests[r.ID] = rec
	r.Version = rec.request.Version
	return nil
}

// Get implements request.Store.
func (m *Memory) Get(ctx context.Context, id string) (*request.Request, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	return m.requests[id].read()
}

// GetAll implements request.Store.
func (m *Memory) GetAll(ctx context.Context, ids []string) (map[string]*request.Request, error) {
	all := map[string]*request.Request{}
	for _, id := range ids {
		switch r, err := m.Get(ctx, id); {
		case err == nil:
			all[id] = r
		case !errors.Is(err, api.ErrNoRecord):
			return nil, err
		}
	}
	return all, nil
}

// Update implements request.Store.
func (m *Memory) Update(
	ctx context.Context, id string, change func(*request.Request) (request.Effects, error),
) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	rec := m.requests[id]
	r, err := rec.read()
	if err != nil {
		return err
	}
	e, err := change(r)
	if err != nil {
		return err
	}
	if r.ID != id {
		return errors.New("memory: an id may not change")
	}
	return m.write(rec, r, e)
}

func (rec *record) read() (*request.Request, error) {
	if rec == nil {
		return nil, api.ErrNoRecord
	}
	return rec.request.Clone(), nil
}

// write is the end of a change.
func (m *Memory) write(rec *record, r *request.Request, e request.Effects) error {
	if e.None() && reflect.DeepEqual(r, rec.request) {
		return nil
	}
	if t := e.Ticket; t != (request.Ticket{}) {
		ticket := [2]string{t.ClientID, t.JTI}
		if _, used := m.used[ticket]; used {
			return request.ErrTicketUsed
		}
		m.used[ticket] = t.KeepUntil
	}
	version := int64(1)
	if rec.request != nil {
		version = rec.request.Version + 1
	}
	rec.request = r.Clone()
	rec.request.Version = version
	rec.due, _ = r.DueAt()
	m.append(rec, r.ID, e.Events)
	for _, j := range e.Jobs {
		j.ID, j.RequestID, j.ClientID = int64(len(m.jobs)+1), r.ID, r.ClientID
		m.jobs = append(m.jobs, j)
		if j.Kind.Wakes() {
			signal(m.ready)
		}
	}
	return nil
}

func (m *Memory) append(rec *record, id string, events []request.Event) {
	for _, e := range events {
		e.Seq = len(rec.events) + 1
		rec.events = append(rec.events, e)
	}
	m.tell(id)
}

func (m *Memory) tell(id string) {
	m.watching.Lock()
	defer m.watching.Unlock()
	for c := range m.watchers[id] {
		signal(c)
	}
}

// Due implements request.Store.
func (m *Memory) Due(ctx context.Context, now time.Time, limit int) ([]string, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var ids []string
	for id, rec := range m.requests {
		if !rec.due.IsZero() && !rec.due.After(now) {
			ids = append(ids, id)
		}
	}
	slices.SortFunc(ids, func(a, b string) int {
		return cmp.Or(m.requests[a].due.Compare(m.requests[b].due), cmp.Compare(a, b))
	})
	return ids[:min(limit, len(ids))], nil
}

// CreatedAt implements request.Store.
func (m *Memory) CreatedAt(context.Context) (time.Time, error) { return m.created, nil }

// Events implements request.Store.
func (m *Memory) Events(ctx context.Context, id string) ([]request.Event, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if m.requests[id] == nil {
		return nil, nil
	}
	return slices.Clone(m.requests[id].events), nil
}

// Watch implements request.Watcher.
func (m *Memory) Watch(id string) (<-chan struct{}, func()) {
	c := make(chan struct{}, 1)
	m.watching.Lock()
	defer m.watching.Unlock()
	if m.watchers[id] == nil {
		m.watchers[id] = map[chan struct{}]bool{}
	}
	m.watchers[id][c] = true
	return c, func() {
		m.watching.Lock()
		defer m.watching.Unlock()
		delete(m.watchers[id], c)
	}
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Ready implements request.Outbox.
func (m *Memory) Ready() <-chan struct{} { return m.ready }

// claimable is when a job may be claimed.
func claimable(j request.Job) time.Time {
	if j.Lease.After(j.DueAt) {
		return j.Lease
	}
	return j.DueAt
}

// pending lists the pending jobs of a kind, the first that may be claimed first.
func (m *Memory) pending(kind request.JobKind) []*request.Job {
	var jobs []*request.Job
	for i := range m.jobs {
		if j := &m.jobs[i]; j.Kind == kind && j.Status == request.JobPending {
			jobs = append(jobs, j)
		}
	}
	slices.SortStableFunc(
		jobs, func(a, b *request.Job) int { return claimable(*a).Compare(claimable(*b)) },
	)
	return jobs
}

// Claim implements request.Outbox.
func (m *Memory) Claim(
	ctx context.Context, kind request.JobKind, now time.Time, lease time.Duration, q request.Quota,
) ([]request.Job, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	due := slices.DeleteFunc(
		m.pending(kind), func(j *request.Job) bool { return claimable(*j).After(now) },
	)
	var parties, probed []string
	for _, j := range due {
		held := m.parties.receivers[j.ClientID].HeldUntil
		switch {
		case kind != request.JobWebhook || held.IsZero():
			if !slices.Contains(parties, j.ClientID) {
				parties = append(parties, j.ClientID)
			}
		case !held.After(now) && !slices.Contains(probed, j.ClientID):
			probed = append(probed, j.ClientID)
		}
	}
	if q.PerParty == 0 {
		parties = []string{""}
	}
	var jobs []request.Job
	for i, party := range parties {
		n := q.Jobs - len(jobs)
		if q.PerParty != 0 {
			n = q.Of(party, n, len(parties)-i)
		}
		for _, j := range due {
			if n <= 0 {
				break
			}
			if q.PerParty != 0 && j.ClientID != party {
				continue
			}
			n--
			j.Attempts++
			j.Lease = now.Add(lease)
			jobs = append(jobs, *j)
		}
	}
	if q.PerParty == 0 {
		probed = nil
	}
	for _, party := range probed[:min(len(probed), q.Jobs-len(jobs))] {
		i := slices.IndexFunc(due, func(j *request.Job) bool { return j.ClientID == party })
		due[i].Attempts++
		due[i].Lease = now.Add(lease)
		jobs = append(jobs, *due[i])
		r := m.parties.receivers[party]
		r.HeldUntil = due[i].Lease
		m.parties.receivers[party] = r
	}
	slices.SortFunc(
		jobs,
		func(a, b request.Job) int { return cmp.Or(a.DueAt.Compare(b.DueAt), cmp.Compare(a.ID, b.ID)) },
	)
	return jobs, nil
}

// Settle implements request.Outbox.
func (m *Memory) Settle(ctx context.Context, settled ...request.Settlement) error {
	unlock, err := m.hold(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for _, s := range settled {
		job := s.Job
		if job.ID < 1 || job.ID > int64(len(m.jobs)) {
			continue
		}
		j := &m.jobs[job.ID-1]
		if j.RequestID != job.RequestID || !j.Lease.Equal(job.Lease) {
			continue
		}
		j.Status, j.DueAt, j.Payload, j.LastError = job.Status, job.DueAt, job.Payload, job.LastError
		j.Lease = time.Time{}
		if s.Drop {
			*j = request.Job{}
			continue
		}
		if j.Status == request.JobPending && j.Kind.Wakes() {
			signal(m.ready)
		}
		m.append(m.requests[j.RequestID], j.RequestID, s.Events)
	}
	return nil
}

// Failed implements request.Outbox.
func (m *Memory) Failed(
	ctx context.Context, f request.FailedFilter,
) (jobs []request.Job, all int, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, 0, err
	}
	defer unlock()
	for _, j := range slices.Backward(m.jobs) {
		if j.Kind != f.Kind || j.Status != request.JobFailed ||
			f.ClientID != "" && j.ClientID != f.ClientID || f.Before != 0 && j.ID >= f.Before ||
			!f.From.IsZero() && j.DueAt.Before(f.From) ||
			!f.To.IsZero() && !j.DueAt.Before(f.To) {
			continue
		}
		if all++; len(jobs) < f.Limit {
			jobs = append(jobs, j)
		}
	}
	return jobs, all, nil
}

// Jobs implements request.Outbox.
func (m *Memory) Jobs(ctx context.Context, requestID string) ([]request.Job, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return nil, err
	}
	defer unlock()
	var jobs []request.Job
	for _, j := range m.jobs {
		if j.RequestID == requestID {
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}

// Use implements token.Replay.
func (m *Memory) Use(ctx context.Context, clientID, jti string, until time.Time) (bool, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	key := [2]string{clientID, jti}
	if _, used := m.used[key]; used {
		return false, nil
	}
	m.used[key] = until
	return true, nil
}

// UseFor implements token.Replay.
func (m *Memory) UseFor(
	ctx context.Context, clientID, jti, purpose string, until time.Time,
) (string, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	key := [2]string{clientID, jti}
	if _, used := m.used[key]; !used {
		m.used[key] = until
		m.purposes[key] = purpose
	}
	return m.purposes[key], nil
}

// Used implements token.Replay.
func (m *Memory) Used(ctx context.Context, clientID, jti string) (bool, error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	_, used := m.used[[2]string{clientID, jti}]
	return used, nil
}

// ForgetUsed implements [Store].
func (m *Memory) ForgetUsed(ctx context.Context, now time.Time) (n int64, err error) {
	unlock, err := m.hold(ctx)
	if err != nil {
		return 0, err
	}
	defer unlock()
	for key, until := range m.used {
		if until.Before(now) {
			delete(m.used, key)
			n++
		}
	}
	return n, nil
}
