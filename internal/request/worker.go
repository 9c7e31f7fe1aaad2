package request

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Handler runs one job and sets its outcome (Finish, Retry or Fail). The events that it returns are
// added to the trail in the same transaction. It must be safe to run again, because a process may
// die between the work and the record.
type Handler func(ctx context.Context, job *Job) []Event

// Worker stores what time does to requests, and runs the jobs of the outbox. Any number of workers
// may share a store.
type Worker struct {
	// Grace is how long jobs may go on after Run's context ended; 0: their contexts end with it.
	Grace time.Duration

	service  *Service
	handlers map[JobKind]handler
	log      *slog.Logger

	mu      sync.Mutex                 // held during a pass
	running map[int64]Job              // jobs running in this process, as last claimed
	counts  map[JobKind]map[string]int // numbers of running jobs by client id
	done    chan struct{}              // a job has ended

	purging sync.Mutex // one batch at a time
}

// handler runs the jobs of one kind. The bounds for each kind keep slow webhooks from delaying
// seals, and the bounds for each relying party keep its receiver from delaying the webhooks of
// others.
type handler struct {
	run      Handler
	most     int // jobs at the same time
	perParty int // of them, for one relying party
}

// lease is how long a claim of a job holds, far longer than any handler takes. If the process dies,
// another one can claim the job afterwards, or at once if the store knows that the process died.
const lease = 60 * time.Second

// How long to wait before the outcome of a job is recorded again.
const (
	firstSettleDelay = 50 * time.Millisecond
	maxSettleDelay   = 2 * time.Second
)

// poll is how often a worker looks for changes by time. Other changes are signalled.
const poll = 200 * time.Millisecond

// minInterval is the minimum time between two passes. Under load every change signals, and a pass
// for each would cost more than the work, so one pass finds the jobs of many changes.
const minInterval = 20 * time.Millisecond

// dueAtOnce is how many changes by time a pass applies.
const dueAtOnce = 256

// Documents are deleted in batches, so that the deletions of a second share their flushes.
const (
	purgeEvery = time.Second
	// while many callers change requests, purges wait for so long
	maxPurgeDelay = 3 * time.Second
	purgeAtOnce   = 256
)

// NewWorker returns a worker for s. deliver handles webhooks.
func NewWorker(s *Service, deliver Handler) *Worker {
	return &Worker{
		service: s,
		log:     s.Log,
		handlers: map[JobKind]handler{
			JobSeal:    {s.Seal, 4, 3},
			JobWebhook: {deliver, 64, 32},
			JobRenew:   {s.Renew, 1, 1}, // it is not urgent
		},
		running: map[int64]Job{},
		counts:  map[JobKind]map[string]int{JobSeal: {}, JobWebhook: {}, JobRenew: {}},
		done:    make(chan struct{}, 1),
	}
}

// Run works until ctx ends, and then waits for running jobs.
func (w *Worker) Run(ctx context.Context) error {
	jobsCtx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(w.Grace, cancel) })()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	var deleting sync.WaitGroup
	deleting.Go(func() { w.runPurges(ctx) })
	deleting.Go(func() { w.sweepStrays(ctx) })
	defer deleting.Wait()
	for ctx.Err() == nil {
		if _, err := w.pass(ctx, jobsCtx); err != nil && ctx.Err() == nil {
			w.log.Error("worker pass", "err", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(minInterval):
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-w.service.Outbox.Ready():
		case <-w.done:
		}
	}
	for w.busy() {
		<-w.done
	}
	last, end := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer end()
	return w.service.countDownloads(last, time.Time{})
}

