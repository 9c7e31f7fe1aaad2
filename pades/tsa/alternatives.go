package tsa

import (
	"context"
	"errors"
	"fmt"
)

// Source makes time stamps: an [Authority] or a [Client].
type Source interface {
	Timestamp(ctx context.Context, imprint []byte) ([]byte, error)
}

// Alternatives asks one source after the other until one answers. The order is
// the operator's: the second is for when the first is away or talks nonsense.
type Alternatives []Source

// Timestamp returns the first token that a source vouches for. The error tells
// what each said.
func (a Alternatives) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	errs := []error{errors.New("tsa: no time stamp")}
	for i, s := range a {
		token, err := s.Timestamp(ctx, imprint)
		if err == nil {
			return token, nil
		}
		errs = append(errs, fmt.Errorf("authority %d: %w", i+1, err))
		if ctx.Err() != nil {
			break // the caller has no time for another
		}
	}
	return nil, errors.Join(errs...)
}
