package retention

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"time"

	"github.com/signet-sign/signet/internal/request"
	"github.com/signet-sign/signet/internal/signer"
)

// Policy says how long each table keeps its rows; 0 is without an end.
type Policy struct {
	// Signed is for signed requests, since they were signed, and Unsigned for expired and cancelled
	// ones, since then: the request with its trail, jobs, calls and documents.
	Signed, Unsigned time.Duration

	Phones  time.Duration // with their events, since the end of their certificate or revocation
	Changes time.Duration // of relying parties by operators

	Calls    time.Duration // records of calls
	MaxCalls int           // records of calls in total; older ones are erased earlier
}

// Store erases for a sweep. Each method that erases does so in one short transaction.
type Store interface {
	request.Lister

	// ClaimSweep reports whether the caller may sweep: no process has claimed a sweep within the
	// time every before now.
	ClaimSweep(ctx context.Context, now time.Time, every time.Duration) (bool, error)

	// EraseRequests erases the requests of these ids for which may, called with what is stored,
	// returns true, and returns how many. It leaves out a request with a pending job other than a
	// renewal, with a renewal in progress, or with an event that is not in the audit log yet. With
	// a request it erases its trail, jobs and calls, and adds a purge job for its documents.
	EraseRequests(
		ctx context.Context, ids []string, now time.Time, may func(*request.Request) bool,
	) (n int, err error)

	// EraseMonths erases the requests of each calendar month, in UTC, that ended before a time,
	// with their trails, jobs and calls, by dropping the partitions of the month, and adds purge
	// jobs. It leaves a month as it is if may, called with each stored request, returns false for
	// one, or if EraseRequests would leave one out. It calls done with the number of requests and
	// the duration of each transaction, and stops at its error. A store without partitions erases
	// none.
	EraseMonths(
		ctx context.Context, before, now time.Time, may func(*request.Request) bool,
		done func(n int, took time.Duration) error,
	) error

	// MakePartitions makes the partitions for the months to come, and returns how many.
	MakePartitions(ctx context.Context, now time.Time) (n int, err error)

	// PhonesAfter lists up to limit phones, in the order of their ids, after an id.
	PhonesAfter(ctx context.Context, id string, limit int) ([]signer.Phone, error)

	// ErasePhone erases a phone with its events if may, called with what is stored, returns true,
	// and reports whether it did.
	ErasePhone(
		ctx context.Context, p signer.Phone, now time.Time, may func(signer.Phone) bool,
	) (bool, error)

	// EraseChanges erases up to limit changes of relying parties before a time.
	EraseChanges(ctx context.Context, before, now time.Time, limit int) (n int, err error)

	// ForgetCalls is the method of calllog.Store.
	ForgetCalls(ctx context.Context, before time.Time, keep int) (n int64, err error)
}

// Sweeper erases what is older than its policy says. On several nodes one sweeps at a time.
type Sweeper struct {
	Store  Store
	Policy Policy
	Now    func() time.Time
	Log    *slog.Logger

	// Erased, if set, is called with the number of rows of a table that a transaction has erased.
	Erased func(table string, n int)
}

// The names of the tables in logs and metrics.
const (
	Requests = "requests"
	Phones   = "phones"
	Changes  = "party_changes"
	Calls    = "calls"
)

const (
	every = time.Hour   // between sweeps
	look  = time.Minute // between attempts to claim one

	// atOnce bounds how long one transaction delays other changes, to a few milliseconds.
	atOnce = 16
)

