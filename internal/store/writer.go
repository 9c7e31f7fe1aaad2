package store

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// writer makes changes durable, many with one commit. Whoever finds it idle leads: takes all changes that wait, runs them in one
// transaction, commits, and answers their callers. The domain sees none of it.
//
// It never waits while it is idle: a lone change is committed at once, by the goroutine of its own caller. While a commit is under
// way new changes queue up, and the next transaction takes them all; a goroutine of the writer's own leads it. Only after a
// transaction that carried several does it allow their callers a moment to come back, because then the next commit is likely to
// be shared too, and a full commit costs no more than a small one.
//
// Where the database can do several at once, another transaction begins when as many changes wait as are under way: so one's
// decisions are made while the disk is busy with the other, and neither is small.
type writer struct {
	connect func(context.Context) (*session, error)
	db      database
	fault   func(point string)
	hub     *hub

	mu    sync.Mutex
	queue []*change
	lanes []*lane             // those on which nobody leads
	busy  int                 // how many others there are
	under int                 // how many changes are under way
	held  map[string]struct{} // the requests that those are about: changes of one request do not meet on two lanes
	want  int                 // how many changes in the queue wake the one who lingers; 0: nobody does
	idle  chan struct{}       // closed when nobody leads any more; nil: the writer is not closed

	wake chan struct{} // the queue holds as many as wanted, or the writer was closed
}

// lane is a connection, on which one transaction runs at a time. It belongs to who leads.
type lane struct {
	*writer
	session *session  // nil before the first use and after a failure
	batch   []*change // under way, or settled last
}

// database is how transactions run on SQLite or on PostgreSQL.
type database interface {
	// begin starts a transaction in which the requests of these ids may be changed, and loads those that are read.
	begin(s *session, requests, read []string) error

	// flush executes what s has put off, as far as that needs a step of its own.
	flush(s *session) error

	// commit commits all that s has written and what flush has left; told says whom it concerns. An error means that nothing
	// was committed, unless it is an ErrUncertain.
	commit(s *session, told news) error

	// end takes back what begin has done to the connection for the time of the transaction, however that ended.
	end(s *session)

	// transient reports that the transaction failed for a reason that a new one may not meet. lost: the connection has to
	// go, too.
	transient(err error) (again, lost bool)
}

const (
	maxBatch = 512              // bounds how long the first waits for the last
	pause    = time.Millisecond // how long callers of a shared commit are given to come back
	patience = 3 * time.Second  // how long a transaction is repeated that met a conflict or a broken connection
)

// change is one caller's wish.
type change struct {
	target
	apply func(tx *session, out *news) error
	stage atomic.Int32
	out   news
	err   error
	done  chan error
}

// target is what a change is about. Nodes that share a database must lock in one order, which is that of the keys.
type target struct {
	key      string
	requests []string // the ids of requests whose rows nobody else may change meanwhile
	read     bool     // they are read, too
}

// aRequest is the target of a change to one request.
func aRequest(id string) target { return target{key: id, requests: []string{id}, read: true} }

// The stages of a change.
const (
	waiting   = iota
	withdrawn // its caller has gone before it was begun: nothing happens
	begun     // it will be answered
)

// news is what others must hear once a change is committed.
type news struct {
	requests []string // these have changed
	jobs     bool     // there may be a job to do
}

// errConflict makes the transaction run again from its start.
var errConflict = errors.New("the row was changed by another process meanwhile")

// errSpoiled says that a change failed in a way that its neighbours in the transaction cannot survive.
var errSpoiled = errors.New("the transaction was spoiled")

// newWriter makes a writer that runs up to n transactions at once.
func newWriter(n int, connect func(context.Context) (*session, error), db database, h *hub, fault func(string)) *writer {
	w := &writer{connect: connect, db: db, fault: fault, hub: h, held: map[string]struct{}{}, wake: make(chan struct{}, 1)}
	for range n {
		w.lanes = append(w.lanes, &lane{writer: w})
	}
	return w
}

