package request

import (
	"context"
	"errors"
	"io"
	"time"
)

// Store keeps requests. Changes are durable when a method returns. All methods may run
// concurrently, also in several processes with one database.
//
// For an unknown id, errors.Is(err, api.ErrNoRecord) holds. A change that fails has no effect,
// unless the error is an ErrUncertain.
type Store interface {
	// Create adds a new request with its effects, in one transaction. It sets r.Version. It fails
	// with ErrTicketUsed if the ticket was used before.
	Create(ctx context.Context, r *Request, e Effects) error

	// Get returns the request as last committed. The caller may change the copy.
	Get(ctx context.Context, id string) (*Request, error)

	// GetAll returns those requests with the ids that exist, by id, as Get returns each.
	GetAll(ctx context.Context, ids []string) (map[string]*Request, error)

	// Update reads the request, calls change, and writes the request and the effects that change
	// returns, in one transaction. No other change to the same request happens in between. If
	// change returns an error, nothing is written and Update returns that error unchanged. A change
	// without effects that does not modify the request writes nothing. change may be called more
	// than once (a retry after a conflict), so it must not change anything except the request that
	// it is given.
	Update(ctx context.Context, id string, change func(*Request) (Effects, error)) error

	// Due returns the ids of up to limit requests with Request.DueAt at or before now, earliest
	// first.
	Due(ctx context.Context, now time.Time, limit int) (ids []string, err error)

	// CreatedAt returns when the database was created, by the clock of the process that created it.
	CreatedAt(ctx context.Context) (time.Time, error)

	// Events returns the audit trail, oldest first; empty for an unknown id.
	Events(ctx context.Context, id string) ([]Event, error)
}

// ErrUncertain is the one failure after which a change may have happened: the connection broke
// while the database was committing, and the outcome cannot be found out. Read before you retry.
var ErrUncertain = errors.New("the outcome of the change is not known")

// ErrAway is the error of everything that needs the database or the object store while it does not
// answer. A change may have happened if the error is an [ErrUncertain], too.
var ErrAway = errors.New("the storage does not answer")

// ErrNoRoom is the refusal of an upload for which the disk has no room.
var ErrNoRoom = errors.New("the disk is nearly full")

// Watcher announces changes. A signal means that the request may have changed; several signals may
// be merged. A change that is committed on any node is signalled on every node.
type Watcher interface {
	// Watch subscribes to a request until stop is called. The channel has a buffer of one and is
	// never closed.
	Watch(id string) (changed <-chan struct{}, stop func())

	// Signal signals those that watch a request in this process, although the store has not
	// changed.
	Signal(id string)
}

// Outbox keeps the jobs that changes add: work that must happen after the commit, also after a
// crash.
type Outbox interface {
	// Claim leases pending jobs of a kind that are due at now, earliest first within the quota, and
	// counts the attempt. No other claim gets them before now+lease, by the clock of the caller.
	// With a quota per party, webhooks of a party whose receiver fails wait for
	// party.Receiver.HeldUntil. Then one claim gets one of them, and moves that time to the end of
	// its lease. Claim may return jobs and an error.
	Claim(
		ctx context.Context, kind JobKind, now time.Time, lease time.Duration, q Quota,
	) ([]Job, error)

	// Settle writes the outcomes of claimed jobs, each with its events in one transaction, and ends
	// their leases. It ignores a job whose lease was lost to another claim. After an error some
	// jobs may be settled.
	Settle(ctx context.Context, settled ...Settlement) error

	// Jobs returns all jobs of a request, oldest first.
	Jobs(ctx context.Context, requestID string) ([]Job, error)

	// Failed returns the failed jobs that match the filter, newest first, and the number of all.
	Failed(ctx context.Context, f FailedFilter) (jobs []Job, all int, err error)

	// Busy reports whether many callers change requests at this moment on this node. Work that can
	// be delayed for some seconds then makes them wait less.
	Busy() bool

	// Ready is signalled when a job of a kind that wakes the worker may have been added on any
	// node. Several signals may be merged.
	Ready() <-chan struct{}
}

// FailedFilter selects failed jobs.
type FailedFilter struct {
	Kind     JobKind
	ClientID string    // of one relying party; "" of all
	From, To time.Time // when the last attempt was due; To is not included; zero: no bound
	Before   int64     // with ids below it; 0: all
	Limit    int       // at most so many; 0: only count
}

// Quota bounds a claim.
type Quota struct {
	Jobs int // at most so many jobs
	// If it is not 0, the jobs are divided among the relying parties that have due ones, and those
	// of one party, together with its Running ones, are at most so many.
	PerParty int
	Running  map[string]int // by client id
}

// Of returns how many of the jobs that are left a party may have, if so many parties, itself
// included, have not had theirs.
func (q Quota) Of(clientID string, left, parties int) int {
	return max(0, min(q.PerParty-q.Running[clientID], (left+parties-1)/parties))
}

// Settlement is the outcome of a claimed job.
type Settlement struct {
	Job    Job     // Status, DueAt, Payload and LastError are written; Lease is that of the claim
	Events []Event // added to the request's trail

	// Drop removes the job, of a request that was erased, and adds no events.
	Drop bool
}

// Documents keeps bytes under keys of the form "<request id>/<name>". All methods may run
// concurrently.
type Documents interface {
	// Put stores the contents of r. When it returns nil, they are complete and durable. If it
	// fails, the key has no contents; if the process dies, all or none; if the machine dies, it may
	// have a part of the bytes. A caller uses a key for one document only: what a second Put
	// replaces may be lost before that returns. If r is an io.WriterTo, Put may call WriteTo
	// instead of Read.
	Put(ctx context.Context, key string, r io.Reader) (size int64, err error)

	// Open returns random access to a document while ctx lasts. The error is fs.ErrNotExist for a
	// missing key. After its key is replaced or deleted an open document has the bytes that it had,
	// or, in a store on another machine, reads may fail with fs.ErrNotExist.
	Open(ctx context.Context, key string) (Blob, error)

	// Keys returns the keys of a request's documents, in order.
	Keys(ctx context.Context, requestID string) ([]string, error)

	// Delete deletes keys of any requests and ignores missing ones. When it returns nil, the
	// deletion is durable. One call with many keys costs far less than a call for each.
	Delete(ctx context.Context, keys ...string) error

	// Requests returns the ids of requests that have a stored document older than before.
	Requests(ctx context.Context, before time.Time) ([]string, error)

	// Room returns [ErrNoRoom] if an upload must not be stored because the disk is nearly full.
	// What is left is for sealing.
	Room(ctx context.Context) error

	// Discard moves keys to the trash, where only Discarded finds them. It ignores missing ones.
	Discard(ctx context.Context, keys ...string) error

	// Discarded lists the keys that were discarded before a time, in order.
	Discarded(ctx context.Context, before time.Time) ([]string, error)

	// DeleteDiscarded deletes keys from the trash and ignores missing ones.
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
	// Timestamp returns the DER timestamp token over imprint, a SHA-256 digest.
	Timestamp(ctx context.Context, imprint []byte) (token []byte, err error)
}
