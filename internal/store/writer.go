package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// writers make changes durable. A change goes to the writer that the key of its target hashes to,
// so that two writers never work on one request.
type writers struct {
	all []*writer

	mu     sync.RWMutex // held for reading while a change is put into a queue
	closed bool
}

// writer makes changes durable, many with one commit. It is one goroutine that owns one connection
// and one queue: it takes all changes that wait, runs them in one transaction, commits, and answers
// their callers. While it commits, new changes queue up, and the next transaction takes them.
//
// A change that finds the writer idle is run at once. After a transaction that carried several, the
// writer waits up to batchWait for as many again: their callers are likely to come back, and a
// commit of many costs little more than one of few.
type writer struct {
	db    database
	hub   *hub
	fault func(point string)

	queue chan *change
	ended chan struct{} // closed when the goroutine has ended

	conn  *conn     // nil before the first transaction and after a failure
	batch []*change // under way
}

// database is how transactions run on SQLite or on PostgreSQL. ctx bounds the whole transaction.
type database interface {
	connect(ctx context.Context) (*conn, error)

	// limit is the context of one transaction.
	limit() (context.Context, context.CancelFunc)

	// begin starts a transaction, in which only this one can change the requests of these ids, and
	// reads them.
	begin(ctx context.Context, c *conn, ids []string) (map[string]row, error)

	// write executes statements in their order and tells how many rows each wrote.
	write(ctx context.Context, c *conn, statements []statement) (counts []int64, err error)

	// announce is what has to be written so that other nodes are told of a change when it is
	// committed.
	announce(n notification) []statement

	// commit commits. An error means that nothing was committed, unless it is an ErrUncertain.
	commit(ctx context.Context, c *conn) error

	// transient reports that the transaction failed for a reason that a new one may not meet. lost:
	// the connection is of no use any more.
	transient(err error) (again, lost bool)
}

const (
	queueLength = 1024             // beyond it callers wait for a place in the queue
	maxBatch    = 512              // bounds how long the first of a batch waits for the last
	batchWait   = time.Millisecond // how long callers of a shared commit are given to come back
	// how long a transaction is repeated that met another one's lock or a broken connection
	retryFor = 3 * time.Second
)

// change is what one caller wants to be done.
type change struct {
	target
	apply func(ctx context.Context, tx *tx) error
	stage atomic.Int32
	told  notification
	err   error
	done  chan error // has room for the answer
}

// target is what a change is about.
type target struct {
	// decides which writer makes it; of changes with one key, the first that is queued comes first
	key      string
	requests []string // the ids of requests that it reads and may change
}

// aRequest is the target of a change to one request.
func aRequest(id string) target { return target{key: id, requests: []string{id}} }

// The stages of a change.
const (
	waiting   = iota
	withdrawn // its caller has gone before it was begun: nothing happens
	begun     // it will be answered
)

// spoiled is an error that undoes the whole transaction, and not only the change that met it.
type spoiled struct{ error }

func (s spoiled) Unwrap() error { return s.error }

// errConflict is the failure of a write whose row has another version than the one that was read.
// Locks make that impossible.
var errConflict = errors.New("the row is not of the version that was read")

// newWriters starts n writers.
func newWriters(n int, db database, h *hub, fault func(string)) *writers {
	ws := &writers{}
	for range n {
		w := &writer{
			db: db, hub: h, fault: fault, queue: make(chan *change, queueLength),
			ended: make(chan struct{}),
		}
		ws.all = append(ws.all, w)
		go w.run()
	}
	return ws
}

// of is the writer of a key.
func (ws *writers) of(key string) *writer {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return ws.all[h.Sum32()%uint32(len(ws.all))]
}

