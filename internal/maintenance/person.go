package maintenance

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"github.com/signet-sign/signet/internal/config"
	"github.com/signet-sign/signet/internal/parts"
	"github.com/signet-sign/signet/internal/person"
	"github.com/signet-sign/signet/internal/retention"
	"github.com/signet-sign/signet/internal/signer"
)

// ForgetPerson removes the identifiers of a person from the database of a deployment; see
// [retention.Forget]. by is the operator who does so. It needs a SQLite database for itself.
func ForgetPerson(
	ctx context.Context, c config.Config, uin, by string, log *slog.Logger,
) (done retention.Forgotten, err error) {
	if uin = signer.Normalize(uin); !signer.ValidUIN(uin) {
		return done, person.ErrNoUIN
	}
	p, l, err := parts.OpenLog(ctx, &c, log)
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	now := func() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }
	if done, err = retention.Forget(ctx, p.Store, uin, by, now, rand.Reader); err != nil {
		return done, err
	}
	return done, errors.Join(l.Integrate(ctx), p.Store.Compact(ctx))
}
