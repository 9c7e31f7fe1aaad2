package fault

import (
	"context"
	"errors"
)

// Timestamper makes timestamps, as the request package needs it.
type Timestamper interface {
	Timestamp(ctx context.Context, imprint []byte) (token []byte, err error)
}

// Timestamper injects faults into the timestamps of next. of returns the relying party and the
// request that a timestamp is for, or "".
func (s *Set) Timestamper(
	of func(ctx context.Context) (clientID, requestID string), next Timestamper,
) Timestamper {
	return timestamper{s, of, next}
}

type timestamper struct {
	set  *Set
	of   func(ctx context.Context) (clientID, requestID string)
	next Timestamper
}

var errDown = errors.New("injected fault: the timestamp authority does not answer")

// Timestamp implements Timestamper.
func (t timestamper) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	target := Target{Call: "sealing"}
	target.ClientID, target.RequestID = t.of(ctx)
	rule, ok := t.set.take(target, TSADown, SealingSlow)
	switch {
	case ok && rule.Kind == TSADown:
		return nil, errDown
	case ok && !wait(ctx, rule.Delay):
		return nil, ctx.Err()
	}
	return t.next.Timestamp(ctx, imprint)
}
