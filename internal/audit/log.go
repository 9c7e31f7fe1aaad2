package audit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Store keeps the log with the trails. All methods may run concurrently, also in several processes
// with one database.
type Store interface {
	// Busy reports whether many callers write at this moment on this node.
	Busy() bool

	// Integrate gives the next indexes to up to limit events without an index, in the order of
	// their times as far as the order of each trail allows. In the same transaction it writes the
	// hashes and the checkpoint that sign returns for the new tree. It does nothing while another
	// process integrates. It returns the number of events.
	Integrate(
		ctx context.Context, limit int, sign func(tlog.Tree) (checkpoint string, err error),
	) (n int, err error)

	// Pending reports whether an event has no index in the log: an event of one request, or of any
	// if the id is empty.
	Pending(ctx context.Context, requestID string) (bool, error)

	// Entries returns up to limit entries from an index on, in order.
	Entries(ctx context.Context, from int64, limit int) ([]Entry, error)

	// EntriesOf returns the entries of a request, in order.
	EntriesOf(ctx context.Context, requestID string) ([]Entry, error)

	// Hashes returns the hashes of a range of tlog's stored indexes, in order.
	Hashes(ctx context.Context, from, to int64) ([]tlog.Hash, error)

	// Checkpoints returns up to limit checkpoints of trees with more than n leaves, in order.
	Checkpoints(ctx context.Context, n int64, limit int) ([]Checkpoint, error)

	// Newest returns the checkpoint of the whole tree, with size 0 if there is none.
	Newest(ctx context.Context) (Checkpoint, error)
}

// Checkpoint is a signed checkpoint, and the number of leaves of its tree.
type Checkpoint struct {
	Size int64
	Note string
}

// Log is the log of a deployment.
type Log struct {
	Store  Store
	Signer *Signer
	Log    *slog.Logger
}

const (
	// interval is how often Run looks for events without an index.
	interval = 400 * time.Millisecond

	// maxDelay is how long Run leaves events without an index while many callers write.
	maxDelay = 3 * time.Second

	// atOnce bounds the work of one transaction to a few milliseconds, because changes of requests
	// may share the transaction.
	atOnce = 256
)

// Run integrates events until ctx ends, and then those that are left.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	last := time.Now()
	for ctx.Err() == nil {
		if !l.Store.Busy() || time.Since(last) >= maxDelay {
			if err := l.Integrate(ctx); err != nil && ctx.Err() == nil {
				l.Log.Error("integrating events into the audit log", "err", err)
			}
			last = time.Now()
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return l.Integrate(end)
}

// Integrate integrates all events that have no place in the log, unless another process does.
func (l *Log) Integrate(ctx context.Context) error {
	for {
		pending, err := l.Store.Pending(ctx, "")
		if err != nil || !pending {
			return err
		}
		n, err := l.Store.Integrate(ctx, atOnce, l.Signer.Checkpoint)
		if err != nil || n == 0 {
			return err
		}
	}
}

// settle waits until all events of a request are in the log.
func (l *Log) settle(ctx context.Context, requestID string) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		if err := l.Integrate(ctx); err != nil {
			return err
		}
		pending, err := l.Store.Pending(ctx, requestID)
		if err != nil || !pending {
			return err
		}
		select {
		case <-ctx.Done():
			return errors.New("the audit log does not take in the events of the request")
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// reader reads the hashes of a store.
func reader(ctx context.Context, s Store) tlog.HashReader {
	return tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		hashes := make([]tlog.Hash, 0, len(indexes))
		for _, i := range indexes {
			h, err := s.Hashes(ctx, i, i+1)
			if err != nil {
				return nil, err
			}
			if len(h) != 1 {
				return nil, fmt.Errorf("the audit log lacks hash %d", i)
			}
			hashes = append(hashes, h[0])
		}
		return hashes, nil
	})
}
