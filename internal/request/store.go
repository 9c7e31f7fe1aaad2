package request

import (
	"context"
	"errors"
	"io"
	"time"
)

// Store keeps requests. What a method reports as done is on disk when it returns. All methods may
// run concurrently, also in several processes over one database.
//
// An unknown id gives an error for which errors.Is(err, api.ErrNoRecord) holds. A change that fails
// has left no trace, unless the error is an ErrUncertain.
type Store interface {
	// Create adds a new request with its effects, in one transaction. It sets r.Version. It fails
	// with ErrTicketUsed if the ticket was used before.
	Create(ctx context.Context, r *Request, e Effects) error

	// Get returns the request as last committed. The caller may change the copy.
	Get(ctx context.Context, id string) (*Request, error)

	// Update reads the request, calls change, and writes the request and the effects that change
	// returns in one transaction. No other change to the same request comes between the read and
	// the write. If change returns an error nothing is written and Update returns that error as it
	// is. A change that returns no effects and leaves the request as it was writes nothing. change
	// may be called more than once (a retry after a conflict): it must have no other effect than on
	// the request it is given.
	Update(ctx context.Context, id string, change func(*Request) (Effects, error)) error

	// Due lists up to limit requests on which time acts at or before now (Request.DueAt), earliest
	// first.
	Due(ctx context.Context, now time.Time, limit int) (ids []string, err error)

	// CreatedAt returns when the database was created, by the clock of the process that created it.
	CreatedAt(ctx context.Context) (time.Time, error)

	// Events returns the audit trail, oldest first; empty for an unknown id.
	Events(ctx context.Context, id string) ([]Event, error)
}

// ErrUncertain marks the one failure that leaves a change open: the connection broke while the
// database was committing, and the database cannot say what became of it. Read before you try
// again.
var ErrUncertain = errors.New("the outcome of the change is not known")

// Watcher tells of changes. A signal means "look again"; signals merge, and one may come without a
// change. A change that is committed on any node is signalled on every node.
type Watcher interface {
	// Watch subscribes to a request until stop is called. The channel has a buffer of one and is
	// never closed.
	Watch(id string) (changed <-chan struct{}, stop func())
}

// Outbox keeps the jobs that changes leave behind: work that must happen after the commit, and
// survive a crash.
type Outbox interface {
	// Claim leases up to limit pending jobs of a kind that are due at now, earliest first, and
	// counts the attempt. No other claim gets them before now+lease, by the clock of the caller.
	Claim(
		ctx context.Context, kind JobKind, now time.Time, lease time.Duration, limit int,
	) ([]Job, error)

	// Settle writes what became of claimed jobs, each with its events in one transaction, and ends
	// their leases. A job whose lease was lost to another claim is left alone, and that is no
	// error. After an error some may be settled.
	Settle(ctx context.Context, settled ...Settlement) error

	// Jobs returns all jobs of a request, oldest first.
	Jobs(ctx context.Context, requestID string) ([]Job, error)

	// Ready signals that a job of a kind that wakes the worker may have been added on any node.
	// Signals merge.
	Ready() <-chan struct{}
}

// Settlement is what became of a claimed job.
type Settlement struct {
	Job    Job     // Status, DueAt, Payload and LastError are written; Lease is that of the claim
	Events []Event // that join the request's trail
}

// Documents keeps bytes under keys of the form "<request id>/<name>". All methods may run
// concurrently.
type Documents interface {
	// Put stores what r yields and replaces what was there. When it returns nil the bytes are
	// durable and complete; when it fails, or the process dies before, the key holds all that it
	// held before or all of the new bytes. Only if it held nothing, and the machine died, may it
	// hold a part.
	Put(ctx context.Context, key string, r io.Reader) (size int64, err error)

	// Open gives random access. A missing key gives fs.ErrNotExist. What is open stays readable if
	// the key is deleted.
	Open(ctx context.Context, key string) (Blob, error)

	// Keys lists what is stored for a request, in order.
	Keys(ctx context.Context, requestID string) ([]string, error)

	// Delete removes keys, of any requests; missing ones are no error. When it returns nil they
	// stay gone, whatever happens to the machine. Many keys in one call cost far less than a call
	// each.
	Delete(ctx context.Context, keys ...string) error

	// Requests lists the ids of requests that have something stored that is older than before.
	Requests(ctx context.Context, before time.Time) ([]string, error)

	// Discard moves keys to the trash, where only Discarded finds them; missing ones are no error.
	Discard(ctx context.Context, keys ...string) error

	// Discarded lists the keys that were discarded before a time, in order.
	Discarded(ctx context.Context, before time.Time) ([]string, error)

	// DeleteDiscarded deletes keys from the trash; missing ones are no error.
	DeleteDiscarded(ctx context.Context, keys ...string) error
}

// Blob is an open document.
type Blob interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Timestamper makes RFC 3161 tokens.
type Timestamper interface {
	// Timestamp returns the DER time-stamp token over imprint, a SHA-256 digest.
	Timestamp(ctx context.Context, imprint []byte) (token []byte, err error)
}
