package token

import (
	"context"
	"time"
)

// Replay records the ids of used tokens (jti), so that each authorises only one call.
type Replay interface {
	// Use records that the party used the jti and reports whether this was the first time. The
	// record is durable when Use returns, and is kept at least until the given time, after which
	// exp refuses the token. Of any number of concurrent calls with one pair, on all nodes, exactly
	// one gets first = true. Ids of different parties are independent. After an error the caller
	// must refuse the token.
	Use(ctx context.Context, clientID, jti string, until time.Time) (first bool, err error)

	// UseFor is Use for a call that may be repeated: it records what the party used the jti for,
	// and returns the purpose that is recorded, which is the given one if this was the first time.
	// It returns "" for a jti that Use has recorded.
	UseFor(
		ctx context.Context, clientID, jti, purpose string, until time.Time,
	) (recorded string, err error)

	// Used reports whether a record of the pair exists. It may miss one that is being made.
	Used(ctx context.Context, clientID, jti string) (bool, error)
}

// replayMargin is how long the record of a jti is kept after the token's end, because the clocks of
// nodes may differ.
const replayMargin = 60 * time.Second