// do makes a change and returns when it is durable, or has failed with no trace. When ctx ends first, do takes the change
// back if it has not been begun, and returns the context's error: nothing was written. If it has been begun, do waits for the
// outcome, as a commit cannot be taken back.
func (w *writer) do(ctx context.Context, t target, apply func(tx *session, out *news) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{target: t, apply: apply, done: make(chan error, 1)}
	w.mu.Lock()
	if w.idle != nil {
		w.mu.Unlock()
		return ErrClosed
	}
	w.queue = append(w.queue, c)
	enough := w.want > 0 && len(w.queue) >= w.want
	var l *lane
	if w.want == 0 && len(w.queue) >= w.under {
		l = w.take()
	}
	w.mu.Unlock()
	switch {
	case l != nil:
		l.lead(true)
	case enough:
		w.rouse()
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		if c.stage.CompareAndSwap(waiting, withdrawn) {
			return ctx.Err()
		}
		return <-c.done
	}
}

// take is a free lane, if there is one; the caller holds the lock.
func (w *writer) take() *lane {
	n := len(w.lanes)
	if n == 0 {
		return nil
	}
	l := w.lanes[n-1]
	w.lanes = w.lanes[:n-1]
	w.busy++
	return l
}

func (w *writer) rouse() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// close refuses new changes, and finishes those that wait.
func (w *writer) close() error {
	w.mu.Lock()
	w.idle = make(chan struct{})
	if w.busy == 0 {
		close(w.idle)
	}
	w.mu.Unlock()
	w.rouse()
	<-w.idle
	var errs []error
	for _, l := range w.lanes {
		if l.session != nil {
			errs = append(errs, l.session.close())
			l.session = nil
		}
	}
	return errors.Join(errs...)
}

// lead settles what waits until nothing does. Who leads only once, a caller that has better things to do, leaves the rest to a
// goroutine.
func (l *lane) lead(once bool) {
	regular := false
	defer func() {
		if regular {
			return
		}
		// A change ended the goroutine with runtime.Goexit, as t.FailNow does. The others must not hang.
		err := errors.New("store: a change ended its goroutine; nothing was written")
		if l.session != nil {
			_ = l.abort(err)
		}
		answer(l.batch, err)
		go l.lead(false)
	}()
	for l.next() {
		l.settle(l.batch)
		if once && l.more() {
			go l.lead(false)
			break
		}
	}
	regular = true
}

// more reports whether there will be something to lead, or may soon be.
func (l *lane) more() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.batch) > 1 || len(l.queue) > 0
}

// next ends the lane's batch and gives it another one from the queue. If there is none, the lane is free from here on.
func (l *lane) next() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	last := len(l.batch)
	l.under -= last
	for _, c := range l.batch {
		for _, id := range c.requests {
			delete(l.held, id)
		}
	}
	l.batch = nil
	if last > 1 && l.busy == 1 {
		l.linger(min(last, maxBatch))
	}
	if len(l.queue) >= l.under {
		l.batch = l.pick()
	}
	if l.under += len(l.batch); len(l.batch) > 0 {
		return true
	}
	l.lanes = append(l.lanes, l)
	if l.busy--; l.busy == 0 && l.idle != nil {
		close(l.idle)
	}
	return false
}

// pick takes from the queue what may begin now, and drops what was withdrawn; the caller holds the lock.
func (w *writer) pick() (batch []*change) {
	rest := w.queue[:0]
	for _, c := range w.queue {
		free := !slices.ContainsFunc(c.requests, func(id string) bool { _, ok := w.held[id]; return ok })
		switch {
		case !free || len(batch) == maxBatch:
			rest = append(rest, c)
		case c.stage.CompareAndSwap(waiting, begun):
			batch = append(batch, c)
		}
	}
	clear(w.queue[len(rest):])
	w.queue = rest
	for _, c := range batch {
		for _, id := range c.requests {
			w.held[id] = struct{}{}
		}
	}
	return batch
}

// linger waits until the queue holds n changes, but not long. The caller holds the lock, and has it again afterwards.
func (w *writer) linger(n int) {
	if len(w.queue) >= n || w.idle != nil {
		return
	}
	w.want = n
	select { // what woke us for the last batch says nothing about this one
	case <-w.wake:
	default:
	}
	w.mu.Unlock()
	timer := time.NewTimer(pause)
	select {
	case <-w.wake:
	case <-timer.C:
	}
	timer.Stop()
	w.mu.Lock()
	w.want = 0
}

