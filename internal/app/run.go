package app

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/signet-sign/signet/internal/doctor"
	"github.com/signet-sign/signet/internal/obs"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/server"
)

// Run serves until ctx ends and all work in progress is finished. It stops in this order: the
// readiness ends, and Run waits for load balancers to notice it; listener and worker take nothing
// new, and finish their work within Config.StopTimeout; then everything else ends.
func (a *App) Run(ctx context.Context) error {
	g, failed := errgroup.WithContext(ctx)
	taking, stopTaking := context.WithCancel(context.WithoutCancel(ctx))
	defer stopTaking()
	rest, endRest := context.WithCancel(context.WithoutCancel(ctx))
	defer endRest()
	grace := cmp.Or(a.Config.StopTimeout, defaultStopTimeout)
	a.worker.Grace = grace

	g.Go(func() error {
		<-failed.Done()
		if a.health.Stop() && a.Config.DrainDelay > 0 {
			a.log.Info("stopping: not ready any more", "drain_delay", a.Config.DrainDelay)
			time.Sleep(a.Config.DrainDelay)
		}
		close(a.stop)
		stopTaking()
		return nil
	})
	var finished sync.WaitGroup
	finish := func(run func() error) {
		finished.Add(1)
		g.Go(func() error {
			defer finished.Done()
			return run()
		})
	}
	public := doctor.AnswerProbes(
		a.front(obs.Observe(
			a.inTurn(publicName, a.public()), a.log, a.metrics, a.tracer,
		)),
		a.security.Secret, time.Now, time.After,
	)
	finish(func() error {
		return a.server(publicName, public, a.tls, grace).Serve(taking, a.listener)
	})
	if a.localListener != nil {
		finish(func() error {
			return a.server(publicName, public, nil, grace).Serve(taking, a.localListener)
		})
	}
	finish(func() error { return a.worker.Run(taking) })
	g.Go(func() error {
		finished.Wait()
		endRest()
		return nil
	})
	if a.httpListener != nil {
		h := a.front(a.inTurn(redirectName, a.httpHandler))
		finish(func() error {
			return a.server(redirectName, h, nil, grace).Serve(taking, a.httpListener)
		})
	}
	if a.acme != nil {
		g.Go(func() error { return a.obtain(taking) })
	}
	if a.controlListener != nil {
		var secure *tls.Config
		if a.Config.ControlTLS {
			secure = a.tls
		}
		h := a.front(
			a.inTurn(controlName, a.kit.ErrorPages(server.Protect(a.controlHandler))),
		)
		control := a.server(controlName, h, secure, time.Second)
		g.Go(func() error { return control.Serve(rest, a.controlListener) })
	}
	g.Go(func() error { return a.calls.Run(rest) })
	g.Go(func() error { return a.tracer.Run(rest) })
	if a.automatic != nil {
		g.Go(func() error { return a.automatic.Run(taking) })
	}
	if a.clock != nil {
		g.Go(func() error {
			return every(rest, parts.ClockEvery, func(ctx context.Context) {
				_ = a.clock.Measure(ctx) // the database is away, which others report
			})
		})
		g.Go(func() error { return every(rest, time.Minute, a.recordWebhookKeys) })
	}
	g.Go(func() error { return a.followAuthority(rest) })
	g.Go(func() error { return every(rest, 10*time.Minute, a.forget) })
	g.Go(func() error { return every(rest, 5*time.Second, a.returnMemory) })
	g.Go(func() error { return a.sweeper().Run(rest) })
	g.Go(func() error { return a.security.Run(rest) })
	g.Go(func() error { return a.documents.Run(rest) })
	g.Go(func() error { return a.audit.Run(rest) })
	g.Go(func() error { return a.parties.Run(rest, a.log) })
	return errors.Join(g.Wait(), a.Close())
}

// defaultStopTimeout is Config.StopTimeout where it is 0.
const defaultStopTimeout = 60 * time.Second

// forget removes the records of tokens that have expired.
func (a *App) forget(ctx context.Context) {
	if _, err := a.store.ForgetUsed(ctx, a.earliest()); err != nil && ctx.Err() == nil {
		a.log.Warn("forgetting used tokens", "err", err)
	}
}

// recordWebhookKeys records the keys that sign webhooks, after a rotation.
func (a *App) recordWebhookKeys(ctx context.Context) {
	err := parts.RecordWebhookKeys(ctx, a.store, a.webhookKeys)
	if err != nil && ctx.Err() == nil {
		a.log.Warn("recording the keys of webhooks", "err", err)
	}
}

// every calls do again and again until ctx ends.
func every(ctx context.Context, interval time.Duration, do func(context.Context)) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
			do(ctx)
		}
	}
}

// earliest returns the time before which a token is expired by every clock.
func (a *App) earliest() time.Time {
	now := a.now()
	if a.wall != nil {
		if wall := a.wall(); wall.Before(now) {
			return wall
		}
	}
	return now
}

// Close closes what Open opened. Run calls it at its end.
func (a *App) Close() error {
	var err error
	for _, l := range []net.Listener{
		a.listener, a.controlListener, a.httpListener, a.localListener,
	} {
		if l != nil {
			_ = l.Close() // no error if its server has closed it
		}
	}
	for i := len(a.closers) - 1; i >= 0; i-- {
		err = errors.Join(err, a.closers[i]())
	}
	a.closers = nil
	return err
}
