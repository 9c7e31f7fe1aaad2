package store

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/signet-sign/signet/internal/request"
)

// writer makes changes durable, many with one commit. It is one goroutine with one connection and
// one queue. It takes all queued changes, runs them in one transaction, commits, and answers their
// callers. Changes that arrive in the meantime are queued for the next transaction.
//
// An idle writer runs a change immediately. After a transaction with several changes, the writer
// waits up to batchWait for as many again, because their callers are likely to continue, and a
// commit of many costs little more than one of few.
type writer struct {
	db    database
	hub   *hub
	fault func(point string)

	queue chan *change
	ended chan struct{} // closed when the goroutine has ended

	shared atomic.Int64 // when the last batch with busyBatch changes ended, in ns since 1970
	failed *atomic.Bool // writers.failed

	conn  *conn     // nil before the first transaction and after a failure
	batch []*change // changes in progress; nil after the last
}

const (
	queueLength = 1024 // callers wait if the queue is full
	busyBatch   = 8    // with so many changes, a batch shows that the writer is busy
	busyFor     = 100 * time.Millisecond
	maxBatch    = 512              // bounds how long the first change of a batch waits for the last
	batchWait   = time.Millisecond // how long callers of a shared commit have to return
	// how long a transaction or a read is retried after a conflict or a broken connection, and the
	// longest wait between two tries
	retryFor     = 3 * time.Second
	maxRetryWait = 250 * time.Millisecond
)

// batchError is an error for which the whole transaction has to be rolled back.
type batchError struct{ error }

func (e batchError) Unwrap() error { return e.error }

// errConflict is the error of a write whose row has another version than the one that was read. The
// locks prevent that.
var errConflict = errors.New("the row is not of the version that was read")

// run runs changes until the queue is closed.
func (w *writer) run() {
	defer func() {
		if w.batch == nil {
			close(w.ended)
			return
		}
		// A change ended the goroutine with runtime.Goexit, as t.FailNow does. The other callers
		// must still be answered.
		w.rollback()
		answer(w.batch, errors.New("store: a change ended its goroutine; nothing was written"))
		go w.run()
	}()
	var last int        // number of changes in the last batch
	var until time.Time // end of the wait for their callers
	for w.next(last, until) {
		w.runBatch(w.batch)
		now := time.Now()
		last, until = len(w.batch), now.Add(batchWait)
		if last >= busyBatch {
			w.shared.Store(now.UnixNano())
		}
	}
}

// next makes the queued changes the batch. If the last batch had several, it waits until the given
// time for as many again. When the queue is closed and empty, it returns false and leaves no batch.
func (w *writer) next(last int, until time.Time) bool {
	w.batch = nil
	for len(w.batch) == 0 {
		c, open := <-w.queue
		if !open {
			return false
		}
		w.take(c)
	}
	var timeout <-chan time.Time
	if last > 1 {
		timeout = time.After(time.Until(until))
	}
	for len(w.batch) < maxBatch && (len(w.queue) > 0 || len(w.batch) < last) {
		select {
		case c, open := <-w.queue:
			if !open {
				return true
			}
			w.take(c)
		case <-timeout:
			last = 0 // takes what is queued, and waits no longer
		}
	}
	return true
}

// take adds a change to the batch, unless its caller has withdrawn it.
func (w *writer) take(c *change) {
	if c.taken.CompareAndSwap(false, true) {
		w.batch = append(w.batch, c)
	}
}

// runBatch runs a batch and answers its callers.
func (w *writer) runBatch(batch []*change) {
	err := w.transact(batch)
	for start, wait := time.Now(), time.Millisecond; err != nil; wait = min(2*wait, maxRetryWait) {
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
	if e := (batchError{}); errors.As(err, &e) {
		if len(batch) > 1 {
			// Each change runs in its own transaction, so that only the one with the error fails.
			for _, c := range batch {
				w.runBatch([]*change{c})
			}
			return
		}
		err = e.error
	}
	// Watchers find out the outcome by reading.
	if err == nil || errors.Is(err, ErrUncertain) {
		w.hub.tell(total(batch))
	}
	if err = away(err); errors.Is(err, request.ErrAway) {
		w.failed.Store(true)
	}
	answer(batch, err)
	w.fault(FaultAnswered)
}

// answer answers the callers: with their own errors if the transaction was committed, and otherwise
// with its error. In a failed transaction a refused change also gets the transaction's error,
// because another change's effect may have caused the refusal.
func answer(batch []*change, err error) {
	for _, c := range batch {
		if err != nil {
			c.err = err
		}
		select {
		case c.done <- c.err:
		default: // it was answered before the goroutine ended
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
	// Changes with the same key keep their order. Others are sorted by key, because every node
	// locks in that order.
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
			if tx.touched { // which cannot be undone alone
				return batchError{c.err}
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
		return batchError{fmt.Errorf("store: writing: %w", err)}
	}
	for i, n := range counts {
		if want := statements[i].rows; want != anyNumber && n != want {
			return batchError{fmt.Errorf("store: writing: %w", errConflict)}
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

// rollback rolls back a failed transaction, or closes the connection.
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

// drop closes the connection; the next transaction gets another one.
func (w *writer) drop() {
	if w.conn != nil {
		w.conn.discard()
		w.conn = nil
	}
}