// settle brings a batch to its end and answers it.
func (l *lane) settle(batch []*change) {
	err := l.transact(batch)
	wait := time.Millisecond
	for start := time.Now(); err != nil && time.Since(start) < patience; wait = min(2*wait, 250*time.Millisecond) {
		again, lost := l.db.transient(err)
		if lost {
			l.drop()
		}
		if !again && !errors.Is(err, errConflict) {
			break
		}
		time.Sleep(wait)
		err = l.transact(batch)
	}
	if errors.Is(err, errSpoiled) && len(batch) > 1 {
		for _, c := range batch { // each for itself, so that only the guilty one fails
			l.settle([]*change{c})
		}
		return
	}
	if err == nil || errors.Is(err, ErrUncertain) { // look, rather than trust that nothing happened
		l.hub.tell(total(batch))
	}
	answer(batch, err)
	l.fault(FaultAnswered)
}

// answer tells the callers: their own errors if the transaction came to its end, else why it did not. A change that was
// refused in a transaction that failed gets the failure, too, because it may have been refused for what another one had done.
func answer(batch []*change, err error) {
	for _, c := range batch {
		if err != nil {
			c.err = err
		}
		select {
		case c.done <- c.err:
		default: // it had its answer before the goroutine ended
		}
	}
}

// transact runs the batch in one transaction. An error means that no change was made.
func (l *lane) transact(batch []*change) (err error) {
	if l.session == nil {
		s, err := l.connect(context.Background())
		if err != nil {
			return fmt.Errorf("store: connecting: %w", err)
		}
		l.session = s
	}
	s := l.session
	// Changes of one request stay in their order; those of different requests go in the order in which every node locks.
	slices.SortStableFunc(batch, func(a, b *change) int { return strings.Compare(a.key, b.key) })
	s.reset()
	defer l.db.end(s)
	if err := l.db.begin(s, requests(batch, false), requests(batch, true)); err != nil {
		return l.abort(fmt.Errorf("store: beginning a transaction: %w", err))
	}
	l.fault(FaultBegun)
	for _, c := range batch {
		c.out = news{}
		c.err = s.apply(c)
		if errors.Is(c.err, errConflict) || errors.Is(c.err, errSpoiled) {
			return l.abort(c.err)
		}
	}
	if len(batch) == 1 && batch[0].err != nil {
		if err := s.run("ROLLBACK"); err != nil {
			l.drop()
		}
		return nil
	}
	if err := l.db.flush(s); err != nil {
		return l.abort(fmt.Errorf("store: writing: %w", err))
	}
	l.fault(FaultWritten)
	if err := l.db.commit(s, total(batch)); err != nil {
		return l.abort(fmt.Errorf("store: committing: %w", err))
	}
	l.fault(FaultCommitted)
	return nil
}

// abort takes everything back and returns err.
func (l *lane) abort(err error) error {
	if l.session.run("ROLLBACK") != nil {
		l.drop()
	}
	return err
}

// drop gives up the connection; the next transaction gets a new one.
func (l *lane) drop() {
	if l.session != nil {
		_ = l.session.close()
		l.session = nil
	}
}

// requests lists those that the changes are about, or only those that they read.
func requests(batch []*change, read bool) (ids []string) {
	for _, c := range batch {
		if c.read || !read {
			ids = append(ids, c.requests...)
		}
	}
	return ids
}

// apply runs one change inside the transaction. If it fails, nothing of it is left. What it has written or put off by then cannot be
// taken back alone, so it spoils the transaction; none does in good order.
func (s *session) apply(c *change) error {
	s.failed, s.touched = false, false
	before := s.held.size()
	err := c.protected(s)
	if err == nil {
		return nil
	}
	c.out = news{}
	if (s.failed || s.touched || s.held.size() > before) && !errors.Is(err, errConflict) {
		return fmt.Errorf("%w: %w", errSpoiled, err)
	}
	return err
}

// protected turns a panic into an error: it is one caller's, and must not end the others' work.
func (c *change) protected(s *session) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("store: panic in a change: %v\n%s", v, debug.Stack())
		}
	}()
	return c.apply(s, &c.out)
}

func total(batch []*change) news {
	var all news
	for _, c := range batch {
		all.requests = append(all.requests, c.out.requests...)
		all.jobs = all.jobs || c.out.jobs
	}
	return all
}
