package tsa

import (
	"context"
	"errors"
	"fmt"
)

// Source makes timestamps: an [Authority] or a [Client].
type Source interface {
	Timestamp(ctx context.Context, imprint []byte) ([]byte, error)
}

// Alternatives asks its sources in order until one answers. The next source is for when the
// previous one does not answer or answers wrongly.
type Alternatives []Source

// Timestamp returns the first token that a source returns. The error contains the errors of all
// sources.
func (a Alternatives) Timestamp(ctx context.Context, imprint []byte) ([]byte, error) {
	errs := []error{errors.New("tsa: no timestamp")}
	for i, s := range a {
		token, err := s.Timestamp(ctx, imprint)
		if err == nil {
			return token, nil
		}
		errs = append(errs, fmt.Errorf("authority %d: %w", i+1, err))
		if ctx.Err() != nil {
			break // no time is left for another source
		}
	}
	return nil, errors.Join(errs...)
}
