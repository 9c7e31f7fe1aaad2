package calllog

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/signet-sign/signet/internal/token"
)

// Mode says which calls are recorded.
type Mode string

// The modes.
const (
	None    Mode = "none"
	Refused Mode = "refused"
	All     Mode = "all"
)

// Sizes of the queues in records, and rates in records per second with their bursts. Authentic
// records count for their party. Unauthenticated ones count for the party that they name, and all
// together before their tokens are decoded.
const (
	queueAuthentic, queueUnauthenticated = 1024, 256

	ratePerParty, burstPerParty                               = 100, 1000
	rateUnauthenticated, burstUnauthenticated                 = 100, 400
	rateUnauthenticatedPerParty, burstUnauthenticatedPerParty = 5, 50
)

// batch is the number of records in one write, which bounds how long other changes wait. batchDelay
// is how long a record waits for others, to be written in one batch.
const (
	batch      = 64
	batchDelay = 250 * time.Millisecond
)

// Recorder queues records and writes them. A nil Recorder records nothing.
type Recorder struct {
	config Config

	mu              sync.Mutex // guards the queues
	authentic       []entry
	unauthenticated []entry
	limiter         *rate.Limiter // of unauthenticated calls before their tokens are decoded
	dropped         int           // since the last write
	wake            chan struct{}

	writing  sync.Mutex // held while records are written
	limiters map[limiterKey]*rate.Limiter
}

// Config is the configuration of a Recorder.
type Config struct {
	Store  Store
	Mode   Mode
	Limits Limits

	// Unmetered records as many calls as the queues hold. It is for the sandbox, whose callers are
	// its developer's, and whose clock may stand.
	Unmetered bool

	// Registered reports whether a relying party is registered under a client id.
	Registered func(ctx context.Context, clientID string) bool

	Now func() time.Time
	Log *slog.Logger

	// Counted, if not nil, is called with the number of records written and the number dropped.
	Counted func(written, dropped int)

	// Refused, if set, is called with each record of a refused call after it was written.
	Refused func(Record)
}

// entry is a record with its token, which is decoded when the record is written.
type entry struct {
	Record
	compact string
}

// limiterKey identifies the rate limit that a record counts for.
type limiterKey struct {
	party     string
	authentic bool
}

// NewRecorder returns a recorder, or nil if the mode is None.
func NewRecorder(config Config) *Recorder {
	if config.Mode == None {
		return nil
	}
	if config.Counted == nil {
		config.Counted = func(int, int) {}
	}
	return &Recorder{
		config:   config,
		limiter:  rate.NewLimiter(rateUnauthenticated, burstUnauthenticated),
		wake:     make(chan struct{}, 1),
		limiters: map[limiterKey]*rate.Limiter{},
	}
}

// Mode returns which calls are recorded.
func (r *Recorder) Mode() Mode {
	if r == nil {
		return None
	}
	return r.config.Mode
}

// Wants reports whether a call is to be recorded. Edges ask before they do any work for a record.
func (r *Recorder) Wants(refused bool) bool { return r != nil && (refused || r.config.Mode == All) }

// Record queues the record of a finished call with the call's compact token, or "". It never waits.
// It sets At to Took before now, by the program's clock. Party may be empty if the call is not
// authentic or if its token names the party.
func (r *Recorder) Record(rec Record, compact string) {
	if r == nil {
		return
	}
	if len(compact) > token.MaxToken+1 {
		compact = compact[:token.MaxToken+1] // one byte too long, which decode reports
	}
	now := r.config.Now()
	rec.At = now.Add(-rec.Took).UTC().Truncate(time.Microsecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	queue, most := &r.authentic, queueAuthentic
	if !rec.Authentic {
		queue, most = &r.unauthenticated, queueUnauthenticated
	}
	metered := !rec.Authentic && !r.config.Unmetered
	if len(*queue) >= most || metered && !r.limiter.AllowN(now, 1) {
		r.dropped++
		return
	}
	*queue = append(*queue, entry{rec, compact})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes queued records until ctx ends. Servers finish their last answers after that; Flush
// writes their records.
func (r *Recorder) Run(ctx context.Context) error {
	if r == nil {
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-r.wake:
		}
		select { // wait for more records for the same batch
		case <-ctx.Done():
			return nil
		case <-time.After(batchDelay):
		}
		if err := r.Flush(ctx); err != nil && ctx.Err() == nil {
			r.config.Log.Warn("recording calls", "err", err)
		}
	}
}

// writeTimeout is how long a write may take before its records are dropped.
const writeTimeout = 10 * time.Second

// Flush writes the queued records. Readers of records call it first. It does not end with ctx,
// because it also writes the records of others.
func (r *Recorder) Flush(ctx context.Context) error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	waiting := append(r.authentic, r.unauthenticated...)
	dropped := r.dropped
	r.authentic, r.unauthenticated, r.dropped = nil, nil, 0
	r.mu.Unlock()

	slices.SortStableFunc(waiting, func(a, b entry) int { return a.At.Compare(b.At) })
	var records []Record
	for _, e := range waiting {
		if rec, ok := r.read(ctx, e); ok {
			records = append(records, rec)
		} else {
			dropped++
		}
	}
	written := 0
	var err error
	for len(records) > 0 && err == nil {
		n := min(batch, len(records))
		if err = r.config.Store.AddCalls(ctx, records[:n], r.config.Limits); err == nil {
			r.tell(records[:n])
			records = records[n:]
			written += n
		}
	}
	dropped += len(records)
	r.config.Counted(written, dropped)
	if err != nil {
		return fmt.Errorf("%d records are lost: %w", len(records), err)
	}
	return nil
}

// tell passes the records of refused calls on.
func (r *Recorder) tell(written []Record) {
	if r.config.Refused == nil {
		return
	}
	for _, rec := range written {
		if rec.Refused() {
			r.config.Refused(rec)
		}
	}
}

// read completes a record with the contents of its token, and applies the rates. The record then
// contains no secret.
func (r *Recorder) read(ctx context.Context, e entry) (rec Record, ok bool) {
	rec = e.Record
	jws, said := decode(e.compact)
	rec.Token = jws
	rec.RequestID = OurID(rec.RequestID)
	if rec.RequestID == "" {
		rec.RequestID = said.requestID
	}
	if rec.Party == "" && said.clientID != "" &&
		(rec.Authentic || r.config.Registered(ctx, said.clientID)) {
		rec.Party = said.clientID
	}
	if said.clientID != rec.Party {
		rec.Claimed = Scrub(said.clientID)
	}
	rec.Description, rec.Reason = Scrub(brief(rec.Description, 300)), Scrub(brief(rec.Reason, 500))

	if r.config.Unmetered {
		return rec, true
	}
	b := limiterKey{rec.Party, rec.Authentic}
	limiter := r.limiters[b]
	if limiter == nil {
		limiter = rate.NewLimiter(rateUnauthenticatedPerParty, burstUnauthenticatedPerParty)
		if b.authentic {
			limiter = rate.NewLimiter(ratePerParty, burstPerParty)
		}
		// Each registered party has two limiters, and parties come and go.
		if len(r.limiters) > 10_000 {
			clear(r.limiters)
		}
		r.limiters[b] = limiter
	}
	return rec, limiter.AllowN(rec.At, 1)
}
