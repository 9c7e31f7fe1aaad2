package token

import (
	"context"
	"time"
)

// Replay remembers the ids of tokens (jti), so that each authorises one call only.
type Replay interface {
	// Use records that the party used the jti and reports whether this was the first time. The
	// record is durable when Use returns, and it must be kept until the given time at least;
	// afterwards the token is refused by its exp. Of any number of concurrent calls with one pair,
	// in whatever process or node, exactly one gets first = true. Ids of different parties do not
	// meet. An error means that nothing is known, and the caller refuses the token.
	Use(ctx context.Context, clientID, jti string, until time.Time) (first bool, err error)

	// Used reports whether a record of the pair is there already. It may miss one that is made in
	// this moment.
	Used(ctx context.Context, clientID, jti string) (bool, error)
}

// replayMargin is how long a jti outlives its token: the clocks of several nodes may differ by that
// much.
const replayMargin = 60 * time.Second
