package request

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

// eagerOutbox has one job, which is claimed again in the moment in which its record says that it is
// to be tried once more.
type eagerOutbox struct {
	Store
	Outbox
	worker *Worker
	job    Job
	claims int
	lost   int // records of a claim that was not the latest
}

func (o *eagerOutbox) Due(context.Context, time.Time, int) ([]string, error) { return nil, nil }

func (o *eagerOutbox) Claim(
	_ context.Context, kind JobKind, now time.Time, lease time.Duration, _ Quota,
) ([]Job, error) {
	if kind != o.job.Kind || o.job.Status != JobPending || o.job.Lease.After(now) {
		return nil, nil
	}
	o.claims++
	o.job.Attempts++
	o.job.Lease = now.Add(lease + time.Duration(o.claims))
	return []Job{o.job}, nil
}

func (o *eagerOutbox) Settle(ctx context.Context, settled ...Settlement) error {
	job := settled[0].Job
	if !job.Lease.Equal(o.job.Lease) {
		o.lost++
		return nil
	}
	o.job = job
	o.job.Lease = time.Time{}
	_, err := o.worker.pass(ctx, ctx)
	return err
}

// TestRetryAtOnce checks that a job that is claimed again before its last attempt is off the books
// is done, and not left until the lease of that claim runs out.
func TestRetryAtOnce(t *testing.T) {
	o := &eagerOutbox{job: Job{ID: 1, RequestID: "r", Kind: JobWebhook, Status: JobPending}}
	s := New(Config{
		Store: o, Outbox: o, Now: func() time.Time { return dawn },
		Log: slog.New(slog.DiscardHandler),
	})
	attempts := 0
	o.worker = NewWorker(s, func(_ context.Context, job *Job) []Event {
		if attempts++; attempts < 3 {
			job.Retry(dawn, context.DeadlineExceeded)
		} else {
			job.Finish()
		}
		return nil
	})
	if err := o.worker.Drain(t.Context()); err != nil {
		t.Fatal(err)
	}
	if attempts != 3 || o.job.Attempts != 3 || o.job.Status != JobDone || o.lost != 0 {
		t.Errorf("%d attempts, %d records lost, the job is %+v", attempts, o.lost, o.job)
	}
	if o.worker.busy() || len(o.worker.counts[JobWebhook]) != 0 {
		t.Errorf("still under way: %v, %v", o.worker.running, o.worker.counts)
	}
}

// TestStill checks that a job which is due runs to its end before the clock is moved.
func TestStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := &eagerOutbox{job: Job{ID: 1, RequestID: "r", Kind: JobWebhook, Status: JobPending}}
		s := New(Config{
			Store: o, Outbox: o, Now: func() time.Time { return dawn },
			Log: slog.New(slog.DiscardHandler),
		})
		o.worker = NewWorker(s, func(_ context.Context, job *Job) []Event {
			time.Sleep(time.Second)
			job.Finish()
			return nil
		})
		if _, err := o.worker.pass(t.Context(), t.Context()); err != nil {
			t.Fatal(err)
		}
		if n, err := o.worker.pass(t.Context(), t.Context()); n != 1 || err != nil {
			t.Errorf("a pass beside a running job found %d (%v), want the job", n, err)
		}
		err := o.worker.WhileIdle(t.Context(), func() error {
			if o.job.Status != JobDone {
				t.Errorf("the clock is moved while a job is %s", o.job.Status)
			}
			return context.Canceled
		})
		if err != context.Canceled {
			t.Error(err)
		}
		if err := o.worker.Drain(t.Context()); err != nil { // the worker is free again
			t.Error(err)
		}
	})
}

// forgetfulOutbox fails to record what is settled while it is away.
type forgetfulOutbox struct {
	eagerOutbox
	away     time.Time // until then
	failures int
}

func (o *forgetfulOutbox) Settle(ctx context.Context, settled ...Settlement) error {
	if time.Now().Before(o.away) {
		o.failures++
		return ErrAway
	}
	return o.eagerOutbox.Settle(ctx, settled...)
}

// TestSettleAgain takes the database away while jobs run. Their outcomes are recorded when it is
// back, and a job that is to be tried again is tried when it is due, not at the end of its lease. A
// worker that has to stop, or whose lease has ended, does not go on recording.
func TestSettleAgain(t *testing.T) {
	for name, test := range map[string]struct {
		away, stop time.Duration
		took       time.Duration // at most
		recorded   bool
	}{
		"back soon":           {away: 3 * time.Second, took: 5 * time.Second, recorded: true},
		"back late":           {away: 50 * time.Second, took: 53 * time.Second, recorded: true},
		"away beyond a lease": {away: time.Hour, took: lease},
		"stopped":             {away: time.Hour, stop: 5 * time.Second, took: 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begin := time.Now()
				o := &forgetfulOutbox{away: begin.Add(test.away)}
				o.job = Job{ID: 1, RequestID: "r", Kind: JobWebhook, Status: JobPending}
				s := New(Config{
					Store: o, Outbox: o, Now: time.Now, Log: slog.New(slog.DiscardHandler),
				})
				attempts := 0
				o.worker = NewWorker(s, func(_ context.Context, job *Job) []Event {
					if attempts++; attempts == 1 {
						job.Retry(time.Now(), context.DeadlineExceeded)
					} else {
						job.Finish()
					}
					return nil
				})
				ctx := t.Context()
				if test.stop > 0 {
					var cancel context.CancelFunc
					ctx, cancel = context.WithTimeout(ctx, test.stop)
					defer cancel()
				}
				if _, err := o.worker.pass(t.Context(), ctx); err != nil {
					t.Fatal(err)
				}
				for o.worker.busy() {
					<-o.worker.done
				}
				if took := time.Since(begin); took > test.took {
					t.Errorf("the worker is busy for %v, want %v at most", took, test.took)
				}
				if o.failures < 2 || o.failures > 40 {
					t.Errorf("%d attempts to record", o.failures)
				}
				switch done := o.job.Status == JobDone; {
				case done != test.recorded:
					t.Errorf("after %d attempts the job is %s", attempts, o.job.Status)
				case done && attempts != 2, !done && attempts != 1:
					t.Errorf("%d attempts", attempts)
				}
			})
		})
	}
}
