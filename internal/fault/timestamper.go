package fault

import (
	"context"
	"errors"
)

// Timestamper makes timestamps, as the request package needs it.
type Timestamper interface {
	Timestamp(ctx context.Context, imprint []byte) (token []byte, err error)
}

// Timestamper injects faults into the timestamps of next.
func (s *Set) Timestamper(next Timestamper) Timestamper { return timestamper{s, next} }

type timestamper struct {
	set  *Set
	next Timestamper
}

var errDown = errors.New("injected fault: the timestamp authority does not answer")

// Timestamp implements Timestamper.
func (t timestamper) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	rule, ok := t.set.take(Target{Call: "sealing"}, TSADown, SealingSlow)
	switch {
	case ok && rule.Kind == TSADown:
		return nil, errDown
	case ok && !wait(ctx, rule.Delay):
		return nil, ctx.Err()
	}
	return t.next.Timestamp(ctx, imprint)
}
