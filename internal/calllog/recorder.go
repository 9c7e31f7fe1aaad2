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

// The queues, in records that wait, and the rates, in records per second and at once. Authentic
// records count for their party; strangers count for the party that they claim to be from, and all
// together before their tokens are looked at.
const (
	queueAuthentic, queueStrangers = 1024, 256

	ratePerParty, burstPerParty                   = 100, 1000
	rateStrangers, burstStrangers                 = 100, 400
	rateStrangersPerParty, burstStrangersPerParty = 5, 50
)

// batch bounds how long one write holds up other changes; lull is how long records wait for
// company.
const (
	batch = 64
	lull  = 250 * time.Millisecond
)

// Recorder takes records and writes them. A nil Recorder records nothing.
type Recorder struct {
	config Config

	mu        sync.Mutex // of what edges touch
	authentic []entry
	strangers []entry
	limiter   *rate.Limiter // of strangers before their tokens are looked at
	dropped   int           // since the last write
	wake      chan struct{}

	writing  sync.Mutex // held while records are written
	limiters map[book]*rate.Limiter
}

// Config is what a Recorder needs.
type Config struct {
	Store  Store
	Mode   Mode
	Limits Limits

	// Registered reports whether a client id is a relying party's.
	Registered func(ctx context.Context, clientID string) bool

	Now func() time.Time
	Log *slog.Logger

	// Counted, if set, hears how many records were written, and how many were dropped for any
	// reason.
	Counted func(written, dropped int)
}

// entry is a record with its token, which is decoded later.
type entry struct {
	Record
	compact string
}

// book is where a record counts.
type book struct {
	party     string
	authentic bool
}

// NewRecorder returns a recorder; nil if the mode is none.
func NewRecorder(config Config) *Recorder {
	if config.Mode == None {
		return nil
	}
	if config.Counted == nil {
		config.Counted = func(int, int) {}
	}
	return &Recorder{
		config:  config,
		limiter: rate.NewLimiter(rateStrangers, burstStrangers), wake: make(chan struct{}, 1),
		limiters: map[book]*rate.Limiter{},
	}
}

// Mode is which calls are recorded.
func (r *Recorder) Mode() Mode {
	if r == nil {
		return None
	}
	return r.config.Mode
}

// Wants reports whether a call is to be recorded, before any work is done for it.
func (r *Recorder) Wants(refused bool) bool { return r != nil && (refused || r.config.Mode == All) }

// Record takes the record of a call that is over, and the compact token that came with it, or "".
// It never waits. At is the recorder's: Took before now, by the clock of the program. Party of a
// call that is not authentic, and of one whose token names its party, may be empty.
func (r *Recorder) Record(rec Record, compact string) {
	if r == nil {
		return
	}
	if len(compact) > token.MaxToken+1 {
		compact = compact[:token.MaxToken+1] // which says that it is too long
	}
	now := r.config.Now()
	rec.At = now.Add(-rec.Took).UTC().Truncate(time.Microsecond)
	r.mu.Lock()
	defer r.mu.Unlock()
	queue, most := &r.authentic, queueAuthentic
	if !rec.Authentic {
		queue, most = &r.strangers, queueStrangers
	}
	if len(*queue) >= most || !rec.Authentic && !r.limiter.AllowN(now, 1) {
		r.dropped++
		return
	}
	*queue = append(*queue, entry{rec, compact})
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// Run writes what Record took, until ctx ends. What comes later, while servers finish their last
// answers, is for Flush.
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
		select { // a few more may come, and share the write
		case <-ctx.Done():
			return nil
		case <-time.After(lull):
		}
		if err := r.Flush(ctx); err != nil && ctx.Err() == nil {
			r.config.Log.Warn("recording calls", "err", err)
		}
	}
}

// patience is how long a write may take before its records are given up.
const patience = 10 * time.Second

// Flush writes what waits now. Those who are about to read records call it first; should one of
// them go away, the write goes on, because it carries others' records.
func (r *Recorder) Flush(ctx context.Context) error {
	if r == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	r.writing.Lock()
	defer r.writing.Unlock()
	r.mu.Lock()
	waiting := append(r.authentic, r.strangers...)
	dropped := r.dropped
	r.authentic, r.strangers, r.dropped = nil, nil, 0
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

// read completes a record with what its token says, and holds it against the rates. Once written it
// holds no secret.
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
		rec.Claimed = scrub(said.clientID)
	}
	rec.Description, rec.Reason = scrub(brief(rec.Description, 300)), scrub(brief(rec.Reason, 500))

	b := book{rec.Party, rec.Authentic}
	limiter := r.limiters[b]
	if limiter == nil {
		limiter = rate.NewLimiter(rateStrangersPerParty, burstStrangersPerParty)
		if b.authentic {
			limiter = rate.NewLimiter(ratePerParty, burstPerParty)
		}
		// each registered party has two, and parties come and go for years
		if len(r.limiters) > 10_000 {
			clear(r.limiters)
		}
		r.limiters[b] = limiter
	}
	return rec, limiter.AllowN(rec.At, 1)
}

// Forget drops records that are too old or too many; it is to be called now and then.
func (r *Recorder) Forget(ctx context.Context) error {
	if r == nil {
		return nil
	}
	_, err := r.config.Store.ForgetCalls(
		ctx, r.config.Now().Add(-r.config.Limits.Age), r.config.Limits.All,
	)
	return err
}
