package store

import (
	"context"
	"fmt"
	"time"
)

// ClockOffset measures how far now is ahead of the clock of the database's server, with an error of
// half a round trip. SQLite has no clock, so the offset is 0.
func (s *Store) ClockOffset(
	ctx context.Context, now func() time.Time,
) (offset time.Duration, err error) {
	if s.dialect.clock == "" {
		return 0, nil
	}
	const tries = 3 // the first one prepares the statement
	shortest := time.Duration(-1)
	for range tries {
		var us int64
		begin := now()
		if err := s.readers.row(ctx, s.dialect.clock, nil, &us); err != nil {
			return 0, fmt.Errorf("reading the database's clock: %w", err)
		}
		took := now().Sub(begin)
		if shortest < 0 || took < shortest {
			shortest, offset = took, begin.Add(took/2).Sub(instant(us))
		}
	}
	return offset, nil
}