// do makes a change and returns when it is durable, or has failed with no trace. When ctx ends
// first, do takes the change back if it has not been begun, and returns the context's error:
// nothing was written. If it has been begun, do waits for the outcome, as a commit cannot be taken
// back.
func (ws *writers) do(
	ctx context.Context, t target, apply func(ctx context.Context, tx *tx) error,
) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c := &change{target: t, apply: apply, done: make(chan error, 1)}
	if err := ws.enqueue(ctx, c); err != nil {
		return err
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

func (ws *writers) enqueue(ctx context.Context, c *change) error {
	ws.mu.RLock()
	defer ws.mu.RUnlock()
	if ws.closed {
		return ErrClosed
	}
	select {
	case ws.of(c.key).queue <- c:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// close refuses new changes, and returns when those that wait are made.
func (ws *writers) close() (err error) {
	ws.mu.Lock()
	if !ws.closed {
		ws.closed = true
		for _, w := range ws.all {
			close(w.queue)
		}
	}
	ws.mu.Unlock()
	for _, w := range ws.all {
		<-w.ended
		if w.conn != nil {
			err = errors.Join(err, w.conn.close())
			w.conn = nil
		}
	}
	return err
}

// run makes changes until the queue is closed.
func (w *writer) run() {
	ended := false
	defer func() {
		if ended {
			close(w.ended)
			return
		}
		// A change ended the goroutine with runtime.Goexit, as t.FailNow does. The others must not
		// hang.
		w.rollback()
		answer(w.batch, errors.New("store: a change ended its goroutine; nothing was written"))
		go w.run()
	}()
	var last int // how many changes the last batch carried
	var answered time.Time
	for w.next(last, answered.Add(batchWait)) {
		w.settle(w.batch)
		last, answered = len(w.batch), time.Now()
	}
	ended = true
}

// next takes the changes that wait as the next batch. If the last one carried several, it waits for
// as many again, until a time. It returns false when the queue is closed and empty.
func (w *writer) next(last int, until time.Time) bool {
	w.batch = nil
	var timer <-chan time.Time
	for len(w.batch) < maxBatch {
		var c *change
		open := true
		select {
		case c, open = <-w.queue:
		default:
			switch {
			case len(w.batch) == 0:
				c, open = <-w.queue
			case last < 2 || len(w.batch) >= last:
				return true
			default:
				if timer == nil {
					timer = time.After(time.Until(until))
				}
				select {
				case c, open = <-w.queue:
				case <-timer:
					return true
				}
			}
		}
		if !open {
			break
		}
		if c.stage.CompareAndSwap(waiting, begun) {
			w.batch = append(w.batch, c)
		}
	}
	return len(w.batch) > 0
}

// settle brings a batch to its end and answers it.
func (w *writer) settle(batch []*change) {
	err := w.transact(batch)
	for start, wait := time.Now(), time.Millisecond; err != nil; wait = min(2*wait, 250*time.Millisecond) {
		again, lost := w.db.transient(err)
		if lost {
			w.drop()
		}
		if !again || time.Since(start) >= retryFor {
			break
		}
		time.Sleep(wait)
		err = w.transact(batch)
	}
	if s := (spoiled{}); errors.As(err, &s) {
		if len(batch) > 1 {
			// each in a transaction of its own, so that only the one to blame fails
			for _, c := range batch {
				w.settle([]*change{c})
			}
			return
		}
		err = s.error
	}
	// watchers look for themselves what became of it
	if err == nil || errors.Is(err, ErrUncertain) {
		w.hub.tell(total(batch))
	}
	answer(batch, err)
	w.fault(FaultAnswered)
}

// answer tells the callers: their own errors if the transaction came to its end, else why it did
// not. A change that was refused in a transaction that failed gets the failure, too, because it may
// have been refused for what another one had done.
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
func (w *writer) transact(batch []*change) (err error) {
	ctx, cancel := w.db.limit()
	defer cancel()
	if w.conn == nil {
		c, err := w.db.connect(ctx)
		if err != nil {
			return fmt.Errorf("store: connecting: %w", err)
		}
		w.conn = c
	}
	defer func() {
		if err != nil {
			w.rollback()
		}
	}()
	// Changes of one key stay in their order. The others go in the order of their keys, in which
	// every node locks.
	slices.SortStableFunc(batch, func(a, b *change) int { return strings.Compare(a.key, b.key) })
	var ids []string
	for _, c := range batch {
		ids = append(ids, c.requests...)
	}
	loaded, err := w.db.begin(ctx, w.conn, ids)
	if err != nil {
		return fmt.Errorf("store: beginning a transaction: %w", err)
	}
	w.fault(FaultBegun)
	var statements []statement
	for _, c := range batch {
		tx := &tx{db: w.db, conn: w.conn, loaded: loaded}
		c.told = notification{}
		if c.err = c.run(ctx, tx); c.err != nil {
			if tx.touched { // that cannot be undone alone
				return spoiled{c.err}
			}
			continue
		}
		maps.Copy(loaded, tx.rows)
		statements = append(statements, tx.later...)
		c.told = tx.told
	}
	statements = append(statements, w.db.announce(total(batch))...)
	counts, err := w.db.write(ctx, w.conn, statements)
	if err != nil {
		return spoiled{fmt.Errorf("store: writing: %w", err)}
	}
	for i, n := range counts {
		if statements[i].one && n != 1 {
			return spoiled{fmt.Errorf("store: writing: %w", errConflict)}
		}
	}
	w.fault(FaultWritten)
	if err := w.db.commit(ctx, w.conn); err != nil {
		return fmt.Errorf("store: committing: %w", err)
	}
	if w.conn.lost {
		w.drop()
	}
	w.fault(FaultCommitted)
	return nil
}

// rollback ends a transaction that has failed, or gives up the connection.
func (w *writer) rollback() {
	if w.conn == nil {
		return
	}
	ctx, cancel := w.db.limit()
	defer cancel()
	if _, err := w.conn.exec(ctx, "ROLLBACK"); err != nil {
		w.drop()
	}
}

// drop gives up the connection; the next transaction gets another one.
func (w *writer) drop() {
	if w.conn != nil {
		w.conn.discard()
		w.conn = nil
	}
}

// run applies the change. A panic is an error of its caller's, and must not end the others' work.
func (c *change) run(ctx context.Context, tx *tx) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("store: panic in a change: %v\n%s", v, debug.Stack())
		}
	}()
	return c.apply(ctx, tx)
}

func total(batch []*change) notification {
	var all notification
	for _, c := range batch {
		all.requests = append(all.requests, c.told.requests...)
		all.jobs = all.jobs || c.told.jobs
	}
	return all
}