// sweepStrays looks for stray documents when it starts and then every hour, until ctx ends. It
// looks at every stored document, which takes long, so no job waits for it.
func (w *Worker) sweepStrays(ctx context.Context) {
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for {
		if err := w.service.PurgeStrays(ctx); err != nil && ctx.Err() == nil {
			w.log.Warn("looking for stray documents", "err", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// runPurges deletes documents until ctx ends.
func (w *Worker) runPurges(ctx context.Context) {
	tick := time.NewTicker(purgeEvery)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if w.service.Outbox.Busy() && time.Since(last) < maxPurgeDelay {
			continue
		}
		last = time.Now()
		for ctx.Err() == nil {
			n, err := w.purge(ctx)
			if err != nil && ctx.Err() == nil {
				w.log.Error("deleting documents", "err", err)
			}
			if n < purgeAtOnce {
				break
			}
		}
	}
}

// purge claims and runs up to purgeAtOnce purges. It returns how many it has settled.
func (w *Worker) purge(ctx context.Context) (n int, err error) {
	w.purging.Lock()
	defer w.purging.Unlock()
	jobs, err := w.service.Outbox.Claim(
		ctx, JobPurge, w.service.now(), lease, Quota{Jobs: purgeAtOnce},
	)
	if err != nil || len(jobs) == 0 {
		return 0, err
	}
	if err := w.settle(ctx, w.service.Purge(ctx, jobs)...); err != nil {
		return 0, err
	}
	return len(jobs), nil
}

// WhileIdle drains, and calls change while no job is running, so that none of them begins before
// and ends after a change of the clock. It returns the error of change.
func (w *Worker) WhileIdle(ctx context.Context, change func() error) error {
	for {
		if err := w.Drain(ctx); err != nil {
			return err
		}
		w.mu.Lock()
		if len(w.running) == 0 {
			defer w.mu.Unlock()
			return change()
		}
		w.mu.Unlock()
	}
}

// Drain does everything that is due now. It returns when nothing is due and no job is running.
func (w *Worker) Drain(ctx context.Context) error {
	for {
		n, err := w.pass(ctx, ctx)
		if err != nil {
			return err
		}
		if n == 0 {
			if n, err = w.purge(ctx); n == 0 {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond): // another goroutine may have taken the signal
		}
	}
}

// pass applies changes by time and starts the jobs that are due, with the context jobsCtx. It
// returns the number of changes and jobs. Jobs that were running before count too, because the pass
// may have missed the work that they add.
func (w *Worker) pass(ctx, jobsCtx context.Context) (found int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	found = len(w.running)
	now := w.service.now()
	ids, err := w.service.Store.Due(ctx, now, w.atOnce())
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		switch due, dueErr := w.service.isDue(ctx, id); {
		case dueErr != nil:
			err = errors.Join(err, dueErr)
			continue
		case !due:
			continue
		}
		settleErr := w.service.update(ctx, id, func(*Request, time.Time) (e Effects, err error) {
			return e, nil
		})
		if settleErr != nil { // go on, so that one bad row does not stop the others
			err = errors.Join(err, settleErr)
			continue
		}
		found++
	}
	err = errors.Join(err, w.service.countDownloads(ctx, now))
	for kind, h := range w.handlers {
		running := w.counts[kind]
		q := Quota{Jobs: h.most, PerParty: h.perParty, Running: running}
		for _, n := range running {
			q.Jobs -= n
		}
		if q.Jobs <= 0 {
			continue
		}
		claimed, claimErr := w.service.Outbox.Claim(ctx, kind, now, lease, q)
		err = errors.Join(err, claimErr)
		for _, job := range claimed {
			_, again := w.running[job.ID]
			w.running[job.ID] = job
			if again {
				continue // the goroutine that runs it finds the new claim at its end
			}
			running[job.ClientID]++
			found++
			go w.do(jobsCtx, h.run, job)
		}
	}
	return found, err
}

// atOnce returns how many changes by time a pass may find: some, and those that wait for a stopped
// clock.
func (w *Worker) atOnce() int {
	if w.service.Clocks == nil {
		return dueAtOnce
	}
	return dueAtOnce + w.service.Clocks.Count()
}

// do runs a job. The job may be claimed again while it runs, because a clock was moved beyond its
// lease; then the outcome is recorded under the new claim. If it is claimed again after its outcome
// was recorded, it runs again.
func (w *Worker) do(ctx context.Context, run Handler, job Job) {
	for {
		events := run(ctx, &job)
		w.mu.Lock()
		job.Lease = w.running[job.ID].Lease
		w.mu.Unlock()
		job.DueAt = w.service.due(job.RequestID, job.DueAt)
		if err := w.settle(ctx, Settlement{Job: job, Events: events}); err != nil {
			w.log.Error(
				"recording a job", "job", job.ID, "kind", job.Kind, "request_id", job.RequestID,
				"err", err,
			)
		}
		w.mu.Lock()
		latest := w.running[job.ID]
		if latest.Lease.Equal(job.Lease) || ctx.Err() != nil {
			delete(w.running, job.ID)
			running := w.counts[job.Kind]
			if running[job.ClientID]--; running[job.ClientID] == 0 {
				delete(running, job.ClientID)
			}
			w.mu.Unlock()
			break
		}
		w.mu.Unlock()
		job = latest
	}
	select {
	case w.done <- struct{}{}:
	default:
	}
}

// settle records the outcomes of jobs. It also does so once after ctx has ended, because the work
// is done. Until then it tries again while the database is away, until the end of the lease, before
// which a job without a record is not due.
func (w *Worker) settle(ctx context.Context, settled ...Settlement) error {
	record := func() error {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		return w.service.Outbox.Settle(once, settled...)
	}
	end := settled[0].Job.Lease
	for delay := firstSettleDelay; ; delay = min(2*delay, maxSettleDelay) {
		err := record()
		if err == nil || !end.After(w.service.now().Add(delay)) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(delay):
		}
	}
}

func (w *Worker) busy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.running) > 0
}
