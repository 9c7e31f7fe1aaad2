package store

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// change is one caller's change.
type change struct {
	target
	apply func(ctx context.Context, tx *tx) error
	taken atomic.Bool // by the writer, which will answer, or by the caller, who gave up before
	told  notification
	err   error
	done  chan error // has capacity for the answer
}

// target is what a change reads and writes.
type target struct {
	// selects the writer; changes with the same key run in the order in which they were queued
	key      string
	requests []string // ids of requests that it reads and may change
}

// aRequest returns the target of a change to one request.
func aRequest(id string) target { return target{key: id, requests: []string{id}} }

// writers make changes durable. The hash of a target's key selects the writer of a change, so that
// two writers never change the same request.
type writers struct {
	all    []*writer
	failed atomic.Bool // a change has failed because the database could not write

	mu     sync.RWMutex // held for reading while a change is queued
	closed bool
}

// newWriters starts n writers.
func newWriters(n int, db database, h *hub, fault func(string)) *writers {
	ws := &writers{}
	for range n {
		w := &writer{
			db: db, hub: h, fault: fault, queue: make(chan *change, queueLength),
			ended: make(chan struct{}), failed: &ws.failed,
		}
		ws.all = append(ws.all, w)
		go w.run()
	}
	return ws
}

// of returns the writer of a key.
func (ws *writers) of(key string) *writer {
	h := fnv.New32a()
	_, _ = h.Write([]byte(key))
	return ws.all[h.Sum32()%uint32(len(ws.all))]
}

// busy reports whether many changes have shared a transaction in the last moment.
func (ws *writers) busy() bool {
	now := time.Now().UnixNano()
	return slices.ContainsFunc(ws.all, func(w *writer) bool {
		return now-w.shared.Load() < int64(busyFor)
	})
}

// do makes a change and returns after it is durable, or has failed without effect. If ctx ends
// before the change has begun, do withdraws it and returns the context's error; nothing was
// written. If the change has begun, do waits for the outcome, because a commit cannot be withdrawn.
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
		if c.taken.CompareAndSwap(false, true) {
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

// close refuses new changes, and returns after the queued ones are done.
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

// run applies the change. It returns a panic as an error, so that the other changes continue.
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