// Run sweeps once an hour, when no other node does, until ctx ends.
func (s *Sweeper) Run(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		claimed, err := s.Store.ClaimSweep(ctx, s.Now(), every)
		if claimed {
			_, err = s.Sweep(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Error("erasing what is kept for long enough", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Sweep erases everything that is older than the policy says, and returns how many rows of each
// table. It never erases a request that is in progress. After an error it continues with the next
// table. It ends after an hour at most, because another node may sweep then; the next sweep
// continues.
func (s *Sweeper) Sweep(ctx context.Context) (erased map[string]int, err error) {
	ctx, cancel := context.WithTimeout(ctx, every-look)
	defer cancel()
	run := &sweep{Sweeper: s, now: s.Now().UTC(), erased: map[string]int{}}
	_, err = s.Store.MakePartitions(ctx, run.now)
	err = errors.Join(
		err, run.months(ctx), run.requests(ctx), run.phones(ctx), run.changes(ctx), run.calls(ctx),
	)
	var attrs []any
	for _, table := range slices.Sorted(maps.Keys(run.erased)) {
		attrs = append(attrs, table, run.erased[table])
	}
	if len(attrs) > 0 {
		s.Log.Info("erased what was kept for long enough", attrs...)
	}
	return run.erased, err
}

// sweep is one sweep.
type sweep struct {
	*Sweeper
	now    time.Time
	erased map[string]int
}

// note counts erased rows, and pauses so that most transactions of the time are those of others.
// took is the duration of the transaction.
func (s *sweep) note(ctx context.Context, table string, n int, took time.Duration) error {
	if n > 0 {
		s.erased[table] += n
		if s.Erased != nil {
			s.Erased(table, n)
		}
	}
	select {
	case <-ctx.Done():
	case <-time.After(max(4*took, 10*time.Millisecond)):
	}
	return ctx.Err()
}

// keep is how long the requests of a final state are kept since they ended; 0 is without an end.
func (p Policy) keep(state request.State) time.Duration {
	if state.Signed() {
		return p.Signed
	}
	return p.Unsigned
}

// months erases the requests of months of which all are old enough.
func (s *sweep) months(ctx context.Context) error {
	longest := max(s.Policy.Signed, s.Policy.Unsigned)
	if s.Policy.Signed == 0 || s.Policy.Unsigned == 0 {
		return nil
	}
	may := func(r *request.Request) bool {
		return r.State.Final() && r.EndedAt().Before(s.now.Add(-s.Policy.keep(r.State)))
	}
	return s.Store.EraseMonths(
		ctx, s.now.Add(-longest), s.now, may,
		func(n int, took time.Duration) error { return s.note(ctx, Requests, n, took) },
	)
}

// requests erases requests. A request is made before it ends, so the index by the time at which
// they were made finds all candidates.
func (s *sweep) requests(ctx context.Context) error {
	for _, state := range request.States() {
		keep := s.Policy.keep(state)
		if !state.Final() || keep == 0 {
			continue
		}
		before := s.now.Add(-keep)
		may := func(r *request.Request) bool {
			return r.State == state && r.EndedAt().Before(before)
		}
		f := request.Filter{State: state, To: before, OldestFirst: true, Limit: atOnce}
		for {
			page, err := s.Store.List(ctx, f)
			if err != nil {
				return err
			}
			if len(page) == 0 {
				break
			}
			f.Before = f.CursorAt(page[len(page)-1])
			var ids []string
			for _, r := range page {
				if may(r) {
					ids = append(ids, r.ID)
				}
			}
			if len(ids) == 0 {
				continue
			}
			began := time.Now()
			n, err := s.Store.EraseRequests(ctx, ids, s.now, may)
			if err != nil {
				return fmt.Errorf("erasing requests: %w", err)
			}
			if err := s.note(ctx, Requests, n, time.Since(began)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *sweep) phones(ctx context.Context) error {
	if s.Policy.Phones == 0 {
		return nil
	}
	before := s.now.Add(-s.Policy.Phones)
	may := func(p signer.Phone) bool {
		ended, err := p.EndedAt()
		return err == nil && ended.Before(before)
	}
	const page = 500
	for after := ""; ; {
		phones, err := s.Store.PhonesAfter(ctx, after, page)
		if err != nil || len(phones) == 0 {
			return err
		}
		after = phones[len(phones)-1].ID
		for _, p := range phones {
			if !may(p) {
				continue
			}
			began := time.Now()
			done, err := s.Store.ErasePhone(ctx, p, s.now, may)
			if err != nil {
				return fmt.Errorf("erasing phones: %w", err)
			}
			n := 0
			if done {
				n = 1
			}
			if err := s.note(ctx, Phones, n, time.Since(began)); err != nil {
				return err
			}
		}
	}
}

func (s *sweep) changes(ctx context.Context) error {
	if s.Policy.Changes == 0 {
		return nil
	}
	for {
		began := time.Now()
		n, err := s.Store.EraseChanges(ctx, s.now.Add(-s.Policy.Changes), s.now, atOnce)
		if err != nil {
			return fmt.Errorf("erasing changes of relying parties: %w", err)
		}
		if err := s.note(ctx, Changes, n, time.Since(began)); err != nil || n < atOnce {
			return err
		}
	}
}

func (s *sweep) calls(ctx context.Context) error {
	var before time.Time
	if s.Policy.Calls > 0 {
		before = s.now.Add(-s.Policy.Calls)
	}
	began := time.Now()
	n, err := s.Store.ForgetCalls(ctx, before, s.Policy.MaxCalls)
	return errors.Join(err, s.note(ctx, Calls, int(n), time.Since(began)))
}
