package app

import (
	"context"
	"crypto/rand"
	"errors"
	"time"

	"github.com/signet-sign/signet/internal/calllog"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/retention"
)

// sweeper returns what erases old rows. A sandbox, whose clock can be moved by years, keeps
// everything but calls.
func (a *App) sweeper() *retention.Sweeper {
	c := &a.Config
	days := func(n int) time.Duration { return time.Duration(n) * 24 * time.Hour }
	policy := retention.Policy{Calls: days(c.RetainCallsDays), MaxCalls: calllog.DefaultLimits.All}
	if a.wall == nil { // the service
		policy.Signed, policy.Unsigned = days(c.RetainSignedDays), days(c.RetainUnsignedDays)
		policy.Phones, policy.Changes = days(c.RetainPhonesDays), days(c.RetainChangesDays)
	}
	return &retention.Sweeper{
		Store: a.store, Policy: policy, Now: a.now, Log: a.log, Erased: a.metrics.Erased,
	}
}

// personActs returns what does the acts of operators for a person while the service runs.
func (a *App) personActs() *person.Service {
	return &person.Service{
		Store: a.store, Signers: a.signers, FourEyes: a.Config.ConsoleFourEyes, Now: a.now,
		Rand: rand.Reader,
		Before: func(ctx context.Context) error {
			return errors.Join(a.calls.Flush(ctx), a.audit.Integrate(ctx))
		},
		After: func(ctx context.Context) error {
			return errors.Join(a.audit.Integrate(ctx), a.store.Overwrite(ctx))
		},
	}
}
